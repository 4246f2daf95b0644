"""One joint state out of several: a hand's and an arm's, each with its own age limit. Nothing is ever invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sleight_ros.bridges.state_map import PartialState

Array = NDArray[np.float64]


@dataclass
class Source:
    """What is known of one source.

    Attributes:
        max_age: Age limit, counted from the arrival, s.
        joints: Our joints that it may bring; others that it has are left out.
        differentiate: Work out velocities from positions, for drivers that send none.
        received: When its newest usable message came, monotonic s.
        stamp: Stamp of that message, ns.
        problem: Why its newest message could not be used, "" when it could.
    """

    max_age: float
    joints: tuple[str, ...]
    differentiate: bool = False
    received: float = -np.inf
    stamp: int = 0
    problem: str = ""
    state: PartialState | None = None
    _before: tuple[int, PartialState] | None = field(default=None, repr=False)

    def take(self, now: float, stamp: int, state: PartialState) -> None:
        """Take a message."""
        self.problem = state.problem
        if state.problem:
            return
        if self.differentiate:
            state = self._with_velocity(stamp, state)
        self.received, self.stamp, self.state = now, stamp, state

    def _with_velocity(self, stamp: int, state: PartialState) -> PartialState:
        """Add velocities from this message and the one before; a standstill before there are two."""
        velocity = np.zeros_like(state.position)
        if self._before is not None and self._before[1].names == state.names:
            elapsed = (stamp - self._before[0]) * 1e-9
            # A source that repeats itself or runs backward is the safety filter's business: nothing is divided by zero.
            if 0.0 < elapsed < self.max_age:
                velocity = (state.position - self._before[1].position) / elapsed
        if self._before is None or stamp != self._before[0]:
            self._before = (stamp, state)
        return PartialState(state.names, state.position, velocity)

    def complaint(self, now: float) -> str:
        """Why it cannot be used now, "" when it can."""
        if self.problem:
            return self.problem
        if self.state is None:
            return "nothing yet"
        age = now - self.received
        return f"{1e3 * age:.0f} ms old (limit {1e3 * self.max_age:.0f} ms)" if age > self.max_age else ""


@dataclass(frozen=True)
class Merged:
    """A joint state of our names.

    Attributes:
        names: Those that the sources have, in the hand table's order.
        position: rad.
        velocity: rad/s; NaN where a source has none.
        stamp: Of the oldest source, ns: a source that stands still is seen through the others.
    """

    names: tuple[str, ...]
    position: Array
    velocity: Array
    stamp: int


class JointMerger:
    """Puts the newest messages of several sources together.

    Args:
        names: The result's order; joints that no source brings are left out of the result.
        sources: The sources; the first leads: its messages, and no others', make a merged state.
    """

    def __init__(self, names: Sequence[str], sources: Mapping[str, Source]) -> None:
        self._names = tuple(names)
        self.sources = dict(sources)
        self.leader = next(iter(self.sources), "")

    def take(self, source: str, now: float, stamp: int, state: PartialState) -> Merged | None:
        """Take a message of a source.

        Args:
            source: Its name.
            now: Monotonic clock, s.
            stamp: The message's stamp, ns.
            state: What it says.

        Returns:
            The merged state; None when this source does not lead, or while any source cannot be used.
        """
        self.sources[source].take(now, stamp, state)
        if source != self.leader or any(one.complaint(now) for one in self.sources.values()):
            return None
        values: dict[str, tuple[float, float]] = {}
        for one in self.sources.values():
            assert one.state is not None
            velocity = one.state.velocity if one.state.velocity is not None else np.full(len(one.state.names), np.nan)
            for name, position, speed in zip(one.state.names, one.state.position, velocity, strict=True):
                if name in one.joints:
                    values[name] = (position, speed)
        found = tuple(name for name in self._names if name in values)
        rows = np.array([values[name] for name in found], dtype=float).reshape(len(found), 2)
        return Merged(found, rows[:, 0], rows[:, 1], min(one.stamp for one in self.sources.values()))

    def complaints(self, now: float) -> dict[str, str]:
        """Why each source cannot be used; "" for those that can."""
        return {name: source.complaint(now) for name, source in self.sources.items()}
