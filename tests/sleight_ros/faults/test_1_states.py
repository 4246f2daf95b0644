"""What drivers can say wrong: joint states, wrist, object, clocks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sleight_core.safety import SafetyState

from ..double import HAND
from ..rig import FOLLOWING, STATE_AGE
from . import cases
from .cases import Case
from .measure import Told, assert_never_followed_old_data, goes_on, hold

pytestmark = pytest.mark.serial


def test_the_hand_follows_the_policy_and_only_then(rig):
    robot = rig.robot
    assert robot.last_status()[:2] == ("IDLE", "NOT_ARMED") and not robot.heard.trajectories
    rig.follow()
    robot.wait(lambda: robot.wrist_pos[2] > 0.81, 30.0, what="the wrist to move")
    sent = robot.heard.sent[-1][1]
    commanded = {msg.sequence: msg for _, msg in robot.heard.commands}
    assert sent.bundle_id.startswith("trap@")
    assert sent.state_stamp == commanded[sent.sequence].state_stamp
    telemetry = robot.heard.telemetry[-1][1]
    assert len(telemetry.observation) == 153 and len(telemetry.action) == 24 and telemetry.inference_time > 0
    assert len(telemetry.expert_weights) == 2


@pytest.mark.parametrize("case", cases.JOINTS, ids=str)
def test_bad_joint_states_end_in_a_hold(rig, matrix, case):
    hold(rig, case, matrix, "joint states", lambda: rig.robot.faults.add(case.name))


def test_a_driver_that_repeats_an_old_reading_ends_in_a_hold(rig, matrix):
    case = cases.REPEATS
    hold(rig, case, matrix, "joint states", lambda: rig.robot.faults.add(case.name), rogue=True)


@pytest.mark.parametrize("case", cases.WRIST, ids=str)
def test_bad_wrist_states_end_in_a_hold(rig, matrix, case):
    hold(rig, case, matrix, "wrist odometry", lambda: rig.robot.faults.add(case.name))


@pytest.mark.parametrize("case", cases.ESTIMATE, ids=str)
def test_bad_object_estimates_end_in_a_hold(rig, matrix, case):
    hold(rig, case, matrix, "object estimate", lambda: rig.robot.faults.add(case.name))


@pytest.mark.parametrize("case", cases.POLICY_INPUTS, ids=str)
def test_what_only_the_policy_needs_ends_in_a_hold_as_well(rig, matrix, case):
    hold(rig, case, matrix, "fingertips", lambda: rig.robot.faults.add(case.name))
    telemetry = rig.robot.heard.telemetry
    assert any(msg.state == msg.WAITING and "fingertip_wrenches" in msg.reason for _, msg in telemetry[-200:])


@pytest.mark.parametrize("case", cases.DRIVER_TOLERATED, ids=str)
def test_what_is_no_fault_of_joint_states(rig, matrix, case):
    goes_on(rig, case, matrix, "joint states", lambda: rig.robot.faults.add(case.name))
    if case.name == "joints_shuffled":
        # The policy sees each joint in its own place.
        robot = rig.robot
        seen = next(msg for _, msg in reversed(robot.heard.telemetry) if msg.observation).observation
        true = (2 * robot.pos - HAND.upper - HAND.lower) / (HAND.upper - HAND.lower)
        assert np.allclose(seen[: len(HAND.joint_names)], true, atol=0.05)


def test_a_simulated_clock_that_is_reset_ends_in_a_hold_and_goes_on_by_itself(rig, matrix):
    title = "the robot's clock is set back to zero"
    case = Case("clock_reset", title, ("BACKWARD_TIME",), STATE_AGE, "joint_state", passing=True)

    def reset():
        rig.robot.clock_offset = 10**9 - time.time_ns()

    hold(rig, case, matrix, "clock", reset)


def test_a_clock_that_jumps_ahead_is_no_fault(rig, matrix):
    case = Case("clock_ahead", "the robot's clock jumps ahead by an hour")

    def jump():
        rig.robot.clock_offset = 3600 * 10**9

    goes_on(rig, case, matrix, "clock", jump)
    # Back again it runs backward: a hold, and then it goes on.
    told = Told(rig.robot)
    rig.heal()
    rig.robot.wait(lambda: told.first(SafetyState.HOLD, ("BACKWARD_TIME",)) is not None, 30.0)
    rig.robot.wait(lambda: told.rows[-1].state in FOLLOWING, 30.0)
    assert_never_followed_old_data(told.rows)
