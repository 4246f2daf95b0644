"""What perception says of the object, judged over time: at rest, lifted, lost."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

#: Fewest estimates by which an object counts as at rest.
FEWEST = 3


@dataclass(frozen=True)
class Glimpse:
    """One estimate of the object: when it came (s), where the object is (m), and how well it was seen (0 to 1)."""

    time: float
    position: tuple[float, float, float]
    quality: float


class Sight:
    """Follows the estimates of one object. Pure: the caller brings the clock.

    Args:
        steady_time: How long an object must be seen before it counts as at rest, s.
        steady_spread: How far its estimates may differ meanwhile, along each axis, m.

    Attributes:
        last: The newest estimate in which the object was seen.
        seen: Whether the newest estimate of all shows it.
        words: Why the newest one does not; empty when it does.
    """

    def __init__(self, steady_time: float, steady_spread: float) -> None:
        self._time, self._spread = steady_time, steady_spread
        self._recent: deque[Glimpse] = deque()
        self._rest: float | None = None
        self.last: Glimpse | None = None
        self.seen = False
        self.words = "no estimate has come"

    def take(self, now: float, position: tuple[float, float, float], quality: float, words: str = "") -> None:
        """Take an estimate.

        Args:
            now: Its arrival, s.
            position: Centre of the object, m; anything when it was not seen.
            quality: 0 to 1.
            words: Why the object was not seen; empty when it was.
        """
        if not words and not all(map(math.isfinite, position)):
            words = "its position is no number"
        self.seen, self.words = not words, words
        if words:
            self._recent.clear()
            return
        self.last = Glimpse(now, position, quality)
        self._recent.append(self.last)
        # One more than the window holds: what lies before its begin proves that it is full.
        while len(self._recent) > 1 and self._recent[1].time <= now - self._time:
            self._recent.popleft()

    def at_rest(self) -> bool:
        """Whether the object was seen at one place, without a gap, for long enough."""
        recent = self._recent
        if len(recent) < FEWEST or recent[-1].time - recent[0].time < self._time:
            return False
        places = zip(*(glimpse.position for glimpse in recent), strict=True)
        return all(max(axis) - min(axis) <= self._spread for axis in places)

    def mark_rest(self) -> None:
        """Heights count from where the object lies now (median of the newest estimates)."""
        self._rest = median(glimpse.position[2] for glimpse in self._recent) if self._recent else None

    @property
    def height(self) -> float:
        """How far the object was above its rest when it was last seen, m; 0 before `mark_rest`."""
        return 0.0 if self._rest is None or self.last is None else self.last.position[2] - self._rest

    def age(self, now: float) -> float:
        """Time since the object was last seen, s; infinite before."""
        return math.inf if self.last is None else now - self.last.time
