"""Find and follow one object on a table in point clouds.

Crop to the workspace, take out the table's plane and the hand, cluster (lone points belong to none), choose the cluster
that continues the one before, resample to a fixed size. While the hand is away the object is measured: a box around it
from the table up. From then on its position is followed by registering what is still visible to what was seen
(`tracking`), because a hand that holds an object hides half of it and the centre of the visible rest would jump.

An object that is followed is looked for near where it was; the whole workspace is searched when it is not there. The
points that are worked on are bounded in number, so that a cloud of 100,000 costs little more than one of 20,000.

`docs/perception.md` says how large the errors are, and how long it takes.

Open3D does the plane, the sampling and the registration; it is imported when first needed.
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
from sleight_core.perception.geometry import ShapeDistance, minor_axis_yaw, upright_box
from sleight_core.perception.grid import cell_keys, cluster, is_dense, spread, with_neighbours
from sleight_core.perception.table import Table
from sleight_core.perception.tracking import SurfaceTracker, hand_frame
from sleight_core.perception.views import CameraView, Scene, as_views

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
#: Most points over the table that are worked on: near a followed object, and in the whole workspace.
MOST_NEAR, MOST = 1600, 5000
#: Clouds in a row without the object after which it is lost; fewer when what is behind its place is seen.
LOST_AFTER, GONE_AFTER = 3, 2
#: Share of lines of sight to its place that must pass through it for an object to be gone.
GONE = 0.5
#: With less than this share of its points an object is doubted, however well they fit.
DOUBT = 0.15
#: A thing elsewhere can be the object only if each side is as long to within this share, or this length (m).
ALIKE_SHARE, ALIKE = 0.4, 0.025


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
        expected: Where the object is first looked for, not farther than `follow`; None: the largest thing is it.
        hand_margin: Points nearer than this to the hand's shapes are hand.
        cluster_gap: Points farther apart than this are of different things.
        min_points: Fewest points of an object.
        cloud_points: Size of the object cloud.
        away: The hand is away while none of its shapes is nearer than this to the object.
        follow: Largest distance of an object from where it was expected.
        max_speed: Largest speed of an object that is followed (m/s).
        min_fit: Share of the visible points that must match.
        smoothing: Weight of a new position while the object rests.
        coast: How long an object that the hand hides counts as being where it would have moved with the hand (s).
    """

    workspace_low: tuple[float, float, float] = (-0.35, -0.35, 0.55)
    workspace_high: tuple[float, float, float] = (0.35, 0.35, 1.15)
    table_height: float = 0.6
    table_gap: float = 0.006
    table_search: float = 0.03
    expected: tuple[float, float, float] | None = None
    hand_margin: float = 0.008
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
        quality: 0 to 1: how many points, how well they fit what was seen before, and the share of the cameras in use.
        minor_axis: Heading of the short horizontal axis (rad), nan if round: the hand should close along it.
        followed: Whether the position comes from registration (the hand is near) or from a box (it is away).
        moved: Cameras that see the table elsewhere than the others, or than before; their points were left out.
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
    moved: tuple[str, ...] = ()
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
        self._table = Table(open3d, self.config.table_height, self.config.table_search)
        self._rng = np.random.default_rng(0)
        self._look: _Look | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the object (not the table)."""
        self._position: Array | None = None
        self._stamp = -np.inf
        self._seen_at = -np.inf
        self._unseen, self._gone = 0, False
        self._most = 0.0
        self._cells = self._others = np.zeros(0, dtype=np.int64)
        self._tracker = SurfaceTracker(self._o3d)
        self._extents = np.zeros(3)
        self._minor_axis = float("nan")

    @property
    def table_height(self) -> float:
        """Height of the table's plane under the task frame's origin (m)."""
        return self._table.height

    def update(
        self, points: Array | Sequence[CameraView], hand: Sequence[PlacedShapes], stamp: float
    ) -> ObjectObservation:
        """Take the clouds of one moment.

        Args:
            points: One view a camera; or (N, 3) of all cameras in the task frame (m), which says less: no camera can be
                found to have moved, and no place to be empty behind a hand. Not-finite rows are ignored.
            hand: The shapes of the hand, and of its arm, in the task frame, from `HandShapes.place`.
            stamp: When the clouds were taken (s).
        """
        timings: dict[str, float] = {}
        clock = _Stopwatch(timings)
        self._look = None
        views = as_views(points)
        if views is None:
            return ObjectObservation(PerceptionReason.BAD_CLOUD, timings=timings)
        if not 0.0 <= stamp - self._stamp <= FORGET:
            self.reset()
        scene = Scene(views, self.config.workspace_low, self.config.workspace_high, self._rng)
        clock.lap("merge")
        moved = self._table.update(scene)
        names = tuple(scene.names[view] for view in moved)
        clock.lap("table")
        if moved and len(moved) == len(scene):
            return ObjectObservation(PerceptionReason.WRONG_FRAME, moved=names, timings=timings)
        look = self._look = _Look(scene, moved, ShapeDistance(hand), hand_frame(hand), stamp)
        seen = self._points(look, near=self._tracker.known)
        if not seen.any and not (self._tracker.known and self._points(look, near=False).any):
            return ObjectObservation(PerceptionReason.EMPTY, moved=names, timings=timings)
        clock.lap("points")
        found = self._continue(seen, look) if self._tracker.known else self._begin(seen, look)
        clock.lap("object")
        if isinstance(found, PerceptionReason):
            return ObjectObservation(found, point_count=seen.count, moved=names, timings=timings)
        shown = found.points if len(found.points) >= self.config.min_points else self._tracker.surface()
        cloud = self._resample(shown, self.config.cloud_points)
        clock.lap("sample")
        return ObjectObservation(
            PerceptionReason.OK,
            found.position,
            self._extents.copy(),
            cloud,
            found.count,
            found.quality * (1.0 - len(moved) / len(scene)),
            self._minor_axis,
            found.followed,
            names,
            timings,
        )

    def scene_cloud(self, count: int) -> Array:
        """Points of all that lies over the table and is not the robot, as of the last `update`.

        Args:
            count: How many; fewer points are repeated.

        Returns:
            (count, 3) float32, m, task frame, spread evenly; (0, 3) where nothing is to be seen.
        """
        points = np.zeros((0, 3)) if self._look is None else self._points(self._look, near=False).points
        return self._resample(points, count) if len(points) else points.astype(np.float32)

    def _points(self, look: _Look, *, near: bool) -> _Points:
        """Return the points over the table that are not the hand's: near the followed object, or all."""
        around = None
        if near:
            assert self._position is not None
            reach = 0.5 * float(np.linalg.norm(self._extents)) + self.config.follow
            around = (self._position - reach, self._position + reach)
        over, anything = look.scene.over(self._table.plane, self.config.table_gap, look.moved, around)
        kept = spread(over.shape[1], MOST_NEAR if near else MOST, self._rng)
        points = over[:, kept].T.astype(np.float64)
        margin = self.config.hand_margin
        gap = look.distance(points, max(margin, self.config.away) + 0.005)
        free = gap > margin
        return _Points(points[free], gap[free], over.shape[1] / max(len(kept), 1), anything)

    def _begin(self, seen: _Points, look: _Look) -> _Found | PerceptionReason:
        """Look for an object where none was."""
        if len(seen.points) < self.config.min_points:
            return PerceptionReason.TOO_FEW_POINTS
        things = [rows for rows in self._things(seen) if float(seen.gap[rows].max()) > self.config.away]
        expected, choice = self.config.expected, 0
        if expected is not None and things:
            away = [float(np.linalg.norm(seen.points[rows].mean(axis=0) - expected)) for rows in things]
            choice = int(np.argmin(away))
            things = things if away[choice] < self.config.follow else []
        if not things:
            return PerceptionReason.NO_CLUSTER
        # What stands beside it now is not it later.
        others = [self._cells_of(seen.points[rows]) for k, rows in enumerate(things) if k != choice]
        self._others = np.concatenate(others) if others else np.zeros(0, dtype=np.int64)
        return self._measure(seen, things[choice], look, smooth=False)

    def _continue(self, seen: _Points, look: _Look) -> _Found | PerceptionReason:
        """Follow the object; measure it again while the hand is away."""
        config = self.config
        # Most of the time nothing but the camera's noise is new: no need to register anything.
        there = self._is_in(seen.points, self._cells)
        if there.any() and float(seen.gap[there].min()) > config.away:
            rows = self._where_it_was(seen)
            if rows is not None and float(seen.gap[rows].min()) > config.away and self._whole(seen, rows):
                return self._measure(seen, rows, look, smooth=True)
        fit = self._tracker.follow(
            seen.points, look.palm, held=self._held(look), floor=self.table_height, min_points=MIN_FOLLOWED
        )
        good = fit.seen and fit.fit >= config.min_fit
        through = 0.0
        if not good or len(fit.rows) * seen.weight < DOUBT * self._most:
            margin = 1.5 * config.hand_margin
            through = look.scene.seen_through(
                self._tracker.surface(),
                self._tracker.normals(),
                lambda points: look.distance(points, margin) < margin,
                look.moved,
            )
            good = good and through < GONE
        free = len(fit.rows) >= config.min_points and float(seen.gap[fit.rows].min()) > config.away
        if not good or free:
            where = seen if good else self._points(look, near=False)
            rows = self._found_again(where, fit.position)
            if rows is not None and (not good or self._whole(where, rows)):
                return self._measure(where, rows, look, smooth=good)
        if good:
            self._seen_at, self._unseen, self._gone = look.stamp, 0, False
        elif self._is_lost(through, look):
            few = len(seen.points) < config.min_points
            self.reset()
            return PerceptionReason.TOO_FEW_POINTS if few else PerceptionReason.NO_CLUSTER
        position = self._settle(fit.position, look.stamp, smooth=False)
        count = round(len(fit.rows) * seen.weight)
        quality = min(1.0, len(fit.rows) / 150.0) * min(1.0, fit.fit / 0.9) if good else 0.0
        return _Found(position, seen.points[fit.rows], count, max(quality, COASTING), True)

    def _is_lost(self, through: float, look: _Look) -> bool:
        """Say whether an object that was not seen again is lost, rather than hidden by the hand."""
        self._unseen += 1
        if look.stamp - self._seen_at > self.config.coast:
            return True
        self._gone = self._gone or through >= GONE
        if self._gone:
            return self._unseen >= GONE_AFTER
        surface = self._tracker.surface()[:: len(self._tracker.surface()) // 200 + 1]
        hidden = bool((look.distance(surface, self.config.away) < self.config.away).any())
        return not hidden and self._unseen >= LOST_AFTER

    def _held(self, look: _Look) -> bool:
        """Whether the hand is around the object where it was last."""
        surface, normals = self._tracker.surface(), self._tracker.normals()
        step = len(surface) // 150 + 1
        touched = look.distance(surface[::step], HELD_GAP) < HELD_GAP
        if touched.mean() < HELD_SHARE:
            return False
        # Touched from opposite sides, the normals cancel; touched from above only, they add up.
        return float(np.linalg.norm(normals[::step][touched].mean(axis=0))) < HELD_SIDES

    def _whole(self, seen: _Points, rows: Array) -> bool:
        return len(rows) * seen.weight >= WHOLE * self._most

    def _things(self, seen: _Points) -> list[Array]:
        """Return the rows of every cluster that is large enough for an object, the largest first."""
        labels = cluster(seen.points, self.config.cluster_gap)
        order = np.argsort(labels, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []
        things = [rows for rows in parts if labels[rows[0]] >= 0 and len(rows) >= self.config.min_points]
        return sorted(things, key=len, reverse=True)

    def _where_it_was(self, seen: _Points, things: list[Array] | None = None) -> Array | None:
        """Return the rows of the clusters that lie where the object was: the hand can cut it in two for the eye."""
        things = self._things(seen) if things is None else things
        parts = [rows for rows in things if self._share(seen.points[rows], self._cells) > 0.5]
        return np.concatenate(parts) if parts else None

    def _found_again(self, seen: _Points, expected: Array) -> Array | None:
        """Return the rows of the object, free of the hand: where it was followed to, else the nearest thing like it."""
        config = self.config
        free = [rows for rows in self._things(seen) if float(seen.gap[rows].min()) > config.away]
        self._remember(self._tracker.surface())
        rows = self._where_it_was(seen, free)
        if rows is not None:
            return rows
        other = [rows for rows in free if self._share(seen.points[rows], self._others) < 0.5]
        alike = [rows for rows in other if self._is_like_it(seen.points[rows])]
        if not alike:
            return None
        return min(alike, key=lambda rows: float(np.linalg.norm(seen.points[rows].mean(axis=0) - expected)))

    def _is_like_it(self, points: Array) -> bool:
        size, known = np.sort(self._box(points)[1]), np.sort(self._extents)
        return bool((np.abs(size - known) <= np.maximum(ALIKE, ALIKE_SHARE * known)).all())

    def _remember(self, points: Array) -> None:
        """Keep the cells in and around points (N, 3) as the place of the object."""
        self._cells = self._cells_of(points)

    def _cells_of(self, points: Array) -> Array:
        return with_neighbours(np.unique(cell_keys(points, 0.5 * self.config.cluster_gap)))

    def _is_in(self, points: Array, cells: Array) -> Array:
        return np.isin(cell_keys(points, 0.5 * self.config.cluster_gap), cells)

    def _share(self, points: Array, cells: Array) -> float:
        return float(self._is_in(points, cells).mean())

    def _box(self, points: Array) -> tuple[Array, Array]:
        """Return centre (3,) and size (3,) of the upright box around a free object (m)."""
        center, size, _ = upright_box(points)
        bottom, top = center[2] - 0.5 * size[2], center[2] + 0.5 * size[2]
        table = self.table_height
        if bottom - table < 0.03:  # it stands on the table, whose last millimetres were cut off
            bottom = table
        center[2], size[2] = 0.5 * (bottom + top), top - bottom
        return center, size

    def _measure(self, seen: _Points, rows: Array, look: _Look, *, smooth: bool) -> _Found:
        """Measure an object that the hand does not touch by a box around it; its surface is what is followed later."""
        thing = seen.points[rows]
        thing = thing[is_dense(thing)]
        center, size = self._box(thing)
        position = self._settle(center, look.stamp, smooth=smooth)
        self._extents, self._minor_axis = size, minor_axis_yaw(thing)
        self._tracker.learn(thing, position, look.palm, self.table_height)
        self._remember(thing)
        count = len(thing) * seen.weight
        self._most = max(count, self._most) if smooth else count
        self._seen_at, self._unseen, self._gone = look.stamp, 0, False
        return _Found(position, thing, round(count), min(1.0, len(thing) / 150.0), False)

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

    def _resample(self, points: Array, want: int) -> Array:
        """Exactly `want` points: spread out where there are more, repeated where there are fewer."""
        if len(points) > want:
            points = points[spread(len(points), 2 * want, self._rng)]
            cloud = self._o3d.geometry.PointCloud(self._o3d.utility.Vector3dVector(points))
            points = np.asarray(cloud.farthest_point_down_sample(want).points)
        return points[np.arange(want) % len(points)].astype(np.float32)


@dataclass(frozen=True)
class _Look:
    """One moment: its views, those whose cameras have moved, the hand, the palm's pose (4, 4), and when (s)."""

    scene: Scene
    moved: list[int]
    distance: ShapeDistance
    palm: Array | None
    stamp: float


@dataclass(frozen=True)
class _Points:
    """Points (N, 3) to search, their distance (N,) to the hand, and how many points of the cameras each stands for.

    `any`: whether there was anything, the table and the hand included.
    """

    points: Array
    gap: Array
    weight: float
    any: bool

    @property
    def count(self) -> int:
        return round(len(self.points) * self.weight)


@dataclass(frozen=True)
class _Found:
    position: Array
    points: Array
    count: int
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
