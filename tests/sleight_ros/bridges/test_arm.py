"""A floating-wrist command on an arm: inverse kinematics, the arm's controller and its encoders, all the way round."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mink")

from builtin_interfaces.msg import Time
from sleight_core.arm import ArmKinematics
from sleight_core.errors import SleightError
from sleight_core.hand.kinematics import center_of_mass
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate
from sleight_ros.bridges import arm_follower, forward_command, joint_trajectory, states
from sleight_ros.bridges.base import BridgeCommand, BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge
from sleight_ros.bridges.robots import find_robot
from sleight_ros.bridges.states import StateSources, parse_states
from sleight_ros.simulation.dialects import forward_command as forward_dialect
from sleight_ros.simulation.dialects import joint_trajectory as trajectory_dialect
from sleight_ros.simulation.dialects.base import DriverContext
from sleight_ros.simulation.dialects.conduct import Conduct
from sleight_ros.simulation.dialects.driver import Driver, parse_driver

from .builders import HAND, LIMITS, PERIOD
from .host import Hand
from .test_profiles import Wires

START = np.array([0.0, 0.0, 0.8])
PALM_DOWN = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


class FloatingHand(Hand):
    """Follows the twist of its centre of mass as the simulated wrist does, within its speed."""

    center = np.array(center_of_mass(HAND))
    twist = np.zeros(6)

    def command_twist(self, twist):
        super().command_twist(twist)
        self.twist = np.asarray(twist)

    def move(self, period):
        linear, angular = self.twist[:3], self.twist[3:]
        root = linear - np.cross(angular, quat_rotate(self.wrist_quat, self.center))
        self.wrist_pos = self.wrist_pos + root * period
        turn = quat_multiply(np.concatenate([[1.0], 0.5 * angular * period]), self.wrist_quat)
        self.wrist_quat = turn / np.linalg.norm(turn)

    def read(self):
        reading = super().read()
        reading.wrist_linvel = self.twist[:3] - np.cross(self.twist[3:], quat_rotate(self.wrist_quat, self.center))
        reading.wrist_angvel = self.twist[3:]
        return reading


def make(monkeypatch, robot="shadow_ur5e", kind="joint_trajectory", **ik):
    clock, wires, hand, words = Clock(), Wires(), FloatingHand(HAND), []
    hand.wrist_pos, hand.wrist_quat = START.copy(), PALM_DOWN.copy()
    for module in (arm_follower, states):
        monkeypatch.setattr(module, "time", clock)
    for module in (forward_command, joint_trajectory):
        monkeypatch.setattr(module, "read_parameters", wires.read)
    for module in (forward_dialect, trajectory_dialect):
        monkeypatch.setattr(module, "serve_parameters", wires.serve)
    context = DriverContext(wires, HAND, "world", lambda: hand, words.append, Conduct())  # type: ignore[arg-type]
    parts = {
        "hand": {"dialect": "joint_trajectory", "serve_parameters": False},
        "arm": {"dialect": "arm", "robot": robot, "input": {"dialect": kind, "controller": "arm_controller"}},
        "states": {"dialect": "joint_states"},
    }
    driver = Driver(parse_driver(parts), context)
    driver.setup()
    heard = []
    source = {"arm": {"source": "arm", "topic": "arm/joint_states", "robot": robot}}
    sources = StateSources(parse_states(source), wires, HAND, "world", heard.append, heard.append)  # type: ignore[arg-type]
    sources.configure()
    output = {"adapter": kind, "controller": "arm_controller"}
    section = {
        "hand": {"adapter": "joint_trajectory", "verify": False},
        "wrist": {
            "adapter": "arm_joint",
            "robot": robot,
            "output": output,
            "ik": ik,
        },
    }
    arm = lambda: sources.arm  # noqa: E731
    bridge = Bridge(parse_bridge(section), BridgeContext(wires, HAND, LIMITS, "world", PERIOD, arm))  # type: ignore[arg-type]
    rig = SimpleNamespace(
        clock=clock, wires=wires, hand=hand, driver=driver, bridge=bridge, sources=sources, odometry=heard,
        words=words, conduct=context.conduct,
    )  # fmt: skip

    def tick(twist=None):
        """One control step: the driver speaks, the bridge answers, the hand moves."""
        for last in (False, True):
            driver.publish(Time(sec=7), hand.read(), last=last)
        if twist is not None:
            middle = 0.5 * (LIMITS.lower + LIMITS.upper)
            bridge.send(BridgeCommand(LIMITS.names, middle, np.asarray(twist, dtype=float), Time(sec=7)))
        hand.move(PERIOD)
        clock.now += PERIOD

    rig.tick = tick
    tick()
    bridge.configure()
    return rig


def angle_between(first, second):
    off = quat_multiply(first, quat_conjugate(second))
    return 2.0 * np.arctan2(np.linalg.norm(off[1:]), abs(off[0]))


@pytest.mark.parametrize("kind", ["joint_trajectory", "forward_command"])
def test_the_hand_goes_where_a_floating_wrist_would_have_gone(monkeypatch, kind):
    rig = make(monkeypatch, kind=kind)
    free = FloatingHand(HAND)
    free.wrist_pos, free.wrist_quat = START.copy(), PALM_DOWN.copy()
    rng = np.random.default_rng(0)
    twist, goal = np.zeros(6), np.zeros(6)
    for k in range(180):
        if k % 30 == 0:
            goal = rng.uniform(-1, 1, 6) * [0.15, 0.15, 0.12, 0.2, 0.2, 0.25]
        twist = twist + np.clip(goal - twist, -0.08, 0.08)
        free.twist = twist
        free.move(PERIOD)
        rig.tick(twist)
    for _ in range(30):
        rig.tick(np.zeros(6))
    assert np.linalg.norm(rig.hand.wrist_pos - free.wrist_pos) < 0.004
    assert angle_between(rig.hand.wrist_quat, free.wrist_quat) < 0.02
    assert not rig.words and not rig.conduct.violations
    # What the arm's encoders say of the wrist is where it is.
    pose = rig.odometry[-1].pose.pose.position
    assert np.allclose([pose.x, pose.y, pose.z], rig.hand.wrist_pos, atol=1e-4)


def test_at_rest_nothing_moves_and_without_fresh_encoders_the_last_targets_stay(monkeypatch):
    rig = make(monkeypatch)
    for _ in range(10):
        rig.tick(np.zeros(6))
    assert np.linalg.norm(rig.hand.wrist_pos - START) < 1e-4
    topic = "arm_controller/joint_trajectory"
    before = list(rig.wires.newest[topic].points[0].positions)
    rig.clock.now += 1.0
    middle = 0.5 * (LIMITS.lower + LIMITS.upper)
    rig.bridge.send(BridgeCommand(LIMITS.names, middle, np.full(6, 0.1), Time(sec=7)))
    assert list(rig.wires.newest[topic].points[0].positions) == before


def test_an_arm_that_was_never_heard_of_is_not_moved(monkeypatch):
    rig = make(monkeypatch)
    rig.bridge.start()
    rig.clock.now += 1.0
    middle = 0.5 * (LIMITS.lower + LIMITS.upper)
    with pytest.raises(SleightError, match="no fresh joint state"):
        rig.bridge.send(BridgeCommand(LIMITS.names, middle, np.zeros(6), Time(sec=7)))
    assert "hand_controller/joint_trajectory" not in rig.wires.newest, "not half a command"


def test_a_hand_that_was_put_elsewhere_is_found_again(monkeypatch):
    rig = make(monkeypatch)
    for _ in range(5):
        rig.tick(np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.0]))
    rig.hand.wrist_pos, rig.hand.twist = np.array([-0.05, 0.08, 0.75]), np.zeros(6)
    rig.bridge.start()
    rig.driver.reset()
    for _ in range(3):
        rig.tick()
    assert np.allclose(rig.hand.wrist_pos, [-0.05, 0.08, 0.75])
    for _ in range(20):
        rig.tick(np.zeros(6))
    assert np.linalg.norm(rig.hand.wrist_pos - [-0.05, 0.08, 0.75]) < 1e-3


@pytest.mark.parametrize("robot", ["shadow_ur5e", "leap_ur5e", "leap_xarm6", "leap_franka"])
def test_robots_are_found_and_ready_is_palm_down_above_the_table(robot):
    found = find_robot(robot)
    pos, quat = ArmKinematics.of_wrist(found.table).pose(found.arm_posture()[None])
    assert np.abs(pos[0, :2]).max() < 0.2 and 0.7 < pos[0, 2] < 0.95
    assert np.linalg.norm(quat[0]) == pytest.approx(1.0)


def test_what_does_not_fit_is_refused(monkeypatch, tmp_path):
    with pytest.raises(SleightError, match="did you mean 'leap_ur5e'"):
        find_robot("leap_ur5")
    with pytest.raises(SleightError, match="did you mean 'speed_scale'"):
        make(monkeypatch, sped_scale=0.5)
    with pytest.raises(SleightError, match="carries hand 'leap'"):
        make(monkeypatch, robot="leap_ur5e")
    section = {"wrist": {"adapter": "arm_joint", "robot": "shadow_ur5e", "output": {"adapter": "twist"}}}
    context = BridgeContext(Wires(), HAND, LIMITS, "world", PERIOD, lambda: ({}, 0.0))  # type: ignore[arg-type]
    parts = {"hand": {"adapter": "joint_trajectory", "verify": False}, **section}
    with pytest.raises(SleightError, match=r"bridge.wrist.output.adapter' is unknown"):
        Bridge(parse_bridge(parts), context).configure()
    with pytest.raises(SleightError, match="nobody says where the arm is"):
        Bridge(parse_bridge(parts), BridgeContext(Wires(), HAND, LIMITS, "world", PERIOD)).configure()  # type: ignore[arg-type]
