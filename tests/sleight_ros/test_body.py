"""Hand and arm as they are taken out of the clouds, from joint states over DDS; and camera poses from tf."""

import sys
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.hand.shapes import HandShapes
from sleight_description import load_hand, load_robot
from sleight_ros import convert
from sleight_ros.body import RobotBody
from sleight_ros.cameras import pose_from_tf
from sleight_ros.nodes.base import STATE, SleightNode
from sleight_ros.profiles import profile_path

pytestmark = pytest.mark.graph
MOMENT = 5_000_000_000


class Probe:
    """A node with parameters, and what feeds it, in a context of its own."""

    def __init__(self, name: str = "probe", profile: str = "", **parameters: str) -> None:
        given = [word for name, value in parameters.items() for word in ("-p", f"{name.replace('__', '.')}:={value}")]
        given += ["--params-file", str(profile_path(profile))] if profile else []
        rclpy.init(args=["--ros-args", *given] if given else None)
        self.node = SleightNode(name)
        self.node.text("hand", "shadow", "Hand.")
        self.node.text("task_frame", "world", "Frame.")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)

    def wait(self, condition, publish) -> None:
        """Publish again and again until something holds."""
        until = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < until, "nothing arrived"
            publish()
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def probe():
    opened = []

    def make(*names: str, **parameters: str) -> Probe:
        opened.append(Probe(*names, **parameters))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.mark.parametrize("profile", ["leap_ur5e", "leap_xarm6", "leap_franka", "shadow_ur5e_sim"])
def test_the_shipped_profiles_of_arms_take_the_arm_out_of_the_clouds(probe, profile) -> None:
    one = probe("perception_node", profile)
    body = RobotBody(one.node)
    assert body.at(MOMENT, 1.0) is None
    # The parameters of an open section are not declared, so the overrides are all there is to read.
    overrides = one.node._parameter_overrides
    heard = {topic for topic, _ in one.node.get_topic_names_and_types()}
    assert f"/{overrides['arm.topic'].value}" in heard and "/wrist/odometry" not in heard


def joint_state(names, positions, stamp=MOMENT) -> JointState:
    return convert.joint_state_msg(names, np.asarray(positions), np.zeros(len(names)), convert.stamp_from_ns(stamp))


def placed(shapes) -> np.ndarray:
    return np.concatenate([group.pos for group in shapes])


def test_a_floating_hand_is_where_its_wrist_is(probe) -> None:
    one = probe()
    body, hand = RobotBody(one.node), load_hand("shadow")
    angles = np.linspace(0.0, 0.4, len(hand.joint_names))
    pos, quat = np.array([0.1, 0.0, 0.9]), np.array([0.6, 0.8, 0.0, 0.0])
    joints = one.node.create_publisher(JointState, "joint_states", STATE)
    wrist = one.node.create_publisher(Odometry, "wrist/odometry", STATE)

    def publish() -> None:
        joints.publish(joint_state(hand.joint_names[::-1], angles[::-1]))
        stamp = convert.stamp_from_ns(MOMENT)
        wrist.publish(
            convert.odometry_msg(
                pos, quat, np.zeros(3), np.zeros(3), frame="world", child_frame=hand.root_body, stamp=stamp
            )
        )

    assert body.at(MOMENT, 0.1) is None
    one.wait(lambda: body.at(MOMENT, 0.1) is not None, publish)
    shapes = body.at(MOMENT + 50_000_000, 0.1)
    assert shapes is not None
    np.testing.assert_allclose(placed(shapes), placed(HandShapes(hand).place(angles, pos, quat)), atol=1e-9)
    assert body.at(MOMENT + 200_000_000, 0.1) is None, "too old"


