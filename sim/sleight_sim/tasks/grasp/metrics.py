"""Success as the public code counts it (ever near the goal) and as we report it (held at the end)."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


class GraspMetrics:
    """Counts success an episode.

    Args:
        num_envs: B.
        radius: Distance to the goal that counts (m).
        hold_steps: Control steps at the end of the episode that must all count for *held*.
    """

    def __init__(self, num_envs: int, radius: float, hold_steps: int) -> None:
        self.radius = radius
        self.hold_steps = hold_steps
        self.ever = np.zeros(num_envs, dtype=bool)
        self.streak = np.zeros(num_envs, dtype=int)
        self.highest = np.zeros(num_envs)

    def reset(self, ids: Array) -> None:
        """Forget the episodes of environments ids (n,)."""
        self.ever[ids] = False
        self.streak[ids] = 0
        self.highest[ids] = 0.0

    def update(self, goal_distance: Array, height: Array) -> None:
        """Take one step's distances to the goal (B,) and heights over the table (B,), m."""
        near = goal_distance <= self.radius
        self.ever |= near
        self.streak = np.where(near, self.streak + 1, 0)
        self.highest = np.maximum(self.highest, height)

    @property
    def held(self) -> Array:
        """(B,) bool: near the goal in each of the last `hold_steps` steps."""
        return self.streak >= self.hold_steps
