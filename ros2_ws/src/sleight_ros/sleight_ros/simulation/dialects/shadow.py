"""A fake of the real Shadow Hand's position controllers: a topic for each of 20 motors; four move two joints."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from std_msgs.msg import Float64

from sleight_ros.bridges.joint_map import MapSection
from sleight_ros.nodes.base import NEWEST
from sleight_ros.simulation.dialects.base import JointDialect


class ShadowTopicsDriver(MapSection):
    """Section of the fake.

    Attributes:
        topic: Where a controller listens; ``{joint}`` is the robot's joint in lower case.
        extra: The hand's own wrist, by the real names without prefix; the simulated hand has none.
    """

    dialect: Literal["shadow_topics"] = "shadow_topics"
    map: str = "shadow_e3m5"
    prefix: str = "rh_"
    tendons: Literal["joints", "sums"] = "sums"
    topic: str = Field(default="sh_{joint}_position_controller/command", min_length=1)
    extra: tuple[str, ...] = ("WRJ1", "WRJ2")


class ShadowTopicsDialect(JointDialect[ShadowTopicsDriver]):
    """The fake: clamps to the motor's range, as the real controllers do."""

    def setup(self) -> None:
        """Listen on all topics."""
        self.learn()
        self._place = {name: i for i, name in enumerate(self.commands.theirs)}
        extra = [self.config.prefix + name for name in self.config.extra]
        for name in (*self.commands.theirs, *extra):
            topic = self.config.topic.format(joint=name.lower())
            self.context.node.listen(Float64, topic, lambda msg, name=name: self._on_target(name, msg.data), NEWEST)

    def _on_target(self, name: str, value: float) -> None:
        self.heard()
        if not np.isfinite(value):
            self.refuse(f"the target of '{name}' is {value}")
            return
        if name not in self._place:
            return
        low, high = self.commands.lower[self._place[name]], self.commands.upper[self._place[name]]
        if not low - 1e-3 <= value <= high + 1e-3:
            self.refuse(f"the target of '{name}', {value:.4f} rad, is outside {low:.4f} to {high:.4f} rad")
        self.take({name: float(min(max(value, low), high))})
