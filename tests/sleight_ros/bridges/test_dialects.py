"""The fakes refuse what the real controllers refuse, and write down what nobody should send."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import TwistStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_ros.simulation.dialects.base import DriverContext
from sleight_ros.simulation.dialects.conduct import Conduct, Echo
from sleight_ros.simulation.dialects.driver import DEFAULT, Driver, parse_driver
from std_msgs.msg import Float64, Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from .builders import HAND, FakeNode, inside
from .host import Hand

NAMES = list(HAND.actuated_joint_names)
NOW = 1_000_000_000_000
WRIST = {"dialect": "twist"}
JTC = {"dialect": "joint_trajectory", "serve_parameters": False}


class Listener(FakeNode):
    """A node whose messages the test delivers."""

    def __init__(self):
        super().__init__()
        self.heard = {}

    def listen(self, _kind, topic, callback, _qos=None):
        self.heard[topic] = callback

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=NOW))


def make(parts, monkeypatch=None):
    node, hand, words = Listener(), Hand(HAND), []
    if monkeypatch is not None:
        from sleight_ros.simulation.dialects import forward_command

        monkeypatch.setattr(forward_command, "serve_parameters", lambda *_: None)
    context = DriverContext(node, HAND, "world", lambda: hand, words.append, Conduct())  # type: ignore[arg-type]
    driver = Driver(parse_driver(parts), context)
    driver.setup()
    driver.targets.measured = hand.pos[HAND.actuated_index]
    return SimpleNamespace(driver=driver, node=node, hand=hand, words=words, conduct=context.conduct)


def trajectory(names=NAMES, positions=None, *, stamp=None, count=1, **fields):
    values = [0.1] * len(names) if positions is None else [float(v) for v in positions]
    points = []
    for i in range(count):
        point = JointTrajectoryPoint(positions=values, time_from_start=Duration(nanosec=16_000_000 * (i + 1)))
        for name, value in fields.items():
            setattr(point, name, value)
        points.append(point)
    msg = JointTrajectory(joint_names=list(names), points=points)
    if stamp is not None:
        msg.header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
    return msg


@pytest.mark.parametrize(
    ("msg", "words"),
    [
        (trajectory(NAMES[:-1]), "17 joints for a controller of 18"),
        (trajectory([]), "0 joints"),
        (trajectory(count=0), "empty trajectory"),
        (trajectory([*NAMES[:-1], "THUMB"]), "doesn't match"),
        (trajectory(positions=[0.1] * 17), "18 joint names and 17 positions"),
        (trajectory(velocities=[0.0] * 3), "3 velocities"),
        (trajectory(velocities=[0.5] * 18), "velocity of last trajectory point"),
        (trajectory(effort=[0.0] * 18), "effort"),
        (trajectory(stamp=NOW - 17_000_000), "ends in the past"),
        (trajectory(count=2, time_from_start=Duration()), "not strictly increasing"),
        (trajectory([NAMES[0], *NAMES[:-1]]), "named twice"),
        (trajectory(count=2), "2 points"),
        (trajectory(positions=[np.nan, *[0.1] * 17]), "'FFJ3' is nan"),
    ],
)
def test_a_trajectory_that_is_refused_moves_nothing(msg, words):
    fake = make({"hand": JTC, "wrist": WRIST})
    fake.node.heard["hand_controller/joint_trajectory"](msg)
    assert not fake.hand.targets
    assert words in fake.words[-1] and words in fake.conduct.violations[-1]


def test_a_trajectory_that_is_accepted_is_understood_by_name():
    fake = make({"hand": JTC, "wrist": WRIST})
    order = np.random.default_rng(0).permutation(18)
    values = inside(np.linspace(0.1, 0.9, 18))
    send = fake.node.heard["hand_controller/joint_trajectory"]
    for stamp in (None, NOW - 10_000_000, NOW + 10**9):
        send(trajectory([NAMES[i] for i in order], values[order], stamp=stamp))
        assert np.array_equal(fake.hand.targets.pop(), values)
    send(trajectory(positions=values, velocities=[0.0] * 18))
    assert len(fake.hand.targets) == 1 and not fake.conduct.violations and not fake.words


def test_partial_goals_keep_the_other_joints():
    fake = make({"hand": {**JTC, "allow_partial_joints_goal": True}, "wrist": WRIST})
    fake.hand.pos[:] = 0.2
    fake.driver.targets.measured = fake.hand.pos[HAND.actuated_index]
    send = fake.node.heard["hand_controller/joint_trajectory"]
    send(trajectory(NAMES[2:3], [0.7]))
    send(trajectory(NAMES[5:6], [0.4]))
    wanted = np.full(18, 0.2)
    wanted[2], wanted[5] = 0.7, 0.4
    assert np.array_equal(fake.hand.targets[-1], wanted)
    fake.driver.reset()
    send(trajectory(NAMES[5:6], [0.3]))
    assert fake.hand.targets[-1][2] == 0.2, "after a reset old targets are forgotten"


def test_a_forward_controller_drops_nan_and_dies_of_a_wrong_length(monkeypatch):
    parts = {"hand": {"dialect": "forward_command", "controller": "f", "joints": NAMES[::-1]}, "wrist": WRIST}
    fake = make(parts, monkeypatch)
    send = fake.node.heard["f/commands"]
    values = inside(np.linspace(0.2, 0.8, 18))
    send(Float64MultiArray(data=[np.nan] * 18))
    assert not fake.hand.targets and "non-finite" in fake.words[-1]
    send(Float64MultiArray(data=values[::-1].tolist()))
    assert np.array_equal(fake.hand.targets[-1], values)
    send(Float64MultiArray(data=[0.0] * 17))
    assert "deactivated" in fake.words[-1]
    send(Float64MultiArray(data=[0.0] * 18))
    assert len(fake.hand.targets) == 1, "it was deactivated"
    fake.driver.reset()
    send(Float64MultiArray(data=[0.0] * 18))
    assert len(fake.hand.targets) == 2


def test_topic_based_hardware_matches_by_name_and_is_hurt_by_lists_of_two_lengths():
    fake = make({"hand": {"dialect": "joint_state_command"}, "wrist": WRIST})
    send = fake.node.heard["joint_command"]
    send(JointState(name=NAMES[:2], position=[0.1]))
    assert "2 names and 1 values" in fake.words[-1] and not fake.hand.targets
    send(JointState(name=["FFJ2", "FFJ2"], position=[0.1, 0.2]))
    assert "named twice" in fake.words[-1] and not fake.hand.targets
    send(JointState(name=["FFJ2", "elsewhere"], position=[0.3, 0.2]))
    assert "ignored" in fake.words[-1] and fake.hand.targets[-1][NAMES.index("FFJ2")] == 0.3
    send(JointState(name=["FFJ2"], position=[np.inf]))
    assert len(fake.hand.targets) == 1


def test_shadows_motors_move_two_joints_by_their_sum_and_clamp():
    fake = make({"hand": {"dialect": "shadow_topics"}, "wrist": WRIST})
    assert sum(topic.startswith("sh_") for topic in fake.node.heard) == 20
    fake.node.heard["sh_rh_ffj0_position_controller/command"](Float64(data=1.2))
    assert fake.hand.targets[-1][NAMES.index("FFJ1")] == pytest.approx(0.6)
    fake.node.heard["sh_rh_ffj4_position_controller/command"](Float64(data=0.2))
    assert fake.hand.targets[-1][NAMES.index("FFJ3")] == pytest.approx(-0.2)
    fake.node.heard["sh_rh_wrj1_position_controller/command"](Float64(data=0.0))
    assert not fake.conduct.violations
    fake.node.heard["sh_rh_thj5_position_controller/command"](Float64(data=2.0))
    assert fake.hand.targets[-1][NAMES.index("THJ4")] == pytest.approx(1.0472) and fake.conduct.count == 1


def test_a_twist_in_another_frame_or_too_old_is_dropped():
    fake = make({"hand": JTC, "wrist": {**WRIST, "max_age": 0.1}})
    send = fake.node.heard["wrist_controller/twist"]
    good = TwistStamped()
    good.header.frame_id = "world"
    good.header.stamp = Time(sec=NOW // 10**9)
    good.twist.linear.x = 0.1
    send(good)
    assert fake.hand.twists[-1][0] == 0.1
    for change in (lambda m: setattr(m.header, "frame_id", "base"), lambda m: setattr(m.header.stamp, "sec", 999)):
        bad = TwistStamped(header=good.header, twist=good.twist)
        change(bad)
        send(bad)
    good.header.frame_id, good.header.stamp = "world", Time(sec=NOW // 10**9)
    good.twist.linear.y = float("nan")
    send(good)
    assert len(fake.hand.twists) == 1


NUMBER = st.floats(allow_nan=True, allow_infinity=True) | st.just(0.1)
NAME = st.sampled_from([*NAMES, "other", ""])


@settings(deadline=None)
@given(
    names=st.lists(NAME, max_size=20) | st.permutations(NAMES),
    values=st.lists(NUMBER, max_size=20) | st.just([0.1] * 18),
    partial=st.booleans(),
)
def test_whatever_comes_the_hand_only_gets_complete_finite_targets(names, values, partial):
    fake = make({"hand": {**JTC, "allow_partial_joints_goal": partial}, "wrist": WRIST})
    fake.node.heard["hand_controller/joint_trajectory"](trajectory(names, values))
    assert all(np.isfinite(row).all() for row in fake.hand.targets)
    assert bool(fake.hand.targets) != bool(fake.conduct.violations)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"hand": {"dialect": "joint_trajectorie"}}, "did you mean 'joint_trajectory'"),
        ({"hand": {**JTC, "control": "x"}}, "did you mean 'controller'"),
        ({"hand": {**JTC, "joints": ["FFJ3"]}, "wrist": WRIST}, "no dialect takes some joints"),
        ({"a": JTC, "b": JTC, "wrist": WRIST}, "taken by two dialects"),
        ({"hand": {**JTC, "joints": [*NAMES, "FFJ33"]}, "wrist": WRIST}, "did you mean"),
    ],
)
def test_a_wrong_driver_section_is_refused(parts, words):
    with pytest.raises(SleightError) as error:
        make(parts)
    assert words in str(error.value)


def test_the_default_driver_listens_where_it_always_has():
    fake = make({})
    assert set(fake.node.heard) == {"hand_controller/joint_trajectory", "wrist_controller/twist"}
    assert set(fake.node.publishers) == {"joint_states", "wrist/odometry"}
    assert [name for name, part in DEFAULT.items()] == ["hand", "wrist", "odometry", "states"]


def test_the_echo_finds_a_wrong_order_by_its_values(monkeypatch):
    from sleight_ros.simulation.dialects import conduct as module

    conduct = Conduct()
    echo = Echo(conduct, NAMES)
    values = inside(np.linspace(0.1, 0.9, 18))
    echo.understood("hand", NAMES, values)
    echo.understood("hand", NAMES[3:5], values[3:5])
    echo.sent(NAMES, values.tolist())
    assert conduct.understood == 2 and not conduct.violations
    echo.understood("hand", NAMES, values[::-1])
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    echo.settle()
    assert "wrong order" in conduct.violations[-1]
