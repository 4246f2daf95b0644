"""Geometry of point clouds, in numpy: distances to a hand's shapes, boxes around objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sleight_core.hand.shapes import PlacedShapes
from sleight_core.rotations import quat_to_matrix

Array = np.ndarray


def distance_to_shapes(points: Array, shapes: Sequence[PlacedShapes], *, reach: float = 0.1) -> Array:
    """Signed distance (N,) of points (N, 3) to a hand's nearest shape, m; negative inside, `reach` where farther."""
    best = np.full(len(points), reach, dtype=float)
    if not len(points):
        return best
    for group in shapes:
        turns = quat_to_matrix(group.quat)
        for centre, turn, size in zip(group.pos, turns, group.size, strict=True):
            radius = float(np.linalg.norm(size)) if group.kind == "box" else float(size[0] + size[1])
            close = np.flatnonzero(np.abs(points - centre).max(axis=1) < radius + reach)
            if not len(close):
                continue
            local = (points[close] - centre) @ turn
            if group.kind == "box":
                outside = np.abs(local) - size
                gap = np.linalg.norm(np.maximum(outside, 0.0), axis=1) + np.minimum(outside.max(axis=1), 0.0)
            else:
                local[:, 2] -= np.clip(local[:, 2], -size[1], size[1])
                gap = np.linalg.norm(local, axis=1) - size[0]
            best[close] = np.minimum(best[close], gap)
    return best


def upright_box(points: Array, steps: int = 18) -> tuple[Array, Array, float]:
    """Upright box around points (N, 3) in the heading that the footprint's symmetry gives.

    A footprint with a long axis gives the heading: the principal axis of its outline's area, which for things with a
    plane of symmetry (a mug and its handle) is the axis of the object. Otherwise it is that of the smallest of the
    boxes over `steps` headings in a quarter turn.

    Returns:
        Centre (3,) and size (3,) m, the size along the box's own axes, and the heading of its first axis (rad).
    """
    flat = points[:, :2]
    axis = _long_axis(flat)
    headings = np.arange(steps) * (0.5 * np.pi / steps) if np.isnan(axis) else np.array([axis])
    turns = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    along = flat @ turns.T
    across = flat @ np.stack([-turns[:, 1], turns[:, 0]])
    # The outermost points are noise; a percentile of a side's density would move with what is visible of it.
    low = np.stack([_inner(along, low=True), _inner(across, low=True)])
    high = np.stack([_inner(along, low=False), _inner(across, low=False)])
    best = int(np.argmin(np.prod(high - low, axis=0)))
    middle, size = 0.5 * (low + high)[:, best], (high - low)[:, best]
    c, s = turns[best]
    bottom, top = _inner(points[:, 2:], low=True)[0], _inner(points[:, 2:], low=False)[0]
    centre = np.array([c * middle[0] - s * middle[1], s * middle[0] + c * middle[1], 0.5 * (bottom + top)])
    return centre, np.array([*size, top - bottom]), float(headings[best])


def _inner(values: Array, *, low: bool, skip: float = 0.004) -> Array:
    """Each column's extreme of (N, K), without the outermost share of points."""
    n = len(values)
    k = min(n - 1, int(skip * n) + 1)
    return np.partition(values, k if low else n - 1 - k, axis=0)[k if low else n - 1 - k]


def _long_axis(flat: Array, directions: int = 64, ratio: float = 1.12) -> float:
    """Heading of the long principal axis of the area that points (N, 2) span; nan if it is about round or square."""
    middle = flat.mean(axis=0)
    angle = np.arange(directions) * (2.0 * np.pi / directions)
    rays = np.stack([np.cos(angle), np.sin(angle)])
    # The outline by its furthest point in every direction: a convex polygon, whose area does not depend on density.
    outline = (flat - middle)[((flat - middle) @ rays).argmax(axis=0)]
    after = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * after[:, 1] - outline[:, 1] * after[:, 0]
    area = 0.5 * cross.sum()
    if area < 1e-8:
        return float("nan")
    centroid = ((outline + after) * cross[:, None]).sum(axis=0) / (6.0 * area)
    p, q = outline, after
    products = np.einsum("ni,nj->nij", p, p) + np.einsum("ni,nj->nij", q, q)
    mixed = np.einsum("ni,nj->nij", p, q)
    second = ((2.0 * products + mixed + mixed.transpose(0, 2, 1)) * cross[:, None, None]).sum(axis=0) / 24.0
    values, axes = np.linalg.eigh(second / area - np.outer(centroid, centroid))
    if values[1] < ratio * ratio * values[0]:
        return float("nan")
    return float(np.arctan2(axes[1, 1], axes[0, 1]))


def minor_axis_yaw(points: Array, round_ratio: float = 0.85) -> float:
    """Heading of the least horizontal spread of points (N, 3), in (-pi/2, pi/2]; nan for a round footprint."""
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    if values[0] >= round_ratio * round_ratio * values[1]:
        return float("nan")
    yaw = float(np.arctan2(vectors[1, 0], vectors[0, 0]))
    return yaw - np.pi if yaw > 0.5 * np.pi else yaw + np.pi if yaw <= -0.5 * np.pi else yaw
