"""Which nodes mirror a simulation to a real hand, or back; `sleight_ros.graph.launching` starts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError

from sleight_ros.bridges.section import nearest
from sleight_ros.graph.description import HAND_DRIVERS, PROGRAMS, GraphNode
from sleight_ros.profiles import profile_folders

#: Mode -> name of the bridge, which chooses its section of the profile.
MODES: Mapping[str, str] = {"shadow": "hand_bridge", "monitor": "sim_bridge"}
#: Isaac Sim speaks to ROS itself; an Isaac Gym process through `gym_link`.
SIMULATORS = ("isaac_sim", "isaac_gym")
#: Namespace of a real hand's driver while a bridge of the simulation has the states of its own.
HAND_NAMESPACE = "hand"


@dataclass(frozen=True)
class MirrorWish:
    """What somebody wants to mirror.

    Attributes:
        profile: Parameter file.
        mode: One of `MODES`.
        simulator: One of `SIMULATORS`.
        hand_driver: As for `GraphWish`; "none": somebody else's driver runs already.
        driver_parameters: In place of the profile's.
    """

    profile: Path
    mode: str
    simulator: str
    hand_driver: str = "none"
    driver_parameters: Mapping[str, Any] = field(default_factory=dict)


def describe_mirror(wish: MirrorWish) -> list[GraphNode]:
    """The nodes, in the order in which they start.

    Raises:
        SleightError: No such mode, simulator or driver.
    """
    for what, given, known in (
        ("mode", wish.mode, MODES),
        ("simulator", wish.simulator, SIMULATORS),
        ("hand driver", wish.hand_driver, HAND_DRIVERS),
    ):
        if given not in known:
            raise SleightError(f"no such {what}", value=given, remedy=f"one of {', '.join(known)}")
    nodes = []
    if wish.hand_driver != "none":
        # The simulation's joint states are `joint_states` in monitor mode: those of the hand go elsewhere.
        inside = HAND_NAMESPACE if wish.mode == "monitor" else ""
        nodes.append(_node(wish.hand_driver, wish.hand_driver, wish.driver_parameters, namespace=inside))
    if wish.simulator == "isaac_gym":
        nodes.append(_node("isaac_gym", "isaac_gym"))
    nodes.append(_node(MODES[wish.mode], "isaac_bridge"))
    return nodes


def mirror_profile(name: str) -> Path:
    """Path of a profile for mirroring.

    Args:
        name: A file's path, or the name of a shipped one (``leap``).

    Raises:
        SleightError: There is none.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise SleightError("no such profile", value=name)
        return Path(name)
    found = {path.stem: path for folder in reversed(profile_folders()) for path in (folder / "mirror").glob("*.yaml")}
    if name not in found:
        raise SleightError("no such profile for mirroring", value=name, remedy=nearest(name, found))
    return found[name]


def _node(name: str, program: str, parameters: Mapping[str, Any] | None = None, namespace: str = "") -> GraphNode:
    executable, module = PROGRAMS[program]
    return GraphNode(name, executable, module, parameters or {}, namespace=namespace)
