"""A kept policy file of a skill or a residual as a run's folder again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open
from sleight_core.errors import SleightError

from sleight_training.compose.diffusion.skill import POLICY, read_policy
from sleight_training.compose.residual.policy import METADATA, ResidualPolicy


def restore_policy(file: Path, folder: Path) -> str:
    """Copy a policy into a run's folder, after reading it.

    The folder can be measured, composed and exported like the run's; its training cannot be resumed.

    Args:
        file: The `policy.safetensors` of a run of `sleight train skill` or `sleight compose residual`.
        folder: The run's folder; one that holds this very policy stays as it is.

    Returns:
        What it is, in a line.

    Raises:
        SleightError: The file is no such policy, or the folder holds another.
    """
    try:
        with safe_open(file, framework="np") as opened:
            residual = METADATA in (opened.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise SleightError("the policy cannot be read", value=file, remedy=str(error)) from error
    if residual:
        spec = ResidualPolicy.load(file).spec
        what = f"{spec.kind} residual of {' + '.join(spec.tasks)}"
    else:
        what = f"skill {read_policy(file)[0].task.name}"
    target = folder / POLICY
    if target.exists():
        if target.read_bytes() != file.read_bytes():
            raise SleightError("this folder holds another policy", value=folder, remedy="choose another --out")
        return what
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.copyfile(file, part)
    os.replace(part, target)
    return what
