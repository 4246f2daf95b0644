"""Small motions of a hand on an arm: from a step of the grasp centre to a step of the joints and back (batched)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sleight_core.arm.kinematics import ArmKinematics
from sleight_core.arrays import namespace
from sleight_core.hand.kinematics import FingertipKinematics
from sleight_core.hand.table import HandTable
from sleight_core.rotations import quat_rotate

Array = Any

#: Manipulability (product of the Jacobian's singular values, rotations times `ANGLE_WEIGHT`) below which steps are
#: damped, and the damping (m/rad) at a singularity: the hand follows less there. A UR5e over the table has 6e-4 to
#: 3e-3.
SINGULAR_BELOW = 4e-4
DAMPING = 0.06
#: Metres of error that count as much as one radian.
ANGLE_WEIGHT = 0.3


class PoseSteps:
    """Linear maps between motions of the grasp centre and of the arm's joints, at given joints.

    Args:
        table: A hand on an arm.

    Raises:
        SleightError: The hand is on a floating wrist.
    """

    def __init__(self, table: HandTable) -> None:
        self.kinematics = ArmKinematics.of_wrist(table)
        self._offset = FingertipKinematics(table).grasp_offset
        self._weights = np.repeat([1.0, ANGLE_WEIGHT], 3)[:, None]

    def jacobian(self, joint_pos: Array) -> Array:
        """Jacobian of the grasp centre (B, 6, N) at arm joints (B, N) rad: m/rad, then rotations; task frame."""
        xp = namespace(joint_pos)
        _, quat, jacobian = self.kinematics.pose_jacobian(joint_pos)
        offset = xp.asarray(self._offset, dtype=joint_pos.dtype)
        arm = quat_rotate(quat, xp.broadcast_to(offset, (joint_pos.shape[0], 3)))[:, :, None]
        spin = jacobian[:, 3:]
        swung = xp.stack(
            [
                spin[:, 1] * arm[:, 2] - spin[:, 2] * arm[:, 1],
                spin[:, 2] * arm[:, 0] - spin[:, 0] * arm[:, 2],
                spin[:, 0] * arm[:, 1] - spin[:, 1] * arm[:, 0],
            ],
            axis=1,
        )
        return xp.concat([jacobian[:, :3] + swung, spin], axis=1)

    def joint_step(self, joint_pos: Array, move: Array) -> Array:
        """Step of the arm's joints (B, N) rad that moves the grasp centre by `move` (B, 6) m and rad, task frame.

        Least squares, damped near a singularity after Nakamura and Hanafusa (1986): what cannot be followed there is
        left out. Elsewhere `pose_step` is the inverse.
        """
        xp = namespace(joint_pos)
        weights = xp.asarray(self._weights, dtype=joint_pos.dtype)
        jacobian = self.jacobian(joint_pos) * weights
        square = jacobian @ xp.matrix_transpose(jacobian)
        volume = xp.sqrt(xp.clip(xp.linalg.det(square), 0.0, None))
        near = xp.clip(1.0 - volume / SINGULAR_BELOW, 0.0, 1.0)
        damping = DAMPING**2 * near * near + 1e-12
        square = square + damping[:, None, None] * xp.eye(6, dtype=joint_pos.dtype)
        wanted = move[:, :, None] * weights
        return (xp.matrix_transpose(jacobian) @ xp.linalg.solve(square, wanted))[:, :, 0]

    def pose_step(self, joint_pos: Array, step: Array) -> Array:
        """Motion of the grasp centre (B, 6) m and rad, task frame, that a step of the joints (B, N) rad makes."""
        return (self.jacobian(joint_pos) @ step[:, :, None])[:, :, 0]
