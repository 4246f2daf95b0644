"""A LEAP Hand on a UR5e whose joints the policy commands: the profile's bridge and drivers, without DDS in between."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mink")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.safety import JointLimits
from sleight_description import load_hand, load_robot
from sleight_ros.bridges import arm_follower, joint_state_command, joint_trajectory, states
from sleight_ros.bridges.base import BridgeCommand, BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge
from sleight_ros.bridges.states import StateSources, parse_states
from sleight_ros.convert import joint_state_msg
from sleight_ros.drivers.config import load_config
from sleight_ros.drivers.xc330 import RAD_PER_TICK
from sleight_ros.simulation.dialects import joint_trajectory as trajectory_dialect
from sleight_ros.simulation.dialects.base import DriverContext
from sleight_ros.simulation.dialects.conduct import Conduct
from sleight_ros.simulation.dialects.driver import Driver, parse_driver

from .host import Hand
from .test_profiles import PERIOD, Wires, sections

TABLE = load_hand("leap_ur5e")
LEAP = load_config()
ARM = list(TABLE.arm_joints)
STAMP = Time(sec=7)
#: A tick of a motor, half of which is rounded away.
TICK = RAD_PER_TICK


class Clock:
    """Time of bridge and states; a loaded machine makes nothing stale."""

    def __init__(self):
        self.now, self.ticks = 100.0, 0

    def monotonic(self):
        return self.now


class BusDriver:
    """What `leap_driver` does between its topics and the emulated motors, without the serial line."""

    def __init__(self, wires, dialect):
        self.wires, self.motors = wires, dialect._emulator.bus.motors
        self.mapping = LEAP.mapping()
        wires.listen(JointState, "hand_controller/joint_command", self.command)

    def command(self, msg):
        angles = dict(zip(msg.name, msg.position, strict=True))
        ticks = self.mapping.ticks(np.array([angles[name] for name in LEAP.joint_names]))
        for one, goal in zip(LEAP.ids, ticks, strict=True):
            self.motors[one].memory.set("Goal Position", goal)

    def torque(self, on):
        for motor in self.motors.values():
            motor.memory.set("Torque Enable", int(on))

    def publish(self, stamp):
        angles = self.mapping.from_ticks(np.array([self.motors[one].position for one in LEAP.ids]))
        self.wires.deliver("leap/joint_states", joint_state_msg(LEAP.joint_names, angles, 0.0 * angles, stamp))


@pytest.fixture
def rig(monkeypatch, tmp_path):
    found, clock, wires, hand, words = sections("leap_ur5e_arm"), Clock(), Wires(), Hand(TABLE), []
    assert found["hand"] == "leap_ur5e"
    hand.pos = TABLE.posture("ready")
    for module in (arm_follower, states):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(joint_trajectory, "read_parameters", wires.read)
    monkeypatch.setattr(trajectory_dialect, "serve_parameters", wires.serve)
    monkeypatch.setattr(joint_state_command, "state_names", wires.names)
    context = DriverContext(wires, TABLE, "world", lambda: hand, words.append, Conduct())  # type: ignore[arg-type]
    found["driver"]["hand"]["link"] = str(tmp_path / "bus")
    driver = Driver(parse_driver(found["driver"]), context)
    driver.setup()
    bus = BusDriver(wires, driver.dialects["hand"])
    joints, quiet = [], SimpleNamespace(append=lambda _: None).append
    sources = StateSources(parse_states(found["states"]), wires, TABLE, "world", quiet, quiet)  # type: ignore[arg-type]
    sources.configure()
    wires.listen(None, "joint_states", joints.append)

    def publish(*, hand_speaks=True):
        clock.ticks += 1
        stamp = Time(sec=7, nanosec=clock.ticks * 1000)
        driver.publish(stamp, hand.read(), last=False)
        if hand_speaks:
            bus.publish(stamp)
        driver.publish(stamp, hand.read(), last=True)

    publish()
    limits = JointLimits.from_table(TABLE)
    parts = BridgeContext(wires, TABLE, limits, "world", PERIOD, lambda: sources.arm)  # type: ignore[arg-type]
    bridge = Bridge(parse_bridge(found["bridge"]), parts)
    bridge.configure()
    yield SimpleNamespace(**{k: v for k, v in locals().items() if k not in ("monkeypatch", "tmp_path", "found")})
    driver.close()


def send(rig, positions):
    """One period: the bridge sends, the motors' goals arrive, all speak."""
    rig.clock.now += PERIOD
    rig.bridge.send(BridgeCommand(rig.limits.names, rig.limits.clip(positions), np.zeros(6), STAMP))
    rig.driver.dialects["hand"].look()
    rig.publish()


