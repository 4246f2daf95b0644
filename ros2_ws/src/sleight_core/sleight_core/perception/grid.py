"""Clusters and lone points by the cells of a grid: a sort of integers instead of a search around every point."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

#: A cell's indices are packed into one integer, 12 bits each, counted from the middle.
_BITS, _MIDDLE = 12, 2048
#: Half of the 26 neighbours; the other half sees these.
_OFFSETS = np.array(
    [
        (x << 2 * _BITS) + (y << _BITS) + z
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
        for z in (-1, 0, 1)
        if (x, y, z) > (0, 0, 0)
    ]
)


def cell_keys(points: Array, cell: float) -> Array:
    """Return the cell (N,) of each point (N, 3) as an integer; alike in every call with the same `cell` (m)."""
    index = np.floor(points * (1.0 / cell))
    index = np.clip(index, 1 - _MIDDLE, _MIDDLE - 2).astype(np.int64) + _MIDDLE
    return (index[:, 0] << 2 * _BITS) + (index[:, 1] << _BITS) + index[:, 2]


def with_neighbours(keys: Array) -> Array:
    """Return the keys of cells and of all cells that touch them, sorted."""
    return np.unique(np.concatenate([keys, (keys[:, None] + _OFFSETS).ravel(), (keys[:, None] - _OFFSETS).ravel()]))


def cluster(points: Array, gap: float, min_voxels: int = 4) -> Array:
    """Number the clusters of points, which is DBSCAN on a grid.

    Cells of half the gap belong together when they touch. A cell with fewer than `min_voxels` occupied cells of half
    its size in and around it joins no others, so that a chain of flying pixels is no bridge.

    Args:
        points: (N, 3) m.
        gap: Points farther apart than this are of different clusters; nearer than half of it, of one (m).
        min_voxels: See above.

    Returns:
        (N,) numbers of the clusters from 0, -1 for lone points.
    """
    if not len(points):
        return np.zeros(0, dtype=np.int64)
    cells, cell_of = np.unique(cell_keys(points, 0.5 * gap), return_inverse=True)
    _, first = np.unique(cell_keys(points, 0.25 * gap), return_index=True)
    voxels = np.bincount(cell_of[first], minlength=len(cells))
    a, b = _touching(cells)
    core = _around(voxels, a, b) >= min_voxels
    label = np.arange(len(cells))
    both = core[a] & core[b]
    i, j = a[both], b[both]
    while True:
        least = np.minimum(label[i], label[j])
        after = label.copy()
        np.minimum.at(after, i, least)
        np.minimum.at(after, j, least)
        after = after[after]
        if np.array_equal(after, label):
            break
        label = after
    for one, other in ((a, b), (b, a)):
        border = core[one] & ~core[other]
        label[other[border]], core[other[border]] = label[one[border]], True
    label[~core] = -1
    _, numbers = np.unique(np.append(label, -1), return_inverse=True)
    return numbers[:-1][cell_of] - 1


def is_dense(points: Array, cell: float = 0.006, share: float = 0.1, least: int = 3) -> Array:
    """Say of each point (N, 3) whether it has others around it; a thin handle has fewer than a wall, but some.

    Args:
        points: m.
        cell: The surroundings of a point are 3 x 3 x 3 cells of this size (m).
        share: Of the median number of points there, from which a point counts as dense.
        least: Fewest points there, itself included.
    """
    if not len(points):
        return np.zeros(0, dtype=bool)
    cells, cell_of, count = np.unique(cell_keys(points, cell), return_inverse=True, return_counts=True)
    around = _around(count, *_touching(cells))[cell_of]
    return around >= max(least, share * float(np.median(around)))


def spread(count: int, want: int, rng: np.random.Generator) -> Array:
    """Return `want` of `count` row numbers, one drawn from each of `want` equal stretches; all, if there are no more.

    Every k-th row would be every k-th column of an organised cloud.
    """
    if count <= want:
        return np.arange(count)
    ends = np.arange(want + 1) * count // want
    return ends[:-1] + (rng.random(want) * np.diff(ends)).astype(np.intp)


def _touching(cells: Array) -> tuple[Array, Array]:
    """Return the pairs of rows of sorted cells that touch."""
    targets = cells[:, None] + _OFFSETS
    place = np.searchsorted(cells, targets)
    place[place == len(cells)] = 0
    one, which = np.nonzero(cells[place] == targets)
    return one, place[one, which]


def _around(values: Array, a: Array, b: Array) -> Array:
    """Return each cell's value and those of the cells that touch it, summed up."""
    size = len(values)
    return values + np.bincount(a, values[b], size) + np.bincount(b, values[a], size)
