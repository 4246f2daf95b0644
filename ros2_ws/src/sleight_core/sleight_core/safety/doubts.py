"""Faults that no single message shows: commands of two sources in turn, and readings that only look new."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.safety.reasons import ReasonCode
from sleight_core.safety.sources import Fault

Array = NDArray[Any]


class RivalWatch:
    """Notices that commands of two sources alternate: two policies that both believe the hand is theirs.

    A rival is a command that was refused because it belongs to another bundle, or because its sequence number does not
    follow. One that comes when the engaged policy has ended is a successor; only in turn with accepted commands it is
    a rival.

    Args:
        window: How long a turn counts, s.
        limit: Turns within the window from which it is a fault.
    """

    def __init__(self, window: float, limit: int) -> None:
        self._window = window
        self._turns: deque[float] = deque(maxlen=limit)
        self._rival = ""

    def forget(self) -> None:
        """Start anew."""
        self._turns.clear()
        self._rival = ""

    def refused(self, detail: str) -> None:
        """Note a command of another source."""
        self._rival = detail or "another source"

    def accepted(self, now: float) -> None:
        """Note a command that was taken."""
        if self._rival:
            self._turns.append(now)
            self._last, self._rival = self._rival, ""

    def fault(self, now: float) -> Fault | None:
        """Say whether two sources are at work now."""
        turns = self._turns
        if len(turns) < (turns.maxlen or 0) or not 0.0 <= now - turns[0] <= self._window:
            return None
        return Fault(ReasonCode.TWO_PUBLISHERS, self._last)


class RepeatWatch:
    """Notices a driver that repeats an old reading under new stamps, as one does whose bus has failed.

    A hand at rest may well repeat itself. But when every joint reads the same, bit for bit, while the targets that were
    sent have moved, nobody is measuring.

    Args:
        motion: Way of a sent target (rad) that an unchanged reading may cover; infinite to never judge.
        max_age: Time that it may stay unchanged, s, from when the targets began to move: no motor follows at once.
    """

    def __init__(self, motion: float, max_age: float) -> None:
        self._motion, self._max_age = motion, max_age
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._reading: bytes | None = None
        self._since: float | None = None
        self._way: Array | float = 0.0

    def moved(self, now: float, step: Array) -> None:
        """Note by how much (A,) rad the sent targets moved."""
        if self._since is None and step.any():
            self._since = now
        if self._since is not None:
            self._way = self._way + np.abs(step)

    def read(self, reading: Array) -> None:
        """Take a reading: any numbers that change when the hand moves."""
        data = reading.tobytes()
        if data != self._reading:
            self.forget()
            self._reading = data

    def remaining(self, now: float) -> float:
        """Time until the newest reading is an old one (s); infinite while no target has moved far enough."""
        if self._since is None or float(np.max(self._way)) <= self._motion:
            return math.inf
        return self._max_age - (now - self._since)

    def fault(self, now: float) -> Fault | None:
        """Say whether the newest reading is an old one."""
        if self.remaining(now) >= 0.0:
            return None
        age, way = now - self.since, float(np.max(self._way))
        return Fault(
            ReasonCode.FROZEN_STATE, f"joint_state: unchanged for {age:.3f} s while targets moved {way:.2f} rad"
        )

    @property
    def since(self) -> float:
        """Since when the targets have been moving under an unchanged reading, s; infinite while they have not."""
        return math.inf if self._since is None else self._since
