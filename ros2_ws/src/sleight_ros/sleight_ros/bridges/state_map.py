"""From a robot's joint states to ours: names, directions, zeros, and joints of which only the sum is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState

from sleight_ros.bridges.joint_map import JointMap

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PartialState:
    """Some of our joints, as one message has them.

    Attributes:
        names: Our names.
        position: rad.
        velocity: rad/s; None when the message has none.
        problem: Why the message cannot be read, "" when it can.
    """

    names: tuple[str, ...]
    position: Array
    velocity: Array | None
    problem: str = ""


class StateMap:
    """Reads a robot's joint states by name; how is worked out once and kept while the names stay.

    Values are passed on as they are, NaN included: what to think of them is the safety filter's business.

    Args:
        joints: The map.
        wanted: Our joints to look for; the others are ignored.
    """

    def __init__(self, joints: JointMap, wanted: Sequence[str]) -> None:
        self._map = joints
        self.wanted = tuple(name for name in wanted if name in joints.rows)
        self._cached: list[str] | None = None
        self._names: tuple[str, ...] = ()
        self._source = np.zeros(0, dtype=np.intp)
        self._factor, self._offset = np.zeros(0), np.zeros(0)
        self._problem = ""

    def read(self, msg: JointState) -> PartialState:
        """Read one message."""
        names = list(msg.name)
        if names != self._cached:
            self._learn(names)
        problem = self._problem
        for what, values in (("positions", msg.position), ("velocities", msg.velocity)):
            if len(values) != len(names) and (what == "positions" or len(values)):
                problem = f"joint state has {len(names)} names and {len(values)} {what}"
        if problem:
            return PartialState((), np.zeros(0), None, problem)
        position = self._apply(np.asarray(msg.position, dtype=float)) + self._offset
        velocity = self._apply(np.asarray(msg.velocity, dtype=float)) if len(msg.velocity) else None
        return PartialState(self._names, position, velocity)

    def _apply(self, values: Array) -> Array:
        return self._factor * values[self._source]

    def _learn(self, names: list[str]) -> None:
        self._cached = names
        place = {name: i for i, name in enumerate(names)}
        wanted = {row.name for ours, row in self._map.rows.items() if ours in self.wanted}
        wanted |= {tendon.name for tendon in self._map.tendons}
        twice = sorted({name for name in names if names.count(name) > 1} & wanted)
        self._problem = f"joint named twice: {', '.join(twice)}" if twice else ""
        tendons = {name: t for t in self._map.tendons for name in (t.middle, t.distal)}
        rows: list[tuple[str, int, float, float]] = []
        for ours in self.wanted:
            row = self._map.rows[ours]
            tendon = tendons.get(ours)
            if row.name in place:
                rows.append((ours, place[row.name], row.sign, -row.sign * row.offset))
            elif tendon is not None and tendon.name in place:
                # Only the sum is measured: the distal joint bends `ratio` for each rad of the middle one.
                share = (1.0 if ours == tendon.middle else tendon.ratio) / (1.0 + tendon.ratio)
                rows.append((ours, place[tendon.name], row.sign * share, -row.sign * row.offset))
        self._names = tuple(row[0] for row in rows)
        self._source = np.array([row[1] for row in rows], dtype=np.intp)
        self._factor = np.array([row[2] for row in rows], dtype=float)
        self._offset = np.array([row[3] for row in rows], dtype=float)
