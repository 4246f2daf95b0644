"""`forward_command_controller`: numbers without names, so the order is the controller's own, read from it."""

from __future__ import annotations

from array import array
from typing import Any, Literal

import numpy as np
from pydantic import Field
from sleight_core.errors import SleightError
from std_msgs.msg import Float64MultiArray

from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.inquiry import read_parameters
from sleight_ros.bridges.section import nearest
from sleight_ros.nodes.base import RELIABLE


class ForwardCommandPart(JointPart):
    """Section of a forward command controller.

    Attributes:
        controller: The controller's node.
        topic: Where the commands go; empty: ``<controller>/commands``.
        verify_timeout: How long the controller may take to be there, s.
    """

    adapter: Literal["forward_command"] = "forward_command"
    controller: str = Field(default="forward_position_controller", min_length=1)
    topic: str = ""
    verify_timeout: float = Field(default=10.0, gt=0.0, le=300.0)


class ForwardCommandAdapter(JointAdapter[ForwardCommandPart]):
    """Commands a forward command controller.

    Attributes:
        order: Names in the order in which the controller takes its numbers.
    """

    order: tuple[str, ...] = ()

    def configure(self) -> None:
        """Read the controller's order and verify that it is made of our joints."""
        self._learn()
        topic = self.config.topic or f"{self.config.controller}/commands"
        self._publisher = self.context.node.publish_on(Float64MultiArray, topic, RELIABLE)
        self._heard = self._gone = False

    def start(self) -> None:
        """Read the order again: a controller that was restarted may have another."""
        self._learn()
        self._heard = self._gone = False

    def _learn(self) -> None:
        controller, timeout = self.config.controller, self.config.verify_timeout
        found = read_parameters(self.context.node, controller, ("joints", "interface_name"), timeout)
        if found is None:
            raise SleightError(
                f"{self.where}: controller '{controller}' does not answer within {timeout:.0f} s",
                remedy="only it knows its order: start it first, or correct 'controller'",
            )
        self.check(found)

    def check(self, found: dict[str, Any]) -> None:
        """Take the order from the controller's parameters.

        Raises:
            SleightError: Its joints are not exactly ours, or it takes no positions.
        """
        where = f"controller '{self.config.controller}'"
        order = tuple(found.get("joints", ()))
        if twice := sorted({name for name in order if order.count(name) > 1}):
            raise SleightError(f"{self.where}: {where} names a joint twice", value=", ".join(twice))
        for name in self.names:
            if name not in order:
                raise SleightError(
                    f"{self.where}: {where} has no joint '{name}'", value=list(order), remedy=nearest(name, order)
                )
        if rest := [name for name in order if name not in self.names]:
            raise SleightError(
                f"{self.where}: {where} has joints that nobody commands",
                value=rest,
                remedy="put them under 'fixed', or take them from the controller",
            )
        if (interface := found.get("interface_name", "position")) != "position":
            raise SleightError(f"{self.where}: {where} takes no positions, but", value=interface)
        self.order = order
        self._permutation = np.array([self.names.index(name) for name in order], dtype=np.intp)

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """All numbers, in the controller's order."""
        values = self.values(command)[self._permutation]
        return [Outgoing(self._publisher, Float64MultiArray(data=array("d", values.tobytes())))]

    def problem(self) -> str:
        """Nobody listens any more; a controller that returns may have another order than the one that told us."""
        if self._publisher.get_subscription_count():
            self._heard = True
        elif self._heard:
            self._gone = True
        return f"controller '{self.config.controller}' is gone; activate the bridge anew" if self._gone else ""

    def report(self) -> dict[str, str]:
        """The order, and how many listen."""
        return {
            f"{self.where} order": " ".join(self.order),
            f"{self.where} listeners": str(self._publisher.get_subscription_count()),
        }
