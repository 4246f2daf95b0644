"""What a policy can say wrong, and who else may say it."""

from __future__ import annotations

import pytest

from . import cases
from .cases import RIVALS, Case
from .measure import goes_on, hold

pytestmark = pytest.mark.serial


@pytest.mark.parametrize("case", cases.COMMANDS, ids=str)
def test_bad_commands_end_in_a_hold(rig, matrix, case):
    hold(rig, case, matrix, "policy/command", lambda: rig.robot.rogue.faults.add(case.name), rogue=True)


@pytest.mark.parametrize("case", cases.COMMANDS_TOLERATED, ids=str)
def test_commands_that_are_followed_within_the_limits(rig, matrix, case):
    goes_on(rig, case, matrix, "policy/command", lambda: rig.robot.rogue.faults.add(case.name), rogue=True)


def test_two_policies_in_two_processes_end_in_a_hold(rig, matrix):
    case = Case("rival_process", "two policies, each a process of its own", ("TWO_PUBLISHERS",), RIVALS, "event")

    def join():
        rig.robot.rogue.active = True

    try:
        hold_while_joined(rig, case, matrix, join)
    finally:
        rig.robot.rogue.active = False


def hold_while_joined(rig, case, matrix, join):
    # The rogue leaves by itself before the graph is healed: what ends the hold is its silence.
    heal = rig.heal

    def heal_and_leave():
        rig.robot.rogue.active = False
        heal()

    rig.heal = heal_and_leave
    try:
        hold(rig, case, matrix, "policy/command", join)
    finally:
        del rig.heal
