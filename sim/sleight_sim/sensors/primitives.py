"""Points spread evenly over the surfaces of MuJoCo's primitive shapes, with the normals that point outwards."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_GEOM = mujoco.mjtGeom


def surface_area(kind: int, size: Array) -> float:
    """Area (m^2) of a sphere, capsule, cylinder or box of MuJoCo's `size` (3,) m; 0 for any other kind."""
    r, h = float(size[0]), float(size[1])
    if kind == _GEOM.mjGEOM_BOX:
        a, b, c = (float(v) for v in size)
        return 8.0 * (a * b + b * c + c * a)
    areas = {
        _GEOM.mjGEOM_SPHERE: 4.0 * np.pi * r * r,
        _GEOM.mjGEOM_CAPSULE: 4.0 * np.pi * r * (r + h),
        _GEOM.mjGEOM_CYLINDER: 2.0 * np.pi * r * (r + 2.0 * h),
    }
    return float(areas.get(_GEOM(kind), 0.0))


def surface_points(kind: int, size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw points of a primitive's surface.

    Args:
        kind: One of those that `surface_area` knows.
        size: (3,) m, MuJoCo's.
        count: How many.
        rng: Source.

    Returns:
        Points and unit normals, (count, 3) each, in the geom's frame (m).
    """
    makers: dict[int, Callable[[Array, int, np.random.Generator], tuple[Array, Array]]] = {
        _GEOM.mjGEOM_SPHERE: _sphere,
        _GEOM.mjGEOM_CAPSULE: _capsule,
        _GEOM.mjGEOM_CYLINDER: _cylinder,
        _GEOM.mjGEOM_BOX: _box,
    }
    return makers[_GEOM(kind)](size, count, rng)


def _directions(count: int, rng: np.random.Generator) -> Array:
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _ring(count: int, rng: np.random.Generator) -> Array:
    """Unit vectors (count, 3) across the z axis."""
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=-1)


def _sphere(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    normals = _directions(count, rng)
    return size[0] * normals, normals


def _capsule(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    r, h = size[0], size[1]
    # The two ends make a sphere, whose halves are moved apart.
    normals = _directions(count, rng)
    ends = r * normals
    ends[:, 2] += h * np.sign(normals[:, 2])
    ring = _ring(count, rng)
    along = r * ring
    along[:, 2] = rng.uniform(-h, h, count)
    side = rng.random(count) < h / (h + r)
    return np.where(side[:, None], along, ends), np.where(side[:, None], ring, normals)


def _cylinder(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    r, h = size[0], size[1]
    ring = _ring(count, rng)
    up = np.zeros((count, 3))
    up[:, 2] = rng.choice([-1.0, 1.0], count)
    ends = ring * (r * np.sqrt(rng.random(count)))[:, None] + h * up
    along = r * ring
    along[:, 2] = rng.uniform(-h, h, count)
    side = rng.random(count) < 2.0 * h / (2.0 * h + r)
    return np.where(side[:, None], along, ends), np.where(side[:, None], ring, up)


def _box(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    a, b, c = size
    faces = np.array([b * c, c * a, a * b])
    axis = rng.choice(3, count, p=faces / faces.sum())
    rows = np.arange(count)
    points = rng.uniform(-1.0, 1.0, (count, 3)) * size
    normals = np.zeros((count, 3))
    normals[rows, axis] = rng.choice([-1.0, 1.0], count)
    points[rows, axis] = normals[rows, axis] * size[axis]
    return points, normals
