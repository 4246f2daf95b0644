"""Whether control may be scheduled before everything else on this machine."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from sleight_ros.checks.row import Row
from sleight_ros.timing import request_realtime

#: What the shipped profiles ask for.
PRIORITY = 20
_LIMITS = "add '@realtime - rtprio 80' to /etc/security/limits.d/realtime.conf, join the group and log in again"


def check() -> list[Row]:
    """Real-time priority, processor cores and their clocks. Changes this process's own scheduling."""
    return [_priority(), _cores(), _governor(Path("/sys/devices/system/cpu"))]


def _priority() -> Row:
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    kernel = Path("/sys/kernel/realtime")
    kind = "a PREEMPT_RT kernel" if kernel.exists() and kernel.read_text().strip() == "1" else "an ordinary kernel"
    limit = "any" if soft == resource.RLIM_INFINITY else str(soft)
    if request_realtime(PRIORITY):
        return Row("real-time priority", "ok", f"{PRIORITY} is granted (limit rtprio {limit}), {kind}")
    detail = f"{PRIORITY} is refused (limit rtprio {limit}), {kind}: other processes delay control"
    return Row("real-time priority", "warn", detail, _LIMITS)


def _cores() -> Row:
    cores = len(os.sched_getaffinity(0))
    status, remedy = ("ok", "") if cores >= 2 else ("warn", "give the graph at least two")
    return Row("processor cores", status, f"{cores} for this process", remedy)


def _governor(folder: Path) -> Row:
    files = sorted(folder.glob("cpu[0-9]*/cpufreq/scaling_governor"))
    try:
        found = sorted({file.read_text().strip() for file in files})
    except OSError:
        found = []
    if not found:
        return Row("processor clock", "ok", "not to be chosen here")
    if found != ["performance"]:
        remedy = "sudo cpupower frequency-set -g performance"
        return Row("processor clock", "warn", f"governor {', '.join(found)}: it wakes up slowly", remedy)
    return Row("processor clock", "ok", "governor performance")
