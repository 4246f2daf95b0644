"""Waiting precisely, and keeping count of how well that went."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections import deque

import numpy as np


def sleep_until(deadline: float, spin: float = 1e-4) -> float:
    """Wait until a time of `time.perf_counter`: sleep for most of it, then spin.

    Args:
        deadline: s.
        spin: The last part that is spun, s: how late the system may wake a sleeper.

    Returns:
        How late it is now, s.
    """
    while True:
        left = deadline - time.perf_counter()
        if left <= 0.0:
            return -left
        if left > spin:
            time.sleep(left - spin)


def sharpen_timers() -> None:
    """Ask Linux not to bundle this thread's wake-ups (its default lets a sleeper oversleep by 50 microseconds)."""
    pr_set_timerslack = 29
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_timerslack, 1, 0, 0, 0)


def request_realtime(priority: int) -> bool:
    """Schedule all threads of this process, and those that they will start, before any ordinary process (SCHED_RR).

    Args:
        priority: 1 to 99.

    Returns:
        Whether the system allows it (root, or a limit ``rtprio`` for the user).
    """
    try:
        for entry in os.listdir("/proc/self/task"):
            os.sched_setscheduler(int(entry), os.SCHED_RR, os.sched_param(priority))
    except (OSError, AttributeError, ValueError):
        return False
    return True


def step_back() -> None:
    """Let this thread of a real-time process yield to the others of it, and still go before ordinary processes.

    An ordinary thread would not do: one that is kept waiting while it holds Python's lock keeps the real-time ones
    waiting.
    """
    with contextlib.suppress(OSError, AttributeError):
        if os.sched_getscheduler(0) == os.SCHED_RR:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


class Recent:
    """Statistics over the newest samples of a quantity.

    Args:
        size: How many samples are kept.
    """

    def __init__(self, size: int = 600) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float) -> None:
        """Add one sample."""
        self._values.append(value)

    def percentile(self, share: float) -> float:
        """Percentile of the samples (share in percent), NaN without any."""
        return float(np.percentile(list(self._values), share)) if self._values else float("nan")

    def __len__(self) -> int:
        return len(self._values)
