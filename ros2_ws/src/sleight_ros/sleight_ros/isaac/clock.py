"""The clock of a simulation: it stands still, jumps, and begins again, and none of that may move a real hand."""

from __future__ import annotations

import math

from sleight_core.safety import ReasonCode
from sleight_core.safety.sources import Fault

#: Stamps may go back by this much and count as the same: rounding between two publishers, s.
ROUNDING = 1e-6


class Restarted(Fault):
    """The clock began anew: what came before says nothing about what comes now."""


class LeaderClock:
    """Judges the clock of whoever is followed, by what it reads and when that arrives.

    A clock may run slower or faster than ours. A pause is a clock that does not advance although messages come; that
    none come is for the caller to notice.

    Args:
        name: What the clock is called in details.
        pause_after: Time without an advance from which it is a pause, s.
        longest_jump: How far it may advance beyond the time that passed here between two messages, s.
    """

    def __init__(self, name: str, pause_after: float, longest_jump: float) -> None:
        self._name = name
        self._pause_after, self._longest_jump = pause_after, longest_jump
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._time: float | None = None
        self._seen = self._advanced = -math.inf

    @property
    def time(self) -> float | None:
        """Newest reading, s; None before the first."""
        return self._time

    def read(self, now: float, time: float) -> Fault | None:
        """Take a reading.

        Args:
            now: Our monotonic clock, s.
            time: What the clock reads, s.

        Returns:
            `Restarted` when it ran backward, another fault when it jumped ahead, else None.
        """
        before, elapsed = self._time, now - self._seen
        self._seen = now
        if before is not None and abs(time - before) <= ROUNDING:
            return None
        self._time, self._advanced = time, now
        if before is None:
            return None
        if time < before:
            return Restarted(
                ReasonCode.BACKWARD_TIME, f"{self._name} went back from {before:.3f} to {time:.3f} s: restarted?"
            )
        if time - before > elapsed + self._longest_jump:
            return Fault(
                ReasonCode.FUTURE_STAMP, f"{self._name} jumped from {before:.3f} to {time:.3f} s within {elapsed:.3f} s"
            )
        return None

    def stands(self, time: float) -> bool:
        """Whether a reading would be no advance."""
        return self._time is not None and abs(time - self._time) <= ROUNDING

    def pause(self, now: float) -> Fault | None:
        """Say that the clock stands still; None while it runs, and before its first reading."""
        still = now - self._advanced
        if self._time is None or still <= self._pause_after:
            return None
        return Fault(ReasonCode.FROZEN_STAMP, f"{self._name} stands at {self._time:.3f} s: paused?")
