"""A fake of whoever matches `JointState` commands by name: topic-based hardware, or Isaac Sim's controller."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from sensor_msgs.msg import JointState

from sleight_ros.bridges.joint_map import MapSection
from sleight_ros.nodes.base import NEWEST
from sleight_ros.simulation.dialects.base import JointDialect


class JointStateCommandDriver(MapSection):
    """Section of a fake topic-based driver.

    Attributes:
        topic: Where it listens.
        joints: The robot's joints that it has; empty: those of all actuated joints.
        extra: More joints that the robot has and the simulated hand has not.
    """

    dialect: Literal["joint_state_command"] = "joint_state_command"
    topic: str = Field(default="joint_command", min_length=1)
    joints: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


class JointStateCommandDialect(JointDialect[JointStateCommandDriver]):
    """The fake: names in any order, and some of them missing, are fine; unknown ones are ignored without a word."""

    def setup(self) -> None:
        """Listen."""
        self.learn(self.config.joints)
        self.context.node.listen(JointState, self.config.topic, self._on_command, NEWEST)

    def _on_command(self, msg: JointState) -> None:
        self.heard()
        names = list(msg.name)
        # The real ones read beyond the end of the shorter list, or throw.
        for what, values in (("position", msg.position), ("velocity", msg.velocity), ("effort", msg.effort)):
            if len(values) != len(names) and (what == "position" or len(values)):
                self.refuse(f"{len(names)} names and {len(values)} values of {what}")
                return
        if len(set(names)) != len(names):
            self.refuse(f"a joint is named twice: {sorted({n for n in names if names.count(n) > 1})}")
            return
        known = {*self.commands.theirs, *self.config.extra}
        if unknown := [name for name in names if name not in known]:
            self.refuse(f"joint '{unknown[0]}' is unknown and would be ignored")
        values = dict(zip(names, msg.position, strict=True))
        for name in self.config.extra:
            if not np.isfinite(values.pop(name, 0.0)):
                self.refuse(f"the target of '{name}' is not finite")
        self.take({name: value for name, value in values.items() if name in self.commands.theirs})
