"""Every shipped profile: its bridge and its simulated driver understand each other, without DDS in between."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")

import rclpy
from builtin_interfaces.msg import Time
from sleight_core.safety import JointLimits
from sleight_description import load_hand
from sleight_ros.bridges import forward_command, joint_state_command, joint_trajectory
from sleight_ros.bridges.base import BridgeCommand, BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge
from sleight_ros.bridges.section import read_section
from sleight_ros.bridges.states import StateSources, parse_states
from sleight_ros.profiles import profile_names, profile_path
from sleight_ros.simulation.dialects import forward_command as forward_dialect
from sleight_ros.simulation.dialects import joint_trajectory as trajectory_dialect
from sleight_ros.simulation.dialects.base import DriverContext
from sleight_ros.simulation.dialects.conduct import Conduct
from sleight_ros.simulation.dialects.driver import Driver, parse_driver

from .host import Hand

PERIOD = 1.0 / 60.0
#: Profiles whose wrist is an arm's need its inverse kinematics.
pytest.importorskip("mink")
#: The hand of `leap_ur5e_arm` is on a serial bus: test_leap_arm.py.
PROFILES = [name for name in profile_names() if name not in ("robot_template", "leap_ur5e_arm")]
KNOWN_KEYS = {"/**", "/**/sim_node", "/**/policy_node", "/**/hand_bridge", "/**/perception_node", "/**/leap_driver"}


class Wires:
    """A node for both sides: what one publishes, the other hears at once."""

    def __init__(self):
        self.heard, self.parameters, self.newest = {}, {}, {}

    def publish_on(self, _kind, topic, _qos):
        return SimpleNamespace(publish=lambda msg: self.deliver(topic, msg), get_subscription_count=lambda: 1)

    def deliver(self, topic, msg):
        self.newest[topic] = msg
        for callback in self.heard.get(topic, ()):
            callback(msg)

    def listen(self, _kind, topic, callback, _qos=None):
        self.heard.setdefault(topic, []).append(callback)

    def resolve_topic_name(self, topic):
        return topic

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=7 * 10**9))

    def serve(self, _context, controller, parameters):
        self.parameters[controller] = parameters

    def read(self, _node, controller, names, _timeout):
        found = self.parameters.get(controller)
        return found and {name: found[name] for name in names if name in found}

    def names(self, _node, topic, _timeout):
        return set(self.newest[topic].name)


def sections(profile):
    """The sections as the nodes read them through ROS: name -> nested dictionary, and the hand."""
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(profile_path(profile))], context=context)
    try:
        found = {}
        for name, wanted in (("hand_bridge", ("bridge", "states")), ("sim_node", ("driver",))):
            node = rclpy.create_node(name, context=context, namespace="somewhere")
            node.declare_parameter("hand", "")
            found["hand"] = node.get_parameter("hand").value
            found.update({key: read_section(node, key) for key in wanted})
            node.destroy_node()
        return found
    finally:
        rclpy.shutdown(context=context)


@pytest.fixture
def rig(request, monkeypatch):
    found = sections(request.param)
    table = load_hand(found["hand"])
    wires, hand, words = Wires(), Hand(table), []
    for module in (forward_command, joint_trajectory):
        monkeypatch.setattr(module, "read_parameters", wires.read)
    for module in (forward_dialect, trajectory_dialect):
        monkeypatch.setattr(module, "serve_parameters", wires.serve)
    monkeypatch.setattr(joint_state_command, "state_names", wires.names)
    context = DriverContext(wires, table, "world", lambda: hand, words.append, Conduct())  # type: ignore[arg-type]
    driver = Driver(parse_driver(found["driver"]), context)
    driver.setup()
    limits = JointLimits.from_table(table)
    states = parse_states(found["states"])
    joints, wrists = [], []
    sources = None
    if states:
        quiet = SimpleNamespace(append=lambda _: None).append
        sources = StateSources(states, wires, table, "world", quiet, quiet)  # type: ignore[arg-type]
        sources.configure()
    wires.listen(None, "joint_states", joints.append)
    wires.listen(None, "wrist/odometry", wrists.append)

    def publish():
        for last in (False, True):
            driver.publish(Time(sec=7), hand.read(), last=last)

    publish()
    parts = parse_bridge(found["bridge"] or DEFAULT)
    arm = (lambda: sources.arm) if sources is not None and sources.has_arm else None
    bridge = Bridge(parts, BridgeContext(wires, table, limits, "world", PERIOD, arm))  # type: ignore[arg-type]
    bridge.configure()
    # Warming the inverse kinematics up may have taken longer than an arm's state stays fresh.
    publish()
    return SimpleNamespace(
        table=table, hand=hand, words=words, driver=driver, bridge=bridge, limits=limits, publish=publish,
        joints=joints, wrists=wrists, conduct=context.conduct, on_arm=arm is not None,
    )  # fmt: skip


DEFAULT = {"hand": {"adapter": "joint_trajectory", "verify": False}, "wrist": {"adapter": "twist"}}


@pytest.mark.parametrize("rig", PROFILES, indirect=True)
def test_what_a_profiles_bridge_sends_is_what_its_driver_understands(rig):
    rng = np.random.default_rng(0)
    for _ in range(50):
        share = rng.uniform(0.0, 1.0, len(rig.limits.names))
        positions = rig.limits.lower + share * (rig.limits.upper - rig.limits.lower)
        twist = rng.uniform(-0.2, 0.2, 6)
        rig.bridge.send(BridgeCommand(rig.limits.names, positions, twist, Time(sec=7)))
        assert np.allclose(rig.hand.targets[-1], positions, atol=1e-9)
        if not rig.on_arm:
            assert np.allclose(rig.hand.twists[-1], twist, atol=1e-9)
    assert not rig.words and not rig.conduct.violations


@pytest.mark.parametrize("rig", PROFILES, indirect=True)
def test_what_a_profiles_driver_says_of_itself_is_what_the_graph_hears(rig):
    rng = np.random.default_rng(1)
    for _ in range(5):
        rig.hand.pos = rig.table.lower + rng.uniform(0.1, 0.9, len(rig.table.lower)) * (
            rig.table.upper - rig.table.lower
        )
        rig.publish()
        heard = dict(zip(rig.joints[-1].name, rig.joints[-1].position, strict=True))
        assert set(heard) >= set(rig.table.joint_names) and len(rig.joints[-1].velocity) == len(heard)
        assert np.allclose([heard[name] for name in rig.table.joint_names], rig.hand.pos, atol=1e-9)
        assert rig.wrists[-1].header.frame_id == "world"
        assert rig.wrists[-1].pose.pose.position.z == pytest.approx(rig.hand.wrist_pos[2], abs=1e-6)


@pytest.mark.parametrize("profile", profile_names())
def test_a_profiles_keys_are_those_of_our_nodes_and_its_cameras_are_the_simulations(profile):
    content = yaml.safe_load(profile_path(profile).read_text())
    assert set(content) <= KNOWN_KEYS and "/**" in content
    if profile != "robot_template":
        reference = yaml.safe_load(profile_path("shadow_sim").read_text())
        own = content["/**"]["ros__parameters"]
        assert {key: own[key] for key in ("cameras", "camera")} == {
            key: reference["/**"]["ros__parameters"][key] for key in ("cameras", "camera")
        }
