"""Geometry of point clouds, in numpy: distances to a hand's shapes, boxes around objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sleight_core.hand.shapes import PlacedShapes
from sleight_core.rotations import quat_to_matrix

Array = np.ndarray


class ShapeDistance:
    """Distances to a hand's shapes, all at once: those to capsules and boxes are a few matrix products.

    Args:
        shapes: The placed shapes, any number of groups.
    """

    def __init__(self, shapes: Sequence[PlacedShapes]) -> None:
        rounds = [group for group in shapes if group.kind != "box"]
        boxes = [group for group in shapes if group.kind == "box"]
        self._centres, self._turns, self._sizes = _stacked(rounds)
        self._box_centres, self._box_turns, self._box_sizes = _stacked(boxes)
        self._radii = self._sizes[:, 0] + self._sizes[:, 1]
        self._box_radii = np.linalg.norm(self._box_sizes, axis=1)

    def __call__(self, points: Array, reach: float = 0.1) -> Array:
        """Signed distance (N,) of points (N, 3) to the nearest shape, m; negative inside, `reach` where farther."""
        best = np.full(len(points), reach, dtype=float)
        if not len(points):
            return best
        low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
        round_ = _meets(self._centres, self._radii, low, high)
        box = _meets(self._box_centres, self._box_radii, low, high)
        if not len(round_) and not len(box):
            return best
        centres = np.concatenate([self._centres[round_], self._box_centres[box]])
        radii = np.concatenate([self._radii[round_], self._box_radii[box]])[:, None] + reach
        low, high = (centres - radii).min(axis=0), (centres + radii).max(axis=0)
        inside = (points[:, 0] > low[0]) & (points[:, 0] < high[0])
        for axis in (1, 2):
            inside &= (points[:, axis] > low[axis]) & (points[:, axis] < high[axis])
        close = np.flatnonzero(inside)
        if not len(close):
            return best
        middle = centres.mean(axis=0)  # numbers near the origin, so that their squares cancel well
        near = points[close].astype(float) - middle
        gap = np.full(len(close), reach)
        if len(round_):
            np.minimum(gap, self._to_rounds(near, round_, middle), out=gap)
        if len(box):
            np.minimum(gap, self._to_boxes(near, box, middle), out=gap)
        best[close] = gap
        return best

    def _to_rounds(self, points: Array, rows: Array, middle: Array) -> Array:
        """Distance to the nearest capsule or sphere: that to its line, less the radius."""
        centres, axes, sizes = self._centres[rows] - middle, self._turns[rows, :, 2], self._sizes[rows]
        along = points @ axes.T - (centres * axes).sum(axis=1)
        square = (points**2).sum(axis=1)[:, None] - 2.0 * (points @ centres.T) + (centres**2).sum(axis=1)
        nearest = np.clip(along, -sizes[:, 1], sizes[:, 1])
        square += nearest * (nearest - 2.0 * along)
        return (np.sqrt(np.maximum(square, 0.0)) - sizes[:, 0]).min(axis=1)

    def _to_boxes(self, points: Array, rows: Array, middle: Array) -> Array:
        centres, turns, sizes = self._box_centres[rows] - middle, self._box_turns[rows], self._box_sizes[rows]
        square = np.zeros((len(points), len(rows)))
        inmost = np.full_like(square, -np.inf)
        for axis in range(3):
            direction = turns[:, :, axis]
            beyond = np.abs(points @ direction.T - (centres * direction).sum(axis=1)) - sizes[:, axis]
            np.maximum(inmost, beyond, out=inmost)
            square += np.maximum(beyond, 0.0) ** 2
        return (np.sqrt(square) + np.minimum(inmost, 0.0)).min(axis=1)


def distance_to_shapes(points: Array, shapes: Sequence[PlacedShapes], *, reach: float = 0.1) -> Array:
    """Signed distance (N,) of points (N, 3) to a hand's nearest shape, m; negative inside, `reach` where farther."""
    return ShapeDistance(shapes)(points, reach)


def _stacked(shapes: Sequence[PlacedShapes]) -> tuple[Array, Array, Array]:
    """Centres (S, 3), rotation matrices (S, 3, 3) and sizes (S, 3) of all groups."""
    if not shapes:
        return np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3))
    turns = quat_to_matrix(np.concatenate([group.quat for group in shapes]))
    return np.concatenate([group.pos for group in shapes]), turns, np.concatenate([group.size for group in shapes])


def _meets(centres: Array, radii: Array, low: Array, high: Array) -> Array:
    """Rows of the spheres that reach into a box."""
    return np.flatnonzero(((centres + radii[:, None] > low) & (centres - radii[:, None] < high)).all(axis=1))


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
