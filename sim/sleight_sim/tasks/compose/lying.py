"""How high objects lie: what "over where it lies" means in the retention checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from sleight_core.rotations import quat_to_matrix

from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.compose.shapes import ShapeDraw
from sleight_sim.tasks.compose.variation import ObjectDraw

Array = NDArray[np.float64]


class LyingHeights:
    """Heights over the table that objects' origins would have if they lay on it.

    A drawn object lies as its task puts it down (`ObjectDraw.rest_height`), however it is turned now. A given shape has
    many ways to lie: there it is the height at which its lowest point would touch the table, turned as it is now.

    Args:
        things: The object of each environment; None where there is none.
    """

    def __init__(self, things: Sequence[ObjectDraw | ShapeDraw | None]) -> None:
        #: (B,) m, of the objects as they are put down.
        self.rest = np.array([0.0 if thing is None else thing.rest_height for thing in things])
        shapes = {i: thing for i, thing in enumerate(things) if isinstance(thing, ShapeDraw)}
        hulls: dict[str, Array] = {}
        for shape in shapes.values():
            if shape.digest not in hulls:
                hulls[shape.digest] = _hull(shape.spec)
        self._rows = np.array(list(shapes), dtype=np.int64)
        longest = max((len(hull) for hull in hulls.values()), default=0)
        # Hulls are filled up with points of their own, which change no lowest point.
        filled = {digest: hull[np.arange(longest) % len(hull)] for digest, hull in hulls.items()}
        self._points = np.array([filled[shape.digest] for shape in shapes.values()]).reshape(len(shapes), longest, 3)

    def at(self, quat: Array) -> Array:
        """Heights (B,) m with the objects turned as quaternions (B, 4) wxyz say."""
        out = self.rest.copy()
        if len(self._rows):
            up = quat_to_matrix(quat[self._rows])[:, 2]
            out[self._rows] = -np.einsum("nk,nvk->nv", up, self._points).min(axis=-1)
        return out


def _hull(thing: ObjectSpec) -> Array:
    """The vertices (V, 3) m of an object's convex hull."""
    points = thing.pieces.reshape(-1, 3)
    return points[ConvexHull(points).vertices]
