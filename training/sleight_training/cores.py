"""How a training shares the cores; imported before torch."""

from __future__ import annotations

import os


def use_cores() -> None:
    """Make torch's threads sleep instead of spin while they wait, so that physics and learner share the cores.

    OpenMP reads this once, when torch is loaded: called after torch is imported, it does nothing. On two cores with
    other work beside, spinning made an update take 30 times as long. Some 10 us of it pay, though: an update is 16
    passes of short operations, and waking a thread for each made it a third longer.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
