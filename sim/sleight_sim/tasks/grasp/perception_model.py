"""The perceived object position in simulation: a camera's period and latency, an offset an episode, and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from sleight_core.arrays import constant, integers, namespace, zeros

from sleight_sim.tasks.grasp.config import PerceptionModel

Array = Any


class PerceivedPosition:
    """Tracks what perception would report for each environment.

    Args:
        config: Sizes of the errors.
        num_envs: B.
        rng: Source of the errors.
        like: An array of the kind and on the device that positions come in; numpy by default.
    """

    def __init__(
        self, config: PerceptionModel, num_envs: int, rng: np.random.Generator, like: Array | None = None
    ) -> None:
        like = np.zeros(0) if like is None else like
        self.config = config
        self.rng = rng
        self._depth = config.latency + 1
        self._history = zeros((self._depth, num_envs, 3), like)
        self._newest = 0
        self._bias = zeros((num_envs, 3), like)
        self._latency = np.zeros(num_envs, dtype=int)
        self._phase = np.zeros(num_envs, dtype=int)
        self._held = zeros((num_envs, 3), like)
        self._step = 0

    def reset(self, ids: Array, true_pos: Array) -> None:
        """Start new episodes in environments ids (n,) with the objects at true_pos (n, 3)."""
        n, c = len(ids), self.config
        where = integers(ids, self._held)
        self._history[:, where] = true_pos = constant(true_pos, self._held)
        self._bias[where] = constant(self.rng.normal(0.0, c.bias, (n, 3)) if c.bias else np.zeros((n, 3)), self._held)
        self._latency[ids] = self.rng.integers(min(1, c.latency), c.latency + 1, n)
        self._phase[ids] = self.rng.integers(0, c.period, n)
        self._held[where] = true_pos + self._bias[where] + self._measurement_noise(n)

    def update(self, true_pos: Array) -> Array:
        """Advance one control step with the objects at true_pos (B, 3); return the perceived positions (B, 3), m."""
        c = self.config
        self._step += 1
        self._newest = (self._newest + 1) % self._depth
        self._history[self._newest] = true_pos
        due = np.flatnonzero((self._step + self._phase) % c.period == 0)
        if len(due):
            then = integers((self._newest - self._latency[due]) % self._depth, self._held)
            where = integers(due, self._held)
            self._held[where] = self._history[then, where] + self._bias[where] + self._measurement_noise(len(due))
        return self.current

    @property
    def current(self) -> Array:
        """The positions reported last, (B, 3) m."""
        return namespace(self._held).asarray(self._held, copy=True)

    def _measurement_noise(self, n: int) -> Array | float:
        noise = self.config.noise
        return constant(self.rng.normal(0.0, noise, (n, 3)), self._held) if noise else 0.0
