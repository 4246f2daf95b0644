"""What a residual's training is: written once when it starts, checked when it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sleight_core.errors import SleightError

from sleight_training.compose.residual.config import ResidualPreset, residual_preset
from sleight_training.compose.residual.methods import METHODS, Method
from sleight_training.ppo.config import PpoConfig
from sleight_training.report import write_ppo_page
from sleight_training.run import CONFIG, RunRecord, provenance, read_config

_COMMAND = "sleight compose residual"


class ResidualRun(RunRecord):
    """One training.

    Attributes:
        kind: "first", the stabiliser, or "second".
        first, second: The tasks; None for the second where only the first counts.
        method: Which method or ablation the second residual is for.
        masks: Preserved fingers of each mask that it is trained on.
        skill: The second skill.
        held: File of held states that episodes start from.
        joint: The first residual is tuned beside the second.
        joint_rate: Its learning rate as a share of the second's [P B.2: lower; own: a tenth].
        preset: Name of the preset that it started from.
        figures: Its figures.
        seed: Seed of networks, physics and starts.
    """

    kind: Literal["first", "second"]
    first: str
    second: str | None = None
    method: Method = Method.OURS
    masks: tuple[tuple[str, ...], ...]
    skill: str = "scripted"
    held: str
    joint: bool = False
    joint_rate: float = 0.1
    preset: str
    figures: ResidualPreset
    seed: int = 0

    @property
    def ppo(self) -> PpoConfig:
        """PPO's figures."""
        return self.figures.ppo

    @property
    def unmasked(self) -> bool:
        """The second residual acts on every element."""
        return METHODS[self.method].second == "unmasked"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The first task, or both."""
        return (self.first,) if self.second is None else (self.first, self.second)


def begin_run(folder: Path, *, iterations: int | None, num_envs: int | None, **fields: object) -> ResidualRun:
    """Write a new run's configuration.

    Args:
        folder: The run's folder.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        fields: Of `ResidualRun`, without figures and provenance.

    Raises:
        SleightError: The folder holds a run already, or there is no such preset.
    """
    if (folder / CONFIG).exists():
        remedy = "add --resume to continue it, or choose another --out"
        raise SleightError("this folder holds a run already", value=folder, remedy=remedy)
    kind = "stabiliser" if fields["kind"] == "first" else "second"
    figures = residual_preset(kind, str(fields["preset"]))
    update = {name: value for name, value in (("iterations", iterations), ("num_envs", num_envs)) if value is not None}
    ppo = PpoConfig.model_validate({**figures.ppo.model_dump(), **update})
    figures = figures.model_copy(update={"ppo": ppo})
    run = ResidualRun.model_validate({**fields, "figures": figures, **provenance()})
    run.write(folder)
    return run


def read_residual_run(folder: Path) -> ResidualRun:
    """Read a run's configuration.

    Raises:
        SleightError: The folder is no such run, or was written by another version.
    """
    return read_config(ResidualRun, folder, _COMMAND)


def write_page(folder: Path) -> Path:
    """Write `index.html` of a run; returns its path."""
    run = read_residual_run(folder)
    facts = [
        ("residual", f"{run.kind}, of {' + '.join(run.tasks)}"),
        ("preserved fingers", "; ".join(", ".join(mask) for mask in run.masks)),
        ("method", METHODS[run.method].title),
        ("preset, seed", f"{run.preset}, {run.seed}"),
    ]
    made = [("command", run.command), ("code", run.git_commit)]
    made.append(("versions", ", ".join(f"{name} {value}" for name, value in run.versions.items())))
    first = run.kind == "first"
    labels = ("held to the end", "held to the end") if first else ("composite success", "interaction done")
    return write_ppo_page(folder, facts, made, run.ppo.iterations, held=labels[0], ever=labels[1])
