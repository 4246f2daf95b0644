"""Policies whose weights were kept of an earlier training, in the place of training jobs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from sleight_core.errors import SleightError

from sleight_training.reproduce.job import OUT, Command, Job


def take_kept(job: Job, file: Path, run: str) -> Job:
    """Return a training job that begins with what `sleight train keep` kept of it.

    Args:
        job: The training.
        file: Its weights.
        run: Its run's folder in the results folder.

    Returns:
        The same job, without needs, that restores the run; one kept on the way goes on to its end.

    Raises:
        SleightError: The file cannot be read.
    """
    commands = [_restore("train", file, run)]
    finished, kind = _standing(file)
    if not finished:
        commands.append(Command(args=("train", kind, "--out", f"{OUT}/{run}", "--resume")))
    return _instead(job, *commands)


def take_policy(job: Job, file: Path, run: str) -> Job:
    """Return a training job of DexCompose that takes a kept policy instead: the `policy.safetensors` of a run.

    Args:
        job: The training.
        file: The policy.
        run: Its run's folder in the results folder.

    Returns:
        The same job, without needs.

    Raises:
        SleightError: The file cannot be read.
    """
    return _instead(job, _restore("compose", file, run))


def _restore(group: str, file: Path, run: str) -> Command:
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise _unreadable(file) from error
    # The hash is among the arguments, so it is part of the job's digest.
    return Command(args=(group, "restore", str(file.resolve()), "--sha256", digest, "--out", f"{OUT}/{run}"))


def _instead(job: Job, *commands: Command) -> Job:
    update = {"commands": commands, "needs": (), "inputs": (), "about": f"{job.about} (from kept weights)"}
    return job.model_copy(update=update)


def _standing(file: Path) -> tuple[bool, str]:
    """Return whether a kept run is finished, and its kind."""
    try:
        with safe_open(file, framework="np") as opened:
            metadata = opened.metadata() or {}
        run, progress = json.loads(metadata["run"]), json.loads(metadata["progress"])
        return progress["iteration"] >= run["ppo"]["iterations"], run["kind"]
    except (SafetensorError, KeyError, ValueError, OSError, TypeError) as error:
        raise _unreadable(file) from error


def _unreadable(file: Path) -> SleightError:
    return SleightError("kept weights cannot be read", value=file, remedy="write them again, or remove it")
