"""Messages and arrays: joints by name, quaternion order, frames, stamps."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sensor_msgs.msg import JointState
from sleight_core.rotations import quat_rotate, quat_to_matrix
from sleight_ros import convert

FINITE = st.floats(-1e3, 1e3)
NAMES = ("a", "b", "c", "d")


def quats():
    return (
        arrays(float, 4, elements=st.floats(-1, 1))
        .filter(lambda q: np.linalg.norm(q) > 0.1)
        .map(lambda q: q / np.linalg.norm(q))
    )


@given(arrays(float, (3, 4), elements=FINITE))
def test_swapping_the_order_twice_changes_nothing(q):
    assert np.array_equal(convert.to_wxyz(convert.to_xyzw(q)), q)
    assert np.array_equal(convert.to_xyzw(q)[:, 3], q[:, 0])


@given(quats())
def test_a_quaternion_message_holds_w_last(q):
    msg = convert.quaternion_to_msg(q)
    assert (msg.w, msg.x, msg.y, msg.z) == tuple(q)
    assert np.array_equal(convert.quaternion_from_msg(msg), q)


@given(st.permutations(NAMES + ("extra",)), arrays(float, 5, elements=FINITE), arrays(float, 5, elements=FINITE))
def test_joints_are_found_by_name_in_any_order(order, position, velocity):
    msg = convert.joint_state_msg(order, position, velocity, Time())
    reading = convert.JointReader(NAMES).read(msg)
    assert reading.complete and reading.describe(NAMES) == ""
    for i, name in enumerate(NAMES):
        assert reading.position[i] == position[order.index(name)]
        assert reading.velocity[i] == velocity[order.index(name)]


def test_the_order_may_change_between_two_messages():
    reader = convert.JointReader(NAMES)
    values = np.arange(4.0)
    for order in (NAMES, NAMES[::-1], NAMES):
        reading = reader.read(convert.joint_state_msg(order, values, values, Time()))
        assert [reading.position[NAMES.index(name)] for name in order] == list(values)


@pytest.mark.parametrize(
    ("names", "position", "velocity", "words"),
    [
        (["a", "b", "d"], [0, 0, 0], [0, 0, 0], "joint missing: c"),
        (["a", "b", "c", "d", "a"], [0] * 5, [0] * 5, "joint named twice: a"),
        (["a", "b", "c", "d"], [0, 0, 0], [0] * 4, "4 names and 3 positions"),
        (["a", "b", "c", "d"], [0] * 4, [0] * 3, "4 names and 3 velocities"),
        (["a", "b", "c", "d"], [0, float("nan"), 0, 0], [0] * 4, "position of joint b is nan"),
        (["a", "b", "c", "d"], [0] * 4, [0, 0, float("inf"), 0], "velocity of joint c is inf"),
        (["a", "b", "c", "d"], [0] * 4, [], "velocity of joint a is nan"),
        ([], [], [], "joint missing: a, b, c, d"),
    ],
)
def test_what_is_wrong_with_a_joint_state_is_said(names, position, velocity, words):
    msg = JointState(name=names, position=[float(v) for v in position], velocity=[float(v) for v in velocity])
    reading = convert.JointReader(NAMES).read(msg)
    assert not reading.complete
    assert words in reading.describe(NAMES)


@given(arrays(float, 3, elements=FINITE), quats(), arrays(float, 3, elements=FINITE), arrays(float, 3, elements=FINITE))
def test_odometry_carries_its_twist_in_the_child_frame(pos, quat, linear, angular):
    msg = convert.odometry_msg(pos, quat, linear, angular, frame="world", child_frame="wrist", stamp=Time())
    in_child = quat_to_matrix(quat).T @ linear
    assert np.allclose(convert.vector_from_msg(msg.twist.twist.linear), in_child, atol=1e-9)
    reading = convert.read_odometry(msg)
    assert reading.problem == "" and reading.frame == "world"
    assert np.allclose(reading.pos, pos) and np.allclose(reading.quat, quat)
    assert np.allclose(reading.linvel, linear, atol=1e-9) and np.allclose(reading.angvel, angular, atol=1e-9)


@pytest.mark.parametrize("quat", [[0, 0, 0, 0], [2, 0, 0, 0], [np.nan, 0, 0, 1]])
def test_an_orientation_that_is_none_is_not_believed(quat):
    zero = np.zeros(3)
    good = convert.odometry_msg(zero, np.array([1.0, 0, 0, 0]), zero, zero, frame="w", child_frame="c", stamp=Time())
    good.pose.pose.orientation = convert.quaternion_to_msg(np.array(quat, dtype=float))
    assert convert.read_odometry(good).problem


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_keep_every_nanosecond(ns):
    assert convert.stamp_to_ns(convert.stamp_from_ns(ns)) == ns


def test_times_before_the_epoch_become_zero():
    assert convert.stamp_to_ns(convert.stamp_from_ns(-5)) == 0


@settings(max_examples=50)
@given(st.permutations(NAMES), arrays(float, 4, elements=FINITE))
def test_targets_are_matched_by_name(order, values):
    msg = convert.trajectory_msg(order, values, 1 / 60)
    assert (msg.header.stamp.sec, msg.header.stamp.nanosec) == (0, 0)
    targets = convert.read_targets(list(msg.joint_names), list(msg.points)[0].positions, NAMES)
    assert targets.complete
    assert [targets.positions[NAMES.index(name)] for name in order] == list(values)


def test_incomplete_targets_say_what_is_missing_and_what_is_unknown():
    targets = convert.read_targets(["a", "x", "a", "c"], [1.0, 2.0, 3.0, 4.0], NAMES)
    assert targets.missing == ["b", "d"] and targets.unknown == ["x", "a"] and not targets.complete
    assert convert.read_targets(["a"], [1.0, 2.0], NAMES).problem
    assert not convert.read_targets(NAMES, [0.0, 0.0, np.inf, 0.0], NAMES).complete


@given(arrays(float, (3, 6), elements=FINITE), st.permutations(range(3)))
def test_wrenches_are_matched_by_finger(wrenches, order):
    fingers = ("ff", "mf", "th")
    msg = convert.wrenches_msg([fingers[i] for i in order], wrenches[list(order)], Time())
    reading = convert.read_wrenches(msg, fingers)
    assert not reading.problem and np.array_equal(reading.wrenches, wrenches)


def test_a_missing_or_broken_wrench_is_a_problem():
    msg = convert.wrenches_msg(("ff", "mf"), np.zeros((2, 6)), Time())
    assert "th" in convert.read_wrenches(msg, ("ff", "mf", "th")).problem
    wrenches = list(msg.wrenches)
    wrenches[1].force.x = float("nan")
    assert convert.read_wrenches(msg, ("ff", "mf")).problem
    msg.wrenches = wrenches[:1]
    assert convert.read_wrenches(msg, ("ff", "mf")).problem


@given(quats(), arrays(float, 3, elements=FINITE))
def test_a_command_keeps_its_numbers(quat, vector):
    twist = np.concatenate([vector, quat_rotate(quat, vector)])
    msg = convert.command_msg(
        NAMES, np.arange(4.0), twist, frame="world", stamp=Time(), state_stamp=Time(sec=3), sequence=7, bundle_id="x"
    )
    assert np.array_equal(convert.twist_from_msg(msg), twist)
    assert np.array_equal(convert.twist_from_msg(convert.twist_msg(twist, "world", Time())), twist)
    assert (msg.sequence, msg.state_stamp.sec, list(msg.positions)) == (7, 3, [0.0, 1.0, 2.0, 3.0])
