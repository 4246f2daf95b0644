"""The enumeration in Python and the constants of the ROS message are one."""

import re
from enum import IntEnum
from pathlib import Path

import pytest
from sleight_core.safety import ReasonCode, SafetyState

MESSAGE = Path(__file__).parents[3] / "ros2_ws/src/sleight_msgs/msg/SafetyStatus.msg"


def constants_of_message() -> dict[str, list[tuple[str, int]]]:
    found = re.findall(r"^uint8 ([A-Z_]+)=(\d+)", MESSAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = [(name, int(value)) for name, value in found]
    second = [value for _, value in rows].index(0, 1)
    return {"states": rows[:second], "reasons": rows[second:]}


@pytest.mark.parametrize(("which", "enum"), [("states", SafetyState), ("reasons", ReasonCode)])
def test_numbers_equal_those_of_the_message(which: str, enum: type[IntEnum]) -> None:
    assert constants_of_message()[which] == [(member.name, member.value) for member in enum]
