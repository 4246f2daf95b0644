"""Hands, arms and worlds as data, and the MJCF and URDF made from them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sleight_core.arm import ArmTable, Robot
from sleight_core.arm.library import Library
from sleight_core.hand import HandTable

_LIBRARY = Library(Path(__file__).parent)
_HANDS = _LIBRARY.root / "hands"


def hand_names() -> list[str]:
    """Names that `load_hand` takes: hands on a floating wrist, and robots."""
    return sorted(_LIBRARY.hand_names() + _LIBRARY.robot_names())


def arm_names() -> list[str]:
    """Names that `load_arm` takes."""
    return _LIBRARY.arm_names()


def robot_names() -> list[str]:
    """Names that `load_robot` takes: hands on arms."""
    return _LIBRARY.robot_names()


@cache
def load_hand(name: str) -> HandTable:
    """Return a hand's table; for a robot, that of hand and arm together (`Robot.table`).

    Args:
        name: One of `hand_names()`.

    Raises:
        SleightError: There is no such hand.
    """
    return load_robot(name).table if name in robot_names() else _LIBRARY.hand(name)


def hand_alone(name: str) -> HandTable:
    """Return a hand's own table, on a floating wrist; for a robot, that of the hand without its arm.

    Raises:
        SleightError: There is no such hand.
    """
    return load_robot(name).hand if name in robot_names() else load_hand(name)


@cache
def load_arm(name: str) -> ArmTable:
    """Return an arm's table.

    Args:
        name: One of `arm_names()`.

    Raises:
        SleightError: There is no such arm.
    """
    return _LIBRARY.arm(name)


@cache
def load_robot(name: str) -> Robot:
    """Return a hand on an arm: both tables, and the one made of them.

    Args:
        name: One of `robot_names()`.

    Raises:
        SleightError: There is no such robot.
    """
    return _LIBRARY.robot(name)
