"""A student's run as a bundle: a policy that sees only what a robot does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sleight_core.bundle.manifest import (
    Mlp,
    MoeResidual,
)
from sleight_core.errors import SleightError
from sleight_training.student.config import StudentRun, read_student
from sleight_training.student.network import StudentNetwork
from sleight_training.student.training import build_network, make_student_task

from sleight_export.bundle import Exported, ExportRequest, export_policy
from sleight_export.run import CHECKPOINT, GOLDEN, GOLDEN_ENVS, common_sections, read_checkpoint, record_observations


def export_student(
    folder: Path, out: Path, *, name: str = "", checkpoint: str = CHECKPOINT, overwrite: bool = False
) -> Exported:
    """Export the policy of a student's run.

    Args:
        folder: The folder that ``sleight train student`` wrote.
        out: Folder of the bundle.
        name: Name of the bundle; default: the name of its folder.
        checkpoint: File of the run to export.
        overwrite: Whether an existing bundle there is replaced.

    Raises:
        SleightError: The folder is no student's run, its checkpoint is missing, damaged or of another network, or the
            bundle is refused.
    """
    run, data = read_student(folder), read_checkpoint(folder / checkpoint)
    request = student_request(run, data, folder / checkpoint, name or out.resolve().name)
    return export_policy(request, out, overwrite=overwrite)


def student_request(run: StudentRun, data: dict[str, Any], source: Path, name: str) -> ExportRequest:
    """Collect what a bundle needs from a student's run.

    Args:
        run: The run's configuration.
        data: A checkpoint of the run.
        source: Where the checkpoint came from, for messages.
        name: Name of the bundle.

    Raises:
        SleightError: The checkpoint is of another network.
    """
    actor = trained_network(run, data, source)
    mixture = run.mixture
    composition = Mlp()
    if mixture is not None:
        names = tuple(expert.name for expert in mixture.experts)
        composition = MoeResidual(k=mixture.k, normalisation=mixture.normalisation, expert_names=names)
    what = "mixes the teacher's experts and corrects them" if mixture is not None else "acts by itself"
    return ExportRequest(
        name=name,
        actor=actor,
        golden=record_observations(actor, make_student_task(run, GOLDEN_ENVS, **GOLDEN)),
        description=f"Vision-based student that {what}: sees a cloud of {run.network.cloud_points} points of the "
        f"object, learnt on {run.objects}.",
        composition=composition,
        **common_sections(run, data, f"DAgger, teacher {run.teacher} of {run.teacher_steps} steps"),
    )


def trained_network(run: StudentRun, data: dict[str, Any], source: Path) -> StudentNetwork:
    """Return a run's network with the weights of a checkpoint, ready to act.

    Raises:
        SleightError: The checkpoint is of another network, or not finite.
    """
    network = build_network(run)
    try:
        network.load_state_dict(data["actor_state_dict"])
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SleightError(
            "checkpoint is of another network than the run's configuration", value=source, remedy=reason
        ) from error
    if not all(bool(np.isfinite(value.numpy()).all()) for value in network.state_dict().values()):
        raise SleightError("checkpoint holds weights that are not finite", value=source, remedy="train again")
    return network.eval()
