"""A policy that commands an arm's joints: its targets, kept away from the table and from the robot itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from sleight_core.errors import SleightError

from sleight_ros.bridges.arm_follower import ArmFollower, ArmSection
from sleight_ros.bridges.base import BridgeCommand, JointAdapter, JointPart, Outgoing
from sleight_ros.bridges.robots import find_robot


class ArmTargetsPart(ArmSection, JointPart):
    """Section of an arm whose joints the policy commands; the robot's table is the profile's hand."""

    adapter: Literal["arm_targets"] = "arm_targets"


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
        self._arm = arm = ArmFollower(self.where, config, robot, context)
        names = context.limits.names
        self._columns = np.array([names.index(name) for name in arm.servo.joint_names], dtype=np.intp)
        self._fingers = np.array(
            [names.index(n) for n in robot.hand.joint_names if n in names], dtype=np.intp
        )  # the guard's fingers are where they are told to be
        ready = robot.arm_posture()
        arm.configure(lambda measured, elapsed: arm.servo.step_joints(ready, measured, elapsed), context)

    def start(self) -> None:
        """Forget where the arm was told to be."""
        self._arm.start()

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """The arm's next targets.

        Raises:
            SleightError: The arm is not known well enough to begin.
        """
        servo = self._arm.servo
        wanted, fingers = command.positions[self._columns], command.positions[self._fingers]
        positions = command.positions.copy()
        positions[self._columns] = self._arm.targets(
            lambda measured, elapsed: servo.step_joints(wanted, measured, elapsed, finger_pos=fingers)
        )
        return self._arm.send(replace(command, positions=positions))

    def problem(self) -> str:
        """What the arm's controller says."""
        return self._arm.problem()

    def report(self) -> dict[str, str]:
        """How the last step went, and how long steps take."""
        return self._arm.report("guard")
