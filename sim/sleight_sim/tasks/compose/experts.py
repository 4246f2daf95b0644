"""Scripted experts: wrist waypoints and finger postures with human-like variation, played through the 28-D action.

An expert sees the start of an episode (places, sizes) and plans once; it never feels contacts. Its demonstrations stand
in for the paper's 50 teleoperated ones a task (DexCompose 4.1, "Datasets").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.tasks.compose.action import WRIST_SIZE
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.planner import Planner
from sleight_sim.tasks.compose.scripts import SCRIPTS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Variation:
    """How much an expert's episodes differ.

    Attributes:
        position: Standard deviation of each waypoint (m).
        rotation: Of each waypoint's Euler angles (rad).
        joints: Of each posture's joints (rad).
        pace: Range of a factor on all durations, drawn once an episode, and again for each waypoint (its square root).
    """

    position: float = 0.003
    rotation: float = 0.03
    joints: float = 0.03
    pace: tuple[float, float] = (0.8, 1.25)


class ScriptedExpert:
    """Plays a task's script in all environments.

    Args:
        task: The task.
        seed: Of the variation.
        variation: How much episodes differ; None for the default.

    Raises:
        SleightError: There is no script for the task.
    """

    def __init__(self, task: ComposeTask, seed: int = 0, variation: Variation | None = None) -> None:
        if task.config.name not in SCRIPTS:
            raise SleightError(
                "there is no scripted expert", value=task.config.name, remedy=f"there are {sorted(SCRIPTS)}"
            )
        self.task = task
        self.variation = variation or Variation()
        self.rng = np.random.default_rng(seed)
        self._script = SCRIPTS[task.config.name]
        self._waypoints: Array = np.zeros((task.num_envs, 0, task.action.size))
        self._ends: Array = np.zeros((task.num_envs, 0))

    def plan(self, ids: NDArray[np.integer] | None = None) -> None:
        """Plan the episodes that have just started.

        Args:
            ids: (n,) their environments, or None for all; the plans of the others stay.
        """
        task, vary = self.task, self.variation
        planner = Planner(task)
        self._script(planner)
        points = np.stack(planner.actions, axis=1)
        noise = self.rng.normal(size=points.shape)
        noise[..., :3] *= vary.position
        noise[..., 3:WRIST_SIZE] *= vary.rotation
        noise[..., WRIST_SIZE:] *= vary.joints
        noise[:, 0] = 0.0
        points += noise
        joints = np.clip(points[..., WRIST_SIZE:], task.table.lower, task.table.upper)
        points[..., WRIST_SIZE:] = task.action.couple(joints)
        shape = (task.num_envs, len(planner.seconds))
        pace = self.rng.uniform(*vary.pace, (shape[0], 1)) * np.sqrt(self.rng.uniform(*vary.pace, shape))
        ends = np.cumsum(np.array(planner.seconds) * pace, axis=1)
        if ids is None:
            self._waypoints, self._ends = points, ends
            return
        if not self._ends.shape[1]:
            self._waypoints, self._ends = np.zeros_like(points), np.ones_like(ends)
        self._waypoints[ids], self._ends[ids] = points[ids], ends[ids]

    def act(self) -> Array:
        """Actions (B, 28) for the environments' present steps: minimum jerk from waypoint to waypoint, then still."""
        return self.at(np.arange(self.task.num_envs), self.task.step_count)

    def at(self, ids: NDArray[np.integer], steps: NDArray[np.integer]) -> Array:
        """Actions (n, 28) of environments ids (n,), `steps` (n,) actions after the start of their plans."""
        now = (steps + 1) * self.task.config.control_period
        ends = self._ends[ids]
        i = np.minimum((now[:, None] >= ends).sum(axis=1), ends.shape[1] - 1)
        rows = np.arange(len(i))
        begin = np.where(i > 0, ends[rows, np.maximum(i - 1, 0)], 0.0)
        s = np.clip((now - begin) / (ends[rows, i] - begin), 0.0, 1.0)[:, None]
        smooth = s * s * s * (10.0 - 15.0 * s + 6.0 * s * s)
        start, end = self._waypoints[ids, i], self._waypoints[ids, i + 1]
        return start + smooth * (end - start)


def count_successes(config: ComposeTaskConfig, episodes: int, *, seed: int = 0, num_threads: int = 0) -> int:
    """Play episodes of a task's expert, each in a world and from a start of its own; count those that succeeded.

    Args:
        config: The task.
        episodes: How many.
        seed: Of worlds, starts and variation.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: There is no script for the task.
    """
    found = 0
    for first in range(0, episodes, 64):
        task = make_compose_task(config, min(64, episodes - first), seed=seed + first, num_threads=num_threads)
        task.reset()
        expert = ScriptedExpert(task, seed + first)
        expert.plan()
        for _ in range(config.episode_steps):
            if task.step(expert.act()).succeeded.all():
                break
        found += int(task.succeeded.sum())
    return found
