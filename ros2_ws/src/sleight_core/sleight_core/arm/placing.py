"""Joints of an arm at which the hand is at a wanted pose, for many arms at once: where an episode starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sleight_core.arm.kinematics import ArmKinematics
from sleight_core.rotations import quat_conjugate, quat_multiply

Array = NDArray[np.float64]

#: Newton steps at most, their damping, the largest step of a joint (rad), and the error that is none (m, rad).
STEPS, DAMPING, LONGEST, CLOSE = 30, 1e-6, 0.3, 1e-9


def place_wrist(kinematics: ArmKinematics, near: Array, pos: Array, quat: Array) -> tuple[Array, Array]:
    """Search joints near some at which the end frame is at a pose.

    Args:
        kinematics: The arm.
        near: (B, N) joints to search from, rad.
        pos: (B, 3) m, in the frame that the chain starts from.
        quat: (B, 4) wxyz.

    Returns:
        Joints (B, N) rad, and the largest error (B,) left, m or rad: above about 1e-6 the pose is out of reach.
    """
    joints = np.array(near, dtype=float)
    todo, worst = np.arange(len(joints)), np.full(len(joints), np.inf)
    for _ in range(STEPS):
        at, turn, jacobian = kinematics.pose_jacobian(joints[todo])
        off = quat_multiply(quat[todo], quat_conjugate(turn))
        off = np.where(off[:, :1] < 0, -off, off)
        error = np.concatenate([pos[todo] - at, 2.0 * off[:, 1:]], axis=1)
        worst[todo] = np.abs(error).max(axis=1)
        far = worst[todo] > CLOSE
        if not far.any():
            break
        todo, error, jacobian = todo[far], error[far], jacobian[far]
        square = jacobian @ jacobian.transpose(0, 2, 1) + DAMPING * np.eye(6)
        step = (jacobian.transpose(0, 2, 1) @ np.linalg.solve(square, error[:, :, None]))[:, :, 0]
        joints[todo] += np.clip(step, -LONGEST, LONGEST)
    return joints, worst
