"""A bridge: the adapters of a profile, which together command every joint and the wrist, each exactly once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from sleight_core.errors import SleightError

from sleight_ros.bridges.arm_joint import ArmJointAdapter, ArmJointPart
from sleight_ros.bridges.arm_targets import ArmTargetsAdapter, ArmTargetsPart
from sleight_ros.bridges.base import (
    Adapter,
    BridgeCommand,
    BridgeContext,
    JointAdapter,
    JointPart,
    Outgoing,
    check_command,
)
from sleight_ros.bridges.forward_command import ForwardCommandAdapter, ForwardCommandPart
from sleight_ros.bridges.joint_state_command import JointStateCommandAdapter, JointStateCommandPart
from sleight_ros.bridges.joint_trajectory import JointTrajectoryAdapter, JointTrajectoryPart
from sleight_ros.bridges.leap import LeapAdapter, LeapPart
from sleight_ros.bridges.section import Section, nearest, parse_parts
from sleight_ros.bridges.shadow import ShadowAdapter, ShadowPart
from sleight_ros.bridges.twist import TwistAdapter, TwistPart

#: How often the last words are said: a driver may miss one.
FAREWELLS = 3
#: How long the last words may take to arrive, s.
FAREWELL_PATIENCE = 1.0
#: Name of the adapter in a profile -> its section and its class.
ADAPTERS: dict[str, tuple[type[Section], type[Adapter[Any]]]] = {
    "joint_trajectory": (JointTrajectoryPart, JointTrajectoryAdapter),
    "forward_command": (ForwardCommandPart, ForwardCommandAdapter),
    "joint_state_command": (JointStateCommandPart, JointStateCommandAdapter),
    "shadow": (ShadowPart, ShadowAdapter),
    "leap": (LeapPart, LeapAdapter),
    "twist": (TwistPart, TwistAdapter),
    "arm_joint": (ArmJointPart, ArmJointAdapter),
    "arm_targets": (ArmTargetsPart, ArmTargetsAdapter),
}


def parse_bridge(data: Mapping[str, Any]) -> dict[str, Section]:
    """Check the section ``bridge`` of a profile.

    Raises:
        SleightError: An unknown adapter or key, or a value that is out of its range.
    """
    return parse_parts(data, {name: section for name, (section, _) in ADAPTERS.items()}, "bridge", "adapter")


class Bridge:
    """All parts of a profile.

    Args:
        parts: Part name -> its section, as `parse_bridge` gives them.
        context: What adapters share.

    Raises:
        SleightError: A joint or the wrist is commanded by nobody, or by two.
    """

    def __init__(self, parts: Mapping[str, Section], context: BridgeContext) -> None:
        self.context = context
        self.adapters: dict[str, Adapter[Any]] = {}
        classes = {section: adapter for section, adapter in ADAPTERS.values()}
        for name, section in parts.items():
            self.adapters[name] = classes[type(section)](name, section, context)
        self._share_joints()
        wrists = [name for name, adapter in self.adapters.items() if adapter.moves_wrist]
        if len(wrists) > 1:
            raise SleightError("two parts of the bridge move the wrist", value=", ".join(wrists))
        if not wrists and context.wrist and context.table.wrist_mode == "floating":
            raise SleightError(
                f"no part of the bridge moves the wrist of '{context.table.name}'",
                value=", ".join(parts) or "no parts",
                remedy="add a part with adapter 'twist' or 'arm_joint', or set 'wrist: false' for a hand on a stand",
            )
        # Joints first, as their targets are of the same moment as the twist.
        self._order = sorted(self.adapters.values(), key=lambda adapter: adapter.moves_wrist)

    def _share_joints(self) -> None:
        """Give every joint to the one part that names it, and the rest to the one part that names none."""
        wanted = self.context.limits.names
        adapters = {n: a for n, a in self.adapters.items() if isinstance(a, JointAdapter)}
        owner: dict[str, str] = {}
        for name, adapter in adapters.items():
            config: JointPart = adapter.config
            for joint in config.joints:
                if joint not in wanted:
                    remedy = nearest(joint, wanted)
                    raise SleightError(
                        f"parameter 'bridge.{name}.joints': no actuated joint", value=joint, remedy=remedy
                    )
                if joint in owner:
                    raise SleightError(
                        f"joint '{joint}' is commanded by two parts", value=f"bridge.{owner[joint]}, bridge.{name}"
                    )
                owner[joint] = name
        open_ones = [name for name, adapter in adapters.items() if not adapter.config.joints]
        rest = [joint for joint in wanted if joint not in owner]
        if len(open_ones) > 1:
            raise SleightError(
                "two parts of the bridge name no joints",
                value=", ".join(f"bridge.{name}" for name in open_ones),
                remedy="give all but one of them 'joints'",
            )
        if rest and not open_ones:
            raise SleightError("no part of the bridge commands some joints", value=", ".join(rest))
        for name, adapter in adapters.items():
            chosen = rest if name in open_ones else [joint for joint in wanted if owner.get(joint) == name]
            if not chosen:
                raise SleightError(f"parameter 'bridge.{name}': no joint is left for this part")
            adapter.take(tuple(chosen))

    def configure(self) -> None:
        """Verify everything and create the publishers.

        Raises:
            SleightError: Something does not fit.
        """
        for adapter in self._order:
            adapter.configure()

    def start(self) -> None:
        """Begin anew after an activation.

        Raises:
            SleightError: A controller no longer fits.
        """
        for adapter in self._order:
            adapter.start()

    def send(self, command: BridgeCommand) -> None:
        """Send one command to all controllers, or to none.

        Raises:
            SleightError: The command is none that the safety filter can have said; nothing was sent.
        """
        check_command(command, self.context.limits)
        out: list[Outgoing] = []
        for adapter in self._order:
            out += adapter.encode(command)
        for publisher, message in out:
            publisher.publish(message)

    def farewell(self, stamp: Time) -> None:
        """Say what controllers must hear that would otherwise go on moving, and give it time to arrive.

        A process that ends at once takes with it what the network has not delivered yet. Reliable listeners
        acknowledge; for the others it is said more than once, a period apart.
        """
        out = [last for adapter in self._order for last in adapter.farewell(stamp)]
        for _ in range(FAREWELLS if out else 0):
            for publisher, message in out:
                publisher.publish(message)
            time.sleep(self.context.period)
        end = time.monotonic() + FAREWELL_PATIENCE
        for publisher, _ in out:
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, end - time.monotonic())))

    def problem(self) -> str:
        """Why nothing may be sent now; "" when all is well."""
        for adapter in self._order:
            if words := adapter.problem():
                return words
        return ""

    def report(self) -> dict[str, str]:
        """Values for /diagnostics."""
        return {key: value for adapter in self._order for key, value in adapter.report().items()}
