"""The datagrams between an Isaac Gym process (`gym_link`) and the node `isaac_gym`: JSON, and nothing is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from sleight_core.errors import SleightError

from sleight_ros.isaac.gym_link import VERSION

#: More joints than any robot here has.
MOST_JOINTS = 256
#: Longest name of a joint or session.
LONGEST_NAME = 128
#: A simulation that has run for longer has a broken clock, s.
LATEST = 2.0**31 - 1.0


@dataclass(frozen=True)
class SimulatedJoints:
    """What a simulation says of its joints.

    Attributes:
        session: Of its process: another one is another simulation.
        sequence: Counts its datagrams.
        time: Of the simulation, s.
        names: Its joints, in its order.
        positions: rad; whatever it said, NaN included.
    """

    session: str
    sequence: int
    time: float
    names: tuple[str, ...]
    positions: tuple[float, ...]


def read_joints(data: bytes) -> SimulatedJoints:
    """Read a datagram of a simulation.

    Raises:
        SleightError: It is none.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SleightError("datagram: no JSON") from error
    if not isinstance(content, dict):
        raise SleightError("datagram: no object")
    if content.get("sleight") != VERSION:
        raise SleightError(
            f"datagram: version is not {VERSION}",
            value=repr(content.get("sleight"))[:20],
            remedy="use the gym_link.py of this version of Sleight",
        )
    names, positions = content.get("name"), content.get("position")
    if not isinstance(names, list) or len(names) > MOST_JOINTS or not all(_is_name(name) for name in names):
        raise SleightError(f"datagram: 'name' is no list of at most {MOST_JOINTS} names")
    if not isinstance(positions, list) or not all(_is_number(value) for value in positions):
        raise SleightError("datagram: 'position' is no list of numbers")
    if len(names) != len(positions):
        raise SleightError("datagram: names and positions differ in number", value=f"{len(names)}, {len(positions)}")
    session, sequence, time = content.get("session"), content.get("sequence"), content.get("time")
    if not _is_name(session):
        raise SleightError("datagram: 'session' is no name")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        raise SleightError("datagram: 'sequence' counts nothing")
    if not _is_number(time) or not 0.0 <= time <= LATEST:
        raise SleightError("datagram: 'time' is none")
    return SimulatedJoints(session, sequence, float(time), tuple(names), tuple(_float(value) for value in positions))


def write_targets(names: Sequence[str], positions: Sequence[float]) -> bytes:
    """Write a datagram with targets, rad, for a simulation."""
    return json.dumps({"sleight": VERSION, "name": list(names), "position": [float(p) for p in positions]}).encode()


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # JSON knows integers of any length
        return math.inf
