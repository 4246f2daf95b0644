"""The table's plane, found once and then followed, and the cameras that no longer see it where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sleight_core.perception.views import Scene

Array = np.ndarray

#: Points nearer to the plane than this are on it (m): to follow it, and to judge a camera.
ON, SHARE_ON = 0.004, 0.005
#: Points between these heights (m) say where a camera sees the table; if there are too few, those between the second.
BAND, WIDE = (-0.25, 0.10), (-0.25, 0.40)
#: Fewest points there for a judgement.
ENOUGH = 100
#: A camera is doubted when the share of its points on the table falls below this part of what it was.
DOUBT = 0.6
#: It has moved if this share of its points lies on another plane that is this far off (m), or tilted (rad).
OTHER, OFFSET, TILT = 0.6, 0.007, 0.02


@dataclass
class _Judgement:
    usual: float = 0.8
    moved: bool = False


class Table:
    """The plane of the table's top. Not thread-safe.

    Args:
        o3d: The module `open3d`.
        height: Where it is expected under the origin (m).
        search: How far from there it is looked for (m).
    """

    def __init__(self, o3d: Any, height: float, search: float) -> None:
        self._o3d = o3d
        self._search = search
        self._plane = np.array([0.0, 0.0, 1.0, -height])
        self._known = False
        self._judgements: dict[str, _Judgement] = {}

    @property
    def height(self) -> float:
        """Height of the plane under the task frame's origin (m)."""
        return float(-self._plane[3] / self._plane[2])

    @property
    def plane(self) -> Array:
        """Normal, upward, and offset (4,) of the plane."""
        return self._plane

    def _above(self, points: Array) -> Array:
        return points @ self._plane[:3] + self._plane[3]

    def update(self, scene: Scene) -> list[int]:
        """Find or follow the plane in a scene; return the views whose cameras have moved."""
        span = (self.height + WIDE[0], self.height + WIDE[1])
        samples = [scene.sample(view, span).astype(np.float64) for view in range(len(scene))]
        if not self._known and samples:
            self._find(np.concatenate(samples))
            moved = self._moved(scene, samples)
            if 0 < len(moved) < len(scene):
                # The wrong ones had their part in the plane.
                self._find(np.concatenate([sample for view, sample in enumerate(samples) if view not in moved]))
        moved = self._moved(scene, samples)
        heights = [self._above(sample) for sample in samples]
        trusted = [heights[view] for view in range(len(scene)) if view not in moved]
        if self._known and trusted:
            height = np.concatenate(trusted)
            on = height[np.abs(height) < ON]
            if len(on) > 2 * ENOUGH:
                self._plane[3] -= 0.1 * float(np.median(on))
        return moved

    def _moved(self, scene: Scene, samples: list[Array]) -> list[int]:
        return [
            view
            for view, name in enumerate(scene.names)
            if self._has_moved(self._judgements.setdefault(name, _Judgement()), samples[view])
        ]

    def _find(self, points: Array) -> None:
        near = points[np.abs(self._above(points)) < self._search]
        if len(near) <= 2 * ENOUGH:
            return
        cloud = self._o3d.geometry.PointCloud(self._o3d.utility.Vector3dVector(near))
        plane, inliers = cloud.segment_plane(0.004, 3, 100)
        plane = np.asarray(plane) * np.sign(plane[2])
        if len(inliers) > 0.4 * len(near) and plane[2] > 0.98:
            self._plane, self._known = plane, True

    def _has_moved(self, judgement: _Judgement, points: Array) -> bool:
        """Say whether a camera sees the table elsewhere.

        A hand or an arm that hides the table is no evidence: only another plane is.
        """
        heights = self._above(points)
        band = (heights > BAND[0]) & (heights < BAND[1])
        if band.sum() >= ENOUGH:
            points, heights = points[band], heights[band]
        if len(points) < ENOUGH:
            return judgement.moved
        share = float((np.abs(heights) < SHARE_ON).mean())
        if share >= DOUBT * judgement.usual:
            judgement.usual += 0.1 * (share - judgement.usual)
            judgement.moved = False
        elif not judgement.moved:
            tilt, offset, on_other = _plane_over(points, heights)
            other = abs(offset) > OFFSET or tilt > TILT
            judgement.moved = other and on_other > OTHER and on_other > 1.5 * share
        return judgement.moved


def _plane_over(points: Array, heights: Array, rounds: int = 6) -> tuple[float, float, float]:
    """Fit a plane to heights (N,) over points (N, 3).

    Returns:
        Its tilt (rad), its height in the middle of the points (m), and the share of the points on it.
    """
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    design = np.column_stack([flat, np.ones(len(flat))])
    kept = np.ones(len(flat), dtype=bool)
    fit = np.zeros(3)
    for _ in range(rounds):
        fit = np.linalg.lstsq(design[kept], heights[kept], rcond=None)[0]
        rest = np.abs(heights - design @ fit)
        kept = rest <= max(SHARE_ON, 1.5 * float(np.median(rest)))
    rest = np.abs(heights - design @ fit)
    return float(np.arctan(np.hypot(fit[0], fit[1]))), float(fit[2]), float((rest < SHARE_ON).mean())
