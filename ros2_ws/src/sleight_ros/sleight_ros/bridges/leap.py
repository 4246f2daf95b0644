"""A LEAP Hand behind one of our nodes: `leap_driver` on its bus, or `leap_official` beside the official module."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.joint_state_command import COMMAND, named_state, verify_state_names
from sleight_ros.convert import trajectory_msg
from sleight_ros.nodes.base import RELIABLE

TOPICS = {"joint_state": "hand_controller/joint_command", "trajectory": "hand_controller/joint_trajectory"}


class LeapPart(JointPart):
    """Section of a LEAP Hand.

    Attributes:
        interface: Which of the node's two topics is used; both take targets by name.
        topic: Where it is; empty: the node's default.
        states_topic: The node's joint states, in which all names must be before anything is sent.
    """

    adapter: Literal["leap"] = "leap"
    interface: Literal["joint_state", "trajectory"] = "joint_state"
    topic: str = ""
    states_topic: str = "joint_states"
    states_timeout: float = Field(default=30.0, gt=0.0, le=300.0)


class LeapAdapter(JointAdapter[LeapPart]):
    """Commands a LEAP Hand: complete, named targets, as its node wants them."""

    def configure(self) -> None:
        """Verify the names against the hand's joint states."""
        config = self.config
        verify_state_names(self)
        topic = config.topic or TOPICS[config.interface]
        kind, qos = (JointState, COMMAND) if config.interface == "joint_state" else (JointTrajectory, RELIABLE)
        self._publisher = self.context.node.publish_on(kind, topic, qos)

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """One message with all targets."""
        values = self.values(command)
        if self.config.interface == "joint_state":
            return [Outgoing(self._publisher, named_state(self.names, values, command.stamp))]
        return [Outgoing(self._publisher, trajectory_msg(self.names, values, self.context.period))]

    def report(self) -> dict[str, str]:
        """How many listen."""
        return {f"{self.where} listeners": str(self._publisher.get_subscription_count())}
