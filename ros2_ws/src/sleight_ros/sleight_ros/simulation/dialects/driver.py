"""A robot's driver: the dialects of a profile, which together take every joint and the wrist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sleight_core.errors import SleightError
from sleight_msgs.msg import HandCommand

from sleight_ros.bridges.section import Section, parse_parts
from sleight_ros.simulation.dialects.arm import ArmDialect, ArmDriver
from sleight_ros.simulation.dialects.base import Dialect, DriverContext, JointDialect, Reading, Targets
from sleight_ros.simulation.dialects.conduct import Echo
from sleight_ros.simulation.dialects.forward_command import ForwardCommandDialect, ForwardCommandDriver
from sleight_ros.simulation.dialects.joint_state_command import JointStateCommandDialect, JointStateCommandDriver
from sleight_ros.simulation.dialects.joint_trajectory import JointTrajectoryDialect, JointTrajectoryDriver
from sleight_ros.simulation.dialects.leap_bus import LeapBusDialect, LeapBusDriver
from sleight_ros.simulation.dialects.shadow import ShadowTopicsDialect, ShadowTopicsDriver
from sleight_ros.simulation.dialects.states import (
    JointStatesDialect,
    JointStatesDriver,
    OdometryDialect,
    OdometryDriver,
)
from sleight_ros.simulation.dialects.twist import TwistDialect, TwistDriver

#: Name of the dialect in a profile -> its section and its class.
DIALECTS: dict[str, tuple[type[Section], type[Dialect[Any]]]] = {
    "joint_trajectory": (JointTrajectoryDriver, JointTrajectoryDialect),
    "forward_command": (ForwardCommandDriver, ForwardCommandDialect),
    "joint_state_command": (JointStateCommandDriver, JointStateCommandDialect),
    "shadow_topics": (ShadowTopicsDriver, ShadowTopicsDialect),
    "leap_bus": (LeapBusDriver, LeapBusDialect),
    "twist": (TwistDriver, TwistDialect),
    "arm": (ArmDriver, ArmDialect),
    "joint_states": (JointStatesDriver, JointStatesDialect),
    "odometry": (OdometryDriver, OdometryDialect),
}
#: What the simulation speaks when a profile says nothing.
DEFAULT: dict[str, Section] = {
    "hand": JointTrajectoryDriver(serve_parameters=False),
    "wrist": TwistDriver(),
    "odometry": OdometryDriver(),
    "states": JointStatesDriver(),
}
ALL = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=500, reliability=ReliabilityPolicy.RELIABLE)


def parse_driver(data: Mapping[str, Any]) -> dict[str, Section]:
    """Check the section ``driver`` of a profile; an empty one is the default.

    Raises:
        SleightError: An unknown dialect or key, or a value that is out of its range.
    """
    if not data:
        return DEFAULT
    return parse_parts(data, {name: section for name, (section, _) in DIALECTS.items()}, "driver", "dialect")


class Driver:
    """All dialects of a profile.

    Args:
        parts: Name -> section, as `parse_driver` gives them.
        context: What dialects share.
        strict: Compare every target with what the bridge says that it sent (`bridge/sent`).
    """

    def __init__(self, parts: Mapping[str, Section], context: DriverContext, *, strict: bool = False) -> None:
        self.context = context
        if strict:
            context.echo = Echo(context.conduct, context.table.actuated_joint_names)
        self.targets = Targets(context)
        classes = {section: dialect for section, dialect in DIALECTS.values()}
        self.dialects = {
            name: classes[type(section)](name, section, context, self.targets) for name, section in parts.items()
        }
        self._actuated = context.table.actuated_index

    def setup(self) -> None:
        """Create everything.

        Raises:
            SleightError: A joint is taken by nobody, or by two.
        """
        for dialect in self.dialects.values():
            dialect.setup()
        owner: dict[str, str] = {}
        for name, dialect in self.dialects.items():
            for joint in dialect.commands.ours if isinstance(dialect, JointDialect) else ():
                if joint in owner:
                    raise SleightError(f"joint '{joint}' is taken by two dialects", value=f"{owner[joint]}, {name}")
                owner[joint] = name
        if missing := [name for name in self.context.table.actuated_joint_names if name not in owner]:
            raise SleightError("no dialect takes some joints", value=", ".join(missing))
        if self.context.echo is not None:
            self.context.node.listen(HandCommand, "bridge/sent", self._on_sent, ALL)

    def _on_sent(self, msg: HandCommand) -> None:
        assert self.context.echo is not None
        self.context.echo.sent(list(msg.joint_names), list(msg.positions))

    def publish(self, stamp: Time, reading: Reading, *, last: bool) -> None:
        """Let the dialects speak; on the physics thread.

        Args:
            stamp: Of the moment.
            reading: What the sensors say.
            last: Those that must come last, or the others.
        """
        self.targets.measured = reading.joint_pos[self._actuated]
        for dialect in self.dialects.values():
            if dialect.last == last:
                dialect.publish(stamp, reading)

    def reset(self) -> None:
        """The hand was put elsewhere."""
        self.targets.reset()
        for dialect in self.dialects.values():
            dialect.reset()

    def report(self) -> dict[str, str]:
        """Values for /diagnostics."""
        conduct = self.context.conduct
        rows = {f"messages to {name}": str(count) for name, count in conduct.messages.items()}
        rows["interface violations"] = str(conduct.count)
        if conduct.violations:
            rows["last violation"] = conduct.violations[-1]
        return rows

    def close(self) -> None:
        """Undo what only this driver knows of."""
        while self.context.cleanup:
            self.context.cleanup.pop()()

    def write(self, path: Path) -> None:
        """Write what was counted."""
        if self.context.echo is not None:
            self.context.echo.settle()
        self.context.conduct.write(path)
