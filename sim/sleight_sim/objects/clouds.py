"""Points on the surface of objects: farthest-point sampling, and the data set for object codes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]
Cloud = NDArray[np.float32]

#: Points of a cloud that a policy or an encoder sees (ResDex).
CLOUD_POINTS = 512
#: Surface points for each point that farthest-point sampling keeps; ResDex keeps 512 of 4,096.
OVERSAMPLING = 4
_BATCH = 64


def farthest_points(points: NDArray[np.floating], n: int, first: int = 0) -> NDArray[np.intp]:
    """Choose points by farthest-point sampling: each is the one farthest from all chosen before it.

    Args:
        points: (B, M, 3) clouds, or (M, 3) a single one, M >= n.
        n: Number of points to choose.
        first: Index of the first one.

    Returns:
        (B, n) or (n,) indices. Unlike Open3D's, for a batch, and without Open3D.

    Raises:
        SleightError: if there are fewer than `n` points.
    """
    single = points.ndim == 2
    clouds = np.ascontiguousarray((points[None] if single else points).transpose(2, 0, 1), dtype=np.float32)
    _, batch, count = clouds.shape
    if not 1 <= n <= count:
        raise SleightError("farthest-point sampling needs as many points as it is to choose", value=f"{n} of {count}")
    chosen = np.empty((batch, n), dtype=np.intp)
    chosen[:, 0] = first
    distance = np.full((batch, count), np.inf, dtype=np.float32)
    rows = np.arange(batch)
    for k in range(1, n):
        last = clouds[:, rows, chosen[:, k - 1]][:, :, None]
        delta = clouds - last
        np.minimum(distance, np.einsum("xbm,xbm->bm", delta, delta), out=distance)
        chosen[:, k] = distance.argmax(axis=1)
    return chosen[0] if single else chosen


def code_clouds(
    things: Sequence[ObjectSpec], n: int = CLOUD_POINTS, seed: int = 0, oversampling: int = OVERSAMPLING
) -> Cloud:
    """Return one evenly spaced surface cloud for each object: the data on which object codes are trained.

    Args:
        things: The objects, e.g. `resolve_objects("household:train")`.
        n: Points of a cloud.
        seed: Another seed, other points. An object's points depend on its name and the seed, not on its neighbours.
        oversampling: Surface points for each one that farthest-point sampling keeps.

    Returns:
        (N, n, 3) points in the object frames (m), float32.
    """
    out = np.empty((len(things), n, 3), dtype=np.float32)
    for start in range(0, len(things), _BATCH):
        part = things[start : start + _BATCH]
        dense = np.stack([thing.surface_points(n * oversampling, _generator(thing.name, seed)) for thing in part])
        chosen = farthest_points(dense, n)
        out[start : start + _BATCH] = np.take_along_axis(dense, chosen[:, :, None], axis=1)
    return out


def _generator(name: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(f"cloud {name} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
