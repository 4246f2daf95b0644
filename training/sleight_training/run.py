"""A training run's folder: its configuration and what made it, so that it can be resumed, exported and reproduced."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from sleight_core.errors import SleightError
from sleight_sim.tasks.grasp.config import GraspTaskConfig

from sleight_training.hyper.config import HyperConfig
from sleight_training.ppo.config import PpoConfig
from sleight_training.proposals import ProposalConfig

CONFIG = "config.json"

Config = TypeVar("Config", bound=BaseModel)


class RunRecord(BaseModel):
    """What every training's configuration says of how it was made.

    Attributes:
        command: Command line that started it.
        git_commit: Commit of the code, with "+" when files were changed.
        versions: Versions of the packages that matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str = ""
    git_commit: str = ""
    versions: dict[str, str] = {}

    def write(self, folder: Path, name: str = CONFIG) -> None:
        """Write the configuration into a run's folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


class RunConfig(RunRecord):
    """What a run is; written once when it starts, checked when it is resumed.

    Attributes:
        kind: "base" or "hyper".
        preset: Name of the preset it started from.
        objects: Object set it learns on.
        seed: Seed of networks, physics and starts.
        engine: Physics engine of the training (see `make_grasp_task`).
        ppo: PPO's figures.
        task: The task.
        hyper: What a hyper-policy is besides; None for a base policy.
        proposals: The grasp proposals that the reward follows; None when it points at a posture.
    """

    kind: str
    preset: str
    objects: str
    seed: int
    engine: str = "mujoco"
    ppo: PpoConfig
    task: GraspTaskConfig
    hyper: HyperConfig | None = None
    proposals: ProposalConfig | None = None


def read_run(folder: Path) -> RunConfig:
    """Read a run's configuration.

    Raises:
        SleightError: The folder is no run, or was written by another version.
    """
    return read_config(RunConfig, folder)


def read_config(kind: type[Config], folder: Path, command: str = "sleight train") -> Config:
    """Read the configuration of any training.

    Args:
        kind: What it must be.
        folder: The run's folder.
        command: What writes such folders, for the message.

    Raises:
        SleightError: The folder is no run, or was written by another version.
    """
    path = folder / CONFIG
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SleightError(
            "not a training run (no config.json)", value=folder, remedy=f"give the folder that '{command}' wrote"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SleightError(f"run configuration {path}: {where}: {first['msg']}", value=first.get("input")) from error


def refuse_second_run(folder: Path) -> None:
    """Raise SleightError if a folder holds a run already."""
    if (folder / CONFIG).exists():
        remedy = "add --resume to continue it, or choose another --out"
        raise SleightError("this folder holds a run already", value=folder, remedy=remedy)


def is_run_of(folder: Path, kind: str) -> bool:
    """Whether a folder holds a run of some kind, by its configuration's text alone."""
    try:
        return f'"kind": "{kind}"' in (folder / CONFIG).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def provenance() -> dict[str, object]:
    """Return command, git_commit and versions of this process, as `RunRecord` takes them."""
    return {"command": command_line(), "git_commit": git_commit(), "versions": versions()}


def command_line() -> str:
    """The command line as a person would type it."""
    return shlex.join(["sleight", *sys.argv[1:]])


def git_commit() -> str:
    """Commit of the checkout that this code runs from, or "" outside one."""
    here = Path(__file__).resolve().parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Versions of the packages that decide a result, and the machine's cores."""
    found = {"python": platform.python_version(), "cores": str(os.cpu_count())}
    for name in ("sleight", "mujoco", "torch", "rsl-rl-lib", "numpy", "onnxruntime", "mujoco-warp", "warp-lang"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_metrics(folder: Path) -> list[dict]:
    """Read a run's `metrics.jsonl`; the later of rows written twice counts, a torn line is left out."""
    rows: dict[int, dict] = {}
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows[row["iteration"]] = row
    return [rows[key] for key in sorted(rows)]
