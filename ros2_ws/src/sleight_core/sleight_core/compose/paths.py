"""Smooth ways of actions: from one to another, or over a third, with minimum jerk (Flash and Hogan 1985)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def minimum_jerk(share: Array) -> Array:
    """Way done, 0 to 1, at a share of the time."""
    s = np.clip(share, 0.0, 1.0)
    return s * s * s * (10.0 - 15.0 * s + 6.0 * s * s)


def between(start: Array, end: Array, share: Array) -> Array:
    """Actions (n, 28) at shares (n,) of the time from start to end (n, 28); turn and roll go the short way round."""
    way = end - start
    way[:, [3, 5]] = (way[:, [3, 5]] + np.pi) % (2.0 * np.pi) - np.pi
    return start + minimum_jerk(share)[:, None] * way


def over(start: Array, middle: Array, end: Array, count: Array, first: Array, second: int) -> Array:
    """Actions (n, 28) on a way with a rest at a point in its middle.

    Args:
        start: (n, 28).
        middle: (n, 28).
        end: (n, 28).
        count: (n,) actions since the start.
        first: (n,) actions from start to middle; 0: the way begins at `middle`.
        second: Actions from middle to end.
    """
    out = between(middle, end, (count - first) / max(second, 1))
    rows = np.flatnonzero(count <= first)
    out[rows] = between(start[rows], middle[rows], count[rows] / np.maximum(first[rows], 1))
    return out


def backed_off(here: Array, end: Array, retreat: Array) -> Array:
    """Actions (n, 28) of a hand that has left what it touched: the wrist moved but not turned, fingers as at the end.

    Args:
        here: (n, 28) where it is.
        end: (n, 28) where it is to go next.
        retreat: (3,) m, task frame.
    """
    out = end.copy()
    out[:, :3] = here[:, :3] + retreat
    out[:, 3:6] = here[:, 3:6]
    return out
