"""What the monitor shows, from messages alone."""

import json
import math

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rich.console import Console
from sensor_msgs.msg import JointState
from sleight_core.safety import ReasonCode, SafetyState
from sleight_msgs.msg import HandCommand, ObjectEstimate, PolicyTelemetry, SafetyStatus
from sleight_ros import convert
from sleight_ros.monitor.drawing import bar, draw
from sleight_ros.monitor.model import Model

LIMITS = {"control_period": 0.02, "command_max_age": 0.0, "joint_state_max_age": 0.0, "object_max_age": 0.3}


def text(model, now=0.0):
    console = Console(width=100, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(draw(model.view(now)))
    return captured.get()


def status(state=SafetyState.ACTIVE, reason=ReasonCode.OK, detail="", ages=None):
    ages = ages or {"joint_state": 0.01, "wrist": 0.01, "object": 0.1, "command": 0.01}
    return SafetyStatus(
        state=int(state),
        reason=int(reason),
        detail=detail,
        source_names=list(ages),
        source_ages=list(ages.values()),
        sent_count=10,
        limited_count=2,
        overruns=1,
    )


def tick(number, **fields):
    msg = PolicyTelemetry(state=PolicyTelemetry.ENGAGED, sequence=number, bundle_id="toy@1", **fields)
    msg.header.stamp = convert.stamp_from_ns(10**18 + number * 20_000_000)
    msg.action, msg.tick_time, msg.inference_time = [0.1, 0.2], 0.004, 0.001
    return msg


def test_nothing_heard_is_an_empty_view():
    model = Model()
    assert model.view(0.0).empty
    assert "no hand_bridge is heard" in text(model) and "no policy_node is heard" in text(model)


def test_a_hold_is_told_with_its_reason_and_the_late_source():
    model = Model()
    model.take_limits(LIMITS)
    ages = {"joint_state": 0.08, "wrist": 0.01, "object": math.inf, "command": 0.01}
    model.take_status(status(SafetyState.HOLD, ReasonCode.STALE_JOINT_STATE, "80 ms old", ages), 0.0)
    bridge = model.view(0.0).bridge
    assert bridge is not None and (bridge.state, bridge.reason) == ("HOLD", "STALE_JOINT_STATE")
    assert {source.name: source.late for source in bridge.sources} == {
        "joint_state": True,
        "wrist": False,
        "object": True,
        "command": False,
    }
    assert {source.name: source.limit for source in bridge.sources}["command"] == pytest.approx(0.06)
    shown = text(model)
    assert "HOLD" in shown and "STALE_JOINT_STATE: 80 ms old" in shown and "of 50 ms" in shown and "never" in shown
    assert "10 sent, 2 limited, 1 overruns" in shown


def test_limits_are_not_made_up():
    model = Model()
    model.take_status(status(), 0.0)
    assert "limit unknown" in text(model)
    bridge = model.view(0.0).bridge
    assert bridge is not None and not any(source.late for source in bridge.sources)


def test_rates_times_experts_and_residual():
    model = Model()
    model.take_limits(LIMITS)
    for i in range(50):
        model.take_telemetry(
            tick(i, expert_names=["lift", "hold"], expert_weights=[0.75, 0.25], residual=[3.0, 4.0]), 0.02 * i
        )
    policy = model.view(1.0).policy
    assert policy is not None and policy.rate == pytest.approx(50.0) and policy.period_error == pytest.approx(0.0)
    assert policy.tick_time == pytest.approx(0.004) and policy.inference_time == pytest.approx(0.001)
    assert policy.experts == [("lift", 0.75), ("hold", 0.25)]
    assert policy.residual_norm == pytest.approx(5.0) and policy.residual_largest == pytest.approx(4.0)
    shown = text(model, 1.0)
    assert "50.0 Hz" in shown and "lift" in shown and "0.750" in shown and "norm 5.000" in shown


def test_a_pause_between_engagements_is_no_period():
    model = Model()
    for i in (0, 1, 2):
        model.take_telemetry(tick(i), 0.0)
    model.take_telemetry(PolicyTelemetry(state=PolicyTelemetry.IDLE), 0.0)
    for i in (500, 501, 502):
        model.take_telemetry(tick(i), 0.0)
    policy = model.view(0.0).policy
    assert policy is not None and policy.rate == pytest.approx(50.0)


def test_joints_that_lag_most_come_first_with_their_owner():
    names = [f"J{i}" for i in range(8)]
    model = Model(["wrist[0]", *(f"fingers.{name}" for name in names)])
    msg = tick(1, mask=[False] * 5 + [True] * 4)
    model.take_telemetry(msg, 0.0)
    model.take_sent(HandCommand(joint_names=names, positions=[1.0] * 8), 0.0)
    # In an order of their own, from two drivers, one joint never measured.
    model.take_joints(JointState(name=names[6:2:-1], position=[0.0, 0.1, 0.2, 0.3]), 0.0)
    model.take_joints(JointState(name=names[:3], position=[0.9, 1.0, 1.5]), 0.0)
    joints = model.view(0.0).joints
    assert [joint.name for joint in joints] == ["J6", "J5", "J4", "J3", "J2"]
    assert [round(joint.error, 6) for joint in joints] == [1.0, 0.9, 0.8, 0.7, -0.5]
    assert [joint.owner for joint in joints] == ["second", "second", "second", "first", "first"]
    assert "owner" in text(model) and "4 of 9 elements" in text(model)


def test_complaints_come_worst_first_and_are_taken_back():
    def say(name, level, message=""):
        return DiagnosticArray(status=[DiagnosticStatus(name=name, level=bytes([level]), message=message)])

    model = Model()
    for name, level, message in (("/a", 1, "warm"), ("/b", 2, "refused: [x]"), ("/c", 0, "")):
        model.take_diagnostics(say(name, level, message), 0.0)
    assert [(p.level, p.node) for p in model.view(0.0).problems] == [("ERROR", "/b"), ("WARN", "/a")]
    assert "refused: [x]" in text(model)
    model.take_diagnostics(say("/b", 0), 0.0)
    assert [p.node for p in model.view(1.0).problems] == ["/a"] and not model.view(9.0).problems


def test_silence_is_shown():
    model = Model()
    model.take_status(status(), 0.0)
    model.take_telemetry(PolicyTelemetry(state=PolicyTelemetry.WAITING, reason="nothing on joint_states yet"), 0.0)
    model.take_estimate(ObjectEstimate(reason=ObjectEstimate.NO_CLOUD), 0.0)
    assert "silent" not in text(model, 0.5) and "not seen (reason 1)" in text(model, 0.5)
    shown = text(model, 5.0)
    assert shown.count("silent for 5.0 s") == 2 and "nothing on joint_states yet" in shown


def test_json_is_plain_even_with_infinite_ages_and_unknown_numbers():
    model = Model()
    msg = status(ages={"joint_state": math.inf})
    msg.state, msg.reason = 77, 200
    model.take_status(msg, 0.0)
    model.take_telemetry(tick(1, expert_weights=[float("nan")]), 0.0)
    found = json.loads(json.dumps(model.view(0.0).as_dict(), allow_nan=False))
    assert found["bridge"]["state"] == "77" and found["bridge"]["sources"][0]["age"] is None
    assert found["policy"]["experts"] == [["expert_0", None]]
    assert text(model)


def test_bars_stay_in_their_frame():
    for share in (-1.0, 0.0, 0.5, 1.0, 7.0, float("nan")):
        assert len(bar(share, 10)) == 10
    assert bar(0.5, 10) == "█" * 5 + "░" * 5
