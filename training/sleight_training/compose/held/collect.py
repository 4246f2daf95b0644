"""Collecting held states: play a retention skill to its success, stand still, keep what is still held (B.3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.engines import SimState
from sleight_sim.tasks.compose.action import WRIST_SIZE
from sleight_sim.tasks.compose.config import ComposeTaskConfig

from sleight_training.compose.held.config import HeldConfig
from sleight_training.compose.held.library import (
    HeldLibrary,
    HeldMeta,
    join_states,
    library_of,
    new_meta,
    read_library,
    write_library,
)
from sleight_training.compose.held.restore import palm_pose
from sleight_training.compose.held.source import HeldSource, Played, SkillRounds
from sleight_training.compose.skills import SkillSource, scripted_skill


@dataclass(frozen=True)
class Progress:
    """Where a collection stands.

    Attributes:
        found: States.
        played: Episodes.
        seconds: Since this call began.
    """

    found: int
    played: int
    seconds: float


def collect(
    path: Path,
    task: ComposeTaskConfig,
    config: HeldConfig,
    skill: SkillSource | None = None,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    num_threads: int = 0,
) -> HeldLibrary:
    """Collect held states of a retention task's own skill into a file (see `collect_from`).

    Args:
        path: The file.
        task: A retention task.
        config: Figures of the collection.
        skill: Which skill plays; None: the scripted expert.
        resume: Go on with an unfinished file; a finished one is returned as it is.
        report: Called after every round.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: The task is no retention task, or as `collect_from`.
    """
    source = SkillRounds(task, config, skill or scripted_skill(), num_threads)
    return collect_from(path, source, config, resume=resume, report=report)


def collect_from(
    path: Path,
    source: HeldSource,
    config: HeldConfig,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> HeldLibrary:
    """Collect held states into a file, which is replaced after every round of episodes.

    What a round finds depends on the seed and its number only, so that a collection that was interrupted and resumed
    ends in the same file.

    Args:
        path: The file.
        source: Who plays.
        config: Figures of the collection.
        resume: Go on with an unfinished file; a finished one is returned as it is.
        report: Called after every round.

    Raises:
        SleightError: The file exists and `resume` is not set, or is of another collection, or the skill fails too
            often.
    """
    begin = time.monotonic()
    meta = new_meta(source.task, source.name, config, source.draws)
    parts: list[dict[str, NDArray[Any]]] = []
    if path.exists():
        before = _continued(path, meta, resume)
        if before.meta.complete:
            return before
        meta = before.meta
        parts.append(_arrays_of(before))
    most = 4 + 4 * -(-config.count // source.episodes)
    while (found := sum(len(part["world"]) for part in parts)) < config.count:
        if meta.rounds >= most:
            raise SleightError(
                f"only {found} of {config.count} held states in {meta.played} episodes",
                value=source.task.name,
                remedy="check the skill's success",
            )
        parts.append(_kept(source.play(meta.rounds), config))
        rounds, played = meta.rounds + 1, meta.played + source.episodes
        arrays = {name: rows[: config.count] for name, rows in join_states(parts).items()}
        parts = [arrays]
        complete = len(arrays["world"]) == config.count
        meta = meta.model_copy(update={"rounds": rounds, "played": played, "complete": complete})
        if len(arrays["world"]):
            write_library(path, library_of(meta, arrays, source.draws))
        report(Progress(len(arrays["world"]), played, time.monotonic() - begin))
    return library_of(meta, parts[0], source.draws)


def _continued(path: Path, meta: HeldMeta, resume: bool) -> HeldLibrary:
    if not resume:
        raise SleightError("there is a file already", value=path, remedy="choose another, or continue with --resume")
    before = read_library(path, partial=True)
    for old, new in zip(before.meta.draws, meta.draws, strict=False):
        if old.get("name") == new.get("name") and old.get("digest") != new.get("digest"):
            raise SleightError(
                f"the shape of object '{new['name']}' has changed since this file was begun",
                value=path,
                remedy="begin another file: held states are of one shape",
            )
    progress = {"rounds", "played", "complete"}
    before_meta, now = before.meta.model_dump(exclude=progress), meta.model_dump(exclude=progress)
    for name, value in now.items():
        if before_meta[name] != value:
            raise SleightError(
                f"this file is of another collection: its {name} differs",
                value=path,
                remedy="repeat the options that it was begun with, or choose another file",
            )
    return before


def _arrays_of(library: HeldLibrary) -> dict[str, NDArray[Any]]:
    return join_states([vars(library)])


def _kept(played: Played, config: HeldConfig) -> dict[str, NDArray[Any]]:
    """The arrays of the states of a round that are still held."""
    task, hold = played.task, played.hold
    sim = task.sim
    palm_pos, palm_quat = palm_pose(task.observation.kinematics, sim)
    # The success condition itself may just be left again: the hand stops where it was first met, at its edge.
    good = played.good & ~task.engine.failed()
    good &= sim.object_pos[:, 2] - task.lying() > config.drop_height
    good &= np.linalg.norm(palm_pos, axis=-1) <= config.palm_distance
    good &= _speed_in_hand(sim) <= config.speed
    # A wrist that the action cannot say, such as fingers straight down, is held by no action.
    good &= np.isclose(task.action.clip(hold), hold)[:, :WRIST_SIZE].all(axis=-1)
    ids = np.flatnonzero(good)
    state = task.engine.hand_object_state(ids)
    arrays = {
        "world": played.world, "targets": task.sent_targets, "twist": task.sent_twist, "hold": hold,
        "joint_pos": sim.joint_pos, "palm_pos": palm_pos, "palm_quat": palm_quat,
        "contact": task.engine.finger_contacts().object,
    }  # fmt: skip
    return {name: rows[ids] for name, rows in arrays.items()} | vars(state)


def _speed_in_hand(sim: SimState) -> NDArray[np.float64]:
    """Speed (B,) m/s of the object's origin as seen from the hand."""
    arm = sim.object_pos - sim.wrist_pos
    carried = sim.wrist_linvel + np.cross(sim.wrist_angvel, arm)
    return np.linalg.norm(sim.object_linvel - carried, axis=-1)
