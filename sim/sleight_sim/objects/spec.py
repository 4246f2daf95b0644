"""What is known of one object: convex pieces, inertia, resting poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation
from sleight_core.errors import SleightError

from sleight_sim.objects.convex import MAX_PIECES, PIECE_VERTICES, check_piece

Array = NDArray[np.float64]

#: Poses that rest with the origin above this (m) are dropped: the object would not fit under the hand's start.
MAX_REST_HEIGHT = 0.095
MIN_POSE_PROBABILITY = 0.02
#: Surface points this deep inside another piece (m) are hidden.
_DEPTH = 1e-7


@dataclass(frozen=True)
class PoseRule:
    """Which facets of an object's hull are its resting poses.

    Attributes:
        stability: A pose that a tilt by less than this (rad) overturns is none.
        step: Neighbouring facets whose heights differ by less (m) count as one pose.
    """

    stability: float = float(np.deg2rad(2.0))
    step: float = 2e-3


@dataclass(frozen=True)
class StablePoses:
    """Resting poses of an object on a horizontal table, the most probable first; yaw is free.

    Attributes:
        quats: (K, 4) rotations object -> task frame, wxyz.
        heights: (K,) height of the object's origin above the table (m).
        probabilities: (K,), summing to 1.
    """

    quats: Array
    heights: Array
    probabilities: Array

    def __len__(self) -> int:
        return len(self.heights)


@dataclass(frozen=True)
class ObjectSpec:
    """One object; lengths m, masses kg, quaternions wxyz. The origin is the centre of the bounding box.

    Attributes:
        name: Unique name, which `resolve_objects` understands for household objects.
        family: Family name, `mesh` for files.
        pieces: (P, V, 3) vertices of the convex pieces in the object frame.
        mass: Mass (kg).
        com: (3,) centre of mass in the object frame.
        inertia: (3,) principal moments about the centre of mass (kg m^2).
        inertia_quat: (4,) rotation principal axes -> object frame.
        friction: Sliding friction coefficient.
        stable_poses: Resting poses.
    """

    name: str
    family: str
    pieces: Array
    mass: float
    com: Array
    inertia: Array
    inertia_quat: Array
    friction: float
    stable_poses: StablePoses

    @cached_property
    def extents(self) -> Array:
        """(3,) size of the bounding box (m)."""
        return np.ptp(self.pieces.reshape(-1, 3), axis=0)

    @cached_property
    def piece_meshes(self) -> list[trimesh.Trimesh]:
        """One closed triangle mesh for each piece."""
        return [piece_mesh(piece) for piece in self.pieces]

    @cached_property
    def volume(self) -> float:
        """Sum of the volumes of the pieces (m^3)."""
        return float(sum(mesh.volume for mesh in self.piece_meshes))

    def surface_points(self, n: int, rng: np.random.Generator) -> Array:
        """Return (n, 3) points spread evenly over the outer surface, in the object frame (m)."""
        hulls = [ConvexHull(piece) for piece in self.pieces]
        corners = np.concatenate([piece[hull.simplices] for piece, hull in zip(self.pieces, hulls, strict=True)])
        owner = np.repeat(np.arange(len(hulls)), [len(hull.simplices) for hull in hulls])
        edges = corners[:, 1:] - corners[:, :1]
        bounds = np.cumsum(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
        found = np.empty((0, 3))
        while len(found) < n:
            face = np.searchsorted(bounds, rng.random(2 * (n - len(found)) + 16) * bounds[-1], side="right")
            face = np.minimum(face, len(bounds) - 1)
            u, v = rng.random((2, len(face)))
            over = u + v > 1.0
            u, v = np.where(over, 1.0 - u, u), np.where(over, 1.0 - v, v)
            points = corners[face, 0] + u[:, None] * edges[face, 0] + v[:, None] * edges[face, 1]
            found = np.concatenate([found, points[~_inside_another(points, owner[face], hulls)]])
        return found[:n]


def piece_mesh(vertices: Array) -> trimesh.Trimesh:
    """Return the closed, outward-facing triangle mesh of one convex piece (V, 3)."""
    hull = ConvexHull(vertices)
    faces = hull.simplices.copy()
    normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    flip = (normals * hull.equations[:, :3]).sum(axis=1) < 0
    faces[flip] = faces[flip][:, ::-1]
    return trimesh.Trimesh(vertices, faces, process=False)


def make_spec(
    name: str,
    family: str,
    pieces: Sequence[Array],
    *,
    density: float = 500.0,
    mass_limits: tuple[float, float] = (0.03, 0.8),
    friction: float = 1.0,
    solid: trimesh.Trimesh | None = None,
    rule: PoseRule | None = None,
) -> ObjectSpec:
    """Assemble an object: centre it, weigh it, find its resting poses.

    Args:
        name: Name of the object.
        family: Name of its family.
        pieces: Convex pieces, each (PIECE_VERTICES, 3) (m), in any common frame; at most MAX_PIECES.
        density: kg/m^3.
        mass_limits: The mass is clamped to these (kg), the inertia scaled along.
        friction: Sliding friction coefficient.
        solid: A closed mesh in the frame of the pieces to weigh instead of the sum of the pieces.
        rule: Which facets are resting poses.

    Raises:
        SleightError: for too many pieces, a wrong piece, or an object without a resting pose low enough.
    """
    if not 1 <= len(pieces) <= MAX_PIECES:
        raise SleightError(f"an object has 1 to {MAX_PIECES} convex pieces", value=len(pieces))
    stacked = np.stack([np.asarray(piece, dtype=np.float64) for piece in pieces])
    if stacked.shape[1:] != (PIECE_VERTICES, 3):
        raise SleightError(f"a convex piece has {PIECE_VERTICES} vertices", value=stacked.shape[1:])
    for piece in stacked:
        check_piece(piece)
    flat = stacked.reshape(-1, 3)
    origin = (flat.min(axis=0) + flat.max(axis=0)) / 2.0
    stacked -= origin
    mass, com, tensor = _weigh([piece_mesh(piece) for piece in stacked] if solid is None else [_moved(solid, -origin)])
    scale = float(np.clip(mass * density, *mass_limits)) / mass
    moments, axes = np.linalg.eigh(tensor * scale)
    if np.linalg.det(axes) < 0:
        axes[:, 2] *= -1.0
    return ObjectSpec(
        name=name,
        family=family,
        pieces=stacked,
        mass=mass * scale,
        com=com,
        inertia=moments,
        inertia_quat=Rotation.from_matrix(axes).as_quat(scalar_first=True),
        friction=friction,
        stable_poses=find_stable_poses(stacked, com, name, rule),
    )


def find_stable_poses(pieces: Array, com: Array, name: str = "object", rule: PoseRule | None = None) -> StablePoses:
    """Return the resting poses of an object's hull.

    Neighbouring facets at the same height (the sides of a faceted cylinder) count as one pose with their summed
    probability: a rolling object does not rest once for every facet. Its representative is the facet that needs the
    largest tilt to be left.

    Args:
        pieces: (P, V, 3) pieces (m).
        com: (3,) centre of mass (m).
        name: For the error.
        rule: Which facets are resting poses.

    Raises:
        SleightError: if every pose holds the origin above `MAX_REST_HEIGHT`.
    """
    rule = rule or PoseRule()
    hull = trimesh.convex.convex_hull(pieces.reshape(-1, 3))
    transforms, probabilities = trimesh.poses.compute_stable_poses(hull, center_mass=com, sigma=0.0, n_samples=1)
    down = -transforms[:, 2, :3]
    groups = _chain(down, transforms[:, 2, 3], rule.step)
    rows = []
    firmness = np.array([_tip_angle(hull.vertices, com, transform) for transform in transforms])
    for group in groups:
        best = group[int(np.argmax(firmness[group]))]
        if firmness[best] >= min(rule.stability, firmness.max()):
            rows.append((float(probabilities[group].sum()), best))
    rows.sort(key=lambda row: (-round(row[0], 6), row[1]))
    likely = [row for row in rows if row[0] > MIN_POSE_PROBABILITY] or rows[:1]
    kept = [row for row in likely if transforms[row[1], 2, 3] <= MAX_REST_HEIGHT]
    if not kept:
        raise SleightError(
            f"object '{name}' is too tall: its origin rests {transforms[likely[0][1], 2, 3]:.3f} m above the table",
            remedy=f"at most {MAX_REST_HEIGHT} m fits under the hand; scale the object down",
        )
    index = [row[1] for row in kept]
    weight = np.array([row[0] for row in kept])
    quats = Rotation.from_matrix(transforms[index, :3, :3]).as_quat(scalar_first=True)
    return StablePoses(quats=quats, heights=transforms[index, 2, 3].copy(), probabilities=weight / weight.sum())


def _chain(down: Array, heights: Array, step: float, angle: float = np.deg2rad(25.0)) -> list[NDArray[np.intp]]:
    """Group poses by single linkage: down directions (K, 3) within `angle` and heights (K,) within `step`."""
    near = (down @ down.T > np.cos(angle)) & (np.abs(heights[:, None] - heights[None, :]) < step)
    label = np.arange(len(down))
    while True:
        lower = np.where(near, label[None, :], len(down)).min(axis=1)
        if (lower == label).all():
            return [np.flatnonzero(label == k) for k in np.unique(label)]
        label = lower


def _tip_angle(vertices: Array, com: Array, transform: Array) -> float:
    """Return the smallest tilt (rad) that brings the centre of mass over the edge of the support polygon."""
    points = vertices @ transform[:3, :3].T + transform[:3, 3]
    centre = transform[:3, :3] @ com + transform[:3, 3]
    support = points[points[:, 2] < 1e-4, :2]
    try:
        edges = ConvexHull(support).equations
    except (QhullError, ValueError):
        return 0.0
    return float(np.arctan2(-(edges[:, :2] @ centre[:2] + edges[:, 2]).max(), centre[2]))


def _weigh(meshes: list[trimesh.Trimesh]) -> tuple[float, Array, Array]:
    """Return volume, centre of mass (3,), and inertia tensor (3, 3) about it, for density 1."""
    volumes = np.array([mesh.volume for mesh in meshes])
    centres = np.array([mesh.center_mass for mesh in meshes])
    com = volumes @ centres / volumes.sum()
    tensor = np.zeros((3, 3))
    for mesh, volume, centre in zip(meshes, volumes, centres, strict=True):
        d = centre - com
        tensor += mesh.moment_inertia + volume * (d @ d * np.eye(3) - np.outer(d, d))
    return float(volumes.sum()), com, tensor


def _moved(mesh: trimesh.Trimesh, shift: Array) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices + shift, mesh.faces, process=False)


def _inside_another(points: Array, owner: NDArray[np.intp], hulls: Sequence[ConvexHull]) -> NDArray[np.bool_]:
    """Return which points (N, 3), on pieces `owner` (N,), lie inside another piece."""
    inside = np.zeros(len(points), dtype=bool)
    if len(hulls) == 1:
        return inside
    for k, hull in enumerate(hulls):
        low, high = hull.min_bound, hull.max_bound
        near = np.flatnonzero((owner != k) & ~inside & (points > low).all(axis=1) & (points < high).all(axis=1))
        planes = hull.equations
        inside[near[(points[near] @ planes[:, :3].T + planes[:, 3] < -_DEPTH).all(axis=1)]] = True
    return inside
