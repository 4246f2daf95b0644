"""What happens to the bridge itself: stops, transitions, signals."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from sleight_core.safety import ReasonCode, SafetyState
from sleight_ros import convert

from ..rig import COMMAND_AGE, LATENCY, PATIENCE, PERIOD
from .cases import Case
from .measure import Reaction, Told, goes_on, react, row_of

pytestmark = pytest.mark.serial


def test_a_stop_stays_until_it_is_rearmed(rig, matrix):
    robot = rig.robot
    case = Case("bridge_stop", "bridge/stop is called", ("STOP_REQUESTED",), COMMAND_AGE, "event", "re-arm")
    rig.follow()

    def stop():
        assert robot.trigger("bridge/stop").success
        # Not from before: finding the service takes longer than the bridge does.
        return robot.asked

    found = react(rig, stop, case, SafetyState.STOPPED)
    time.sleep(0.3)
    assert robot.last_status()[:2] == ("STOPPED", "STOP_REQUESTED")
    matrix.add(row_of(case, "bridge", "stops", found))
    rig.follow()


def test_a_command_leaves_no_sooner_than_its_latency_after_its_joint_state(rig):
    robot = rig.robot
    rig.follow()
    robot.heard.sent.clear()
    robot.wait(lambda: len(robot.heard.sent) >= 60, PATIENCE, "commands")
    followed = [msg for _, msg in list(robot.heard.sent) if msg.bundle_id]
    ages = [convert.stamp_to_ns(msg.header.stamp) - convert.stamp_to_ns(msg.state_stamp) for msg in followed]
    # A tick of the watchdog, when this machine kept the graph waiting, may take a command along earlier.
    assert np.quantile(ages, 0.1) >= 1e9 * LATENCY


def at_rest_at_last(rig):
    """The last messages: the wrist rests, and the joints' targets do not move."""
    twists = [convert.twist_from_msg(msg) for _, msg in rig.robot.heard.twists[-2:]]
    rows = [np.array(msg.points[0].positions) for _, msg in rig.robot.heard.trajectories[-2:]]
    return not np.any(twists) and np.array_equal(rows[0], rows[1])


def test_a_bridge_that_is_deactivated_in_motion_brakes_before_it_falls_silent(rig, matrix):
    robot = rig.robot
    title, ends = "the bridge is deactivated in motion", "activate, re-arm"
    case = Case("bridge_deactivated", title, ("DEACTIVATED",), COMMAND_AGE, "event", ends, passing=True)
    rig.follow(rogue=True)

    def deactivate():
        begin = time.time_ns()
        robot.reach("hand_bridge", Transition.TRANSITION_DEACTIVATE, "inactive")
        return begin

    found = react(rig, deactivate, case, SafetyState.STOPPED)
    robot.wait(lambda: at_rest_at_last(rig), PATIENCE, "the hand at rest")
    count = len(robot.heard.trajectories)
    time.sleep(18 * PERIOD)
    assert len(robot.heard.trajectories) == count, "it is silent"
    matrix.add(row_of(case, "bridge", "brakes to rest, then falls silent", found))
    rig.activate_bridge()
    robot.wait(lambda: robot.last_status()[:2] == ("IDLE", "NOT_ARMED"), PATIENCE, "an unarmed bridge")
    rig.follow()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["sigint", "sigterm"])
def test_a_bridge_that_is_interrupted_in_motion_brakes_before_it_ends(rig, matrix, number):
    robot = rig.robot
    name = "bridge_interrupted" if number == signal.SIGINT else "bridge_terminated"
    title = "Ctrl-C on the bridge in motion" if number == signal.SIGINT else "SIGTERM for the bridge in motion"
    rig.follow(rogue=True)
    told = Told(robot)
    assert rig.interrupt("hand_bridge", number) == 0
    assert "Traceback" not in rig.log("hand_bridge")
    robot.wait(lambda: at_rest_at_last(rig), PATIENCE, "the hand at rest")
    last = told.rows[-1]
    assert (last.state, ReasonCode(last.reason)) == (SafetyState.STOPPED, ReasonCode.DEACTIVATED)
    first = told.first(SafetyState.STOPPED, ("DEACTIVATED",))
    assert first is not None
    taken = (convert.stamp_to_ns(first.header.stamp) - told.begin) * 1e-9
    stall = told.stall(first)
    found = Reaction("DEACTIVATED", taken, stall)
    case = Case(name, title, (), COMMAND_AGE, "event", "restart")
    matrix.add(row_of(case, "bridge", "brakes to rest, then ends", found))
    rig.start_bridge()
    robot.wait(lambda: robot.last_status()[:2] == ("IDLE", "NOT_ARMED"), 2 * PATIENCE, "a new bridge")
    rig.follow()


def test_an_invalid_transition_is_answered_and_does_no_harm(rig, matrix):
    answers = []

    def ask():
        answers.append(rig.robot.transition("hand_bridge", Transition.TRANSITION_CONFIGURE).success)
        answers.append(rig.robot.transition("policy_node", Transition.TRANSITION_ACTIVATE).success)

    goes_on(rig, Case("invalid_transition", "invalid lifecycle transitions"), matrix, "bridge, policy", ask)
    assert answers == [False, False]
    assert rig.robot.state_of("hand_bridge") == "active"


def test_diagnostics_carry_ages_overruns_and_reasons(rig):
    robot = rig.robot
    rig.follow(rogue=True)
    rig.robot.rogue.faults.add("nan")
    rig.wait_for(SafetyState.HOLD)

    def values():
        rows = [row for _, msg in robot.heard.diagnostics for row in msg.status if row.name == "/hand_bridge"]
        return {entry.key: entry.value for entry in rows[-1].values} if rows else {}

    robot.wait(lambda: values().get("reason") == "NON_FINITE_COMMAND", PATIENCE, "diagnostics")
    found = values()
    assert found["state"] == "HOLD" and int(found["overruns"]) >= 0
    assert {f"age {name} (s)" for name in ("joint_state", "wrist", "object", "command")} <= set(found)
    assert int(found["refused command: NON_FINITE_COMMAND"]) > 0
    assert int(found["held for NON_FINITE_COMMAND"]) > 0
    robot.rogue.active = False
