"""Turns a cube through the ROS 2 graph: simulated hand and tracker, policy and bridge, each a process of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sleight_core.bundle import Bundle, load_bundle
from sleight_core.errors import SleightError
from sleight_core.safety import ReasonCode, SafetyState
from sleight_description import load_hand
from sleight_msgs.msg import SafetyStatus
from std_msgs.msg import UInt32

from sleight_ros.demo.client import DemoClient
from sleight_ros.nodes.base import NEWEST, RELIABLE
from sleight_ros.processes import GraphError, Processes

TASK = "cube_reorient"
#: Start of the graph, s.
START_TIMEOUT = 60.0

Report = Callable[[str], None]


@dataclass
class Turned:
    """One episode.

    Attributes:
        rotations: Goals reached until the cube fell, or the time was over.
        seconds: Of the episode, by the simulation's steps.
        held: The cube did not fall.
        holds: Reasons for which the bridge held the hand while the policy was engaged, and how often.
        note: Why the episode is not complete, "" when it is.
    """

    rotations: int = 0
    seconds: float = 0.0
    held: bool = False
    holds: dict[str, int] = field(default_factory=dict)
    note: str = ""


class ReorientClient(DemoClient):
    """The demo's operator, who hears of rotations too."""

    def __init__(self, environment: dict[str, str], check: Callable[[], None]) -> None:
        super().__init__(environment, check)
        self.rotations = 0
        self.holds: dict[str, int] = {}
        self._node.create_subscription(UInt32, "sim/rotations", self._on_rotations, NEWEST)
        self._node.create_subscription(SafetyStatus, "bridge/status", self._on_status, RELIABLE)

    def _on_rotations(self, msg: UInt32) -> None:
        self.rotations = int(msg.data)

    def _on_status(self, msg: SafetyStatus) -> None:
        if msg.state == SafetyState.HOLD:
            name = ReasonCode(msg.reason).name
            self.holds[name] = self.holds.get(name, 0) + 1


def turn_cubes(
    bundle_path: Path,
    episodes: int,
    seconds: float,
    out: Path,
    *,
    seed: int = 0,
    report: Report = lambda text: None,
    domain: int | None = None,
) -> list[Turned]:
    """Play episodes.

    Args:
        bundle_path: A bundle for the task.
        episodes: How many.
        seconds: Length of each, s.
        out: Gets the nodes' logs.
        seed: Seed of the first start.
        report: Called with a line on what happens.
        domain: ROS domain; None for one that nobody else uses.

    Raises:
        SleightError: The bundle is refused, or is for another task.
        GraphError: A node died or did not answer.
    """
    bundle = load_bundle(bundle_path)
    manifest = bundle.manifest
    if manifest.task.name != TASK:
        raise SleightError("the bundle is not for this demo", value=manifest.task.name, remedy=f"give one for '{TASK}'")
    bundle = load_bundle(bundle_path, load_hand(manifest.hand.name))
    with contextlib.ExitStack() as stack:
        graph = stack.enter_context(Processes(out / "logs", domain))
        for name, (module, parameters) in nodes(bundle, seconds, seed).items():
            graph.node(name, module, parameters)
        report(f"starting the graph (domain {graph.domain})")
        client = ReorientClient(graph.environment, graph.check)
        stack.enter_context(client)
        client.wait(lambda: client.sim is not None, "the simulation", START_TIMEOUT)
        client.wait(lambda: client.status is not None, "the hand bridge", START_TIMEOUT)
        client.wait(lambda: client.serves("policy/engage"), "the policy", START_TIMEOUT)
        turned = []
        for i in range(episodes):
            report(f"episode {i + 1} of {episodes}")
            turned.append(_play(client, seed + i, seconds, manifest.control.period))
        client.activate_bridge(False)
    return turned


def nodes(bundle: Bundle, seconds: float, seed: int) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Modules and parameters of the graph's nodes."""
    manifest = bundle.manifest
    period, hand = manifest.control.period, manifest.hand.name
    common = {"hand": hand, "control_period": period}
    ages = {f"{name}_max_age": max(2.5 * period, 0.05) for name in ("joints", "wrist", "object")}
    simulated = {"episode_time": seconds, "seed": seed, "threshold": manifest.task.success_angle or 0.1}
    return {
        "sim_node": ("sleight_ros.simulation.reorient_node", {**common, **simulated}),
        # The start is bounded by the slew limits alone, as in training; the tracker is watched by the policy node.
        "hand_bridge": ("sleight_ros.nodes.bridge_node", {**common, "blend_time": 0.0, "watch_object": False}),
        "policy_node": (
            "sleight_ros.nodes.policy_node",
            {**common, **ages, "sent_max_age": max(4.0 * period, 0.1), "bundle": str(bundle.path)},
        ),
    }


def _play(client: ReorientClient, seed: int, seconds: float, period: float) -> Turned:
    """Put the cube on the hand, engage, and wait for the end."""
    client.trigger("policy/release")
    client.activate_bridge(False)
    client.reset("cube", seed)
    client.activate_bridge(True)
    note = ""
    before = client.sim
    client.wait(lambda: client.sim is not before, "the simulation", START_TIMEOUT)
    number = client.sim.episode if client.sim is not None else 0
    client.holds.clear()
    try:
        client.trigger("policy/engage", patience=5.0)
        client.trigger("bridge/rearm")
        end = time.monotonic() + 3.0 * seconds + 10.0
        client.wait(lambda: _over(client, number), "the end of the episode", end - time.monotonic())
    except GraphError as error:
        note = error.what
    state = client.sim
    steps, held = (state.step, state.success) if state is not None else (0, False)
    return Turned(client.rotations, steps * period, bool(held), dict(client.holds), note)


def _over(client: ReorientClient, number: int) -> bool:
    state = client.sim
    return state is not None and state.episode == number and (state.done or state.object_height < -0.2)
