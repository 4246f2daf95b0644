"""Find and follow one object on a table in point clouds.

Crop to the workspace, take out the table's plane and the hand, cluster (lone points belong to none), choose the cluster
that continues the one before, resample to a fixed size. While the hand is away the object is measured: a box around it
from the table up. From then on its position is followed by registering what is still visible to what was seen
(`tracking`), because a hand that holds an object hides half of it and the centre of the visible rest would jump.

`docs/perception.md` says how large the errors are.

Open3D does the plane, the outliers, the clusters, the sampling and the registration; it is imported when first needed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from sleight_core.errors import MissingExtraError
from sleight_core.hand.shapes import PlacedShapes
from sleight_core.perception.geometry import distance_to_shapes, minor_axis_yaw, upright_box
from sleight_core.perception.tracking import SurfaceTracker, hand_frame

Array = np.ndarray

#: Fewest points that move a followed object; with fewer it moves with the hand or stays.
MIN_FOLLOWED = 10
#: Share of the points seen at best that must be visible for another measurement: less is a hidden object.
WHOLE = 0.85
#: The hand is around an object when this share of its surface is nearer than this to the hand (m), on more than one
#: side: the mean of the normals there is shorter than this.
HELD_SHARE, HELD_GAP, HELD_SIDES = 0.05, 0.010, 0.8
#: Quality of an object that is not seen at all.
COASTING = 0.05
#: Gap between two clouds (s) after which the object is looked for anew.
FORGET = 1.0


class PerceptionReason(IntEnum):
    """Why there is no object, or OK; the numbers of `sleight_msgs/ObjectEstimate`."""

    OK = 0
    NO_CLOUD = 1
    STALE_CLOUD = 2
    EMPTY = 3
    TOO_FEW_POINTS = 4
    WRONG_FRAME = 5
    NO_HAND_STATE = 6
    BAD_CLOUD = 7
    NO_CLUSTER = 8
    INTERNAL_ERROR = 9


@dataclass(frozen=True)
class PerceptionConfig:
    """Figures of the pipeline (m, s).

    Attributes:
        workspace_low, workspace_high: Corners of the box that is looked at, task frame.
        table_height: Where the table's top is expected; the plane found near it replaces it.
        table_gap: Points lower than this over the plane are table.
        table_search: How far from `table_height` the plane is looked for.
        hand_margin: Points nearer than this to the hand's shapes are hand.
        voxel: Grid for clustering.
        cluster_gap: Points farther apart than this are of different things.
        min_points: Fewest points of an object.
        cloud_points: Size of the object cloud.
        away: The hand is away while none of its shapes is nearer than this to the object.
        follow: Largest distance of an object from where it was expected.
        max_speed: Largest speed of an object that is followed (m/s).
        min_fit: Share of the visible points that must match.
        smoothing: Weight of a new position while the object rests.
        coast: How long an object that is not seen counts as being where it would have moved with the hand (s).
    """

    workspace_low: tuple[float, float, float] = (-0.35, -0.35, 0.55)
    workspace_high: tuple[float, float, float] = (0.35, 0.35, 1.15)
    table_height: float = 0.6
    table_gap: float = 0.006
    table_search: float = 0.03
    hand_margin: float = 0.008
    voxel: float = 0.005
    cluster_gap: float = 0.02
    min_points: int = 25
    cloud_points: int = 512
    away: float = 0.025
    follow: float = 0.12
    max_speed: float = 0.8
    min_fit: float = 0.5
    smoothing: float = 0.5
    coast: float = 3.0


@dataclass
class ObjectObservation:
    """What was seen in one cloud; task frame, m.

    Attributes:
        reason: OK, or why there is no object.
        position: (3,) centre of the object's box.
        extents: (3,) size of the upright box, along its own axes, when it was last measured.
        cloud: (cloud_points, 3) float32 of the visible surface.
        point_count: Visible points before resampling.
        quality: 0 to 1: how many points, and how well they fit what was seen before.
        minor_axis: Heading of the short horizontal axis (rad), nan if round: the hand should close along it.
        followed: Whether the position comes from registration (the hand is near) or from a box (it is away).
        timings: Seconds by stage.
    """

    reason: PerceptionReason
    position: Array = field(default_factory=lambda: np.full(3, np.nan))
    extents: Array = field(default_factory=lambda: np.zeros(3))
    cloud: Array = field(default_factory=lambda: np.zeros((0, 3), dtype=np.float32))
    point_count: int = 0
    quality: float = 0.0
    minor_axis: float = float("nan")
    followed: bool = False
    timings: dict[str, float] = field(default_factory=dict)


class PerceptionPipeline:
    """Follows one object from cloud to cloud. Not thread-safe.

    Args:
        config: The figures.

    Raises:
        MissingExtraError: Open3D is not installed.
    """

    def __init__(self, config: PerceptionConfig | None = None) -> None:
        self.config = config or PerceptionConfig()
        try:
            import open3d
        except ImportError as error:
            raise MissingExtraError("open3d", "perception") from error
        self._o3d: Any = open3d
        open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
        open3d.utility.random.seed(0)
        self._plane = np.array([0.0, 0.0, 1.0, -self.config.table_height])
        self._plane_age = -1
        self.reset()

    def reset(self) -> None:
        """Forget the object (not the table)."""
        self._position: Array | None = None
        self._stamp = -np.inf
        self._seen_at = -np.inf
        self._most = 0
        self._tracker = SurfaceTracker(self._o3d)
        self._extents = np.zeros(3)
        self._minor_axis = float("nan")

    @property
    def table_height(self) -> float:
        """Height of the table's plane under the task frame's origin (m)."""
        return float(-self._plane[3] / self._plane[2])

    def update(self, points: Array, hand: Sequence[PlacedShapes], stamp: float) -> ObjectObservation:
        """Take one cloud.

        Args:
            points: (N, 3) of all cameras, task frame (m); not-finite rows are ignored.
            hand: The hand's shapes in the task frame, from `HandShapes.place`.
            stamp: When the cloud was taken (s).
        """
        timings: dict[str, float] = {}
        clock = _Stopwatch(timings)
        if points.ndim != 2 or points.shape[1] != 3:
            return ObjectObservation(PerceptionReason.BAD_CLOUD, timings=timings)
        if not 0.0 <= stamp - self._stamp <= FORGET:
            self.reset()
        seen = self._crop(points)
        clock.lap("crop")
        if not len(seen):
            return ObjectObservation(PerceptionReason.EMPTY, timings=timings)
        seen = self._without_table(seen)
        clock.lap("table")
        gap = distance_to_shapes(seen, hand)
        seen, gap = seen[gap > self.config.hand_margin], gap[gap > self.config.hand_margin]
        clock.lap("hand")
        find = self._continue if self._tracker.known else self._begin
        found = find(seen, gap, hand, stamp)
        clock.lap("object")
        if isinstance(found, PerceptionReason):
            return ObjectObservation(found, point_count=len(seen), timings=timings)
        cloud = self._resample(found.points if len(found.points) >= self.config.min_points else self._tracker.surface())
        clock.lap("sample")
        return ObjectObservation(
            PerceptionReason.OK,
            found.position,
            self._extents.copy(),
            cloud,
            len(found.points),
            found.quality,
            self._minor_axis,
            found.followed,
            timings,
        )

    def _begin(
        self, points: Array, gap: Array, hand: Sequence[PlacedShapes], stamp: float
    ) -> _Found | PerceptionReason:
        """Look for an object where none was."""
        if len(points) < self.config.min_points:
            return PerceptionReason.TOO_FEW_POINTS
        rows = self._cluster(points, None)
        if rows is None:
            return PerceptionReason.NO_CLUSTER
        return self._measure(points[rows], hand_frame(hand), stamp, smooth=False)

    def _held(self, hand: Sequence[PlacedShapes]) -> bool:
        """Whether the hand is around the object where it was last."""
        surface, normals = self._tracker.surface(), self._tracker.normals()
        step = len(surface) // 200 + 1
        touched = distance_to_shapes(surface[::step], hand, reach=HELD_GAP) < HELD_GAP
        if touched.mean() < HELD_SHARE:
            return False
        # Touched from opposite sides, the normals cancel; touched from above only, they add up.
        return float(np.linalg.norm(normals[::step][touched].mean(axis=0))) < HELD_SIDES

    def _continue(
        self, points: Array, gap: Array, hand: Sequence[PlacedShapes], stamp: float
    ) -> _Found | PerceptionReason:
        """Follow the object; measure it again while the hand is away."""
        config, palm = self.config, hand_frame(hand)
        fit = self._tracker.follow(
            points, palm, held=self._held(hand), floor=self.table_height, min_points=MIN_FOLLOWED
        )
        good = fit.seen and fit.fit >= config.min_fit
        free = len(fit.rows) >= config.min_points and float(gap[fit.rows].min()) > config.away
        if not good or free:
            rows = self._cluster(points, fit.position) if len(points) >= config.min_points else None
            if rows is not None and float(gap[rows].min()) > config.away:
                whole = len(rows) >= WHOLE * self._most
                if not good or whole:
                    return self._measure(points[rows], palm, stamp, smooth=good)
        if good:
            self._seen_at = stamp
        elif stamp - self._seen_at > config.coast:
            few = len(points) < config.min_points
            self.reset()
            return PerceptionReason.TOO_FEW_POINTS if few else PerceptionReason.NO_CLUSTER
        position = self._settle(fit.position, stamp, smooth=False)
        quality = min(1.0, len(fit.rows) / 150.0) * min(1.0, fit.fit / 0.9)
        return _Found(position, points[fit.rows], max(quality, COASTING), True)

    def _crop(self, points: Array) -> Array:
        low, high = self.config.workspace_low, self.config.workspace_high
        # Comparisons with nan are false, so not-finite points go here too.
        inside = np.all((points > low) & (points < high), axis=1)
        return points[inside].astype(np.float64)

    def _without_table(self, points: Array) -> Array:
        """Drop the table; its plane is found once and then followed by its own inliers."""
        config = self.config
        height = points @ self._plane[:3] + self._plane[3]
        near = np.abs(height) < config.table_search
        if self._plane_age < 0 and near.sum() > 200:
            cloud = self._cloud(points[near])
            plane, inliers = cloud.segment_plane(0.004, 3, 100)
            plane = np.asarray(plane) * np.sign(plane[2])
            if len(inliers) > 0.4 * near.sum() and plane[2] > 0.98:
                self._plane, self._plane_age = plane, 0
                height = points @ plane[:3] + plane[3]
        elif self._plane_age >= 0:
            on = np.abs(height) < 0.004
            if on.sum() > 200:
                self._plane[3] -= 0.1 * float(np.median(height[on]))
        return points[height > config.table_gap]

    def _cluster(self, points: Array, expected: Array | None) -> Array | None:
        """Rows of the cluster where the object is expected, else of the largest; None if all are small."""
        config = self.config
        cloud = self._cloud(points)
        thin, _, rows = cloud.voxel_down_sample_and_trace(config.voxel, cloud.get_min_bound(), cloud.get_max_bound())
        labels = np.asarray(thin.cluster_dbscan(eps=config.cluster_gap, min_points=4))
        if labels.size == 0 or labels.max() < 0:
            return None
        centres = np.asarray(thin.points)
        members: dict[int, Array] = {}
        for label in range(int(labels.max()) + 1):
            inside = np.flatnonzero(labels == label)
            members[label] = np.concatenate([np.asarray(rows[i]) for i in inside])
        candidates = {label: found for label, found in members.items() if len(found) >= config.min_points}
        if not candidates:
            return None
        choice = max(candidates, key=lambda label: len(candidates[label]))
        if expected is not None:
            distances = {
                label: np.linalg.norm(centres[labels == label].mean(axis=0) - expected) for label in candidates
            }
            nearest = min(distances, key=lambda label: distances[label])
            if distances[nearest] < config.follow:
                # A hand can cut an object in two for the eye: everything near it is it.
                parts = [
                    candidates[label]
                    for label, away in distances.items()
                    if away < 0.6 * config.follow or label == nearest
                ]
                return np.concatenate(parts)
        return candidates[choice]

    def _measure(self, cluster: Array, palm: Array | None, stamp: float, *, smooth: bool) -> _Found:
        """Measure an object that the hand does not touch by a box around it; its surface is what is followed later."""
        thin, _ = self._cloud(cluster).remove_statistical_outlier(12, 3.0)
        cluster = np.asarray(thin.points)
        center, size, _ = upright_box(cluster)
        bottom, top = center[2] - 0.5 * size[2], center[2] + 0.5 * size[2]
        table = self.table_height
        if bottom - table < 0.03:  # it stands on the table, whose last millimetres were cut off
            bottom = table
        center[2], size[2] = 0.5 * (bottom + top), top - bottom
        position = self._settle(center, stamp, smooth=smooth)
        self._extents, self._minor_axis = size, minor_axis_yaw(cluster)
        self._tracker.learn(cluster, position, palm, table)
        self._most = len(cluster) if not smooth else max(len(cluster), self._most)
        self._seen_at = stamp
        return _Found(position, cluster, min(1.0, len(cluster) / 150.0), False)

    def _settle(self, position: Array, stamp: float, *, smooth: bool) -> Array:
        """Bound the speed, smooth a resting object, and remember."""
        elapsed = stamp - self._stamp
        if self._position is not None:
            step = position - self._position
            if smooth and np.linalg.norm(step) < 0.01:
                step = step * self.config.smoothing
            reach = self.config.max_speed * elapsed
            length = float(np.linalg.norm(step))
            if length > reach:
                step *= reach / length
            position = self._position + step
        self._position, self._stamp = position, stamp
        return position.copy()

    def _resample(self, cluster: Array) -> Array:
        """Exactly `cloud_points` points: spread out where there are more, repeated where there are fewer."""
        want = self.config.cloud_points
        if len(cluster) > want:
            cluster = np.asarray(self._cloud(cluster).farthest_point_down_sample(want).points)
        return cluster[np.arange(want) % len(cluster)].astype(np.float32)

    def _cloud(self, points: Array) -> Any:
        cloud = self._o3d.geometry.PointCloud()
        cloud.points = self._o3d.utility.Vector3dVector(points)
        return cloud


@dataclass(frozen=True)
class _Found:
    position: Array
    points: Array
    quality: float
    followed: bool


class _Stopwatch:
    def __init__(self, laps: dict[str, float]) -> None:
        self._laps = laps
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = now - self._last
        self._last = now
