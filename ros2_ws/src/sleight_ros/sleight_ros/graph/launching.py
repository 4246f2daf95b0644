"""A described graph as actions of ROS's `launch`, which is there in a ROS 2 installation only.

The launch files differ in nothing but the arguments that they offer and the defaults of these.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
from launch.actions import (  # pyright: ignore[reportMissingImports]
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration  # pyright: ignore[reportMissingImports]
from launch_ros.actions import LifecycleNode, Node  # pyright: ignore[reportMissingImports]
from sleight_core.errors import SleightError

from sleight_ros.graph.description import HAND_DRIVERS, GraphNode, GraphWish, describe, emulates_bus, profile_for
from sleight_ros.graph.mirror import MODES, SIMULATORS, MirrorWish, describe_mirror, mirror_profile
from sleight_ros.profiles import profile_path

#: Programs that hold the last safety layer.
BRIDGES = ("hand_bridge", "isaac_bridge")
YES_OR_NO = ("true", "false")
#: Name -> default (None: must be given), choices (none: any text), description.
ARGUMENTS: Mapping[str, tuple[str | None, Sequence[str], str]] = {
    "bundle": (None, (), "Folder of the policy bundle."),
    "hand": ("", (), "Hand, or hand on an arm, whose shipped profile is used; empty: as 'profile' says."),
    "profile": ("shadow_sim", (), "Shipped profile, or a parameter file for all nodes."),
    "namespace": ("", (), "Moves the whole graph."),
    "sim": ("true", YES_OR_NO, "Simulate the robot, in the dialect that the profile says."),
    "objects": (
        "",
        (),
        "On the simulated table: an object set, or a YAML list of them; empty: as in the profile.",
    ),
    "skills": ("true", YES_OR_NO, "Run the skill server (where it is installed)."),
    "record": ("true", YES_OR_NO, "Record the graph's topics into MCAP bags."),
    "record_folder": ("recordings", (), "Folder that gets one folder a bag."),
    "use_sim_time": ("false", YES_OR_NO, "Take the time from /clock; a simulation of ours then publishes it."),
    "enclaves": ("", (), "Prefix of the nodes' security enclaves (SROS 2), such as /sleight; empty: none are named."),
    "arm": ("ur5e", ("ur5e", "xarm6", "franka"), "Arm that carries the hand; selects the profile."),
    "hand_driver": ("leap_driver", HAND_DRIVERS, "Who speaks to the LEAP Hand's motors; 'none': you start a driver."),
    "mode": (None, tuple(MODES), "Who follows: 'shadow', the real hand, or 'monitor', the simulation."),
    "simulator": ("isaac_sim", SIMULATORS, "Isaac Sim, or an Isaac Gym process with our two lines (GymLink)."),
    "port": ("", (), "Serial port of the hand (leap_driver); empty: as the profile or the node has it."),
}
#: What every graph offers.
COMMON = (
    "bundle",
    "hand",
    "profile",
    "namespace",
    "sim",
    "objects",
    "skills",
    "record",
    "record_folder",
    "use_sim_time",
    "enclaves",
)


def graph_description(more: Sequence[str] = (), **defaults: Any) -> LaunchDescription:
    """The launch description of a graph.

    Args:
        more: Arguments that are offered besides `COMMON`.
        defaults: Of arguments, in place of those of `ARGUMENTS`; a list is a substitution.
    """
    # Those of one launch file first: defaults of the others may depend on them.
    names = [*more, *COMMON]
    return LaunchDescription(
        [*(_argument(name, defaults) for name in names), OpaqueFunction(function=_start, args=[names])]
    )


def replay_description() -> LaunchDescription:
    """The launch description that plays a recording through a policy, and ends with it."""
    colcon = package_prefix() is not None
    python = (shutil.which("python3") if colcon else None) or sys.executable
    words = ["-c", "from sleight_core.cli import main; main()", "replay", LaunchConfiguration("bag")]
    command = [python, *words, "--bundle", LaunchConfiguration("bundle")]
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Folder of the recording, or its MCAP file."),
            _argument("bundle", {}),
            ExecuteProcess(cmd=command, name="replay", output="screen", on_exit=Shutdown(reason="the replay ended")),
        ]
    )


def mirror_description(**defaults: Any) -> LaunchDescription:
    """The launch description of a simulation and a real hand that follow one another.

    Args:
        defaults: Of arguments, in place of those of `ARGUMENTS`.
    """
    names = ("mode", "simulator", "profile", "namespace", "hand_driver", "port")
    return LaunchDescription([*(_argument(name, defaults) for name in names), OpaqueFunction(function=_start_mirror)])


def package_prefix() -> str | None:
    """Where `sleight_ros` was installed by colcon; None when it is a plain Python package."""
    try:
        from ament_index_python.packages import get_package_prefix

        return get_package_prefix("sleight_ros")
    except (ImportError, LookupError, OSError):
        return None


def _argument(name: str, defaults: Mapping[str, Any]) -> DeclareLaunchArgument:
    default, choices, text = ARGUMENTS[name]
    options: dict[str, Any] = {"choices": list(choices)} if choices else {}
    default = defaults.get(name, default)
    return DeclareLaunchArgument(name, default_value=default, description=text, **options)


def _start(context: LaunchContext, names: Sequence[str]) -> list[Node]:
    """Make the nodes, now that all arguments are known."""
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    simulate = given["sim"] == "true"
    profile = profile_path(profile_for(given["hand"]) if given["hand"] else given["profile"])
    # The simulation is its own driver, but for a hand whose bus it emulates.
    simulated = "leap_driver" if emulates_bus(profile) else "none"
    wish = GraphWish(
        profile=profile,
        bundle=given["bundle"],
        sim=simulate,
        hand_driver=simulated if simulate else given.get("hand_driver", simulated),
        driver_parameters={"port": given["port"]} if given.get("port") else {},
        objects=_objects(given["objects"]),
        skills=given["skills"] == "true",
        use_sim_time=given["use_sim_time"] == "true",
        record=Path(given["record_folder"]) if given["record"] == "true" else None,
        enclaves=given["enclaves"],
    )
    return [launch_node(node, wish.profile, given["namespace"]) for node in describe(wish)]


def _start_mirror(context: LaunchContext) -> list[Node]:
    given = {
        name: LaunchConfiguration(name).perform(context)
        for name in ("mode", "simulator", "profile", "namespace", "hand_driver", "port")
    }
    wish = MirrorWish(
        profile=mirror_profile(given["profile"]),
        mode=given["mode"],
        simulator=given["simulator"],
        hand_driver=given["hand_driver"],
        driver_parameters={"port": given["port"]} if given["port"] else {},
    )
    return [launch_node(node, wish.profile, given["namespace"]) for node in describe_mirror(wish)]


def launch_node(node: GraphNode, profile: Path, namespace: str) -> Node:
    """One node as an action.

    Args:
        node: Its description.
        profile: Parameter file.
        namespace: Of the graph.
    """
    options: dict[str, Any] = {
        "name": node.name,
        "namespace": "/".join(part for part in (namespace, node.namespace) if part),
        "parameters": [str(profile), *([dict(node.parameters)] if node.parameters else [])],
        "output": "screen",
        "ros_arguments": node.ros_arguments,
    }
    if package_prefix() is not None:
        options |= {"package": "sleight_ros", "executable": node.executable, "arguments": list(node.arguments)}
    else:
        options |= {"executable": sys.executable, "arguments": ["-m", node.module, *node.arguments]}
    if node.niceness:
        options["prefix"] = f"nice -n {node.niceness}"
    if node.executable in BRIDGES:
        # Without its last safety layer nothing else may go on.
        options["on_exit"] = Shutdown(reason="the hand bridge ended")
    return LifecycleNode(**options) if node.lifecycle else Node(**options)


def _objects(text: str) -> list[str]:
    """The objects that an argument names.

    Raises:
        SleightError: It is neither a text nor a list of texts.
    """
    try:
        found = yaml.safe_load(text) if text.lstrip().startswith("[") else text
    except yaml.YAMLError:
        found = None
    if isinstance(found, str):
        return [found] if found else []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise SleightError("'objects' is an object set or a list of them", value=text, remedy="objects:=household:demo")
    return found
