"""Quaternions (wxyz) and yaw rotations on numpy or torch arrays with any leading batch axes."""

from __future__ import annotations

from typing import Any

from sleight_core.arrays import namespace

Array = Any


def quat_multiply(a: Array, b: Array) -> Array:
    """Hamilton product a*b, (..., 4)."""
    xp = namespace(a, b)
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return xp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quat_conjugate(q: Array) -> Array:
    """Conjugate (the inverse of a unit quaternion), (..., 4)."""
    xp = namespace(q)
    return xp.stack([q[..., 0], -q[..., 1], -q[..., 2], -q[..., 3]], axis=-1)


def quat_rotate(q: Array, v: Array) -> Array:
    """Rotate vectors v (..., 3) by unit quaternions q (..., 4)."""
    xp = namespace(q, v)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    vx, vy, vz = v[..., 0], v[..., 1], v[..., 2]
    # v + 2 w (u x v) + 2 u x (u x v)
    tx = 2.0 * (y * vz - z * vy)
    ty = 2.0 * (z * vx - x * vz)
    tz = 2.0 * (x * vy - y * vx)
    return xp.stack(
        [
            vx + w * tx + y * tz - z * ty,
            vy + w * ty + z * tx - x * tz,
            vz + w * tz + x * ty - y * tx,
        ],
        axis=-1,
    )


def quat_normalize(q: Array) -> Array:
    """Unit quaternion with w >= 0, so that q and -q give the same numbers, (..., 4)."""
    xp = namespace(q)
    q = q / xp.sqrt(xp.sum(q * q, axis=-1, keepdims=True))
    return xp.where(q[..., :1] < 0, -q, q)


def yaw_quat(yaw: Array) -> Array:
    """Rotation about z by yaw (rad, shape ...) as a quaternion (..., 4)."""
    xp = namespace(yaw)
    zero = xp.zeros_like(yaw)
    return xp.stack([xp.cos(0.5 * yaw), zero, zero, xp.sin(0.5 * yaw)], axis=-1)


def rotate_z(v: Array, yaw: Array) -> Array:
    """Rotate vectors (..., 3) about z by yaw (rad, the shape of v without its last axis, or broadcastable)."""
    xp = namespace(v, yaw)
    c, s = xp.cos(yaw), xp.sin(yaw)
    x, y = v[..., 0], v[..., 1]
    return xp.stack([c * x - s * y, s * x + c * y, v[..., 2]], axis=-1)


def swapped_rotation_z(yaw: Array) -> Array:
    """Transposed matrices (B, 3, 3) of rotations about z by yaw (B,) rad: rows (..., N, 3) times them are rotated."""
    xp = namespace(yaw)
    c, s = xp.cos(yaw), xp.sin(yaw)
    zero, one = xp.zeros_like(c), xp.ones_like(c)
    return xp.stack([c, s, zero, -s, c, zero, zero, zero, one], axis=-1).reshape(-1, 3, 3)


def quat_yaw_of_axis(q: Array, axis: int) -> Array:
    """Heading (rad) in the horizontal plane of a body axis (0 x, 1 y, 2 z) after rotation by q, shape (...)."""
    xp = namespace(q)
    unit = xp.zeros_like(q[..., :3])
    unit[..., axis] = 1.0
    v = quat_rotate(q, unit)
    return xp.atan2(v[..., 1], v[..., 0])


def quat_to_euler_xyz(q: Array) -> Array:
    """Roll, pitch, yaw (rad; fixed axes x, then y, then z), each in (-pi, pi], of unit quaternions, (..., 3)."""
    xp = namespace(q)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    roll = xp.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = xp.asin(xp.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    yaw = xp.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return xp.stack([roll, pitch, yaw], axis=-1)


def quat_to_matrix(q: Array) -> Array:
    """Rotation matrices (..., 3, 3) of unit quaternions."""
    xp = namespace(q)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    rows = [
        xp.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
        xp.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
        xp.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
    ]
    return xp.stack(rows, axis=-2)
