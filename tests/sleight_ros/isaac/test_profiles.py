"""The profiles for mirroring, and the nodes that they need."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

import rclpy
from sleight_core.errors import SleightError
from sleight_core.safety import JointLimits
from sleight_description import load_hand
from sleight_ros.bridges.base import BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge
from sleight_ros.bridges.section import parse, read_section
from sleight_ros.bridges.states import StateSources, parse_states
from sleight_ros.graph.mirror import MODES, MirrorWish, describe_mirror, mirror_profile
from sleight_ros.isaac.mirror import LeaderPart, Mirror

FOLDER = mirror_profile("leap").parent
PROFILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("bridge", MODES.values())
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_whole_in_both_modes(profile, bridge):
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(mirror_profile(profile))], context=context)
    try:
        node = rclpy.create_node(bridge, context=context, namespace="somewhere")
        node.declare_parameter("hand", "")
        node.declare_parameter("wrist", True)
        table = load_hand(node.get_parameter("hand").value)
        assert node.get_parameter("wrist").value is False
        limits = JointLimits.from_table(table)
        Mirror(table, part := parse(LeaderPart, read_section(node, "leader"), "leader"))
        # A simulation that begins anew stops a real hand, and a real hand's driver no simulation.
        assert part.restart == ("latch" if bridge == "hand_bridge" else "resume")
        parts = parse_bridge(read_section(node, "bridge"))
        Bridge(parts, BridgeContext(node, table, limits, "world", 1 / 60, wrist=False))  # type: ignore[arg-type]
        states = parse_states(read_section(node, "states"))
        StateSources(states, node, table, "world", print, print)  # type: ignore[arg-type]
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def test_a_mode_has_its_nodes_and_what_there_is_not_is_refused(tmp_path):
    wish = MirrorWish(tmp_path, "monitor", "isaac_gym", "leap_driver", {"port": "/dev/hand"})
    nodes = describe_mirror(wish)
    assert [(node.name, node.namespace) for node in nodes] == [
        ("leap_driver", "hand"),
        ("isaac_gym", ""),
        ("sim_bridge", ""),
    ]
    assert [node.name for node in describe_mirror(MirrorWish(tmp_path, "shadow", "isaac_sim"))] == ["hand_bridge"]
    for words, changed in (
        ("mode", MirrorWish(tmp_path, "mirror", "isaac_sim")),
        ("simulator", MirrorWish(tmp_path, "shadow", "gazebo")),
        ("hand driver", MirrorWish(tmp_path, "shadow", "isaac_sim", "leap")),
    ):
        with pytest.raises(SleightError, match=words):
            describe_mirror(changed)


def test_profiles_are_found_by_name_and_file(tmp_path):
    assert mirror_profile("shadow") == FOLDER / "shadow.yaml"
    assert mirror_profile(str(FOLDER / "leap.yaml")) == Path(FOLDER / "leap.yaml")
    with pytest.raises(SleightError, match="did you mean 'leap'"):
        mirror_profile("laep")
    with pytest.raises(SleightError, match="no such profile"):
        mirror_profile(str(tmp_path / "mine.yaml"))
