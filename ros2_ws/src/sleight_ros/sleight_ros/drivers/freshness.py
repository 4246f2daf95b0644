"""Proving that a sample was measured after it was asked for.

A late or repeated reply has the right id, length and checksum; only its content is old. Each motor stamps its state
with a clock of its own (Realtime Tick, 1 ms). One offset between that clock and ours explains all true samples:
measured between `sent` and `received`. A reply that needs another one was measured earlier, or by a motor that started
anew.

What passes is at most as much older than its request as the shortest exchange so far took, and 1.5 ms.
"""

from __future__ import annotations

import numpy as np

from sleight_ros.drivers.xc330 import TICK_UNIT, TICK_WRAP

#: How far the motors' clocks may run apart from ours: they have no quartz.
DRIFT = 0.03
#: Half a tick of rounding more than the one that quantisation explains, s.
SLACK = 0.5e-3
#: Ticks so far off are no late replies: the motor's clock started anew, s.
RESTART = 0.5
#: The tick wraps after 32.768 s; after half of that without a sample its meaning is lost.
FORGET = 16.0


class TickClock:
    """Relates the clocks of several motors to ours.

    Args:
        count: Number of motors.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.reset()

    def reset(self) -> None:
        """Forget everything. The next samples will be believed: see that the line is empty before asking for them."""
        self._time: float | None = None
        self._last = np.zeros(self._count, dtype=np.int64)
        # Motor time since the first sample, s, and the bounds of (our time - motor time).
        self._motor = np.zeros(self._count)
        self._upper = np.full(self._count, np.inf)
        self._lower = np.full(self._count, -np.inf)

    def anchored(self, now: float) -> bool:
        """Whether the clocks are known at a time (monotonic s): if not, nothing tells an old sample from a true one."""
        return self._time is not None and now - self._time < FORGET

    def judge(self, ticks: np.ndarray, sent: float, received: float) -> np.ndarray:
        """How much older than `sent` each sample is, s: 0 for a true one; infinite if the motor's clock started anew.

        Believed samples, and only they, refine the offset.

        Args:
            ticks: (N,) realtime ticks.
            sent: When the samples were asked for, monotonic s.
            received: When they were there, monotonic s.
        """
        ticks = np.asarray(ticks, dtype=np.int64)
        if not self.anchored(sent):
            self.reset()
        motor, upper, lower = self._now(ticks, sent)
        age = self._ages(motor, upper, lower, sent, received)
        if not age.any():
            self._time, self._last, self._motor = sent, ticks, motor
            self._upper = np.minimum(upper, received - motor)
            self._lower = np.maximum(lower, sent - motor - TICK_UNIT)
        return age

    def judge_one(self, index: int, tick: int, sent: float, received: float) -> float:
        """As `judge`, for one motor; nothing is refined."""
        ticks = self._last.copy()
        ticks[index] = tick
        return float(self._ages(*self._now(ticks, sent), sent, received)[index])

    def _now(self, ticks: np.ndarray, sent: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Motor times, s, and the bounds with what the clocks may have drifted since."""
        if self._time is None:
            return np.zeros(self._count), self._upper, self._lower
        half = TICK_WRAP // 2
        passed = ((ticks - self._last + half) % TICK_WRAP) - half
        drift = DRIFT * (sent - self._time)
        return self._motor + TICK_UNIT * passed, self._upper + drift, self._lower - drift

    def _ages(
        self, motor: np.ndarray, upper: np.ndarray, lower: np.ndarray, sent: float, received: float
    ) -> np.ndarray:
        # A tick is the floor of the true time: the sample may be up to one tick younger than it says.
        early = sent - motor - TICK_UNIT - SLACK - upper
        age = np.where(early > 0.0, early + SLACK, 0.0)
        # The very same sample is a repeated one, however long ago it was.
        restarted = ((early > RESTART) & (motor != self._motor)) | (received - motor < lower - RESTART)
        age[restarted] = np.inf
        return age
