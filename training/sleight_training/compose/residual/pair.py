"""Making the worlds of a composition: the first skill's objects beside the second skill's mechanisms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig, task_config
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import MAX_WORLDS, compose_hand
from sleight_sim.tasks.compose.variation import WorldDraw, draw_world
from sleight_sim.tasks.compose.world import build_world

from sleight_training.compose.held.library import HeldLibrary, read_library

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
    rng = np.random.default_rng(seed)
    table = compose_hand(config)
    usable = np.unique(held.world)
    count = min(num_envs, MAX_WORLDS)
    # Every object once before any of them again.
    chosen = np.concatenate([rng.permutation(usable) for _ in range(-(-count // len(usable)))])[:count]
    mechanism = config.mechanism is not None
    draws = [WorldDraw(held.draws[world], draw_world(config, rng).mechanism if mechanism else None) for world in chosen]
    worlds = [build_world(table, draw, config.timestep) for draw in draws]
    of = np.arange(num_envs) % count
    engine = ComposeEngine(table, [worlds[i] for i in of], substeps=config.substeps, num_threads=num_threads)
    return ComposeTask(engine, config, seed=seed + 1), chosen[of]


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
