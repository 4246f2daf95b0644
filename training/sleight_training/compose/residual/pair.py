"""Making the worlds of compositions: the first skill's objects beside the further skills' mechanisms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.handover import HandOver
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig, task_config
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import MAX_WORLDS, compose_hand
from sleight_sim.tasks.compose.variation import WorldDraw, draw_world
from sleight_sim.tasks.compose.world import build_world

from sleight_training.compose.held.library import HeldLibrary, read_library
from sleight_training.compose.residual.config import SequenceConfig
from sleight_training.compose.residual.sequence import SequenceTask
from sleight_training.compose.skills import SkillSource

Ids = NDArray[np.int64]


def check_pair(first: str | ComposeTaskConfig, second: str) -> tuple[ComposeTaskConfig, ComposeTaskConfig]:
    """Return both tasks' configurations.

    Args:
        first: One of our tasks, or what `first_config` says of held states.
        second: One of our tasks.

    Raises:
        SleightError: A task is unknown, or has the other's role.
    """
    tasks = task_config(first) if isinstance(first, str) else first, task_config(second)
    for task, role in zip(tasks, ("retention", "interaction"), strict=True):
        if task.role != role:
            raise SleightError(
                f"the {'first' if role == 'retention' else 'second'} task of a pair must be of kind '{role}'",
                value=task.name,
                remedy="name them in order, such as GraspBall PushButton",
            )
    return tasks


def check_sequence(
    first: str | ComposeTaskConfig, interactions: Sequence[str]
) -> tuple[ComposeTaskConfig, tuple[ComposeTaskConfig, ...]]:
    """Return the first task's configuration and those of what is done one after another.

    Raises:
        SleightError: As `check_pair`.
    """
    pairs = [check_pair(first, name) for name in interactions]
    return pairs[0][0], tuple(pair[1] for pair in pairs)


def make_holding_worlds(
    config: ComposeTaskConfig, held: HeldLibrary, num_envs: int, *, seed: int = 0, num_threads: int = 0
) -> tuple[ComposeTask, Ids]:
    """Make environments of a task that also hold the objects of held states.

    Args:
        config: The first skill's task: worlds with its object alone. The second's: with object and mechanism.
        held: The states.
        num_envs: B.
        seed: Which objects, mechanisms and starts.
        num_threads: Threads; 0 for one a core.

    Returns:
        The task and, (B,), the object of each environment.
    """
    engine, worlds = holding_engine((config,), held, num_envs, seed=seed, num_threads=num_threads)
    return ComposeTask(engine, config, seed=seed + 1), worlds


def holding_engine(
    configs: Sequence[ComposeTaskConfig], held: HeldLibrary, num_envs: int, *, seed: int, num_threads: int
) -> tuple[ComposeEngine, Ids]:
    """Make worlds with the objects of held states and the mechanisms of some tasks, in their order.

    Args:
        configs: The tasks; one without a mechanism adds nothing.
        held: The states.
        num_envs: B.
        seed: Which objects and mechanisms.
        num_threads: Threads; 0 for one a core.

    Returns:
        The engine and, (B,), the object of each environment.
    """
    rng = np.random.default_rng(seed)
    table, first = compose_hand(configs[0]), configs[0]
    usable = np.unique(held.world)
    count = min(num_envs, MAX_WORLDS)
    # Every object once before any of them again.
    chosen = np.concatenate([rng.permutation(usable) for _ in range(-(-count // len(usable)))])[:count]
    worlds = []
    for world in chosen:
        parts = [draw_world(config, rng).mechanism for config in configs]
        draw = WorldDraw.of(held.draws[world], [part for part in parts if part is not None])
        worlds.append(build_world(table, draw, first.timestep))
    of = np.arange(num_envs) % count
    engine = ComposeEngine(table, [worlds[i] for i in of], substeps=first.substeps, num_threads=num_threads)
    return engine, chosen[of]


def make_sequence_task(
    first: ComposeTaskConfig,
    interactions: Sequence[ComposeTaskConfig],
    skills: Sequence[SkillSource],
    held: HeldLibrary,
    num_envs: int,
    owners: HandOver,
    config: SequenceConfig,
    *,
    seed: int = 0,
    num_threads: int = 0,
) -> SequenceTask:
    """Make sequences of skills in worlds with the objects of held states and all mechanisms on one table.

    Args:
        first: The task whose outcome is kept.
        interactions: (K,) the tasks that are done one after another, each at its place of the configuration.
        skills: (K,) what plays them.
        held: What rollouts start from.
        num_envs: B.
        owners: Who owns what in each stage.
        config: Stages, places, bounds and limits.
        seed: Of worlds, held states, starts and skills.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: There are not as many places, skills or masks as interactions.
    """
    numbers = {len(interactions), len(skills), len(owners.stages), len(config.places)}
    if len(numbers) != 1:
        raise SleightError(
            "a sequence needs one skill, one mask and one place for each interaction",
            value=f"{len(interactions)} interactions, {len(skills)} skills, {len(owners.stages)} masks, "
            f"{len(config.places)} places",
        )
    engine, worlds = holding_engine(interactions, held, num_envs, seed=seed, num_threads=num_threads)
    tasks = [
        ComposeTask(engine, task, seed=seed + 2 + i, mechanism=i, place=place)
        for i, (task, place) in enumerate(zip(interactions, config.places, strict=True))
    ]
    players = [source.make(task, seed + i) for i, (source, task) in enumerate(zip(skills, tasks, strict=True))]
    whole = ComposeTask(engine, first, seed=seed + 1)
    return SequenceTask(whole, tasks, players, held, worlds, owners, config, seed=seed)


def first_config(held: HeldLibrary) -> ComposeTaskConfig:
    """The task of held states: one of ours as it is now, or the grasp that they are of."""
    return TASKS.get(held.task.name, held.task)


def read_pair(path: Path | str, first: str, second: str) -> tuple[HeldLibrary, ComposeTaskConfig]:
    """Read held states of a pair's first task; return them with the second task's configuration.

    Raises:
        SleightError: The tasks are no pair, or the file is none of the first one's.
    """
    if first in TASKS:
        check_pair(first, second)  # before a file is missed
    held = held_of(path, first)
    return held, check_pair(first_config(held), second)[1]


def held_of(path: Path | str, task: str) -> HeldLibrary:
    """Read a task's held states.

    Raises:
        SleightError: The file is none, or of another task.
    """
    held = read_library(path)
    if held.task.name != task:
        raise SleightError(
            "held states of another task", value=f"{path}: {held.task.name}", remedy=f"give some of {task}"
        )
    return held


def default_held(task: str) -> Path:
    """Where 'sleight compose held collect' puts a task's held states unless told otherwise."""
    return Path("runs") / "held" / f"{task}.npz"
