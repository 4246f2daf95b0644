"""A bounded memory of what the student saw and what the teacher would have done."""

from __future__ import annotations

import torch
from sleight_core.errors import SleightError

_MIB = 2.0**20


class ReplayBuffer:
    """A ring of observations and labels; the oldest make room for the newest.

    Args:
        observations: D.
        actions: A.
        rows: Most rows that are kept.
        mebibytes: Most memory (MiB); it may cut `rows` down.
        at_once: Rows that come at once; the memory must hold them.
        device: Where they are kept.

    Raises:
        SleightError: The memory is too small for what comes at once.
    """

    def __init__(
        self, observations: int, actions: int, *, rows: int, mebibytes: float, at_once: int, device: str = "cpu"
    ) -> None:
        self.capacity = min(rows, int(mebibytes * _MIB / (4 * (observations + actions))))
        if self.capacity < at_once:
            needed = at_once * 4 * (observations + actions) / _MIB
            raise SleightError(
                f"the replay buffer cannot hold one step of {at_once} environments",
                value=f"{mebibytes:g} MiB, {rows} rows",
                remedy=f"give it {needed:.1f} MiB, or use fewer environments",
            )
        self._obs = torch.empty(self.capacity, observations, device=device)
        self._labels = torch.empty(self.capacity, actions, device=device)
        self._next = 0
        self._full = False

    def __len__(self) -> int:
        return self.capacity if self._full else self._next

    def add(self, obs: torch.Tensor, labels: torch.Tensor) -> None:
        """Keep observations (B, D) and labels (B, A)."""
        count = len(obs)
        first = min(count, self.capacity - self._next)
        for kept, new in ((self._obs, obs), (self._labels, labels)):
            kept[self._next : self._next + first] = new[:first]
            kept[: count - first] = new[first:]
        self._full = self._full or self._next + count >= self.capacity
        self._next = (self._next + count) % self.capacity

    def sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw observations (count, D) and labels (count, A), with repetition, by torch's random numbers."""
        rows = torch.randint(len(self), (count,), device=self._obs.device)
        return self._obs[rows], self._labels[rows]
