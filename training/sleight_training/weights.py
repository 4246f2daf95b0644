"""A run's networks in one small file (safetensors): what a repository keeps of a training."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sleight_core.errors import SleightError

from sleight_training.ppo.runner import read_checkpoint
from sleight_training.run import RunConfig, read_run

SUFFIX = ".safetensors"
_STATE = "_state_dict"


def write_weights(folder: Path, path: Path, checkpoint: str = "checkpoint.pt") -> Path:
    """Write actor and critic of a run, with its configuration and progress; optimiser and logs stay behind.

    Args:
        folder: The run.
        path: The file, ending in ``.safetensors``; replaced atomically.
        checkpoint: File of the run to take.

    Raises:
        SleightError: The folder is no run, its checkpoint is missing or damaged, or the file's name is another.
    """
    if path.suffix != SUFFIX:
        raise SleightError("weights are kept in a file of another name", value=path, remedy=f"end it in {SUFFIX}")
    run, data = read_run(folder), read_checkpoint(folder / checkpoint)
    tensors = {
        f"{network.removesuffix(_STATE)}.{name}": value.contiguous()
        for network, state in data.items()
        if network.endswith(_STATE) and network != "optimizer_state_dict"
        for name, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"run": run.model_dump_json(), "progress": json.dumps(data["progress"])})
    os.replace(part, path)
    return path


def read_weights(path: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Read such a file.

    Returns:
        The run's configuration, and what `read_checkpoint` returns of a checkpoint, without the optimiser.

    Raises:
        SleightError: It is missing, damaged, or of another kind.
    """
    states: dict[str, Any] = {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118  # not a mapping
                network, name = key.split(".", 1)
                states.setdefault(network + _STATE, {})[name] = file.get_tensor(key)
        run = RunConfig.model_validate_json(metadata["run"])
        progress = json.loads(metadata["progress"])
    except FileNotFoundError as error:
        raise SleightError("no such weights", value=path) from error
    except (SafetensorError, KeyError, ValueError, ValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SleightError("weights cannot be read", value=path, remedy=f"write them again ({reason})") from error
    if not all(torch.isfinite(value).all() for state in states.values() for value in state.values()):
        raise SleightError("weights are not finite", value=path, remedy="train again")
    if "actor_state_dict" not in states:
        raise SleightError("weights hold no actor", value=path, remedy="write them again")
    return run, {**states, "progress": progress}
