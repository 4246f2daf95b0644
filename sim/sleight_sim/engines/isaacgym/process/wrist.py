"""The six joints that carry the hand: three slides along the task frame's axes, then yaw, pitch and roll.

The hand's root is at rotation Rz(yaw) Ry(pitch) Rx(roll). A servo of each joint's velocity then is the wrist's velocity
servo (resdex_facts 1.3), without a force that would have to be computed from Isaac Gym's damping law, which is not
public. The chain is singular at a pitch of a right angle; a grasp starts at pitch 0 and turns by well under one radian.
"""

from typing import Any, Tuple

import torch

#: Their names, in the order in which `positions` has them.
SLIDES = ("wrist_x", "wrist_y", "wrist_z")
TURNS = ("wrist_yaw", "wrist_pitch", "wrist_roll")
#: The cosine of the pitch is never taken to be smaller.
SMALLEST_COSINE = 0.1

Tensor = Any


def angles_of(quat: Tensor) -> Tensor:
    """Yaw, pitch and roll (n, 3) rad of quaternions wxyz (n, 4)."""
    w, x, y, z = quat.unbind(-1)
    yaw = torch.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    pitch = torch.asin(torch.clamp(2.0 * (w * y - z * x), -1.0, 1.0))
    roll = torch.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    return torch.stack([yaw, pitch, roll], dim=-1)


def quat_of(angles: Tensor) -> Tensor:
    """Quaternions wxyz (n, 4) of yaw, pitch and roll (n, 3) rad."""
    half = 0.5 * angles
    (cy, cp, cr), (sy, sp, sr) = torch.cos(half).unbind(-1), torch.sin(half).unbind(-1)
    return torch.stack(
        [
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        ],
        dim=-1,
    )


def rates_of(angles: Tensor, angvel: Tensor) -> Tensor:
    """Rates of yaw, pitch and roll (n, 3) rad/s that turn the hand at `angvel` (n, 3) rad/s in the task frame."""
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = _trigonometry(angles)
    x, y, z = angvel.unbind(-1)
    pitch = cos_yaw * y - sin_yaw * x
    sign = torch.where(cos_pitch < 0.0, -torch.ones_like(cos_pitch), torch.ones_like(cos_pitch))
    roll = (cos_yaw * x + sin_yaw * y) / (sign * torch.clamp(cos_pitch.abs(), min=SMALLEST_COSINE))
    return torch.stack([z + sin_pitch * roll, pitch, roll], dim=-1)


def angvel_of(angles: Tensor, rates: Tensor) -> Tensor:
    """Angular velocity (n, 3) rad/s in the task frame of rates (n, 3) of yaw, pitch and roll."""
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = _trigonometry(angles)
    yaw, pitch, roll = rates.unbind(-1)
    return torch.stack(
        [
            cos_yaw * cos_pitch * roll - sin_yaw * pitch,
            sin_yaw * cos_pitch * roll + cos_yaw * pitch,
            yaw - sin_pitch * roll,
        ],
        dim=-1,
    )


def _trigonometry(angles: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    yaw, pitch = angles[..., 0], angles[..., 1]
    return torch.cos(yaw), torch.sin(yaw), torch.cos(pitch), torch.sin(pitch)
