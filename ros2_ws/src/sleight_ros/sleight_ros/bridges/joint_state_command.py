"""Named `JointState` commands: Isaac Sim's ``/joint_command``, topic-based hardware, and drivers of one's own."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Literal

import numpy as np
from builtin_interfaces.msg import Time
from pydantic import Field
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError

from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.inquiry import state_names
from sleight_ros.bridges.section import nearest

#: Only the newest command is worth repeating.
COMMAND = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)


class JointStateCommandPart(JointPart):
    """Section of a driver that takes named joint states.

    Attributes:
        topic: Where the commands go.
    """

    adapter: Literal["joint_state_command"] = "joint_state_command"
    topic: str = Field(default="joint_command", min_length=1)


class JointStateCommandAdapter(JointAdapter[JointStateCommandPart]):
    """Commands whoever matches joint states by name."""

    def configure(self) -> None:
        """Verify the names against the robot's joint states, where asked."""
        verify_state_names(self)
        self._publisher = self.context.node.publish_on(JointState, self.config.topic, COMMAND)

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """One message, positions only."""
        return [Outgoing(self._publisher, named_state(self.names, self.values(command), command.stamp))]

    def report(self) -> dict[str, str]:
        """How many listen."""
        return {f"{self.where} listeners": str(self._publisher.get_subscription_count())}


def named_state(names: Sequence[str], positions: np.ndarray, stamp: Time) -> JointState:
    """Make a command: names and positions (rad), and nothing else."""
    msg = JointState()
    msg.header.stamp = stamp
    msg.name = list(names)
    msg.position = array("d", positions.tobytes())
    return msg


def verify_state_names(adapter: JointAdapter) -> None:
    """Refuse names that the robot's joint states do not have: whoever matches by name ignores them without a word.

    Raises:
        SleightError: A name is missing, or no joint state comes.
    """
    config = adapter.config
    if not config.states_topic:
        return
    found = state_names(adapter.context.node, config.states_topic, config.states_timeout)
    tendons = {tendon.name for tendon in adapter.map.tendons}
    for name in adapter.names:
        # A sum is a command; what is measured are the joints on the tendon.
        if name not in found and name not in tendons:
            raise SleightError(
                f"{adapter.where}: the joint states on '{config.states_topic}' have no '{name}'",
                value=sorted(found),
                remedy=nearest(name, found),
            )
