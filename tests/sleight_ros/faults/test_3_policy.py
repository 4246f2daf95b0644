"""What a policy node can suffer: death, hanging, a failing network, a release, a bundle that does not fit."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import replace

import pytest
from lifecycle_msgs.msg import Transition
from sleight_core.safety import SafetyState
from sleight_ros import convert
from std_srvs.srv import Trigger

from ..double import OBJECT
from ..rig import COMMAND_AGE, OBJECT_AGE, PATIENCE, PERIOD, STATE_AGE
from . import cases
from .cases import Case
from .matrix import Row
from .measure import goes_on, hold, react, row_of
from .traps import TRAPS, trap_bundle, unmasked_bundle

pytestmark = pytest.mark.serial
RESTART = "restart, engage"


@pytest.mark.parametrize("case", cases.TRAPS, ids=str)
def test_a_policy_that_breaks_from_inside(rig, matrix, case):
    def open_trap():
        rig.robot.object_pos = OBJECT * [1, 1, 0] + [0, 0, TRAPS[case.name]]

    shown = replace(case, name=f"policy_{case.name}")
    if not case.reasons:
        goes_on(rig, shown, matrix, "policy", open_trap)
        return
    hold(rig, shown, matrix, "policy", open_trap)
    told = [msg for _, msg in rig.robot.heard.telemetry if msg.state == msg.FAULT]
    assert told and ("not finite" in told[-1].reason) == (case.name != "raises")


def event_time(rig, count):
    """When (ns) the policy said farewell, by its own stamp."""
    heard = rig.robot.heard.commands

    def farewells():
        return [msg for _, msg in heard[count:] if not msg.joint_names]

    rig.robot.wait(farewells, PATIENCE, "the policy's farewell")
    return convert.stamp_to_ns(farewells()[0].header.stamp)


def test_a_released_policy_ends_in_a_hold_at_once(rig, matrix):
    case = Case("policy_release", "the policy is released", ("POLICY_HOLD",), COMMAND_AGE, "event", "engage")

    def release():
        count = len(rig.robot.heard.commands)
        assert rig.robot.trigger("policy/release").success
        return event_time(rig, count)

    hold(rig, case, matrix, "policy", release)


def test_a_policy_that_hangs_ends_in_a_hold(rig, matrix):
    case = Case("policy_hangs", "the policy hangs (SIGSTOP)", ("STALE_COMMAND",), COMMAND_AGE, "command")
    heal = rig.heal

    def wake_and_heal():
        rig.send("policy_node", signal.SIGCONT)
        heal()

    rig.heal = wake_and_heal
    try:
        hold(rig, case, matrix, "policy", lambda: rig.send("policy_node", signal.SIGSTOP))
    finally:
        rig.send("policy_node", signal.SIGCONT)
        del rig.heal


def once(rig, case, matrix, cause):
    """A fault that takes the policy away: measured once, healed by the caller."""
    rig.follow()
    matrix.add(row_of(case, "policy", "holds", react(rig, cause, case)))


def test_a_killed_policy_ends_in_a_hold_and_a_new_one_may_go_on(rig, matrix):
    case = Case("policy_killed", "the policy is killed (SIGKILL)", ("STALE_COMMAND",), COMMAND_AGE, "command", RESTART)
    once(rig, case, matrix, lambda: rig.processes.kill("policy_node"))
    rig.start_policy()
    rig.follow()


def test_an_interrupted_policy_ends_in_a_hold(rig, matrix):
    case = Case("policy_interrupted", "Ctrl-C on the policy", ("POLICY_HOLD",), COMMAND_AGE, "event", RESTART)

    def interrupt():
        count = len(rig.robot.heard.commands)
        assert rig.interrupt("policy_node") == 0
        return event_time(rig, count)

    once(rig, case, matrix, interrupt)
    assert "Traceback" not in rig.log("policy_node")
    rig.start_policy()
    rig.follow()


def test_a_deactivated_policy_ends_in_a_hold(rig, matrix):
    title, ends = "the policy is deactivated in motion", "activate, engage"
    case = Case("policy_deactivated", title, ("POLICY_HOLD",), COMMAND_AGE, "event", ends)

    def deactivate():
        count = len(rig.robot.heard.commands)
        rig.robot.reach("policy_node", Transition.TRANSITION_DEACTIVATE, "inactive")
        return event_time(rig, count)

    once(rig, case, matrix, deactivate)
    rig.robot.reach("policy_node", Transition.TRANSITION_ACTIVATE, "active")
    rig.follow()


def test_a_policy_may_tick_on_its_own_clock(rig):
    rig.end_policy()
    rig.start_policy(tick_source="timer")
    try:
        rig.follow()
        count, begin = len(rig.robot.heard.commands), time.monotonic()
        rig.robot.wait(lambda: len(rig.robot.heard.commands) >= count + 60, PATIENCE)
        assert time.monotonic() - begin > 48 * PERIOD
        # It still judges its inputs: without joint states it falls silent all the same.
        case = Case("timer", "", ("STALE_JOINT_STATE",), STATE_AGE, "joint_state")
        react(rig, lambda: rig.robot.faults.add("joints_stop"), case)
    finally:
        rig.end_policy()


def test_engaging_without_what_the_policy_needs_is_refused(rig):
    rig.follow()
    rig.robot.trigger("policy/release")
    rig.robot.faults.add("estimate_stop")
    time.sleep(2 * OBJECT_AGE)
    answer = rig.robot.call(Trigger, "policy/engage")
    assert not answer.success and "object/estimate" in answer.message


def corrupt(bundle):
    data = bytearray((bundle / "policy.onnx").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (bundle / "policy.onnx").write_bytes(data)


def truncate(bundle):
    data = (bundle / "golden.npz").read_bytes()
    (bundle / "golden.npz").write_bytes(data[: len(data) // 2])


def another_hand(bundle):
    manifest(bundle, lambda data: data["hand"].update(name="leap"))


def another_version(bundle):
    manifest(bundle, lambda data: data.update(schema_version=99))


def another_rate(bundle):
    manifest(bundle, lambda data: data["control"].update(period=0.5 * PERIOD))


def without_an_expert(bundle):
    (bundle / "expert_0.onnx").unlink()


def without_anything(bundle):
    shutil.rmtree(bundle)


def manifest(bundle, change):
    data = json.loads((bundle / "manifest.json").read_text())
    change(data)
    (bundle / "manifest.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("damage", "words", "title"),
    [
        (corrupt, "sha256", "the bundle is corrupted"),
        (truncate, "golden", "the bundle is truncated"),
        (another_hand, "hand.name", "the bundle is for another robot"),
        (another_version, "schema_version", "the bundle is of another version"),
        (another_rate, "control.period", "the bundle is for another control rate"),
        (without_an_expert, "expert_0", "an expert is missing from the bundle"),
        (without_anything, "bundle", "there is no bundle"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_or_foreign_bundle_is_refused(rig, matrix, damage, words, title):
    robot = rig.robot
    rig.heal()
    robot.rogue.active = False
    rig.end_policy()
    bad = rig.folder / f"bad_{damage.__name__}"
    trap_bundle(bad)
    damage(bad)
    since = len(robot.heard.diagnostics)
    rig.start_policy(bundle=str(bad))
    try:
        robot.wait(lambda: "refused" in rig.log("policy_node"), PATIENCE, "a refusal")
        assert words in rig.log("policy_node") and "Traceback" not in rig.log("policy_node")
        assert robot.state_of("policy_node") == "unconfigured"

        def told():
            rows = [row for _, msg in robot.heard.diagnostics[since:] for row in msg.status]
            return any(row.name == "/policy_node" and words in row.message for row in rows)

        robot.wait(told, PATIENCE, what="diagnostics")
        robot.trigger("bridge/rearm")
        rig.wait_for(SafetyState.HOLD)
        reason = robot.last_status()[1]
        assert reason in ("NO_COMMAND", "STALE_COMMAND", "POLICY_HOLD")
        matrix.add(Row(damage.__name__, title, "bundle", "refused before the first command; holds", reason))
    finally:
        rig.end_policy()


def test_a_mask_of_zeros_leaves_the_base_alone(rig, matrix):
    folder = rig.folder / "unmasked"
    unmasked_bundle(folder)
    rig.end_policy()
    rig.start_policy(bundle=str(folder))
    try:
        goes_on(rig, Case("mask_zero", "a residual's mask is all zero"), matrix, "bundle", lambda: None)
        telemetry = [msg for _, msg in rig.robot.heard.telemetry if msg.residual][-1]
        assert not any(telemetry.mask) and not any(telemetry.residual)
    finally:
        rig.end_policy()
