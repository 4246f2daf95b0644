"""Smooth ways of actions: from one to another with minimum jerk (Flash and Hogan 1985)."""

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
