"""Success as the public code counts it (ever near the goal) and as we report it (held at the end)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sleight_core.arrays import integers, namespace, zeros

Array = Any


class GraspMetrics:
    """Counts success an episode.

    Args:
        num_envs: B.
        radius: Distance to the goal that counts (m).
        hold_steps: Control steps at the end of the episode that must all count for *held*.
        like: An array of the kind and on the device that distances come in; numpy by default.
    """

    def __init__(self, num_envs: int, radius: float, hold_steps: int, like: Array | None = None) -> None:
        like = np.zeros(0) if like is None else like
        self.radius = radius
        self.hold_steps = hold_steps
        self.ever = integers(np.zeros(num_envs, dtype=bool), like)
        self.streak = integers(np.zeros(num_envs, dtype=int), like)
        self.highest = zeros((num_envs,), like)

    def reset(self, ids: Array) -> None:
        """Forget the episodes of environments ids (n,)."""
        self.ever[ids] = False
        self.streak[ids] = 0
        self.highest[ids] = 0.0

    def update(self, goal_distance: Array, height: Array) -> None:
        """Take one step's distances to the goal (B,) and heights over the table (B,), m."""
        xp = namespace(goal_distance)
        near = goal_distance <= self.radius
        self.ever |= near
        self.streak = (self.streak + 1) * near
        self.highest = xp.maximum(self.highest, height)

    @property
    def held(self) -> Array:
        """(B,) bool: near the goal in each of the last `hold_steps` steps."""
        return self.streak >= self.hold_steps
