"""The numbers in SafetyStatus.msg and in sleight_core.safety.reasons are the same, and so is what was built."""

import re
from pathlib import Path

import pytest
from sleight_core.safety.reasons import ReasonCode, SafetyState

MESSAGES = Path(__file__).resolve().parent.parent / "ros2_ws" / "src" / "sleight_msgs"


def constants(message: str) -> list[tuple[str, int, str]]:
    """Name, number and comment of the uint8 constants of a message file, in order."""
    text = (MESSAGES / "msg" / f"{message}.msg").read_text()
    found = re.findall(r"^uint8 ([A-Z_]+)=(\d+)[ \t]*#?[ \t]*(.*)$", text, re.MULTILINE)
    return [(name, int(number), comment) for name, number, comment in found]


def split_safety() -> tuple[dict[str, int], dict[str, int]]:
    names = constants("SafetyStatus")
    first_reason = next(index for index, row in enumerate(names) if row[0] == "OK")
    return (
        {name: number for name, number, _ in names[:first_reason]},
        {name: number for name, number, _ in names[first_reason:]},
    )


def test_safety_states_agree() -> None:
    assert split_safety()[0] == {state.name: state.value for state in SafetyState}


def test_safety_reasons_agree() -> None:
    assert split_safety()[1] == {reason.name: reason.value for reason in ReasonCode}


def test_reasons_are_numbered_without_gaps() -> None:
    assert list(split_safety()[1].values()) == list(range(len(ReasonCode)))


@pytest.mark.parametrize("message", ["SafetyStatus", "ObjectEstimate", "PolicyTelemetry", "SkillOutcome", "SkillState"])
def test_built_constants_are_those_of_the_file(message: str) -> None:
    built = getattr(pytest.importorskip("sleight_msgs.msg"), message)
    rows = constants(message)
    assert rows
    for name, number, comment in rows:
        assert getattr(built, name) == number
        assert comment, f"{message}.{name} has no comment"


def test_every_interface_is_built() -> None:
    listed = re.findall(r'"((?:msg|srv|action)/\w+)\.\w+"', (MESSAGES / "CMakeLists.txt").read_text())
    on_disk = [
        f"{path.parent.name}/{path.stem}" for path in MESSAGES.glob("*/*") if path.suffix in (".msg", ".srv", ".action")
    ]
    assert sorted(listed) == sorted(on_disk)
    for name in listed:
        kind, interface = name.split("/")
        assert hasattr(pytest.importorskip(f"sleight_msgs.{kind}"), interface)
