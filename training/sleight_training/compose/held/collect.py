"""Collecting held states: roll a retention skill out to its success, stand still, keep what is still held (B.3)."""

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
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import compose_hand, make_worlds
from sleight_sim.tasks.compose.world import ComposeWorld
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

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
from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.skill import Skill
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
    """Collect held states into a file, which is replaced after every round of episodes.

    A round plays one episode in each world; what it finds depends on the seed and its number only, so that a
    collection that was interrupted and resumed ends in the same file.

    Args:
        path: The file.
        task: A retention task.
        config: Figures of the collection.
        skill: Which skill plays; None: the scripted expert.
        resume: Go on with an unfinished file; a finished one is returned as it is.
        report: Called after every round.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: The task is no retention task, the file exists and `resume` is not set, or is of another
            collection, or the skill fails too often.
    """
    if task.object is None:
        raise SleightError("only retention tasks have held states", value=task.name, remedy="choose e.g. GraspBall")
    begin, skill = time.monotonic(), skill or scripted_skill()
    worlds = make_worlds(task, min(config.worlds, config.count), config.seed)
    meta = new_meta(task, skill.name, config, [world.draw.thing for world in worlds if world.draw.thing])
    parts: list[dict[str, NDArray[Any]]] = []
    if path.exists():
        before = _continued(path, meta, resume)
        if before.meta.complete:
            return before
        meta = before.meta
        parts.append(_arrays_of(before))
    most = 4 + 4 * -(-config.count // len(worlds))
    while (found := sum(len(part["world"]) for part in parts)) < config.count:
        if meta.rounds >= most:
            raise SleightError(
                f"only {found} of {config.count} held states in {meta.played} episodes",
                value=task.name,
                remedy="check the skill's success",
            )
        parts.append(_round(task, worlds, config, skill, meta.rounds, num_threads))
        rounds, played = meta.rounds + 1, meta.played + len(worlds)
        arrays = {name: rows[: config.count] for name, rows in join_states(parts).items()}
        parts = [arrays]
        complete = len(arrays["world"]) == config.count
        meta = meta.model_copy(update={"rounds": rounds, "played": played, "complete": complete})
        if len(arrays["world"]):
            write_library(path, library_of(meta, arrays))
        report(Progress(len(arrays["world"]), played, time.monotonic() - begin))
    return library_of(meta, parts[0])


def _continued(path: Path, meta: HeldMeta, resume: bool) -> HeldLibrary:
    if not resume:
        raise SleightError("there is a file already", value=path, remedy="choose another, or continue with --resume")
    before = read_library(path, partial=True)
    progress = {"rounds", "played", "complete"}
    old, new = before.meta.model_dump(exclude=progress), meta.model_dump(exclude=progress)
    for name, value in new.items():
        if old[name] != value:
            raise SleightError(
                f"this file is of another collection: its {name} differs",
                value=path,
                remedy="repeat the options that it was begun with, or choose another file",
            )
    return before


def _arrays_of(library: HeldLibrary) -> dict[str, NDArray[Any]]:
    return join_states([vars(library)])


def _round(
    task_config: ComposeTaskConfig,
    worlds: list[ComposeWorld],
    config: HeldConfig,
    skill: SkillSource,
    number: int,
    num_threads: int,
) -> dict[str, NDArray[Any]]:
    """Play an episode in every world; the arrays of the states that were reached."""
    seed = config.seed + 1 + number
    engine = ComposeEngine(compose_hand(task_config), worlds, substeps=task_config.substeps, num_threads=num_threads)
    task = ComposeTask(engine, task_config, seed=seed)
    hold = _play(task, skill.make(task, seed), config.settle)
    sim = task.sim
    palm_pos, palm_quat = palm_pose(task.observation.kinematics, sim)
    # The success condition itself may just be left again: the hand stops where it was first met, at its edge.
    good = task.succeeded & ~task.engine.failed()
    good &= sim.object_pos[:, 2] - TABLE_HEIGHT - task.rest > config.drop_height
    good &= np.linalg.norm(palm_pos, axis=-1) <= config.palm_distance
    good &= _speed_in_hand(sim) <= config.speed
    ids = np.flatnonzero(good)
    state = engine.hand_object_state(ids)
    arrays = {
        "world": ids.astype(np.int64), "targets": task.sent_targets, "twist": task.sent_twist, "hold": hold,
        "joint_pos": sim.joint_pos, "palm_pos": palm_pos, "palm_quat": palm_quat,
        "contact": engine.finger_contacts().object,
    }  # fmt: skip
    arrays = {name: rows if name == "world" else rows[ids] for name, rows in arrays.items()}
    return arrays | vars(state)


def _play(task: ComposeTask, skill: Skill, settle: int) -> NDArray[np.float64]:
    """Play until every episode has succeeded and stood still, or is over; returns the hold actions (B, 28)."""
    player = RecedingHorizon(skill, task.num_envs)
    terms = task.reset()
    player.reset(np.arange(task.num_envs))
    action, stood = task.hold(), np.zeros(task.num_envs, dtype=int)
    for _ in range(task.config.episode_steps + settle):
        if not task.succeeded.all():
            acting = ~task.succeeded
            action[acting] = player.act(player.observation(terms))[acting]
        before = task.succeeded.copy()
        terms = task.step(action).terms
        fresh = task.succeeded & ~before
        action[fresh] = task.hold()[fresh]
        stood += before
        if (stood >= settle).all():
            break
    task.succeeded &= stood >= settle
    return action


def _speed_in_hand(sim: SimState) -> NDArray[np.float64]:
    """Speed (B,) m/s of the object's origin as seen from the hand."""
    arm = sim.object_pos - sim.wrist_pos
    carried = sim.wrist_linvel + np.cross(sim.wrist_angvel, arm)
    return np.linalg.norm(sim.object_linvel - carried, axis=-1)
