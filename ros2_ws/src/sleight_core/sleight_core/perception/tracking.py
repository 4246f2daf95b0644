"""Follow an object whose surface was seen before a hand came between it and the cameras.

What remains visible is registered to the surface seen before. Three guesses may start the registration: the object
stayed where it was, it moved with the hand, or it went on moving as before. What the visible patch cannot tell (how far
a rod slid along itself) is left to the guess, and while nothing is visible the guess alone counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sleight_core.hand.shapes import PlacedShapes
from sleight_core.rotations import quat_to_matrix

Array = np.ndarray
#: Rotation (3, 3) and position (3,) of the object's centre, m.
Pose = tuple[Array, Array]

#: Points (m) farther than this from where the surface should be are not the object's.
GATE = 0.02
#: How much worse the likely guess may fit the points and still be the one: a share, and a number of points.
LIKELY_FIT, LIKELY_POINTS = 0.02, 5.0
#: Distances (m) beyond which a worse fit does not count any more.
CLIP = 0.010
#: A registration with this many matches counts as much as its guess.
FEW = 15.0
#: Largest distance of matches (m) and steps of each stage of a registration.
STAGES = ((0.02, 10), (0.008, 8))
#: With this many matches whose normals point along a direction, the motion along it is half the registration's.
TOLD = 6.0


@dataclass(frozen=True)
class Fit:
    """Where the object was found.

    Attributes:
        position: (3,) m, its centre.
        rows: (N,) indices of the points taken as the object's.
        fit: Share of the points that lie on the known surface.
        seen: Whether points decided, rather than the guess.
    """

    position: Array
    rows: Array
    fit: float
    seen: bool


class SurfaceTracker:
    """The known surface of one object and its motion since. Not thread-safe.

    Args:
        o3d: The module `open3d`.
        max_points: Most points that are registered.
    """

    def __init__(self, o3d: Any, max_points: int = 400) -> None:
        self._o3d = o3d
        self._max_points = max_points
        self._surface: Any = None
        self._index: Any = None
        self._lesson: tuple[Array, Array, float] | None = None
        self._normals = np.zeros((0, 3))
        self._points = np.zeros((0, 3))
        self._center = np.zeros(3)
        self._reach = 0.0
        self._rotation = np.eye(3)
        self._position = np.zeros(3)
        self._before: Pose | None = None
        self._hand: Array | None = None

    @property
    def known(self) -> bool:
        """Whether there is a surface to follow."""
        return self._surface is not None or self._lesson is not None

    def learn(self, points: Array, center: Array, hand: Array | None, floor: float) -> None:
        """Take a freely visible object as the reference. Its surface is worked out when it is first needed.

        Args:
            points: (N, 3) m, task frame.
            center: (3,) m, its centre.
            hand: Pose (4, 4) of the hand, see `hand_frame`.
            floor: Height of the table (m). The points on its last millimetres went with it; walls are continued there,
                or a lifted object would seem to slide along itself.
        """
        self._lesson = (points, np.asarray(center, dtype=float).copy(), floor)
        self._rotation, self._position = np.eye(3), self._lesson[1].copy()
        self._before = None
        self._hand = hand

    def _study(self) -> None:
        """Work out the surface of the last lesson, if that was not done yet."""
        if self._lesson is None:
            return
        (points, center, floor), self._lesson = self._lesson, None
        surface = self._cloud(points).voxel_down_sample(0.003)
        surface.estimate_normals(self._o3d.geometry.KDTreeSearchParamHybrid(0.012, 12))
        known, normals = np.asarray(surface.points), np.asarray(surface.normals)
        foot = (known[:, 2] < floor + 0.010) & (np.abs(normals[:, 2]) < 0.4)
        strips = [known[foot] * [1.0, 1.0, 0.0] + [0.0, 0.0, floor + height] for height in (0.0005, 0.0035)]
        self._surface = self._cloud(np.concatenate([known, *strips]))
        self._points = np.asarray(self._surface.points)
        normals = np.concatenate([normals, normals[foot], normals[foot]])
        inward = (normals * (self._points - center)).sum(axis=1) < 0.0
        self._normals = np.where(inward[:, None], -normals, normals)
        self._center = center
        self._reach = float(np.linalg.norm(self._points - center, axis=1).max()) + GATE
        self._index = self._o3d.core.nns.NearestNeighborSearch(self._tensor(self._points))
        self._index.knn_index()

    def follow(self, points: Array, hand: Array | None, *, held: bool, floor: float, min_points: int) -> Fit:
        """Find the object among points.

        Args:
            points: (N, 3) m without table and hand.
            hand: Pose (4, 4) of the hand.
            held: Whether the hand is around the object: then it moves with the hand where points cannot tell.
            floor: Height of the table (m), into which no hand carries an object.
            min_points: With fewer points on the object, only the guess counts.
        """
        self._study()
        guesses = self._guesses(hand, floor)
        likely = "carried" if held and "carried" in guesses else "stays"
        self._hand = hand
        near = np.zeros(len(points), dtype=bool)
        for _, position in guesses.values():
            near |= np.abs(points - position).max(axis=1, initial=0.0) < self._reach
        candidates = np.flatnonzero(near)
        distances = self._distances(points[candidates], guesses)
        mine = np.min(list(distances.values()), axis=0) < GATE
        rows = candidates[mine]
        if len(rows) < min_points:
            self._move(guesses[likely])
            return Fit(self._position.copy(), rows, 0.0, False)
        costs = {name: float(np.minimum(row[mine], CLIP).mean()) for name, row in distances.items()}
        best, fit, pose = -1.0, 0.0, guesses[likely]
        # Another guess is worth a registration only if it is nearer to the points before any.
        others = sorted((name for name in costs if costs[name] < costs[likely]), key=lambda name: costs[name])
        for name in (likely, *others[:1]):
            found, registered = self._register(points[rows], guesses[name])
            score = found + (LIKELY_FIT + LIKELY_POINTS / len(rows) if name == likely else 0.0)
            if score > best:
                best, fit, pose = score, found, registered
        self._move(pose)
        return Fit(self._position.copy(), rows, fit, True)

    def normals(self) -> Array:
        """Return the outward unit normals (N, 3) of `surface`, task frame."""
        self._study()
        return self._normals @ self._rotation.T

    def _guesses(self, hand: Array | None, floor: float) -> dict[str, Pose]:
        guesses = {"stays": (self._rotation, self._position)}
        if hand is not None and self._hand is not None:
            motion = hand @ np.linalg.inv(self._hand)
            carried = (motion[:3, :3] @ self._rotation, motion[:3, :3] @ self._position + motion[:3, 3])
            if self.surface(carried)[:, 2].min() > floor - 0.003:
                guesses["carried"] = carried
        if self._before is not None:
            rotation, position = self._before
            guesses["goes on"] = (self._rotation @ rotation.T @ self._rotation, 2.0 * self._position - position)
        return guesses

    def _move(self, pose: Pose) -> None:
        self._before = (self._rotation, self._position)
        self._rotation, self._position = pose

    def surface(self, pose: Pose | None = None) -> Array:
        """Return the known surface (N, 3) where it is now, or at a pose, m."""
        self._study()
        rotation, position = pose or (self._rotation, self._position)
        return (self._points - self._center) @ rotation.T + position

    def _distances(self, points: Array, guesses: dict[str, Pose]) -> dict[str, Array]:
        """Distances (N,) of points to the known surface, moved by each guess; one search for all."""
        if not len(points):
            return {name: np.zeros(0) for name in guesses}
        local = [(points - position) @ rotation + self._center for rotation, position in guesses.values()]
        _, squares = self._index.knn_search(self._tensor(np.concatenate(local)), 1)
        rows = np.sqrt(squares.numpy().astype(float).reshape(len(guesses), -1))
        return dict(zip(guesses, rows, strict=True))

    def _register(self, points: Array, guess: Pose) -> tuple[float, Pose]:
        """Register from a guess; return how well the points fit, 0 to 1, and the pose."""
        registration = self._o3d.pipelines.registration
        if len(points) > self._max_points:
            points = points[:: len(points) // self._max_points + 1]
        source = self._cloud((points - guess[1]) @ guess[0] + self._center)
        moved, result = np.eye(4), None
        for distance, steps in STAGES:
            result = registration.registration_icp(
                source, self._surface, distance, moved,
                registration.TransformationEstimationPointToPoint(),
                registration.ICPConvergenceCriteria(1e-4, 1e-4, steps),
            )  # fmt: skip
            moved = result.transformation
        assert result is not None
        pairs = np.asarray(result.correspondence_set)
        if len(pairs) < 6:
            return 0.0, guess
        # The registration moves points onto the surface; the object moved the other way.
        back = np.linalg.inv(moved)
        shift = back[:3, :3] @ self._center + back[:3, 3] - self._center
        values, axes = np.linalg.eigh(self._normals[pairs[:, 1]].T @ self._normals[pairs[:, 1]] / len(pairs))
        trust = len(pairs) / (len(pairs) + FEW)
        told = values * len(pairs)
        shift = axes @ (told / (told + TOLD) * (axes.T @ shift))
        position = guess[1] + guess[0] @ shift
        rotation = guess[0] @ _part_of(back[:3, :3], trust)
        return float(result.fitness) * (1.0 - float(result.inlier_rmse) / STAGES[-1][0] / 3.0), (rotation, position)

    def _tensor(self, points: Array) -> Any:
        return self._o3d.core.Tensor(np.ascontiguousarray(points, dtype=np.float32))

    def _cloud(self, points: Array) -> Any:
        cloud = self._o3d.geometry.PointCloud()
        cloud.points = self._o3d.utility.Vector3dVector(points)
        return cloud


def hand_frame(shapes: Sequence[PlacedShapes]) -> Array | None:
    """Return a pose (4, 4) that moves with the palm: that of the hand's largest shape; None without shapes."""
    best: tuple[float, Array, Array] | None = None
    for group in shapes:
        size = group.size
        bulk = size.prod(axis=1) if group.kind == "box" else size[:, 0] ** 2 * (size[:, 0] + size[:, 1])
        row = int(bulk.argmax())
        if best is None or bulk[row] > best[0]:
            best = (float(bulk[row]), group.pos[row], group.quat[row])
    if best is None:
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = quat_to_matrix(best[2][None])[0], best[1]
    return pose


def _part_of(rotation: Array, share: float) -> Array:
    """Return the rotation (3, 3) by a share of a small rotation's angle."""
    vector = 0.5 * np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    sine = float(np.linalg.norm(vector))
    if sine < 1e-9:
        return np.eye(3)
    angle = share * float(np.arctan2(sine, 0.5 * (np.trace(rotation) - 1.0)))
    x, y, z = vector / sine
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
