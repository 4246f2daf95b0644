"""A fake Cartesian velocity servo."""

from __future__ import annotations

from typing import Literal

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from pydantic import Field
from sleight_core.rotations import quat_rotate

from sleight_ros.bridges.section import Section
from sleight_ros.convert import stamp_to_ns, vector_from_msg
from sleight_ros.nodes.base import NEWEST
from sleight_ros.simulation.dialects.base import Dialect


class TwistDriver(Section):
    """Section of the fake.

    Attributes:
        topic: Where it listens.
        message: With a header, or without.
        frame: The frame that it wants; empty: the task frame.
        rotation: Orientation (wxyz) of that frame in the task frame.
        max_age: Oldest stamp that it follows, s; 0: it does not look (the simulation judges twists by arrival).
    """

    dialect: Literal["twist"] = "twist"
    topic: str = Field(default="wrist_controller/twist", min_length=1)
    message: Literal["TwistStamped", "Twist"] = "TwistStamped"
    frame: str = ""
    rotation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    max_age: float = Field(default=0.0, ge=0.0, le=10.0)


class TwistDialect(Dialect[TwistDriver]):
    """The fake."""

    def setup(self) -> None:
        """Listen."""
        config = self.config
        self._quat = np.array(config.rotation) if config.rotation != (1.0, 0.0, 0.0, 0.0) else None
        self._frame = config.frame or self.context.frame
        if config.message == "TwistStamped":
            self.context.node.listen(TwistStamped, config.topic, self._on_stamped, NEWEST)
        else:
            self.context.node.listen(Twist, config.topic, self._on_twist, NEWEST)

    def _on_stamped(self, msg: TwistStamped) -> None:
        if msg.header.frame_id != self._frame:
            self.heard()
            self.refuse(f"twist in frame '{msg.header.frame_id}' refused")
            return
        if self.config.max_age:
            age = 1e-9 * (self.context.node.get_clock().now().nanoseconds - stamp_to_ns(msg.header.stamp))
            if age > self.config.max_age:
                self.heard()
                self.context.complain(f"driver '{self.name}': twist is {age:.3f} s old and dropped")
                return
        self._on_twist(msg.twist)

    def _on_twist(self, msg: Twist) -> None:
        self.heard()
        linear, angular = vector_from_msg(msg.linear), vector_from_msg(msg.angular)
        if not np.isfinite(np.concatenate([linear, angular])).all():
            self.refuse("twist that is not finite")
            return
        if self._quat is not None:
            linear, angular = quat_rotate(self._quat, linear), quat_rotate(self._quat, angular)
        plant = self.context.plant()
        if plant is not None:
            plant.command_twist(np.concatenate([linear, angular]))
