"""The wrist's twist to a Cartesian servo, such as MoveIt Servo, whose controlled frame is the hand's root."""

from __future__ import annotations

from typing import Literal

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist, TwistStamped
from pydantic import Field
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_conjugate, quat_rotate

from sleight_ros.bridges.base import Adapter, BridgeCommand, Outgoing
from sleight_ros.bridges.section import Section
from sleight_ros.convert import twist_msg
from sleight_ros.nodes.base import RELIABLE


class TwistPart(Section):
    """Section of a Cartesian servo.

    Attributes:
        topic: Where the twists go.
        message: With a header, or without (then the servo's own frame is meant).
        frame: Frame that the servo wants; empty: the task frame.
        rotation: Orientation (wxyz) of that frame in the task frame.
    """

    adapter: Literal["twist"] = "twist"
    topic: str = Field(default="wrist_controller/twist", min_length=1)
    message: Literal["TwistStamped", "Twist"] = "TwistStamped"
    frame: str = ""
    rotation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


class TwistAdapter(Adapter[TwistPart]):
    """Commands a Cartesian velocity servo. There is no safety behind it: the servo must drop old twists itself."""

    moves_wrist = True

    def configure(self) -> None:
        """Check the rotation."""
        quat = np.array(self.config.rotation)
        norm = float(np.linalg.norm(quat))
        if abs(norm - 1.0) > 0.01:
            raise SleightError(
                f"parameter '{self.where}.rotation' is no unit quaternion", value=list(self.config.rotation)
            )
        self._back = quat_conjugate(quat / norm) if self.config.rotation != (1.0, 0.0, 0.0, 0.0) else None
        self._frame = self.config.frame or self.context.frame
        kind = TwistStamped if self.config.message == "TwistStamped" else Twist
        self._publisher = self.context.node.publish_on(kind, self.config.topic, RELIABLE)

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """One twist in the servo's frame."""
        return [self._message(command.wrist_twist, command.stamp)]

    def farewell(self, stamp: Time) -> list[Outgoing]:
        """Rest."""
        return [self._message(np.zeros(6), stamp)]

    def _message(self, twist: np.ndarray, stamp: Time) -> Outgoing:
        if self._back is not None:
            twist = np.concatenate([quat_rotate(self._back, twist[:3]), quat_rotate(self._back, twist[3:])])
        stamped = twist_msg(twist, self._frame, stamp)
        return Outgoing(self._publisher, stamped if self.config.message == "TwistStamped" else stamped.twist)

    def report(self) -> dict[str, str]:
        """How many listen."""
        return {f"{self.where} listeners": str(self._publisher.get_subscription_count())}
