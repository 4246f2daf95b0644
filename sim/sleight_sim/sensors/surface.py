"""Surfaces as depth cameras meet them: points of an object with the directions they are seen from, and of a hand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from sleight_core.hand import HandTable
from sleight_core.hand.shapes import HandShapes
from sleight_core.rotations import quat_rotate

from sleight_sim.objects.clouds import OVERSAMPLING, farthest_points
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float32]

#: Directions from which it is known which points of an object hide behind others; one is always within 13 degrees.
DIRECTIONS = 128
#: A ray starts this far over the surface (m).
_LIFT = 1e-4
_CHUNK = 20_000


def sphere_directions(count: int = DIRECTIONS) -> Array:
    """Return unit vectors (count, 3) spread evenly over all directions (a Fibonacci sphere)."""
    k = np.arange(count) + 0.5
    z = 1.0 - 2.0 * k / count
    angle = np.pi * (1.0 + np.sqrt(5.0)) * k
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=-1).astype(np.float32)


@dataclass(frozen=True)
class ObjectSurface:
    """Points spread evenly over an object's outer surface.

    Attributes:
        points: (M, 3) m, object frame.
        normals: (M, 3) unit vectors that point outwards, object frame.
        open: (D, M) bool: no other part of the object lies between a point and a camera far away in
            `sphere_directions()[d]`. The part that a point belongs to is convex, so its normal says the rest.
    """

    points: Array
    normals: Array
    open: NDArray[np.bool_]


def object_surface(thing: ObjectSpec, count: int, seed: int = 0) -> ObjectSurface:
    """Sample an object's surface; the same points for the same name, count and seed.

    Args:
        thing: The object.
        count: M.
        seed: Another seed, other points.
    """
    digest = hashlib.sha256(f"surface {thing.name} {count} {seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    dense = thing.surface_points(OVERSAMPLING * count, rng)
    points = dense[farthest_points(dense, count)]
    planes = [ConvexHull(piece).equations for piece in thing.pieces]
    heights = [points @ plane[:, :3].T + plane[:, 3] for plane in planes]
    # A point of the outer surface lies in a facet of its own piece and in no other piece.
    owner = np.argmin([np.abs(height.max(axis=1)) for height in heights], axis=0)
    normals = np.stack([planes[k][heights[k][i].argmax(), :3] for i, k in enumerate(owner)])
    directions = sphere_directions()
    visible = np.ones((len(directions), count), dtype=bool)
    starts = points + _LIFT * normals
    facing = directions @ normals.T > 0.0
    for k, piece in enumerate(thing.pieces):
        others = np.flatnonzero(owner != k)
        if len(others):
            d, m = np.nonzero(facing[:, others] & visible[:, others])
            blocked = _hits(starts[others[m]], directions[d], piece, planes[k])
            visible[d[blocked], others[m[blocked]]] = False
    return ObjectSurface(points.astype(np.float32), normals.astype(np.float32), visible)


def _hits(start: NDArray, direction: NDArray, piece: NDArray, planes: NDArray) -> NDArray[np.bool_]:
    """Whether rays (R, 3) meet a convex piece (V, 3) with outward planes (K, 4)."""
    centre = 0.5 * (piece.max(axis=0) + piece.min(axis=0))
    radius = np.linalg.norm(piece - centre, axis=1).max()
    to_centre = centre - start
    along = np.einsum("rx,rx->r", to_centre, direction)
    beside = np.einsum("rx,rx->r", to_centre, to_centre) - along**2
    near = np.flatnonzero((beside < radius**2) & (along > -radius))
    found = np.zeros(len(start), dtype=bool)
    plane_normals, offsets = planes[:, :3].T.astype(np.float32), planes[:, 3].astype(np.float32)
    for rows in np.split(near, range(_CHUNK, len(near), _CHUNK)):
        speed = direction[rows].astype(np.float32) @ plane_normals
        height = start[rows].astype(np.float32) @ plane_normals + offsets
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = -height / speed
        enter = np.where(speed < 0.0, cross, -np.inf).max(axis=1)
        leave = np.where(speed > 0.0, cross, np.inf).min(axis=1)
        outside = ((speed == 0.0) & (height > 0.0)).any(axis=1)
        found[rows] = (np.maximum(enter, 0.0) < leave) & ~outside
    return found


class HandPoints:
    """Points within a hand's collision shapes, dense enough to fill the shapes' outlines from any side.

    Args:
        table: The hand.
        spacing: Distance of neighbouring points along a shape (m).
    """

    def __init__(self, table: HandTable, spacing: float = 0.01) -> None:
        self._shapes = HandShapes(table)
        self._local: list[tuple[int, Array]] = []
        for i, body in enumerate(table.bodies):
            parts = []
            for shape in body.collisions:
                size = np.asarray(shape.size, dtype=float)
                quat = np.asarray(shape.quat, dtype=float)
                filled = _filled(shape.type, size, spacing)
                parts.append(np.asarray(shape.pos) + quat_rotate(quat / np.linalg.norm(quat), filled))
            if parts:
                self._local.append((i, np.concatenate(parts).astype(np.float32)))

    @property
    def count(self) -> int:
        """H, the number of points."""
        return sum(len(points) for _, points in self._local)

    def place(self, joint_pos: NDArray, wrist_pos: NDArray, wrist_quat: NDArray) -> Array:
        """Return the points (n, H, 3) m in the frame of the wrist poses.

        Args:
            joint_pos: (n, J) rad.
            wrist_pos: (n, 3) m.
            wrist_quat: (n, 4) wxyz.
        """
        pos, quat = self._shapes.bodies(joint_pos, wrist_pos, wrist_quat)
        out = np.empty((len(pos), self.count, 3), dtype=np.float32)
        start = 0
        for i, local in self._local:
            end = start + len(local)
            np.matmul(local, swapped_matrix(quat[:, i]), out=out[:, start:end])
            out[:, start:end] += pos[:, i, None].astype(np.float32)
            start = end
        return out


def swapped_matrix(quat: NDArray) -> Array:
    """Return the transposed rotation matrices (n, 3, 3) of quaternions (n, 4): rows times them are rotated."""
    w, x, y, z = quat.astype(np.float32).T
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y),
        2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x),
        2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return np.stack(rows, axis=-1).reshape(-1, 3, 3)


def _filled(kind: str, size: NDArray, spacing: float) -> NDArray:
    """Points within a primitive in its own frame."""
    if kind == "box":
        axes = [np.linspace(-h, h, int(np.ceil(2.0 * h / spacing)) + 1) for h in size[:3]]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    radius = size[0]
    length = size[1] if kind == "capsule" else 0.0
    along = np.linspace(-length - 0.7 * radius, length + 0.7 * radius, int(np.ceil(2 * length / spacing)) + 3)
    # From any side, an axis and four lines around it cover the shape's breadth.
    ring = 0.75 * radius * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    pairs = np.stack([np.repeat(ring[:, 0], len(along)), np.repeat(ring[:, 1], len(along))], axis=-1)
    return np.concatenate([pairs, np.tile(along, len(ring))[:, None]], axis=-1)
