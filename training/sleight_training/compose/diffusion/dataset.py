"""Demonstrations as windows of observations and actions (DexCompose appendix A, "Training details")."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.demonstrations import Demonstration, read

from sleight_training.compose.skill import HORIZON, OBSERVATION_STEPS

Array = NDArray[np.float32]

#: The term of the hand's joint positions.
JOINTS = "hand_joints"


@dataclass(frozen=True)
class Windows:
    """Overlapping windows, one for each recorded action.

    Attributes:
        history: (W, OBSERVATION_STEPS, O) observations up to that action, oldest first; before the start the first one.
        actions: (W, HORIZON, A) that action and the next ones; beyond the end the last one.
        joints: First and end of the elements of an observation that are joint positions over their ranges, -1 to 1.
    """

    history: Array
    actions: Array
    joints: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Dataset:
    """What a skill learns from.

    Attributes:
        task: The task.
        term_names: Terms of the observation, in order.
        episodes: Demonstrations.
        windows: All their windows.
    """

    task: ComposeTaskConfig
    term_names: tuple[str, ...]
    episodes: int
    windows: Windows


def read_dataset(path: Path) -> Dataset:
    """Read a file of demonstrations (see `sleight_sim.tasks.compose.demonstrations`).

    Raises:
        SleightError: It is missing, damaged, empty, or its demonstrations differ in what they hold.
    """
    task, demonstrations = read(path)
    if not demonstrations:
        raise SleightError("there are no demonstrations in this file", value=path, remedy="collect some first")
    names = tuple(demonstrations[0].obs)
    return Dataset(task, names, len(demonstrations), make_windows(demonstrations, names))


def make_windows(demonstrations: Sequence[Demonstration], term_names: Sequence[str]) -> Windows:
    """Cut demonstrations into windows, padded at the edges.

    Raises:
        SleightError: A term is missing, lengths differ, or a number is not finite.
    """
    history, actions = [], []
    for i, demo in enumerate(demonstrations):
        if missing := [name for name in term_names if name not in demo.obs]:
            raise SleightError(f"demonstration {i} lacks observation terms", value=missing)
        obs = np.concatenate([demo.obs[name] for name in term_names], axis=-1)
        steps = len(demo.actions)
        if not np.isfinite(obs).all() or not np.isfinite(demo.actions).all():
            raise SleightError(f"demonstration {i} holds numbers that are not finite", remedy="record it again")
        now = np.arange(steps)[:, None]
        history.append(obs[np.maximum(now + np.arange(1 - OBSERVATION_STEPS, 1), 0)])
        actions.append(demo.actions[np.minimum(now + np.arange(HORIZON), steps - 1)])
    shapes = {(h.shape[2], a.shape[2]) for h, a in zip(history, actions, strict=True)}
    if len(shapes) > 1:
        raise SleightError("demonstrations differ in their lengths of observation and action", value=sorted(shapes))
    return Windows(
        np.concatenate(history).astype(np.float32),
        np.concatenate(actions).astype(np.float32),
        _joints(demonstrations[0], term_names),
    )


def _joints(demo: Demonstration, term_names: Sequence[str]) -> tuple[int, int]:
    """First and end of the joint positions in an observation; (0, 0) without any."""
    first = 0
    for name in term_names:
        end = first + demo.obs[name].shape[-1]
        if name == JOINTS:
            return first, end
        first = end
    return 0, 0


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        SleightError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SleightError("demonstrations cannot be read", value=f"{path}: {error.strerror}") from error
