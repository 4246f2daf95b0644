"""The perceived object position in simulation: a camera's period and latency, an offset an episode, and noise."""

from __future__ import annotations

import numpy as np

from sleight_sim.tasks.grasp.config import PerceptionModel

Array = np.ndarray


class PerceivedPosition:
    """Tracks what perception would report for each environment.

    Args:
        config: Sizes of the errors.
        num_envs: B.
        rng: Source of the errors.
    """

    def __init__(self, config: PerceptionModel, num_envs: int, rng: np.random.Generator) -> None:
        self.config = config
        self.rng = rng
        self._depth = config.latency + 1
        self._history = np.zeros((self._depth, num_envs, 3))
        self._newest = 0
        self._bias = np.zeros((num_envs, 3))
        self._latency = np.zeros(num_envs, dtype=int)
        self._phase = np.zeros(num_envs, dtype=int)
        self._held = np.zeros((num_envs, 3))
        self._columns = np.arange(num_envs)
        self._step = 0

    def reset(self, ids: Array, true_pos: Array) -> None:
        """Start new episodes in environments ids (n,) with the objects at true_pos (n, 3)."""
        n, c = len(ids), self.config
        self._history[:, ids] = true_pos
        self._bias[ids] = self.rng.normal(0.0, c.bias, (n, 3)) if c.bias else 0.0
        self._latency[ids] = self.rng.integers(min(1, c.latency), c.latency + 1, n)
        self._phase[ids] = self.rng.integers(0, c.period, n)
        self._held[ids] = true_pos + self._bias[ids] + self._measurement_noise(n)

    def update(self, true_pos: Array) -> Array:
        """Advance one control step with the objects at true_pos (B, 3); return the perceived positions (B, 3), m."""
        c = self.config
        self._step += 1
        self._newest = (self._newest + 1) % self._depth
        self._history[self._newest] = true_pos
        due = np.flatnonzero((self._step + self._phase) % c.period == 0)
        seen = self._history[(self._newest - self._latency[due]) % self._depth, due]
        self._held[due] = seen + self._bias[due] + self._measurement_noise(len(due))
        return self._held.copy()

    @property
    def current(self) -> Array:
        """The positions reported last, (B, 3) m."""
        return self._held.copy()

    def _measurement_noise(self, n: int) -> Array | float:
        return self.rng.normal(0.0, self.config.noise, (n, 3)) if self.config.noise else 0.0
