"""A fake `forward_command_controller`: drops what is not finite, and is deactivated by a wrong number of numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from sleight_core.errors import SleightError
from std_msgs.msg import Float64MultiArray

from sleight_ros.bridges.joint_map import MapSection
from sleight_ros.bridges.section import nearest
from sleight_ros.nodes.base import NEWEST
from sleight_ros.simulation.dialects.base import JointDialect, serve_parameters


class ForwardCommandDriver(MapSection):
    """Section of a fake forward command controller.

    Attributes:
        controller: Its node.
        joints: Its joints by the robot's names, in its order; empty: those of all actuated joints, mixed by `seed`.
        extra: More joints of it that the simulated hand has not.
        seed: Of the order, where `joints` says none: nobody may rely on an order that is not read.
    """

    dialect: Literal["forward_command"] = "forward_command"
    controller: str = Field(default="forward_position_controller", min_length=1)
    joints: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    seed: int = Field(default=0, ge=0)


class ForwardCommandDialect(JointDialect[ForwardCommandDriver]):
    """The fake.

    Attributes:
        joints: Names in its order.
        active: Whether the controller manager has not deactivated it.
    """

    joints: tuple[str, ...] = ()
    active: bool = True

    def setup(self) -> None:
        """Listen on ``<controller>/commands``, and have a node whose parameters tell the order."""
        config, node = self.config, self.context.node
        self.learn(config.joints)
        known = [*self.commands.theirs, *config.extra]
        mixed = np.random.default_rng(config.seed).permutation(len(known))
        self.joints = config.joints or tuple(known[i] for i in mixed)
        if set(self.joints) != set(known) or len(self.joints) != len(known):
            odd = sorted(set(self.joints) ^ set(known)) or ["a joint named twice"]
            what = f"parameter 'driver.{self.name}.joints' is not the hand's"
            raise SleightError(what, value=odd, remedy=nearest(odd[0], known))
        parameters = {"joints": list(self.joints), "interface_name": "position"}
        serve_parameters(self.context, config.controller, parameters)
        node.listen(Float64MultiArray, f"{config.controller}/commands", self._on_commands, NEWEST)

    def _on_commands(self, msg: Float64MultiArray) -> None:
        self.heard()
        values = np.asarray(msg.data, dtype=float)
        if not self.active:
            return
        if not np.isfinite(values).all():
            self.refuse("non-finite value received, message dropped")
            return
        if len(values) != len(self.joints):
            self.active = False
            self.refuse(f"deactivated: command size {len(values)}, number of interfaces {len(self.joints)}")
            return
        known = set(self.commands.theirs)
        self.take({name: float(value) for name, value in zip(self.joints, values, strict=True) if name in known})

    def reset(self) -> None:
        """Somebody activates the controller again."""
        self.active = True
