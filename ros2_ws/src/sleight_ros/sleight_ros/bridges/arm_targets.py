"""A policy that commands an arm's joints: its targets, kept away from the table and from the robot itself."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field
from sleight_core.errors import SleightError

from sleight_ros.bridges.arm_joint import LONGEST_STEP, OUTPUTS, WARM_UP, make_servo
from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.robots import find_robot
from sleight_ros.bridges.section import parse_parts
from sleight_ros.timing import Recent

if TYPE_CHECKING:
    from sleight_core.arm.servo import ArmStep


class ArmTargetsPart(JointPart):
    """Section of an arm whose joints the policy commands.

    Attributes:
        robot: Which hand stands on which arm, and where; see `find_robot`. Its table is the profile's hand.
        output: Section of the adapter that speaks to the arm's controller.
        ik: Figures of the guard, by the names of `sleight_description.ik.IkConfig`.
        max_age: Age limit of the arm's joint states, s.
    """

    adapter: Literal["arm_targets"] = "arm_targets"
    robot: str = Field(min_length=1)
    output: dict[str, Any]
    ik: dict[str, float] = Field(default_factory=dict)
    max_age: float = Field(default=0.1, gt=0.0, le=1.0)


class ArmTargetsAdapter(JointAdapter[ArmTargetsPart]):
    """Sends the arm's targets as the servo's guard lets them through; while the arm is not known, the last ones."""

    def configure(self) -> None:
        """Load the robot, warm the guard up, and verify the arm's controller."""
        config, context = self.config, self.context
        robot = find_robot(config.robot)
        if robot.table.digest() != context.table.digest():
            raise SleightError(
                f"parameter '{self.where}.robot': '{config.robot}' is not the profile's hand", value=context.table.name
            )
        if set(self.joints) != set(robot.table.arm_joints):
            raise SleightError(
                f"parameter '{self.where}.joints' must be the arm's",
                value=list(self.joints),
                remedy=f"{list(robot.arm.joint_names)}",
            )
        if context.arm is None:
            raise SleightError(
                f"{self.where}: nobody says where the arm is", remedy="add the section 'states' for hand and arm"
            )
        self._servo = make_servo(robot, config.ik, self.where)
        ready = robot.arm_posture()
        self._servo.reset(ready)
        for _ in range(WARM_UP):
            self._servo.step_joints(ready, ready, context.period)
        outputs = {name: section for name, (section, _) in OUTPUTS.items()}
        section = parse_parts({"output": config.output}, outputs, self.where, "adapter")["output"]
        _, kind = next(row for row in OUTPUTS.values() if row[0] is type(section))
        self._output = kind(f"{self.where.removeprefix('bridge.')}.output", section, context)
        self._output.take(self._servo.joint_names)
        self._output.configure()
        names = context.limits.names
        self._columns = np.array([names.index(name) for name in self._servo.joint_names], dtype=np.intp)
        self._fingers = np.array(
            [names.index(n) for n in robot.hand.joint_names if n in names], dtype=np.intp
        )  # the guard's fingers are where they are told to be
        self._times = Recent()
        self.start()

    def start(self) -> None:
        """Forget where the arm was told to be."""
        self._begun = False
        self._last = 0.0
        self._step: ArmStep | None = None

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """The arm's next targets.

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
                wanted, fingers = command.positions[self._columns], command.positions[self._fingers]
                self._step = self._servo.step_joints(wanted, self._vector(angles), elapsed, finger_pos=fingers)
                targets = self._step.targets
        self._last = now
        self._times.add(time.monotonic() - now)
        positions = command.positions.copy()
        positions[self._columns] = targets
        return self._output.encode(replace(command, positions=positions))

    def _vector(self, angles: dict[str, float]) -> np.ndarray:
        return np.array([angles[name] for name in self._servo.joint_names])

    def problem(self) -> str:
        """What the arm's controller says."""
        return self._output.problem()

    def report(self) -> dict[str, str]:
        """How the last step went, and how long steps take."""
        step = self._step
        words = "not begun" if step is None else f"{step.status.value} {step.detail}".strip()
        return {
            f"{self.where} guard": words,
            f"{self.where} step p99 (ms)": f"{1e3 * self._times.percentile(99):.2f}",
            **self._output.report(),
        }
