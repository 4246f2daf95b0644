"""The faults that are injected while the hand follows, and what must come of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..rig import COMMAND_AGE, OBJECT_AGE, PERIOD, STATE_AGE

#: Time for which a reading may repeat itself, s.
REPEAT = max(6 * PERIOD, 0.1)
#: Two commands must have come in turn three times: four periods.
RIVALS = 4 * PERIOD


@dataclass(frozen=True)
class Case:
    """A fault.

    Attributes:
        name: Identifier; for faults of the double or of the rogue policy, the name by which they know it.
        title: The fault in words.
        reasons: Reasons of which the hold must give one; empty: the bridge goes on, within the limits.
        limit: Time by which the hold must have come, less one period, s.
        source: The source whose age at the first hold is the reaction; "event" to count from the injection.
        ends: What ends the hold when the fault is gone: "by itself", "engage" or "rearm".
        passing: The hold ends while the fault is still there.
        changes: Reasons that a bridge which goes on may give for changing a command; the first one is expected.
    """

    name: str
    title: str
    reasons: tuple[str, ...] = ()
    limit: float = 0.0
    source: str = ""
    ends: str = "by itself"
    passing: bool = False
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _age(source: str, limit: float, *rows: tuple[Any, ...]) -> list[Case]:
    cases = []
    for name, title, *reasons in rows:
        cases.append(Case(name, title, tuple(reasons), limit, source))
    return cases


JOINTS = _age(
    "joint_state",
    STATE_AGE,
    ("joints_stop", "joint states stop", "STALE_JOINT_STATE"),
    ("joints_frozen", "joint states freeze: the same stamp again and again", "FROZEN_STAMP"),
    ("joints_backward", "joint states run back in time", "BACKWARD_TIME"),
    ("joint_missing", "joint states miss a joint", "MISSING_JOINT"),
    ("joint_twice", "joint states name a joint twice", "DUPLICATE_JOINT"),
    ("joint_nan", "joint states contain NaN", "NON_FINITE_STATE"),
    ("joint_inf", "a joint velocity is infinite", "NON_FINITE_STATE"),
    ("joints_short", "joint states have more names than positions", "WRONG_LENGTH"),
    ("joint_outside", "a joint is measured far outside its limits", "STATE_OUT_OF_LIMITS"),
    ("driver_dies", "the driver falls silent: joints, wrist and fingertips", "STALE_JOINT_STATE"),
)
WRIST = _age(
    "wrist",
    STATE_AGE,
    ("wrist_stop", "wrist odometry stops", "STALE_WRIST_STATE"),
    ("wrist_frozen", "wrist odometry freezes: the same stamp", "FROZEN_STAMP"),
    ("wrist_backward", "wrist odometry runs back in time", "BACKWARD_TIME"),
    ("wrist_nan", "wrist odometry contains NaN", "NON_FINITE_STATE"),
    ("wrist_quaternion", "wrist orientation is no unit quaternion", "NON_FINITE_STATE"),
    ("wrist_frame", "wrist odometry is in another frame", "WRONG_FRAME"),
)
ESTIMATE = _age(
    "object",
    OBJECT_AGE,
    ("estimate_stop", "object estimates stop", "STALE_OBJECT"),
    ("estimate_lost", "perception reports that it lost the object", "NO_OBJECT"),
    ("estimate_frame", "object estimates are in another frame", "WRONG_FRAME"),
    ("estimate_nan", "the object's position is NaN", "NON_FINITE_STATE"),
)
#: What the bridge does not watch itself: the policy falls silent, and that it does.
POLICY_INPUTS = _age(
    "command", COMMAND_AGE, ("wrench_stop", "fingertip wrenches stop, which the policy needs", "STALE_COMMAND")
)
DRIVER_TOLERATED = [
    Case("joints_shuffled", "joint states shuffle their order"),
    Case("joints_loss", "30 % of the joint states are lost"),
]

COMMANDS = [
    *_age(
        "command",
        COMMAND_AGE,
        ("stop", "commands stop", "STALE_COMMAND"),
        ("slow", "commands come at a sixth of their rate", "STALE_COMMAND"),
        ("nan", "a target is NaN", "NON_FINITE_COMMAND"),
        ("infinite", "a target is infinite", "NON_FINITE_COMMAND"),
        ("twist_nan", "the wrist twist contains NaN", "NON_FINITE_COMMAND"),
        ("thousandfold", "targets are 1000 times too large", "COMMAND_OUT_OF_LIMITS"),
        ("twist_thousandfold", "the wrist twist is 1000 times too large", "COMMAND_OUT_OF_LIMITS"),
        ("short", "commands have more names than targets", "WRONG_LENGTH"),
        ("missing", "commands miss a joint", "MISSING_JOINT"),
        ("unknown", "commands name a joint that the hand lacks", "UNKNOWN_JOINT"),
        ("twice", "commands name a joint twice", "DUPLICATE_JOINT"),
        ("frame", "the wrist twist is in another frame", "WRONG_FRAME"),
        ("frozen_sequence", "the same command again and again", "FROZEN_STAMP"),
        ("backward_sequence", "commands count backward", "BACKWARD_TIME"),
        ("old_state", "commands are made from a state 18 periods old", "BACKWARD_TIME", "STALE_COMMAND"),
    ),
    Case("rival_bundle", "two publishers: another bundle commands in turn", ("TWO_PUBLISHERS",), RIVALS, "event"),
    Case("rival_copy", "two publishers: the same bundle twice", ("TWO_PUBLISHERS",), RIVALS, "event"),
]
COMMANDS_TOLERATED = [
    Case("shuffled", "commands shuffle their order"),
    Case("outside", "targets lie outside the joint limits", changes=("POSITION_LIMITED",)),
    Case("jump", "targets jump from end to end", changes=("RATE_LIMITED",)),
    Case("too_fast", "the wrist twist is three times too fast, to and fro", changes=("WRIST_LIMITED",)),
    Case("flood", "ten commands a period"),
    Case("loss", "30 % of the commands are lost"),
]
#: The driver repeats itself while a policy moves the hand; judged with the steady motion of the rogue.
REPEATS = Case(
    "joints_repeat", "the driver repeats an old reading under new stamps", ("FROZEN_STATE",), REPEAT, "joint_state"
)

TRAPS = [
    Case("nan", "the policy's action is NaN", ("STALE_COMMAND",), COMMAND_AGE, "command", "engage"),
    Case("raises", "inference raises", ("STALE_COMMAND",), COMMAND_AGE, "command", "engage"),
    Case("gate_zero", "all weights of the mixture are zero", ("STALE_COMMAND",), COMMAND_AGE, "command", "engage"),
    Case("thousandfold", "the policy's action is 1000 times too large", changes=("POSITION_LIMITED", "RATE_LIMITED")),
]

CLOUDS = _age(
    "object",
    OBJECT_AGE,
    ("cloud_stop", "clouds stop", "STALE_OBJECT"),
    ("cloud_empty", "clouds are empty", "NO_OBJECT"),
    ("cloud_nan", "clouds hold only NaN", "NO_OBJECT"),
    ("cloud_frame", "clouds are in another frame", "WRONG_FRAME"),
    ("cloud_fields", "clouds contradict their own description", "NO_OBJECT"),
    ("cloud_table", "clouds show the table alone", "NO_OBJECT"),
)
CLOUDS_TOLERATED = [Case("cloud_tenfold", "clouds have ten times the points")]
