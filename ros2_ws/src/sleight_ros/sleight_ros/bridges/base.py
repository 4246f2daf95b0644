"""What every adapter is: it turns what the safety filter lets through into the messages of one controller."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from pydantic import Field
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.safety import JointLimits

from sleight_ros.bridges.joint_map import CommandMap, JointMap, MapSection

if TYPE_CHECKING:
    from sleight_ros.nodes.base import SleightNode

Array = NDArray[np.float64]
#: Targets may lie this far outside the limits: rounding, rad.
ROUNDING = 1e-9


@dataclass(frozen=True)
class BridgeCommand:
    """What the safety filter says at one tick.

    Attributes:
        joint_names: All actuated joints, in the order of `JointLimits.names`.
        positions: (A,) targets, rad.
        wrist_twist: (6,) in the task frame, m/s and rad/s.
        stamp: Now, on the node's clock.
    """

    joint_names: tuple[str, ...]
    positions: Array
    wrist_twist: Array
    stamp: Time


class Outgoing(NamedTuple):
    """A message and where it goes."""

    publisher: Any
    message: Any


@dataclass(frozen=True)
class BridgeContext:
    """What adapters share.

    Attributes:
        node: Owns the publishers.
        table: The hand.
        limits: What the safety filter keeps to.
        frame: Task frame of the wrist twist.
        period: Control period, s.
        arm: Gives the newest angles of the carrying arm by name, and when they came (monotonic s); None without an arm.
        wrist: Whether the wrist of a hand that somebody carries is commanded.
    """

    node: SleightNode
    table: HandTable
    limits: JointLimits
    frame: str
    period: float
    arm: Callable[[], tuple[dict[str, float], float]] | None = None
    wrist: bool = True


class JointPart(MapSection):
    """A part of a bridge that commands joints.

    Attributes:
        adapter: Which adapter.
        joints: Our joints; empty: all that no other part has.
        fixed: More joints of the controller, by the robot's names, and the angle at which they are kept, rad.
        states_topic: Joint states that must hold every name of the map before the bridge may be configured; empty: not
            asked. For drivers whose parameters cannot be read.
        states_timeout: How long the first of them may take, s.
    """

    adapter: str
    joints: tuple[str, ...] = ()
    fixed: dict[str, float] = Field(default_factory=dict)
    states_topic: str = ""
    states_timeout: float = Field(default=10.0, gt=0.0, le=300.0)


Config = TypeVar("Config")


class Adapter(ABC, Generic[Config]):
    """One part of a bridge.

    `encode` is pure, so that all parts' messages exist before the first is published. An active hold comes from the
    safety filter and looks like any command; `farewell` is what a controller must hear that would otherwise go on
    moving.

    Args:
        name: The part's name in the profile.
        config: Its section.
        context: What adapters share.
    """

    #: Whether it takes the wrist's twist; the others take joints.
    moves_wrist: ClassVar[bool] = False

    def __init__(self, name: str, config: Config, context: BridgeContext) -> None:
        self.where = f"bridge.{name}"
        self.config = config
        self.context = context

    def configure(self) -> None:
        """Verify names, limits and the controller's parameters, then create the publishers.

        Raises:
            SleightError: Something does not fit; names the field, both values and the remedy.
        """

    def start(self) -> None:
        """Begin anew: nothing was sent yet, and the robot may be elsewhere. Raises SleightError to refuse."""

    @abstractmethod
    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """The messages of one command."""

    def farewell(self, stamp: Time) -> list[Outgoing]:
        """The last messages before silence: none for a position interface, which keeps its last target."""
        return []

    def problem(self) -> str:
        """Why nothing may be sent now, as a clause; "" when all is well."""
        return ""

    def report(self) -> dict[str, str]:
        """Values for /diagnostics."""
        return {}


JointConfig = TypeVar("JointConfig", bound=JointPart)


class JointAdapter(Adapter[JointConfig]):
    """An adapter that commands joints; gets its joints from the bridge, which knows what the other parts have.

    Attributes:
        joints: Our joints that it commands.
        commands: The way to the robot's.
    """

    joints: tuple[str, ...]
    commands: CommandMap

    def take(self, joints: Sequence[str]) -> None:
        """Take over joints and work out what they are called.

        Raises:
            SleightError: The map does not fit.
        """
        config, table = self.config, self.context.table
        self.map = JointMap(table, config, self.where)
        self.joints = tuple(joints)
        self.commands = self.map.commands(self.joints)
        self.commands.check_limits(self.context.limits, self.where)
        names = self.context.limits.names
        self._index = np.array([names.index(name) for name in self.joints], dtype=np.intp)
        for name in config.fixed:
            if name in self.commands.theirs:
                raise SleightError(f"parameter '{self.where}.fixed': this joint is commanded", value=name)

    @property
    def names(self) -> tuple[str, ...]:
        """The robot's joints in the order of `values`."""
        return (*self.commands.theirs, *self.config.fixed)

    def values(self, command: BridgeCommand) -> Array:
        """The robot's targets (T,), rad.

        Raises:
            SleightError: One is not finite.
        """
        values = np.concatenate(
            [self.commands.encode(command.positions[self._index]), list(self.config.fixed.values())]
        )
        if not np.isfinite(values).all():
            bad = self.names[int(np.argmin(np.isfinite(values)))]
            raise SleightError(f"{self.where}: the target of '{bad}' is not finite")
        return values


def check_command(command: BridgeCommand, limits: JointLimits) -> None:
    """Refuse whatever the safety filter can never have said: the last look before the controllers.

    Raises:
        SleightError: Wrong names, order or length, a value that is not finite, or one outside the limits.
    """
    if tuple(command.joint_names) != limits.names:
        raise SleightError("bridge: the command's joints are not the hand's, in order", value=list(command.joint_names))
    for what, values, size in (("positions", command.positions, len(limits.names)), ("twist", command.wrist_twist, 6)):
        if np.shape(values) != (size,):
            raise SleightError(f"bridge: the command has not {size} numbers as {what}", value=np.shape(values))
        if not np.isfinite(values).all():
            raise SleightError(f"bridge: the command's {what} are not finite", value=np.asarray(values).tolist())
    outside = (command.positions < limits.lower - ROUNDING) | (command.positions > limits.upper + ROUNDING)
    if outside.any():
        j = int(np.argmax(outside))
        raise SleightError(
            f"bridge: the target of '{limits.names[j]}' is outside {limits.lower[j]:.4f} to {limits.upper[j]:.4f} rad",
            value=float(command.positions[j]),
        )
