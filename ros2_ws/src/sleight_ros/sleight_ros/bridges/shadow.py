"""The real Shadow Hand (through ros1_bridge): its names, its tendons, its two ways to be commanded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sleight_core.errors import SleightError
from std_msgs.msg import Float64
from trajectory_msgs.msg import JointTrajectory

from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.joint_state_command import verify_state_names
from sleight_ros.bridges.section import nearest
from sleight_ros.convert import trajectory_msg
from sleight_ros.nodes.base import RELIABLE


class ShadowPart(JointPart):
    """Section of a Shadow Hand.

    Attributes:
        interface: "trajectory": the hand's trajectory controllers, with both joints of a tendon; "topics": the position
            controllers of the 20 motors, with their sums.
        controller, wrist_controller: Trajectory controllers of the fingers and of the wrist.
        topic: Where a position controller listens; ``{joint}`` is the robot's joint in lower case.
        wrist: Angles at which the hand's own wrist is kept, by the real names without prefix, rad.
        time_from_start: Time of a trajectory's point, s; None: one control period.
    """

    adapter: Literal["shadow"] = "shadow"
    map: str = "shadow_e3m5"
    prefix: str = "rh_"
    interface: Literal["trajectory", "topics"] = "trajectory"
    controller: str = Field(default="rh_trajectory_controller", min_length=1)
    wrist_controller: str = Field(default="rh_wr_trajectory_controller", min_length=1)
    topic: str = "sh_{joint}_position_controller/command"
    wrist: dict[str, float] = Field(default_factory=lambda: {"WRJ1": 0.0, "WRJ2": 0.0})
    time_from_start: float | None = Field(default=None, gt=0.0, le=10.0)


class ShadowAdapter(JointAdapter[ShadowPart]):
    """Commands 20 motors: 18 of the fingers and 2 of the hand's own wrist, which is kept where the profile says."""

    def take(self, joints: tuple[str, ...]) -> None:
        """Choose sums or joints by the interface, whatever else is said."""
        tendons = "sums" if self.config.interface == "topics" else "joints"
        if "tendons" in self.config.model_fields_set and self.config.tendons != tendons:
            raise SleightError(
                f"parameter '{self.where}.tendons' does not go with interface '{self.config.interface}'",
                value=self.config.tendons,
                remedy=f"leave it away, or say '{tendons}'",
            )
        self.config = self.config.model_copy(update={"tendons": tendons})
        super().take(joints)

    def configure(self) -> None:
        """Verify the names against the hand's joint states, where asked."""
        config, node = self.config, self.context.node
        if "{joint}" not in config.topic:
            raise SleightError(f"parameter '{self.where}.topic' must contain '{{joint}}'", value=config.topic)
        self._wrist = {config.prefix + name: angle for name, angle in config.wrist.items()}
        for name in self._wrist:
            if name not in self.map.others:
                known = [other.removeprefix(config.prefix) for other in self.map.others]
                short = name.removeprefix(config.prefix)
                raise SleightError(
                    f"parameter '{self.where}.wrist': no such joint", value=short, remedy=nearest(short, known)
                )
        verify_state_names(self)
        self._time = config.time_from_start or self.context.period
        self._publishers: dict[str, Any] = {}
        if config.interface == "trajectory":
            for name, controller in (("fingers", config.controller), ("wrist", config.wrist_controller)):
                self._publishers[name] = node.publish_on(JointTrajectory, f"{controller}/joint_trajectory", RELIABLE)
        else:
            for name in (*self.names, *self._wrist):
                self._publishers[name] = node.publish_on(Float64, config.topic.format(joint=name.lower()), RELIABLE)

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """Two trajectories, or 20 numbers, each on its own topic."""
        values = self.values(command)
        if self.config.interface == "trajectory":
            out = [Outgoing(self._publishers["fingers"], trajectory_msg(self.names, values, self._time))]
            if self._wrist:
                angles = trajectory_msg(list(self._wrist), list(self._wrist.values()), self._time)  # type: ignore[arg-type]
                out.append(Outgoing(self._publishers["wrist"], angles))
            return out
        numbers = [*zip(self.names, values.tolist(), strict=True), *self._wrist.items()]
        return [Outgoing(self._publishers[name], Float64(data=value)) for name, value in numbers]

    def report(self) -> dict[str, str]:
        """The controllers that nobody runs."""
        deaf = [name for name, publisher in self._publishers.items() if not publisher.get_subscription_count()]
        return {f"{self.where} without listener": " ".join(deaf) or "none"}
