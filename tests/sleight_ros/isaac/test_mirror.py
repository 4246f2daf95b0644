"""Joint states of a leader become targets by name, whatever Isaac makes of their order."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.safety import ReasonCode, SafetyConfig, SafetyFilter, SafetyState
from sleight_description import load_hand
from sleight_ros import convert
from sleight_ros.bridges.joint_map import load_map
from sleight_ros.bridges.section import parse
from sleight_ros.isaac.mirror import Action, LeaderPart, Mirror

LEAP, SHADOW = load_hand("leap"), load_hand("shadow")
URDF = {ours: row.name for ours, row in load_map("leap_urdf").joints.items()}
PERIOD = 1.0 / 60.0


def mirror(table=LEAP, **section):
    section = {"topic": "isaac_joint_states", "map": "leap_urdf" if table is LEAP else "", **section}
    return Mirror(table, parse(LeaderPart, section, "leader"))


def state(positions, time, names=None, frame=""):
    msg = JointState(name=list(names or positions), position=[positions[name] for name in names or positions])
    msg.header.stamp, msg.header.frame_id = convert.stamp_from_ns(round(time * 1e9)), frame
    return msg


def angles(rng, table=LEAP, names=URDF):
    share = rng.uniform(0.1, 0.9, len(table.joint_names))
    values = table.lower + share * (table.upper - table.lower)
    return {names.get(name, name): float(value) for name, value in zip(table.joint_names, values, strict=True)}


def targets(verdict):
    return dict(zip(verdict.names, verdict.positions, strict=True))


def test_the_shipped_names_are_those_of_the_hand_table():
    order = LEAP.joint_order("urdf")
    assert dict(zip(order.ours, order.theirs, strict=True)) == URDF


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.lists(st.text("abc_/", min_size=1, max_size=5), max_size=4, unique=True))
def test_any_order_in_any_message_with_any_other_joints_moves_the_right_joint(random, others):
    one, rng = mirror(longest_step=6.3), np.random.default_rng(random.randrange(1000))
    for k in range(3):
        wanted = angles(rng)
        message = {**wanted, **{f"x{name}": 9.0 for name in others}}
        names = list(message)
        random.shuffle(names)
        verdict = one.take(k * PERIOD, state(message, 1.0 + k * PERIOD, names))
        assert verdict.action == Action.FOLLOW
        assert targets(verdict) == {ours: wanted[theirs] for ours, theirs in URDF.items()}


def follow(one, filter_, now, msg, sequence):
    """What the node does with a message, less ROS; the reason the filter gives."""
    verdict = one.take(now, msg)
    if verdict.action == Action.FOLLOW:
        return filter_.observe_command(now, None, verdict.names, verdict.positions, None, sequence)
    if verdict.fault is not None:
        (filter_.stop if verdict.action == Action.STOP else filter_.release)(verdict.fault.reason, verdict.fault.detail)
        return verdict.fault.reason
    return None


def spoiled(kind, wanted):
    names = list(wanted)
    if kind == "missing":
        return JointState(name=names[1:], position=[wanted[name] for name in names[1:]])
    if kind == "twice":
        return JointState(name=[*names, names[0]], position=[*wanted.values(), 0.0])
    if kind == "collapsed":  # IsaacSim#480: all names, one value
        return JointState(name=names, position=[0.1])
    if kind == "no positions":
        return JointState(name=names, effort=[0.0] * len(names))
    return JointState(name=names, position=[*list(wanted.values())[:-1], float("nan")])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", ReasonCode.MISSING_JOINT),
        ("twice", ReasonCode.DUPLICATE_JOINT),
        ("collapsed", ReasonCode.WRONG_LENGTH),
        ("no positions", ReasonCode.WRONG_LENGTH),
        ("nan", ReasonCode.NON_FINITE_COMMAND),
    ],
)
def test_a_message_that_is_not_whole_is_refused_with_its_reason_and_soon_held(kind, reason):
    one, rng = mirror(), np.random.default_rng(0)
    filter_ = SafetyFilter(LEAP, SafetyConfig(watch_object=False, watch_wrist=False, blend_time=0.0))
    wanted, now = angles(rng), 0.0
    filter_.arm()
    for k in range(40):
        now = k * PERIOD
        filter_.observe_joint_state(now, now, LEAP.joint_names, np.clip(1e-3 * k, LEAP.lower, LEAP.upper))
        msg = state(wanted, 1.0 + now) if k < 20 else spoiled(kind, wanted)
        msg.header.stamp = convert.stamp_from_ns(round((1.0 + now) * 1e9))
        said = follow(one, filter_, now, msg, k)
        assert said == (ReasonCode.OK if k < 20 else reason)
        output = filter_.tick(now)
        if k == 19:
            assert output.state == SafetyState.ACTIVE
    assert (output.state, output.reason) == (SafetyState.HOLD, reason)


def test_velocities_that_do_not_fit_are_no_matter():
    one, wanted = mirror(), angles(np.random.default_rng(1))
    msg = state(wanted, 1.0)
    msg.velocity = [0.0]
    assert one.take(0.0, msg).action == Action.FOLLOW


def test_a_paused_simulation_holds_with_its_reason_and_goes_on():
    one, wanted = mirror(), angles(np.random.default_rng(2))
    assert one.silence(0.0) is None
    assert one.take(0.0, state(wanted, 5.0)).action == Action.FOLLOW
    for k in range(1, 20):
        assert one.take(k * PERIOD, state(wanted, 5.0)).action == Action.IGNORE
    fault = one.silence(19 * PERIOD)
    assert fault is not None and fault.reason == ReasonCode.FROZEN_STAMP
    assert one.take(20 * PERIOD, state(wanted, 5.0 + PERIOD)).action == Action.FOLLOW
    assert one.silence(20 * PERIOD) is None


def test_silence_is_told_apart_from_a_clock_that_stands():
    one = mirror()
    one.take(0.0, state(angles(np.random.default_rng(3)), 5.0))
    fault = one.silence(0.2)
    assert fault is not None and fault.reason == ReasonCode.STALE_COMMAND


@pytest.mark.parametrize(("restart", "action"), [("latch", Action.STOP), ("resume", Action.WAIT)])
def test_a_restart_latches_unless_told_otherwise(restart, action):
    one, wanted = mirror(restart=restart), angles(np.random.default_rng(4))
    one.take(0.0, state(wanted, 5.0))
    verdict = one.take(PERIOD, state(wanted, 0.0))
    assert verdict.action == action
    assert verdict.fault is not None and verdict.fault.reason == ReasonCode.BACKWARD_TIME
    one.forget()
    assert one.take(2 * PERIOD, state(wanted, PERIOD)).action == Action.FOLLOW


def test_another_process_is_a_restart_though_its_clock_is_ahead():
    one, wanted = mirror(), angles(np.random.default_rng(5))
    one.take(0.0, state(wanted, 5.0, frame="a"))
    verdict = one.take(PERIOD, state(wanted, 5.0 + PERIOD, frame="b"))
    assert verdict.action == Action.STOP and verdict.fault is not None and "'b'" in verdict.fault.detail


def test_a_jump_of_clock_or_joint_waits_for_a_blend():
    one, wanted = mirror(), angles(np.random.default_rng(6))
    one.take(0.0, state(wanted, 5.0))
    verdict = one.take(PERIOD, state(wanted, 9.0))
    assert verdict.action == Action.WAIT and verdict.fault is not None
    assert verdict.fault.reason == ReasonCode.FUTURE_STAMP
    assert one.take(2 * PERIOD, state(wanted, 9.0 + PERIOD)).action == Action.FOLLOW
    placed = {**wanted, "2": wanted["2"] + 0.6}
    verdict = one.take(3 * PERIOD, state(placed, 9.0 + 2 * PERIOD))
    assert verdict.action == Action.WAIT and verdict.fault is not None and "if_pip" in verdict.fault.detail
    assert verdict.fault.reason == ReasonCode.TARGET_TOO_FAR
    assert one.take(4 * PERIOD, state(placed, 9.0 + 3 * PERIOD)).action == Action.FOLLOW


def test_joint_states_without_stamps_need_a_clock():
    wanted = angles(np.random.default_rng(7))
    one = mirror(clock="/clock")
    one.take(0.0, state(wanted, 0.0))
    fault = one.silence(0.01)
    assert fault is not None and "/clock" in fault.detail
    for k in range(30):
        one.tell_time(k * PERIOD, 2.0 + k * PERIOD)
        assert one.take(k * PERIOD, state(wanted, 0.0)).action == Action.FOLLOW
        assert one.silence(k * PERIOD) is None
    assert one.tell_time(31 * PERIOD, 0.5).action == Action.STOP
    # Without a clock, stamps that nobody fills in are a clock that stands.
    one = mirror()
    for k in range(12):
        one.take(k * PERIOD, state(wanted, 0.0))
    fault = one.silence(12 * PERIOD)
    assert fault is not None and fault.reason == ReasonCode.FROZEN_STAMP


def test_coupled_joints_need_not_be_there():
    names = {name: name for name in SHADOW.joint_names}
    values = angles(np.random.default_rng(8), SHADOW, names)
    few = {name: values[name] for name in SHADOW.actuated_joint_names}
    verdict = mirror(SHADOW).take(0.0, state(few, 1.0))
    assert targets(verdict) == few


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"topik": "x"}, "did you mean 'topic'"),
        ({"topic": ""}, "leader.topic"),
        ({"topic": "x", "max_age": 0.0}, "leader.max_age"),
        ({"topic": "x", "restart": "maybe"}, "leader.restart"),
    ],
)
def test_a_wrong_section_is_refused(section, words):
    with pytest.raises(SleightError, match=words):
        parse(LeaderPart, section, "leader")
