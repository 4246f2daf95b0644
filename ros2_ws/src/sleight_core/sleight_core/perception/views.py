"""What the cameras see, in one frame: cut to a box, and compared with where something should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sleight_core.perception.grid import spread

Array = np.ndarray

#: Most points of a view that are looked at for the table, and for what lies behind the object.
TABLE_SAMPLE, RAY_SAMPLE = 700, 5000
#: Points within this angle (rad) of a line of sight are on it.
BEAM = 0.016
#: A point this much farther (m) than where the object should be was seen through it.
BEHIND = 0.03
#: A point this much nearer blocks the line of sight.
BEFORE = 0.02


@dataclass(frozen=True)
class CameraView:
    """The cloud of one camera.

    Attributes:
        name: The camera.
        points: (N, 3) m, in its optical frame; not-finite rows are ignored. Any float type, any strides.
        turn: (3, 3) rotation from the optical frame to the task frame; None: the points are in the task frame.
        origin: (3,) m, where the camera is in the task frame; None: not known.
    """

    name: str
    points: Array
    turn: Array | None = None
    origin: Array | None = None


class Scene:
    """All views of one moment in the task frame; of their points only those are copied that are asked for.

    Args:
        views: The views.
        low, high: Corners (3,) of the workspace, m.
        rng: Chooses the points of samples.
    """

    def __init__(
        self, views: Sequence[CameraView], low: Sequence[float], high: Sequence[float], rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self.names = tuple(view.name for view in views)
        self._origins = [view.origin for view in views]
        self._low, self._high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        #: Columns (3, N): comparing along contiguous rows is forty times as fast as along points.
        self._columns = [_columns(view) for view in views]

    def __len__(self) -> int:
        return len(self.names)

    def sample(self, view: int, heights: tuple[float, float], most: int = TABLE_SAMPLE) -> Array:
        """Return some points (N, 3) of a view that are over or under the workspace's floor, between two heights (m)."""
        columns = self._columns[view]
        some = columns[:, spread(columns.shape[1], most, self._rng)]
        low, high = self._low.copy(), self._high.copy()
        low[2], high[2] = heights
        return some[:, _inside(some, low, high)].T

    def over(
        self, plane: Array, gap: float, skip: Sequence[int] = (), around: tuple[Array, Array] | None = None
    ) -> tuple[Array, bool]:
        """Return the points inside the workspace and over the table.

        Args:
            plane: (4,) the table's plane, its normal upward.
            gap: Points lower than this over the plane are table (m).
            skip: Views that are left out.
            around: Corners of a box in the workspace to which to keep.

        Returns:
            Columns (3, N) float32, and whether there was any point there, the table included.
        """
        low, high = self._low, self._high
        if around is not None:
            low = np.maximum(low, around[0]).astype(np.float32)
            high = np.minimum(high, around[1]).astype(np.float32)
        normal, floor = plane[:3].astype(np.float32), np.float32(gap - plane[3])
        kept, anything = [], False
        for view, columns in enumerate(self._columns):
            if view in skip:
                continue
            inside = _inside(columns, low, high)
            anything = anything or bool(inside.any())
            with np.errstate(invalid="ignore", over="ignore"):
                inside &= normal @ columns > floor
            kept.append(columns[:, np.flatnonzero(inside)])
        return np.concatenate(kept, axis=1) if kept else np.zeros((3, 0), np.float32), anything

    def seen_through(
        self,
        surface: Array,
        normals: Array,
        is_hand: Callable[[Array], Array],
        skip: Sequence[int] = (),
        *,
        least: int = 4,
    ) -> float:
        """Return the share of open lines of sight to a surface on which only something behind it is seen.

        A line is open unless something before the surface blocks it, or the hand at the surface.

        Args:
            surface: (N, 3) m, where the surface should be.
            normals: (N, 3) its outward normals.
            is_hand: Says which points (M, 3) are the hand's.
            skip: Views that are left out.
            least: With fewer open lines the answer is 0: not known.
        """
        open_lines = through = 0
        step = len(surface) // 80 + 1
        surface, normals = surface[::step], normals[::step]
        for view, columns in enumerate(self._columns):
            origin = self._origins[view]
            if view in skip or origin is None:
                continue
            sight = surface - origin
            sight = sight[(sight * normals).sum(axis=1) < 0.0]
            if not len(sight):
                continue
            reach = np.linalg.norm(sight, axis=1)
            sight = sight / reach[:, None]
            rays = columns[:, spread(columns.shape[1], RAY_SAMPLE, self._rng)].T - origin.astype(np.float32)
            distance = np.linalg.norm(rays, axis=1)
            centre = sight.mean(axis=0)
            centre /= np.linalg.norm(centre)
            cone = float((sight @ centre).min())
            with np.errstate(invalid="ignore"):
                close = (rays @ centre.astype(np.float32)) > (cone - 0.05) * distance
            rays, distance = rays[close], distance[close]
            if not len(rays):
                continue
            on = sight.astype(np.float32) @ (rays / distance[:, None]).T > np.cos(BEAM)
            nearest = np.where(on, distance, np.inf)
            which = nearest.argmin(axis=1)
            nearest = nearest[np.arange(len(which)), which]
            behind = np.isfinite(nearest) & (nearest > reach + BEHIND)
            at = np.isfinite(nearest) & (nearest > reach - BEFORE) & ~behind
            at[at] = ~is_hand(rays[which[at]] + origin)
            open_lines += int(behind.sum() + at.sum())
            through += int(behind.sum())
        return through / open_lines if open_lines >= least else 0.0


def as_views(points: Array | Sequence[CameraView]) -> list[CameraView] | None:
    """Return views of what the pipeline was given: views, or points in the task frame; None if it is neither."""
    views = [CameraView("", points)] if isinstance(points, np.ndarray) else list(points)
    return views if all(view.points.ndim == 2 and view.points.shape[1] == 3 for view in views) else None


def _columns(view: CameraView) -> Array:
    columns = np.asarray(view.points, dtype=np.float32).T
    if view.turn is None or view.origin is None:
        return np.ascontiguousarray(columns)
    with np.errstate(invalid="ignore", over="ignore"):
        turned = np.asarray(view.turn, np.float32) @ columns
        turned += np.asarray(view.origin, np.float32)[:, None]
    return turned


def _inside(columns: Array, low: Array, high: Array) -> Array:
    """Say which columns are inside a box. Comparisons with nan are false, so not-finite points are outside."""
    inside = (columns[0] > low[0]) & (columns[0] < high[0])
    for axis in (1, 2):
        inside &= columns[axis] > low[axis]
        inside &= columns[axis] < high[axis]
    return inside
