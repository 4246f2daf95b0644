"""The robot's side of the hand bridge: its controllers and its state sources, as the profile has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from sleight_core.hand import HandTable
from sleight_core.safety import JointLimits

from sleight_ros.bridges.base import BridgeCommand, BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge
from sleight_ros.bridges.joint_trajectory import JointTrajectoryPart
from sleight_ros.bridges.section import Section, read_section
from sleight_ros.bridges.states import JOINTS, WRIST, StateSources, parse_states
from sleight_ros.bridges.twist import TwistPart

if TYPE_CHECKING:
    from sleight_ros.nodes.base import SleightNode


def default_parts(joint_topic: str, twist_topic: str) -> dict[str, Section]:
    """What a profile without a section ``bridge`` means: one trajectory controller, unasked, and a Cartesian servo."""
    return {
        "hand": JointTrajectoryPart(topic=joint_topic, verify=False),
        "wrist": TwistPart(topic=twist_topic),
    }


class RobotSide:
    """Built from the node's parameters under ``bridge.`` and ``states.``.

    Args:
        node: The hand bridge; its parameters `joint_topic` and `twist_topic` hold for a profile without ``bridge``.
        table: The hand.
        limits: What the safety filter keeps to.
        frame: The task frame.
        period: Control period, s.
        on_joints: Gets every joint state, by our names.
        on_wrist: Gets every wrist state.
        wrist: Whether the wrist is commanded.

    Raises:
        SleightError: The profile is wrong, or does not fit the robot that is there.
    """

    def __init__(
        self,
        node: SleightNode,
        table: HandTable,
        limits: JointLimits,
        frame: str,
        period: float,
        on_joints: Callable[[JointState], None],
        on_wrist: Callable[[Odometry], None],
        wrist: bool = True,
    ) -> None:
        parts = parse_bridge(read_section(node, "bridge"))
        parts = parts or default_parts(node.value("joint_topic"), node.value("twist_topic"))
        self._sources = StateSources(
            parse_states(read_section(node, "states")), node, table, frame, on_joints, on_wrist
        )
        arm = (lambda: self._sources.arm) if self._sources.has_arm else None
        self._bridge = Bridge(parts, BridgeContext(node, table, limits, frame, period, arm, wrist))
        # What comes from sources is handed on at once; the rest is on our own topics already.
        if not self._sources.has_joints:
            node.listen(JointState, JOINTS, on_joints)
        if not self._sources.has_wrist:
            node.listen(Odometry, WRIST, on_wrist)
        self._sources.configure()
        self._bridge.configure()

    def start(self) -> None:
        """Begin anew: the robot may be elsewhere, and its controllers others.

        Raises:
            SleightError: A controller no longer fits.
        """
        self._bridge.start()

    def send(self, command: BridgeCommand) -> None:
        """Send one command to all controllers, or to none.

        Raises:
            SleightError: It cannot be sent; nothing was.
        """
        self._bridge.send(command)

    def farewell(self, stamp: Time) -> None:
        """The last words before silence."""
        self._bridge.farewell(stamp)

    def problem(self) -> str:
        """Why nothing may be sent now; "" when all is well."""
        return self._bridge.problem()

    def report(self) -> dict[str, str]:
        """Values for /diagnostics."""
        return {**self._bridge.report(), **self._sources.report()}
