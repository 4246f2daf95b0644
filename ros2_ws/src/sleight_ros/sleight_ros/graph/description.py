"""Which nodes a profile needs, with which parameters: the only place that says so.

`sleight_ros.graph.launching` turns the description into actions of `ros2 launch`, `sleight up` into processes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from sleight_core.errors import SleightError

#: Node -> its executable in the ROS package, and its module for ``python -m``.
PROGRAMS: Mapping[str, tuple[str, str]] = {
    "recorder": ("recorder", "sleight_ros.recording"),
    "sim_node": ("sim_node", "sleight_ros.nodes.sim_node"),
    "leap_driver": ("leap_driver", "sleight_ros.drivers.leap_driver_node"),
    "leap_official": ("leap_official", "sleight_ros.drivers.leap_official_node"),
    "hand_bridge": ("hand_bridge", "sleight_ros.nodes.bridge_node"),
    "policy_node": ("policy_node", "sleight_ros.nodes.policy_node"),
    "perception_node": ("perception_node", "sleight_ros.nodes.perception_node"),
    "isaac_bridge": ("isaac_bridge", "sleight_ros.nodes.isaac_bridge_node"),
    "isaac_gym": ("isaac_gym", "sleight_ros.nodes.isaac_gym_node"),
    "skill_server": ("skill_server", "sleight_ros.nodes.skill_server_node"),
}
#: What can stand between the graph and a LEAP Hand's motors; "none": somebody else's driver does.
HAND_DRIVERS = ("leap_driver", "leap_official", "none")
#: Perception must yield to control.
PERCEPTION_NICENESS = 3


@dataclass(frozen=True)
class GraphWish:
    """What somebody wants to run.

    Attributes:
        profile: Parameter file of all nodes.
        bundle: Folder of the policy bundle.
        sim: Simulate the robot, in the dialect that the profile says.
        hand_driver: One of `HAND_DRIVERS`.
        driver_parameters: Of the hand's driver, in place of the profile's.
        objects: What lies on the simulated table; empty: as the profile or the node has it.
        skills: Run the skill server.
        use_sim_time: Take the time from /clock; a simulation of ours then publishes it.
        record: Folder that gets the recordings; None: do not record.
        enclaves: Prefix of the nodes' security enclaves (SROS 2); "": none are named.
    """

    profile: Path
    bundle: str = ""
    sim: bool = True
    hand_driver: str = "none"
    driver_parameters: Mapping[str, Any] = field(default_factory=dict)
    objects: Sequence[str] = ()
    skills: bool = True
    use_sim_time: bool = False
    record: Path | None = None
    enclaves: str = ""


@dataclass(frozen=True)
class GraphNode:
    """One process of the graph.

    Attributes:
        name: Of the node.
        executable: In the ROS package `sleight_ros`.
        module: The same for ``python -m``.
        parameters: In place of the profile's.
        arguments: Of the program itself, before those of ROS.
        lifecycle: Whether it is a lifecycle node, which configures and activates itself.
        niceness: Added to the process's.
        vital: Whether the graph is worth nothing without it.
        enclave: Its security enclave, "" for none.
        namespace: Below that of the graph.
    """

    name: str
    executable: str
    module: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    lifecycle: bool = True
    niceness: int = 0
    vital: bool = True
    enclave: str = ""
    namespace: str = ""

    @property
    def ros_arguments(self) -> list[str]:
        """What follows ``--ros-args``, besides name, namespace and parameters."""
        return ["--enclave", self.enclave] if self.enclave else []


def describe(wish: GraphWish) -> list[GraphNode]:
    """The nodes, in the order in which they start.

    Raises:
        SleightError: The wishes contradict each other, or a part of the graph is not installed.
    """
    if wish.hand_driver not in HAND_DRIVERS:
        raise SleightError("no such hand driver", value=wish.hand_driver, remedy=f"one of {', '.join(HAND_DRIVERS)}")
    if wish.sim and wish.hand_driver != "none" and not emulates_bus(wish.profile):
        raise SleightError(
            "a simulated hand and a driver would both publish its states",
            value=wish.hand_driver,
            remedy="choose the driver 'none', or do not simulate",
        )
    clock: dict[str, Any] = {"use_sim_time": True} if wish.use_sim_time else {}
    nodes = []
    if wish.record is not None:
        arguments = (str(wish.record), "--profile", str(wish.profile))
        nodes.append(_node("recorder", arguments=arguments, lifecycle=False, vital=False))
    if wish.sim:
        own: dict[str, Any] = {"objects": list(wish.objects)} if wish.objects else {}
        nodes.append(_node("sim_node", own | ({"publish_clock": True} if wish.use_sim_time else {})))
    if wish.hand_driver != "none":
        nodes.append(_node(wish.hand_driver, {**clock, **wish.driver_parameters}))
    nodes.append(_node("hand_bridge", clock))
    nodes.append(_node("policy_node", {"bundle": wish.bundle, **clock}))
    nodes.append(_node("perception_node", clock, niceness=PERCEPTION_NICENESS))
    if wish.skills and installed("skill_server"):
        nodes.append(_node("skill_server", clock))
    prefix = wish.enclaves.rstrip("/")
    return [replace(node, enclave=f"{prefix}/{node.name}") for node in nodes] if prefix else nodes


def ending_order(nodes: Sequence[GraphNode]) -> list[str]:
    """Names in the order in which they end: the bridge first, which brakes the hand while its driver still lives."""
    names = [node.name for node in reversed(nodes)]
    return sorted(names, key=lambda name: name != "hand_bridge")


def installed(name: str) -> bool:
    """Whether the module of a node is there."""
    try:
        return importlib.util.find_spec(PROGRAMS[name][1]) is not None
    except ModuleNotFoundError:
        return False


def profile_hand(profile: Path) -> str:
    """The hand that a profile is for, as it says for all nodes; "shadow", the nodes' default, where it says nothing.

    Raises:
        SleightError: The file is no YAML.
    """
    hand = _section(profile, "/**").get("hand")
    return hand if isinstance(hand, str) else "shadow"


#: Profile of each hand for a simulated robot, where nobody chooses one.
PROFILES: Mapping[str, str] = {"shadow": "shadow_sim", "leap": "leap_ur5e", "leap_ur5e": "leap_ur5e_arm"}


def profile_for(hand: str) -> str:
    """Name of the profile for a hand.

    Raises:
        SleightError: There is none.
    """
    if hand not in PROFILES:
        remedy = f"choose one of {sorted(PROFILES)}, or name a profile"
        raise SleightError("no profile is shipped for this hand", value=hand, remedy=remedy)
    return PROFILES[hand]


def emulates_bus(profile: Path) -> bool:
    """Whether a profile's simulation is a hand's serial bus, so that the real driver belongs into the graph."""
    driver = _section(profile, "/**/sim_node").get("driver")
    parts = driver.values() if isinstance(driver, dict) else ()
    return any(isinstance(part, dict) and part.get("dialect") == "leap_bus" for part in parts)


def _section(profile: Path, node: str) -> dict[str, Any]:
    """Parameters of a profile's section; empty where there is none.

    Raises:
        SleightError: The file is no YAML.
    """
    try:
        content = yaml.safe_load(profile.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SleightError("the profile cannot be read", value=profile, remedy=str(error).splitlines()[0]) from error
    for part in (node, "ros__parameters"):
        content = content.get(part) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _node(name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> GraphNode:
    executable, module = PROGRAMS[name]
    if not installed(name):
        raise SleightError(f"'{name}' is not installed here", value=module, remedy="install all of sleight_ros")
    return GraphNode(name, executable, module, parameters or {}, **options)
