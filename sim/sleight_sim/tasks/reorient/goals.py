"""Goal orientations that follow each other, and the angle to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.rotations import quat_conjugate, quat_multiply

from sleight_sim.tasks.reorient.config import GoalConfig

Array = NDArray[np.float64]
Ids = NDArray[np.integer]


def random_quats(count: int, rng: np.random.Generator) -> Array:
    """Uniformly distributed orientations (count, 4) wxyz."""
    quats = rng.normal(size=(count, 4))
    return quats / np.linalg.norm(quats, axis=-1, keepdims=True)


def angle_between(a: Array, b: Array) -> Array:
    """Angle (B,) rad in [0, pi] between orientations (B, 4)."""
    turn = quat_multiply(a, quat_conjugate(b))
    return 2.0 * np.arctan2(np.linalg.norm(turn[..., 1:], axis=-1), np.abs(turn[..., 0]))


class Goals:
    """The goals of B environments.

    Args:
        config: How they follow each other.
        count: B.
        rng: Draws them.

    Attributes:
        quat: (B, 4) wxyz now.
    """

    def __init__(self, config: GoalConfig, count: int, rng: np.random.Generator) -> None:
        self.config = config
        self.quat = random_quats(count, rng)
        self._spin = np.zeros((count, 3))
        self._rng = rng

    def reset(self, ids: Ids) -> None:
        """Draw new goals, at rest, for environments ids (n,)."""
        self.quat[ids] = random_quats(len(ids), self._rng)
        self._spin[ids] = 0.0

    def advance(self, reached: NDArray[np.bool_], period: float) -> None:
        """Move all goals one control step on; those reached (B,) get a new spin."""
        config = self.config
        drawn = config.spin + self._rng.uniform(-config.spin_range, config.spin_range, self._spin.shape)
        self._spin = np.where(reached[:, None], drawn, config.decay * self._spin)
        angle = np.linalg.norm(self._spin, axis=-1, keepdims=True)
        half = 0.5 * config.gain * period * angle
        step = np.concatenate([np.cos(half), np.sin(half) * self._spin / np.maximum(angle, 1e-12)], axis=-1)
        quat = quat_multiply(self.quat, step)
        self.quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
