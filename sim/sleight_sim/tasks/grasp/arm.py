"""What the grasp task needs to know of a hand on an arm: its action, and the joints at which an episode starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sleight_core.action import ActionPart, ActionSpec
from sleight_core.arm import ArmKinematics, place_wrist
from sleight_core.arm.steps import PoseSteps
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.tasks.grasp.config import ArmConfig, GraspTaskConfig

Array = np.ndarray

#: Largest error of a start that counts as reached (m, rad).
REACHED = 1e-4


def task_action(table: HandTable, config: GraspTaskConfig) -> ActionSpec:
    """The task's action: the paper's for a floating wrist, `config.arm.action` for a hand on an arm."""
    if table.wrist_mode == "floating":
        return ActionSpec.absolute(table)
    if config.arm.action == "joints":
        return ActionSpec.arm_joints(table, config.arm.joint_step, config.arm.lead)
    return ActionSpec.arm_pose(table, config.control_period, config.arm.lead)


def arm_config(parts: Sequence[ActionPart]) -> ArmConfig:
    """The `GraspTaskConfig.arm` in which a policy with these action parts was trained (its starts apart)."""
    for part in parts:
        if part.rule == "delta_target":
            return ArmConfig(action="joints", joint_step=part.scale[0])
    return ArmConfig()


class ArmCarrier:
    """The arm that carries the hand of a task.

    Args:
        table: A hand on an arm.
        period: Control period, s.

    Attributes:
        kinematics: From the arm's joints to the hand's root body.
    """

    def __init__(self, table: HandTable, period: float) -> None:
        self.table = table
        self.kinematics = ArmKinematics.of_wrist(table)
        self._steps = PoseSteps(table)
        self._ready = table.posture("ready")[table.arm_index]
        motors = table.actuated_joint_names
        self._columns = np.array([motors.index(name) for name in table.arm_joints])
        self._fastest = table.wrist.linear_speed * period

    def start(self, pos: Array, quat: Array) -> Array:
        """Joints (n, N) rad, near the posture "ready", at which the hand's root body is at a pose (n, 3) m, (n, 4).

        Raises:
            SleightError: The arm does not reach a pose.
        """
        joints, off = place_wrist(self.kinematics, np.tile(self._ready, (len(pos), 1)), pos, quat)
        arm = self.table.arm_index
        outside = (joints < self.table.lower[arm]) | (joints > self.table.upper[arm])
        if (bad := (off > REACHED) | outside.any(axis=1)).any():
            i = int(np.argmax(bad))
            raise SleightError(
                f"the arm of '{self.table.name}' does not reach the hand's start",
                value=f"position {np.round(pos[i], 3).tolist()} m, orientation {np.round(quat[i], 3).tolist()}",
                remedy="lower arm.max_yaw, wrist_xy or object_xy of the task",
            )
        return joints

    def vertical_speed(self, before: Array, targets: Array) -> Array:
        """How fast targets (B, A) after `before` lift the grasp centre, as a share of the wrist's speed, in [-1, 1]."""
        last = before[:, self._columns]
        lifted = self._steps.pose_step(last, targets[:, self._columns] - last)[:, 2]
        return np.clip(lifted / self._fastest, -1.0, 1.0)
