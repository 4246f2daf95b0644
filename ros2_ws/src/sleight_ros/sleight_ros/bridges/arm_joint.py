"""A floating-wrist policy on an arm: the wrist's twist becomes joint targets by differential inverse kinematics."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from builtin_interfaces.msg import Time
from sleight_core.errors import SleightError

from sleight_ros.bridges.arm_follower import ArmFollower, ArmSection
from sleight_ros.bridges.base import Adapter, BridgeCommand, Outgoing
from sleight_ros.bridges.robots import find_robot


class ArmJointPart(ArmSection):
    """Section of an arm that carries a hand with a floating wrist."""

    adapter: Literal["arm_joint"] = "arm_joint"


class ArmJointAdapter(Adapter[ArmJointPart]):
    """Commands an arm's joints; the wrist is where the arm is told to have it, and the servo decides how."""

    moves_wrist = True

    def configure(self) -> None:
        """Load the robot, warm the inverse kinematics up, and verify the arm's controller."""
        config, context = self.config, self.context
        robot = find_robot(config.robot)
        if robot.hand.name != context.table.name:
            raise SleightError(
                f"parameter '{self.where}.robot': '{config.robot}' carries hand '{robot.hand.name}', the profile has",
                value=context.table.name,
            )
        self._arm = arm = ArmFollower(self.where, config, robot, context)
        still = np.zeros(6)
        inner = replace(context, table=robot.table, limits=arm.servo.limits)
        arm.configure(lambda measured, elapsed: arm.servo.step(still, measured, elapsed), inner)

    def start(self) -> None:
        """Forget where the arm was told to be."""
        self._arm.start()

    def encode(self, command: BridgeCommand) -> list[Outgoing]:
        """The arm's next targets; while its state is too old, the last ones.

        Raises:
            SleightError: The arm is not known well enough to begin.
        """
        servo = self._arm.servo
        targets = self._arm.targets(lambda measured, elapsed: servo.step(command.wrist_twist, measured, elapsed))
        return self._arm.send(replace(command, joint_names=servo.joint_names, positions=targets))

    def farewell(self, stamp: Time) -> list[Outgoing]:
        """Nothing: the arm keeps its last targets."""
        return []

    def problem(self) -> str:
        """What the arm's controller says."""
        return self._arm.problem()

    def report(self) -> dict[str, str]:
        """How the last step went, and how long steps take."""
        return self._arm.report("inverse kinematics")