def test_an_arm_is_placed_with_its_hand(probe) -> None:
    one = probe(hand="leap", arm__robot="leap_ur5e", arm__topic="ur5e/joint_states", arm__prefix="left_")
    body, robot = RobotBody(one.node), load_robot("leap_ur5e")
    fingers = np.linspace(0.1, 0.5, len(robot.hand.joint_names))
    ready = robot.arm_posture()
    hand = one.node.create_publisher(JointState, "joint_states", STATE)
    arm = one.node.create_publisher(JointState, "ur5e/joint_states", STATE)

    def publish() -> None:
        hand.publish(joint_state(robot.hand.joint_names, fingers))
        arm.publish(joint_state([f"left_{name}" for name in robot.arm.joint_names], ready))

    one.wait(lambda: body.at(MOMENT, 0.1) is not None, publish)
    shapes = body.at(MOMENT, 0.1)
    assert shapes is not None
    values = dict(zip(robot.hand.joint_names, fingers, strict=True)) | dict(
        zip(robot.arm.joint_names, ready, strict=True)
    )
    expected = HandShapes(robot.table).place(np.array([values[name] for name in robot.table.joint_names]))
    np.testing.assert_allclose(placed(shapes), placed(expected), atol=1e-9)
    assert len(placed(shapes)) > sum(len(row.collisions) for row in robot.hand.bodies), "links of the arm are there"


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ({"hand": "shadow", "arm__robot": "leap_ur5e", "arm__topic": "a"}, "carries hand 'leap'"),
        ({"hand": "leap", "arm__robot": "leap_ur5", "arm__topic": "a"}, "leap_ur5e"),
        ({"hand": "leap", "arm__robot": "leap_ur5e"}, "arm.topic"),
        ({"hand": "leap", "arm__robot": "leap_ur5e", "arm__topic": "a", "arm__side": "left"}, "arm.side"),
    ],
)
def test_an_arm_that_does_not_fit_is_refused(probe, parameters, what) -> None:
    with pytest.raises(SleightError) as refusal:
        RobotBody(probe(**parameters).node)
    assert what in str(refusal.value)


def test_without_tf_a_camera_needs_its_pose(probe, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(SleightError, match="tf2_ros is not installed") as refusal:
        pose_from_tf(probe().node, "left_optical")
    assert "left_optical" in str(refusal.value) and "parameter file" in str(refusal.value)


def stub_tf(log: list, known: bool) -> ModuleType:
    """`tf2_ros` where no wheel has it: what is used of it."""

    class Buffer:
        def lookup_transform(self, target, source, _time, timeout):
            assert timeout.nanoseconds > 0
            log.append((target, source))
            if not known:
                raise LookupError("no such frame")
            vector, turn = SimpleNamespace(x=1.0, y=2.0, z=3.0), SimpleNamespace(x=0.1, y=0.2, z=0.3, w=0.9)
            return SimpleNamespace(transform=SimpleNamespace(translation=vector, rotation=turn))

    class TransformListener:
        def __init__(self, _buffer, node, *, spin_thread):
            log.append(node)
            assert spin_thread

        def unregister(self):
            log.append("unregistered")

    module = ModuleType("tf2_ros")
    module.Buffer, module.TransformListener = Buffer, TransformListener  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("known", [True, False])
def test_tf_gives_a_pose_by_a_node_of_its_own(probe, monkeypatch, known) -> None:
    log: list = []
    monkeypatch.setitem(sys.modules, "tf2_ros", stub_tf(log, known))
    node = probe().node
    if known:
        assert pose_from_tf(node, "left_optical") == [1.0, 2.0, 3.0, 0.9, 0.1, 0.2, 0.3]
    else:
        with pytest.raises(SleightError, match="tf knows no transform from 'left_optical' to 'world'"):
            pose_from_tf(node, "left_optical")
    helper = log[0]
    assert helper is not node and log[1:] == [("world", "left_optical"), "unregistered"]
    assert node.executor is not None, "the node keeps its executor"
    with pytest.raises(Exception, match=r"(?i)destroy"):
        helper.get_name()
