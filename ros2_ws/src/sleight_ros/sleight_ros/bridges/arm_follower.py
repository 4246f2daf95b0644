"""What all adapters of an arm do: a servo that begins where the arm is measured, and the adapter of its controller."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from sleight_core.errors import SleightError

from sleight_ros.bridges.base import Array, BridgeCommand, BridgeContext, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.forward_command import ForwardCommandAdapter, ForwardCommandPart
from sleight_ros.bridges.joint_state_command import JointStateCommandAdapter, JointStateCommandPart
from sleight_ros.bridges.joint_trajectory import JointTrajectoryAdapter, JointTrajectoryPart
from sleight_ros.bridges.section import Section, nearest, parse_parts
from sleight_ros.timing import Recent

if TYPE_CHECKING:
    from sleight_core.arm import Robot
    from sleight_core.arm.servo import ArmServo, ArmStep

#: How the arm's controller may be spoken to.
OUTPUTS: dict[str, tuple[type[JointPart], type[JointAdapter[Any]]]] = {
    "joint_trajectory": (JointTrajectoryPart, JointTrajectoryAdapter),
    "forward_command": (ForwardCommandPart, ForwardCommandAdapter),
    "joint_state_command": (JointStateCommandPart, JointStateCommandAdapter),
}
#: One step counts for at most so many periods, however late it is.
LONGEST_STEP = 1.5
#: The servo is asked so often at configuration: its first answers are slow.
WARM_UP = 5

#: Takes the measured joints (N,) rad and the time since the last step (s), and lets the servo make its next step.
Advance = Callable[[Array, float], "ArmStep"]


class ArmSection(Section):
    """What a part of a bridge says of its arm.

    Attributes:
        robot: Which hand stands on which arm, and where; see `find_robot`.
        output: Section of the adapter that speaks to the arm's controller.
        ik: Figures of the servo, by the names of `sleight_description.ik.IkConfig`.
        max_age: Age limit of the arm's joint states, s; they come from the profile's section `states`.
    """

    robot: str = Field(min_length=1)
    output: dict[str, Any]
    ik: dict[str, float] = Field(default_factory=dict)
    max_age: float = Field(default=0.1, gt=0.0, le=1.0)


class ArmFollower:
    """Lets an arm's servo follow what is asked, from where the arm is; while that is not known, it stands still.

    Args:
        where: Full name of the bridge's part, for messages.
        section: What the profile says.
        robot: The hand on its arm.
        context: What adapters share.

    Raises:
        SleightError: Nobody says where the arm is; or a figure of the servo is unknown or out of range.
    """

    def __init__(self, where: str, section: ArmSection, robot: Robot, context: BridgeContext) -> None:
        if context.arm is None:
            raise SleightError(
                f"{where}: nobody says where the arm is",
                remedy="add a source of the arm's joints to the section 'states'",
            )
        self._where, self._section, self._robot = where, section, robot
        self._measured, self._period = context.arm, context.period
        self.servo = _make_servo(robot, section.ik, where)
        self._times = Recent()
        self.start()

    def configure(self, advance: Advance, context: BridgeContext) -> None:
        """Warm the servo up, and verify the arm's controller.

        Args:
            advance: As in `targets`, asking for nothing.
            context: Of the joints that `send` is given.

        Raises:
            SleightError: The controller does not fit.
        """
        ready = self._robot.arm_posture()
        self.servo.reset(ready)
        for _ in range(WARM_UP):
            advance(ready, self._period)
        outputs = {name: section for name, (section, _) in OUTPUTS.items()}
        section = parse_parts({"output": self._section.output}, outputs, self._where, "adapter")["output"]
        _, kind = next(row for row in OUTPUTS.values() if row[0] is type(section))
        self._output = kind(f"{self._where.removeprefix('bridge.')}.output", section, context)
        self._output.take(self.servo.joint_names)
        self._output.configure()
        self.start()

    def start(self) -> None:
        """Forget where the arm was told to be."""
        self._begun = False
        self._last = 0.0
        self._step: ArmStep | None = None

    def targets(self, advance: Advance) -> Array:
        """The arm's next targets (N,) rad, in the order of the servo's joints; while its state is too old, the last.

        Args:
            advance: Called when the arm's state is fresh.

        Raises:
            SleightError: The arm is not known well enough to begin.
        """
        angles, received = self._measured()
        now = time.monotonic()
        fresh = now - received <= self._section.max_age
        if not self._begun:
            if not fresh:
                raise SleightError(f"{self._where}: no fresh joint state of the arm to begin with")
            self.servo.reset(self._vector(angles))
            self._begun, self._last = True, now - self._period
        targets = self.servo.targets
        assert targets is not None
        if fresh:
            elapsed = min(now - self._last, LONGEST_STEP * self._period)
            if elapsed > 0.0:
                self._step = advance(self._vector(angles), elapsed)
                targets = self._step.targets
        self._last = now
        self._times.add(time.monotonic() - now)
        return targets

    def _vector(self, angles: dict[str, float]) -> Array:
        return np.array([angles[name] for name in self.servo.joint_names])

    def send(self, command: BridgeCommand) -> list[Outgoing]:
        """The messages to the arm's controller."""
        return self._output.encode(command)

    def problem(self) -> str:
        """What the arm's controller says."""
        return self._output.problem()

    def report(self, name: str) -> dict[str, str]:
        """How the last step went, under a name, and how long steps take."""
        step = self._step
        words = "not begun" if step is None else f"{step.status.value} {step.detail}".strip()
        return {
            f"{self._where} {name}": words,
            f"{self._where} step p99 (ms)": f"{1e3 * self._times.percentile(99):.2f}",
            **self._output.report(),
        }


def _make_servo(robot: Robot, figures: dict[str, float], where: str) -> ArmServo:
    from sleight_description.ik import IkConfig, MinkArmServo

    known = [one.name for one in fields(IkConfig)]
    for name in figures:
        if name not in known:
            raise SleightError(f"parameter '{where}.ik.{name}' is unknown", remedy=nearest(name, known))
    return MinkArmServo(robot, IkConfig(**figures))
