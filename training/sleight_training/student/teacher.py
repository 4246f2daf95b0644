"""The privileged teacher: the deterministic actor of a base or hyper run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sleight_core.errors import SleightError
from torch import nn

from sleight_training.codes.network import PointNet
from sleight_training.hyper.config import HyperConfig
from sleight_training.hyper.experts import Expert, actor_network, load_expert
from sleight_training.hyper.mixture import HyperPolicy
from sleight_training.hyper.training import rebuild
from sleight_training.ppo.runner import read_checkpoint
from sleight_training.run import RunConfig, read_run
from sleight_training.student.config import is_student
from sleight_training.weights import SUFFIX, read_weights


@dataclass(frozen=True)
class Teacher:
    """A teacher.

    Attributes:
        run: Its configuration; `run.task.terms` are what it sees.
        network: Observations (B, D) -> actions (B, A), not clamped; a hyper-policy gives a tuple that begins with them.
        mixture: What a student that mixes experts mixes: the teacher's experts, or the teacher itself.
        experts: Their networks, in the order of `mixture.experts`.
        encoder: The object encoder, when it sees codes.
        steps: Environment steps that it learnt from.
    """

    run: RunConfig
    network: nn.Module
    mixture: HyperConfig
    experts: list[Expert]
    encoder: PointNet | None
    steps: int

    @torch.no_grad()
    def action(self, obs: torch.Tensor) -> torch.Tensor:
        """Return what the teacher wants (B, A), not clamped, for its observations (B, D)."""
        out = self.network(obs)
        return out[0] if isinstance(out, tuple) else out


def load_teacher(path: Path) -> Teacher:
    """Load a teacher.

    Args:
        path: The folder of a base or hyper run, or the ``.safetensors`` file kept of one.

    Raises:
        SleightError: It is neither, is damaged, or is a student itself.
    """
    if is_student(path):
        raise SleightError("a student is no teacher", value=path, remedy="give the run that it learnt from")
    if path.suffix == SUFFIX:
        run, data = read_weights(path)
    else:
        run, data = read_run(path), read_checkpoint(path / "checkpoint.pt")
    steps = int(data.get("progress", {}).get("steps", 0))
    if run.hyper is None:
        config, expert = load_expert(path)
        return Teacher(run, expert, HyperConfig(experts=(config,)), [expert], None, steps)
    return _hyper_teacher(run, data, path, steps)


def _hyper_teacher(run: RunConfig, data: dict[str, Any], path: Path, steps: int) -> Teacher:
    assert run.hyper is not None
    mixture, encoder = rebuild(run, data)
    actor = actor_network(run, data, path)
    if int(actor.mlp[-1].out_features) != mixture.output_size:  # type: ignore[arg-type]  # a linear layer
        raise SleightError("the checkpoint is not that of the run's configuration", value=path, remedy="train it again")
    mixed = HyperConfig(experts=run.hyper.experts, normalisation=run.hyper.normalisation)
    experts = [expert for expert in mixture.experts if isinstance(expert, Expert)]
    return Teacher(run, HyperPolicy(actor, mixture).eval(), mixed, experts, encoder, steps)
