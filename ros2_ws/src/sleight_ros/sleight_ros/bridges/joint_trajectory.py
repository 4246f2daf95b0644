"""`joint_trajectory_controller` and its kin: one point, named, starting on arrival."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sleight_core.errors import SleightError
from trajectory_msgs.msg import JointTrajectory

from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.inquiry import read_parameters
from sleight_ros.bridges.section import nearest
from sleight_ros.convert import trajectory_msg
from sleight_ros.nodes.base import RELIABLE

#: What is asked of the controller. `open_loop_control` is Humble's word for `interpolate_from_desired_state`.
PARAMETERS = (
    "joints",
    "allow_partial_joints_goal",
    "interpolate_from_desired_state",
    "open_loop_control",
)


class JointTrajectoryPart(JointPart):
    """Section of a trajectory controller.

    Attributes:
        controller: The controller's node.
        topic: Where the trajectories go; empty: ``<controller>/joint_trajectory``.
        time_from_start: Time of the point, s; None: one control period.
        verify: Read the controller's parameters and refuse what does not fit.
        verify_timeout: How long the controller may take to be there, s.
        accept_measured_start: Go on although the controller begins every trajectory at the measured state, so that each
            message lets go of the reached target for a moment.
    """

    adapter: Literal["joint_trajectory"] = "joint_trajectory"
    controller: str = Field(default="hand_controller", min_length=1)
    topic: str = ""
    time_from_start: float | None = Field(default=None, gt=0.0, le=10.0)
    verify: bool = True
    verify_timeout: float = Field(default=10.0, gt=0.0, le=300.0)
    accept_measured_start: bool = False


class JointTrajectoryAdapter(JointAdapter[JointTrajectoryPart]):
    """Commands a trajectory controller."""

    def configure(self) -> None:
        """Verify the controller's joints and interpolation."""
        config = self.config
        if config.verify:
            self._verify()
        self._time = config.time_from_start or self.context.period
        topic = config.topic or f"{config.controller}/joint_trajectory"
        self._publisher = self.context.node.publish_on(JointTrajectory, topic, RELIABLE)

    def _verify(self) -> None:
        controller, timeout = self.config.controller, self.config.verify_timeout
        found = read_parameters(self.context.node, controller, PARAMETERS, timeout)
        if found is None:
            raise SleightError(
                f"{self.where}: controller '{controller}' does not answer within {timeout:.0f} s",
                remedy="start it first, correct 'controller', or set 'verify: false'",
            )
        self.check(found)

    def check(self, found: dict[str, Any]) -> None:
        """Compare the controller's parameters with what will be sent.

        Raises:
            SleightError: They do not fit.
        """
        where = f"controller '{self.config.controller}'"
        joints = list(found.get("joints", []))
        for name in self.names:
            if name not in joints:
                raise SleightError(
                    f"{self.where}: {where} has no joint '{name}'", value=joints, remedy=nearest(name, joints)
                )
        if (rest := [name for name in joints if name not in self.names]) and not found.get("allow_partial_joints_goal"):
            raise SleightError(
                f"{self.where}: {where} wants all its joints at once, and nobody commands",
                value=rest,
                remedy="put the others under 'fixed', or set its allow_partial_joints_goal",
            )
        open_loop = found.get("interpolate_from_desired_state") or found.get("open_loop_control")
        if not open_loop and not self.config.accept_measured_start:
            raise SleightError(
                f"{self.where}: {where} begins every trajectory at the measured state",
                value="interpolate_from_desired_state: false",
                remedy="set it to true there, or 'accept_measured_start: true' here",
            )

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """One point for all joints."""
        return [Outgoing(self._publisher, trajectory_msg(self.names, self.values(command), self._time))]

    def report(self) -> dict[str, str]:
        """How many listen."""
        return {f"{self.where} listeners": str(self._publisher.get_subscription_count())}
