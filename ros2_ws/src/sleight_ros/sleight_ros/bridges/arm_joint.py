"""A floating-wrist policy on an arm: the wrist's twist becomes joint targets by differential inverse kinematics."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from builtin_interfaces.msg import Time
from pydantic import Field
from sleight_core.errors import SleightError

from sleight_ros.bridges.base import Adapter, BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.forward_command import ForwardCommandAdapter, ForwardCommandPart
from sleight_ros.bridges.joint_state_command import JointStateCommandAdapter, JointStateCommandPart
from sleight_ros.bridges.joint_trajectory import JointTrajectoryAdapter, JointTrajectoryPart
from sleight_ros.bridges.robots import find_robot
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
#: The inverse kinematics is asked so often at configuration: its first answers are slow.
WARM_UP = 5


def make_servo(robot: Robot, figures: dict[str, float], where: str) -> ArmServo:
    """Make the servo of an arm.

    Args:
        robot: The hand on its arm.
        figures: By the names of `sleight_description.ik.IkConfig`.
        where: Full name of the bridge's part, for messages.

    Raises:
        SleightError: A name is unknown, or a figure out of range.
    """
    from sleight_description.ik import IkConfig, MinkArmServo

    known = [one.name for one in fields(IkConfig)]
    for name in figures:
        if name not in known:
            raise SleightError(f"parameter '{where}.ik.{name}' is unknown", remedy=nearest(name, known))
    return MinkArmServo(robot, IkConfig(**figures))


class ArmJointPart(Section):
    """Section of an arm that carries a hand with a floating wrist.

    Attributes:
        robot: Which hand stands on which arm, and where; see `find_robot`.
        output: Section of the adapter that speaks to the arm's controller.
        ik: Figures of the inverse kinematics, by the names of `sleight_description.ik.IkConfig`.
        max_age: Age limit of the arm's joint states, s; they come from the profile's state source "arm".
    """

    adapter: Literal["arm_joint"] = "arm_joint"
    robot: str = Field(min_length=1)
    output: dict[str, Any]
    ik: dict[str, float] = Field(default_factory=dict)
    max_age: float = Field(default=0.1, gt=0.0, le=1.0)


class ArmJointAdapter(Adapter[ArmJointPart]):
    """Commands an arm's joints; the wrist is where the arm is told to have it, and the servo decides how."""

    moves_wrist = True

    def configure(self) -> None:
        """Load the robot, warm the inverse kinematics up, and verify the arm's controller."""
        config, context = self.config, self.context
        if context.arm is None:
            raise SleightError(
                f"{self.where}: nobody says where the arm is", remedy="add a state source: 'source: arm'"
            )
        robot = find_robot(config.robot)
        if robot.hand.name != context.table.name:
            raise SleightError(
                f"parameter '{self.where}.robot': '{config.robot}' carries hand '{robot.hand.name}', the profile has",
                value=context.table.name,
            )
        self._servo = make_servo(robot, config.ik, self.where)
        self._warm_up(robot.arm_posture())
        outputs = {name: section for name, (section, _) in OUTPUTS.items()}
        section = parse_parts({"output": config.output}, outputs, self.where, "adapter")["output"]
        _, kind = next(row for row in OUTPUTS.values() if row[0] is type(section))
        inner = replace(context, table=robot.table, limits=self._servo.limits)
        self._output = kind(f"{self.where.removeprefix('bridge.')}.output", section, inner)
        self._output.take(self._servo.joint_names)
        self._output.configure()
        self._times = Recent()
        self.start()

    def _warm_up(self, posture: np.ndarray) -> None:
        self._servo.reset(posture)
        for _ in range(WARM_UP):
            self._servo.step(np.zeros(6), posture, self.context.period)

    def start(self) -> None:
        """Forget where the arm was told to be."""
        self._begun = False
        self._last = 0.0
        self._step: ArmStep | None = None

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """The arm's next targets; while its state is too old, the last ones.

        Raises:
            SleightError: The arm is not known well enough to begin.
        """
        assert self.context.arm is not None
        angles, received = self.context.arm()
        now = time.monotonic()
        fresh = now - received <= self.config.max_age
        if not self._begun:
            if not fresh:
                raise SleightError(f"{self.where}: no fresh joint state of the arm to begin with")
            self._servo.reset(self._vector(angles))
            self._begun, self._last = True, now - self.context.period
        targets = self._servo.targets
        assert targets is not None
        if fresh:
            elapsed = min(now - self._last, LONGEST_STEP * self.context.period)
            if elapsed > 0.0:
                self._step = self._servo.step(command.wrist_twist, self._vector(angles), elapsed)
                targets = self._step.targets
        self._last = now
        self._times.add(time.monotonic() - now)
        return self._output.encode(replace(command, joint_names=self._servo.joint_names, positions=targets))

    def _vector(self, angles: dict[str, float]) -> np.ndarray:
        return np.array([angles[name] for name in self._servo.joint_names])

    def farewell(self, stamp: Time) -> list[Outgoing]:
        """Nothing: the arm keeps its last targets."""
        return []

    def problem(self) -> str:
        """What the arm's controller says."""
        return self._output.problem()

    def report(self) -> dict[str, str]:
        """How the last step went, and how long steps take."""
        step = self._step
        words = "not begun" if step is None else f"{step.status.value} {step.detail}".strip()
        return {
            f"{self.where} inverse kinematics": words,
            f"{self.where} step p99 (ms)": f"{1e3 * self._times.percentile(99):.2f}",
            **self._output.report(),
        }
