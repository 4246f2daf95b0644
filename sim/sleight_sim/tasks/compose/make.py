"""Making a DexCompose task: draw the worlds, compile them, put them in a batch."""

from __future__ import annotations

import numpy as np
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_description import load_hand

from sleight_sim.tasks.compose.config import ComposeTaskConfig, ShapeConfig, task_config
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.variation import draw_world
from sleight_sim.tasks.compose.world import ComposeWorld, build_world

#: Worlds that are compiled at most; more environments share them (their episodes differ all the same).
MAX_WORLDS = 256


def compose_hand(config: ComposeTaskConfig) -> HandTable:
    """The Shadow Hand with the task's bounds of the wrist; a robot's nodes know the same as hand "shadow_compose"."""
    return load_hand("shadow").model_copy(update={"wrist": config.wrist})


def make_worlds(config: ComposeTaskConfig, count: int, seed: int = 0, *, visuals: bool = False) -> list[ComposeWorld]:
    """Draw and compile `count` worlds of a task; the same seed gives the same worlds, and more begin with the fewer.

    Raises:
        SleightError: The task's objects are given, not drawn.
    """
    if isinstance(config.object, ShapeConfig):
        raise SleightError(
            "a grasp's objects are given, not drawn", value=config.name, remedy="make its worlds from held states"
        )
    table = compose_hand(config)
    rng = np.random.default_rng(seed)
    return [build_world(table, draw_world(config, rng), config.timestep, visuals=visuals) for _ in range(count)]


def make_compose_task(
    task: ComposeTaskConfig | str, num_envs: int, *, seed: int = 0, num_threads: int = 0
) -> ComposeTask:
    """Make a task in `num_envs` environments.

    Args:
        task: A configuration, or the paper's name of the task.
        num_envs: B.
        seed: Seed of the worlds and of the starts.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: There is no such task.
    """
    config = task_config(task) if isinstance(task, str) else task
    worlds = make_worlds(config, min(num_envs, MAX_WORLDS), seed)
    per_env = [worlds[i % len(worlds)] for i in range(num_envs)]
    engine = ComposeEngine(compose_hand(config), per_env, substeps=config.substeps, num_threads=num_threads)
    return ComposeTask(engine, config, seed=seed + 1)
