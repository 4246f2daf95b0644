"""What every dialect is: one interface of a robot's driver, spoken around the simulated hand."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.node import Node
from sleight_core.hand import HandTable

from sleight_ros.bridges.joint_map import CommandMap, JointMap, MapSection
from sleight_ros.simulation.dialects.conduct import Conduct, Echo

if TYPE_CHECKING:
    from sleight_ros.nodes.base import SleightNode

Array = NDArray[np.float64]


class Reading(Protocol):
    """What the simulated robot's sensors say (`sleight_ros.simulation.world.RobotReading`)."""

    @property
    def joint_pos(self) -> Array:
        """(J,) rad, in the order of the table's `joint_names`."""
        ...

    @property
    def joint_vel(self) -> Array:
        """(J,) rad/s."""
        ...

    @property
    def wrist_pos(self) -> Array:
        """(3,) m."""
        ...

    @property
    def wrist_quat(self) -> Array:
        """(4,) wxyz."""
        ...

    @property
    def wrist_linvel(self) -> Array:
        """(3,) m/s."""
        ...

    @property
    def wrist_angvel(self) -> Array:
        """(3,) rad/s."""
        ...


class Plant(Protocol):
    """What a dialect moves."""

    def command_joints(self, targets: Array) -> None:
        """Set all joint targets (A,) rad."""

    def command_twist(self, twist: Array) -> None:
        """Set the wrist twist (6,)."""


@dataclass
class DriverContext:
    """What dialects share.

    Attributes:
        node: Owns publishers and subscriptions.
        table: The hand.
        frame: The task frame.
        plant: The simulation; None while it does not run.
        complain: Says what a driver would say on its console.
        conduct: Where violations are written down.
        echo: Compares with what the bridge says; None when nobody asked.
        cleanup: What to undo at the end, newest first.
    """

    node: SleightNode
    table: HandTable
    frame: str
    plant: Callable[[], Plant | None]
    complain: Callable[[str], None]
    conduct: Conduct
    echo: Echo | None = None
    cleanup: list[Callable[[], None]] = field(default_factory=list)


class Targets:
    """The newest target of every joint, from however many interfaces they come.

    Args:
        context: What dialects share.
    """

    def __init__(self, context: DriverContext) -> None:
        self._context = context
        self._place = {name: i for i, name in enumerate(context.table.actuated_joint_names)}
        self.measured: Array | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all targets: the hand was put elsewhere."""
        self._values = np.full(len(self._place), np.nan)

    def set(self, dialect: str, names: Sequence[str], values: Array) -> None:
        """Set some of our joints' targets, rad; the others keep theirs, or their measured angle before they had any."""
        if self._context.echo is not None:
            self._context.echo.understood(dialect, names, values)
        row = self._values.copy()
        row[[self._place[name] for name in names]] = values
        self._values = row
        plant = self._context.plant()
        if plant is None:
            return
        unknown = np.isnan(row)
        if unknown.any():
            if self.measured is None:
                return
            row = np.where(unknown, self.measured, row)
        plant.command_joints(row)


Config = TypeVar("Config")


class Dialect(ABC, Generic[Config]):
    """One interface.

    Args:
        name: Its name in the profile.
        config: Its section.
        context: What dialects share.
        targets: Where joint targets go.
    """

    #: Joint states are published after everything else of the same moment: the policy ticks on them.
    last: ClassVar[bool] = False

    def __init__(self, name: str, config: Config, context: DriverContext, targets: Targets) -> None:
        self.name = name
        self.config = config
        self.context = context
        self.targets = targets

    def setup(self) -> None:
        """Create everything. Raises SleightError to refuse."""

    def publish(self, stamp: Time, reading: Reading) -> None:
        """Say what the sensors say; on the physics thread, once a control step."""

    def reset(self) -> None:
        """The hand was put elsewhere."""

    def heard(self) -> None:
        """Count a message."""
        self.context.conduct.heard(self.name)

    def refuse(self, words: str) -> None:
        """Refuse a message as the real driver would, aloud."""
        self.context.complain(f"driver '{self.name}': {words}")
        self.context.conduct.violation(self.name, words)


JointConfig = TypeVar("JointConfig", bound=MapSection)


class JointDialect(Dialect[JointConfig]):
    """An interface that takes joint targets by the robot's names."""

    def learn(self, theirs: Sequence[str] = ()) -> None:
        """Work out the names.

        Args:
            theirs: The robot's joints that this interface has; empty: those of all our actuated joints.
        """
        self.map = JointMap(self.context.table, self.config, f"driver.{self.name}")
        ours = self.context.table.actuated_joint_names
        if theirs:
            ours = [name for name in ours if set(self.map.commands((name,)).theirs) <= set(theirs)]
        self.commands: CommandMap = self.map.commands(ours)

    def take(self, values: Mapping[str, float]) -> None:
        """Move to targets by the robot's names; those not named keep theirs.

        A target that is not finite would reach the motors of a real robot; here it is written down and dropped.
        """
        bad = [name for name, value in values.items() if not np.isfinite(value)]
        if bad:
            self.refuse(f"the target of '{bad[0]}' is {values[bad[0]]}")
            return
        theirs = self.commands.theirs
        if not theirs:
            return
        if all(name in values for name in theirs):
            ours = self.commands.decode(np.array([values[name] for name in theirs]))
            self.targets.set(self.name, self.commands.ours, ours)
            return
        for names, part in self._parts():
            if all(name in values for name in part.theirs):
                row = np.array([values[name] for name in part.theirs])
                self.targets.set(self.name, names, part.decode(row))
            elif any(name in values for name in part.theirs):
                self.refuse(f"only one of {' and '.join(part.theirs)}, which are on one tendon")

    def _parts(self) -> list[tuple[tuple[str, ...], CommandMap]]:
        """Each of our joints by itself: one of the robot's, or the two on a tendon."""
        if not hasattr(self, "_single"):
            self._single = [((name,), self.map.commands((name,))) for name in self.commands.ours]
        return self._single


def serve_parameters(context: DriverContext, controller: str, parameters: Mapping[str, Any]) -> Node:
    """Make the node of a controller, so that its parameters can be read as on a real robot.

    Args:
        context: The simulation's node gives its executor and its namespace.
        controller: Name, with or without a namespace.
        parameters: Name -> value.
    """
    node = context.node
    folder, _, name = controller.rpartition("/")
    space = node.get_namespace() if not controller.startswith("/") else ""
    space = "/".join(part.strip("/") for part in (space, folder) if part.strip("/"))
    made = rclpy.create_node(
        name, context=node.context, namespace=f"/{space}" if space else "/", use_global_arguments=False
    )
    for key, value in parameters.items():
        made.declare_parameter(key, value)
    if node.executor is not None:
        node.executor.add_node(made)

    def destroy() -> None:
        if node.executor is not None:
            node.executor.remove_node(made)
        made.destroy_node()

    context.cleanup.append(destroy)
    return made
