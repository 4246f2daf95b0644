"""Quaternions (wxyz) and yaw rotations on numpy or torch arrays with any leading batch axes.

A robot asks for one row at a time, in double precision, many times a tick. Plain numbers are then several times faster
than arrays, and give the same result bit for bit: they are multiplied and added in the same order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sleight_core.arrays import clip, namespace, side_by_side

Array = Any

_DOUBLE = np.dtype(np.float64)


def _row(array: Array) -> list[float] | None:
    """The numbers of an array (n,) or (1, n) of double precision; None for any other."""
    if type(array) is not np.ndarray or array.dtype is not _DOUBLE:
        return None
    if array.ndim == 2 and array.shape[0] == 1:
        return array[0].tolist()
    return array.tolist() if array.ndim == 1 else None


def _like(numbers: list[float], *arrays: np.ndarray) -> np.ndarray:
    """Numbers as a row, with the batch axis that any of the arrays has."""
    return np.array(numbers if all(array.ndim == 1 for array in arrays) else [numbers])


def quat_multiply(a: Array, b: Array) -> Array:
    """Hamilton product a*b, (..., 4)."""
    one, other = _row(a), _row(b)
    if one is not None and other is not None:
        return _like(_product(*one, *other), a, b)
    return side_by_side(
        _product(a[..., 0], a[..., 1], a[..., 2], a[..., 3], b[..., 0], b[..., 1], b[..., 2], b[..., 3])
    )


def _product(aw: Any, ax: Any, ay: Any, az: Any, bw: Any, bx: Any, by: Any, bz: Any) -> list[Any]:
    return [
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ]


def quat_conjugate(q: Array) -> Array:
    """Conjugate (the inverse of a unit quaternion), (..., 4)."""
    if type(q) is np.ndarray:
        out = np.negative(q)
        out[..., 0] = q[..., 0]
        return out
    return side_by_side([q[..., 0], -q[..., 1], -q[..., 2], -q[..., 3]])


def quat_rotate(q: Array, v: Array) -> Array:
    """Rotate vectors v (..., 3) by unit quaternions q (..., 4)."""
    one, other = _row(q), _row(v)
    if one is not None and other is not None:
        return _like(_rotated(*one, *other), q, v)
    return side_by_side(_rotated(q[..., 0], q[..., 1], q[..., 2], q[..., 3], v[..., 0], v[..., 1], v[..., 2]))


def _rotated(w: Any, x: Any, y: Any, z: Any, vx: Any, vy: Any, vz: Any) -> list[Any]:
    # v + 2 w (u x v) + 2 u x (u x v)
    tx = 2.0 * (y * vz - z * vy)
    ty = 2.0 * (z * vx - x * vz)
    tz = 2.0 * (x * vy - y * vx)
    return [
        vx + w * tx + y * tz - z * ty,
        vy + w * ty + z * tx - x * tz,
        vz + w * tz + x * ty - y * tx,
    ]


def quat_normalize(q: Array) -> Array:
    """Unit quaternion with w >= 0, so that q and -q give the same numbers, (..., 4)."""
    row = _row(q)
    if row is not None:
        w, x, y, z = row
        length = math.sqrt(w * w + x * x + y * y + z * z)
        if 0.0 < length < math.inf:
            unit = [w / length, x / length, y / length, z / length]
            return _like([-one for one in unit] if unit[0] < 0.0 else unit, q)
    xp = namespace(q)
    q = q / xp.sqrt(xp.sum(q * q, axis=-1, keepdims=True))
    return xp.where(q[..., :1] < 0, -q, q)


def cross(a: Array, b: Array) -> Array:
    """Vector product of a and b, (..., 3)."""
    one, other = _row(a), _row(b)
    if one is not None and other is not None:
        (ax, ay, az), (bx, by, bz) = one, other
        return _like([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], a, b)
    return namespace(a, b).linalg.cross(a, b)


def yaw_quat(yaw: Array) -> Array:
    """Rotation about z by yaw (rad, shape ...) as a quaternion (..., 4)."""
    xp = namespace(yaw)
    zero = xp.zeros_like(yaw)
    return side_by_side([xp.cos(0.5 * yaw), zero, zero, xp.sin(0.5 * yaw)])


def rotate_z(v: Array, yaw: Array) -> Array:
    """Rotate vectors (..., 3) about z by yaw (rad, the shape of v without its last axis, or broadcastable)."""
    xp = namespace(v, yaw)
    c, s = xp.cos(yaw), xp.sin(yaw)
    x, y = v[..., 0], v[..., 1]
    return side_by_side([c * x - s * y, s * x + c * y, v[..., 2]])


def swapped_rotation_z(yaw: Array) -> Array:
    """Transposed matrices (B, 3, 3) of rotations about z by yaw (B,) rad: rows (..., N, 3) times them are rotated."""
    xp = namespace(yaw)
    c, s = xp.cos(yaw), xp.sin(yaw)
    zero, one = xp.zeros_like(c), xp.ones_like(c)
    return side_by_side([c, s, zero, -s, c, zero, zero, zero, one]).reshape(-1, 3, 3)


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
    pitch = xp.asin(clip(2.0 * (w * y - z * x), -1.0, 1.0))
    yaw = xp.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return side_by_side([roll, pitch, yaw])


def quat_to_matrix(q: Array) -> Array:
    """Rotation matrices (..., 3, 3) of unit quaternions."""
    xp = namespace(q)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    rows = [
        side_by_side([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]),
        side_by_side([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]),
        side_by_side([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]),
    ]
    return xp.stack(rows, axis=-2)
