"""A bare 60 Hz loop, scheduled as the control nodes are: ``python -m sleight_ros.bench.bare OUT PRIORITY``.

What it suffers, nothing of ours can avoid. Writes its period errors (s) as ``.npy`` on SIGINT or SIGTERM.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from sleight_ros.nodes.base import ended_by_signal
from sleight_ros.timing import request_realtime, sharpen_timers, sleep_until

PERIOD = 1.0 / 60.0


def main(arguments: list[str]) -> int:
    """Loop until a signal comes, then write."""
    ended = ended_by_signal()
    priority = int(arguments[1])
    if priority:
        request_realtime(priority)
    sharpen_timers()
    errors = []
    start = last = time.perf_counter()
    k = 0
    while not ended.is_set():
        k += 1
        if sleep_until(start + k * PERIOD) > 6 * PERIOD:
            start, k = time.perf_counter(), 0
        now = time.perf_counter()
        errors.append(now - last - PERIOD)
        last = now
    np.save(Path(arguments[0]), np.array(errors))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