def test_hand_and_arm_become_one_joint_state(rig):
    heard = dict(zip(rig.joints[-1].name, rig.joints[-1].position, strict=True))
    assert [heard[name] for name in TABLE.joint_names] == pytest.approx(rig.hand.pos, abs=TICK)
    assert rig.sources.arm[0] == pytest.approx({name: heard[name] for name in ARM})


def test_each_source_has_an_age_limit_of_its_own(rig):
    count = len(rig.joints)
    rig.clock.now += 0.04
    rig.publish(hand_speaks=False)
    assert len(rig.joints) == count, "the hand has said nothing new: no new state"
    assert rig.sources.report()["states.hand"] == "ok", "but 40 ms are young enough"
    rig.clock.now += 0.02
    rig.publish(hand_speaks=False)
    assert len(rig.joints) == count, "60 ms: no joint state at all, and the safety filter holds"
    assert "60 ms old" in rig.sources.report()["states.hand"]
    rig.publish()
    assert len(rig.joints) == count + 1


def test_targets_arrive_through_motors_and_controller(rig):
    rig.bus.torque(True)
    rng = np.random.default_rng(0)
    positions = rig.hand.pos[TABLE.actuated_index]
    for _ in range(20):
        positions = rig.limits.clip(positions + rng.uniform(-0.01, 0.01, len(positions)))
        send(rig, positions)
    assert rig.hand.targets[-1] == pytest.approx(positions, abs=TICK)
    assert not rig.words and not rig.context.conduct.violations


def test_without_torque_the_hand_stays(rig):
    rig.bus.torque(False)
    before = rig.hand.pos.copy()
    send(rig, rig.hand.pos[TABLE.actuated_index] + 0.02)
    fingers = slice(0, 16)
    assert rig.hand.pos[fingers] == pytest.approx(before[fingers], abs=TICK)


def test_the_guard_keeps_the_arm_off_the_table(rig):
    rig.bus.torque(True)
    lift = ARM.index("shoulder_lift_joint")
    arm = [TABLE.actuated_joint_names.index(name) for name in ARM]
    positions = rig.hand.pos[TABLE.actuated_index].copy()
    for _ in range(120):
        positions[arm[lift]] += 0.01  # the whole arm leans forward and down
        send(rig, positions)
    guarded = rig.hand.targets[-1][arm[lift]]
    assert guarded < positions[arm[lift]] - 0.1
    assert "table" in rig.bridge.report()["bridge.arm guard"]
    servo = rig.bridge.adapters["arm"]._arm.servo
    assert servo.targets[lift] == pytest.approx(guarded, abs=1e-9)


def test_another_arm_than_the_hands_is_refused(rig):
    section = {
        "hand": {"adapter": "leap", "states_topic": "leap/joint_states"},
        "arm": {
            "adapter": "arm_targets",
            "robot": "leap_xarm6",
            "joints": ARM,
            "output": {"adapter": "forward_command"},
        },
    }
    context = rig.bridge.context
    with pytest.raises(SleightError, match="is not the profile's hand"):
        Bridge(parse_bridge(section), context).configure()


def test_the_robot_is_the_one_that_the_policy_was_trained_on():
    assert load_robot("leap_ur5e").table.digest() == TABLE.digest()
