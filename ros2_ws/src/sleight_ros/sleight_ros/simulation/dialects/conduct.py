"""How a bridge behaves: every message that breaks a driver's interface is written down."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Values that went through a map and back are equal to this, rad.
SAME = 1e-6
#: A target that nobody has said to have sent for so long is none of ours, s. A loaded machine is late by seconds.
PATIENCE = 15.0
#: As many of the newest commands are remembered, and as many of these are looked at first.
REMEMBERED, RECENT = 2048, 32
#: As many violations are kept as text; all are counted.
KEPT = 1000


class Conduct:
    """Counts messages and violations, for each dialect.

    Attributes:
        messages: Dialect -> messages received.
        understood: Targets that a driver understood as the bridge says that it sent them.
        violations: One clause each.
    """

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.understood = 0
        self.violations: list[str] = []
        self.count = 0

    def heard(self, dialect: str) -> None:
        """Count a message."""
        self.messages[dialect] += 1

    def violation(self, dialect: str, words: str) -> None:
        """Write down what was wrong with a message."""
        self.count += 1
        if len(self.violations) < KEPT:
            self.violations.append(f"{dialect}: {words}")

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        content = {
            "messages": dict(self.messages),
            "understood": self.understood,
            "count": self.count,
            "violations": self.violations,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)


class Echo:
    """Compares what a driver understood with what the bridge says that it sent: a wrong order is found by its values.

    Args:
        conduct: Gets the violations.
        names: All actuated joints.
    """

    def __init__(self, conduct: Conduct, names: Sequence[str]) -> None:
        self._conduct = conduct
        self._place = {name: i for i, name in enumerate(names)}
        self._said = np.full((REMEMBERED, len(self._place)), np.nan)
        self._count = 0
        self._open: deque[tuple[float, str, NDArray[np.intp], Array]] = deque()

    def sent(self, names: Sequence[str], positions: Sequence[float]) -> None:
        """Take what the bridge says."""
        row = self._said[self._count % REMEMBERED]
        for name, value in zip(names, positions, strict=True):
            row[self._place[name]] = value
        self._count += 1
        self.settle()

    def understood(self, dialect: str, names: Sequence[str], values: Array) -> None:
        """Take what a driver made of a message: our joints and targets, rad."""
        index = np.array([self._place[name] for name in names], dtype=np.intp)
        self._open.append((time.monotonic(), dialect, index, np.asarray(values, dtype=float)))

    def settle(self) -> None:
        """Close the open cases that are settled, or too old."""
        if not self._count:
            return
        now = time.monotonic()
        recent = np.arange(self._count - RECENT, self._count) % REMEMBERED
        while self._open:
            received, dialect, index, values = self._open[0]
            if _found(self._said[recent][:, index], values) or _found(self._said[:, index], values):
                self._conduct.understood += 1
            elif now - received > PATIENCE:
                self._conduct.violation(dialect, "targets that the bridge does not say to have sent: a wrong order?")
            else:
                return
            self._open.popleft()


def _found(said: Array, values: Array) -> bool:
    # What was never said is NaN, and equal to nothing.
    return bool((np.abs(said - values) < SAME).all(axis=1).any())
