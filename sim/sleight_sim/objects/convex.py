"""Convex pieces of one fixed size: every piece is a hull of exactly `PIECE_VERTICES` vertices.

`mujoco.batch.Batch.set_models` runs another model in every environment only if all of them give MjData one layout,
which for meshes means the same number of pieces and the same number of faces a piece. A hull whose V vertices are all
extreme has 2V - 4 triangles, so fixing V fixes everything.

Most pieces are hulls of balls, sampled by their support map: the point of the body furthest along each of V fixed
directions. A hull of balls is strictly convex, so distinct directions give distinct extreme points, whatever the shape.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError
from sleight_core.errors import SleightError

Array = NDArray[np.float64]

#: Vertices of every convex piece. With 64 a piece on a plane steps at 80 % of the speed of a primitive.
PIECE_VERTICES = 64
#: Pieces of every object model; an object with fewer has tiny inert copies for the rest.
MAX_PIECES = 16
#: Rounding of edges (m) where a shape has none of its own.
EDGE_RADIUS = 1e-3

# Directions in the first octant for boxes, mirrored into all eight: mirrored, so that opposite and neighbouring corners
# share their face planes exactly and a box rests flat on four points.
_BOX_OCTANT = np.array(
    [[0.97, 0.17, 0.17], [0.17, 0.97, 0.17], [0.17, 0.17, 0.97], [0.69, 0.69, 0.2]]
    + [[0.69, 0.2, 0.69], [0.2, 0.69, 0.69], [0.58, 0.58, 0.58], [0.5, 0.62, 0.6]]
)


@cache
def fibonacci_directions(n: int) -> Array:
    """Return (n, 3) unit vectors spread evenly over the sphere, no two of them opposite."""
    i = np.arange(n) + 0.5
    z = 1.0 - 2.0 * i / n
    azimuth = np.pi * (1.0 + np.sqrt(5.0)) * i
    ring = np.sqrt(1.0 - z * z)
    out = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=1)
    out.flags.writeable = False
    return out


def mean_width_ratio(true_support: Array, vertices: Array, directions: Array) -> float:
    """Return the mean width of a body over that of the hull of `vertices`.

    Args:
        true_support: (D,) support function of the body in `directions` (m).
        vertices: (V, 3) vertices (m).
        directions: (D, 3) unit vectors, evenly spread.
    """
    return float(true_support.mean() / (vertices @ directions.T).max(axis=0).mean())


@cache
def _ball_factor(n: int) -> float:
    dense = fibonacci_directions(2048)
    return mean_width_ratio(np.ones(len(dense)), fibonacci_directions(n), dense)


def ball_hull(centres: ArrayLike, radii: ArrayLike, n: int = PIECE_VERTICES) -> Array:
    """Return `n` extreme vertices of the convex hull of balls.

    Args:
        centres: (M, 3) centres (m).
        radii: (M,) or scalar radii (m), above 0.
        n: Number of vertices.

    Returns:
        (n, 3) vertices. The radii are enlarged by some per cent first, so that the faceted balls keep their mean width.

    Raises:
        SleightError: for radii that are not positive, or numbers that are not finite.
    """
    c = np.atleast_2d(np.asarray(centres, dtype=np.float64))
    r = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(c),)) * _ball_factor(n)
    if not (np.isfinite(c).all() and np.isfinite(r).all() and (r > 0).all()):
        raise SleightError("balls need finite centres and positive radii", value=r.min())
    d = fibonacci_directions(n)
    best = (d @ c.T + r).argmax(axis=1)
    return check_piece(c[best] + r[best, None] * d)


def ellipsoid(half_axes: ArrayLike, n: int = PIECE_VERTICES) -> Array:
    """Return (n, 3) extreme vertices of an ellipsoid with the given half axes (3,) (m), of the right mean width."""
    a = np.asarray(half_axes, dtype=np.float64)
    d = fibonacci_directions(n)
    points = a**2 * d / np.linalg.norm(a * d, axis=1, keepdims=True)
    dense = fibonacci_directions(2048)
    return check_piece(points * mean_width_ratio(np.linalg.norm(a * dense, axis=1), points, dense))


def box(size: ArrayLike, edge_radius: float = EDGE_RADIUS) -> Array:
    """Return the 64 vertices of a box with rounded corners, its faces exactly at the given size.

    Args:
        size: (3,) full edge lengths (m).
        edge_radius: Rounding (m), reduced for thin boxes.
    """
    half = np.asarray(size, dtype=np.float64) / 2.0
    r = min(edge_radius, 0.4 * float(half.min()))
    octant = _BOX_OCTANT / np.linalg.norm(_BOX_OCTANT, axis=1, keepdims=True)
    corner = half - r * octant.max()
    signs = np.array(list(product((-1.0, 1.0), repeat=3)))
    return check_piece((signs[:, None, :] * (corner + r * octant)).reshape(-1, 3))


def revolve(rings: list[tuple[float, float, int]]) -> Array:
    """Return the vertices of a convex solid of revolution about z.

    Args:
        rings: (radius, z, points) of each ring from bottom to top (m); the points of all rings add up to
            `PIECE_VERTICES`. The profile must be strictly convex.

    Returns:
        (V, 3) vertices; each polygon straddles its circle, so the diameter is right within 1 % from 16 points up.

    Raises:
        SleightError: if the profile is not strictly convex.
    """
    parts = []
    for k, (radius, z, n) in enumerate(rings):
        azimuth = 2.0 * np.pi * (np.arange(n) + 0.5 * (k % 2)) / n
        r = radius * 2.0 / (1.0 + np.cos(np.pi / n))
        parts.append(np.stack([r * np.cos(azimuth), r * np.sin(azimuth), np.full(n, z)], axis=1))
    return check_piece(np.concatenate(parts))


def hull_piece(points: ArrayLike, edge_radius: float = EDGE_RADIUS, n: int = PIECE_VERTICES) -> Array:
    """Return `n` extreme vertices that stand for the convex hull of any points.

    The hull is shrunk by the edge radius and then rounded by it, so flat faces keep their places and edges lose at most
    0.7 edge radii; afterwards the mean width is corrected, which matters for curved shapes.

    Args:
        points: (M, 3) points, M >= 4, not in one plane (m).
        edge_radius: Rounding (m), reduced for thin pieces.
        n: Number of vertices.

    Raises:
        SleightError: for flat or non-finite points.
    """
    p = np.asarray(points, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] != 3 or len(p) < 4 or not np.isfinite(p).all():
        raise SleightError("a convex piece needs at least four finite points", value=p.shape)
    try:
        hull = ConvexHull(p)
    except QhullError:
        raise SleightError("a convex piece is flat", value=np.ptp(p, axis=0).tolist()) from None
    centre, inradius = _chebyshev(hull.equations)
    if inradius < 1e-5:
        raise SleightError("a convex piece is thinner than 0.02 mm", value=inradius, remedy="check the mesh scale")
    r = min(edge_radius, 0.4 * inradius)
    shrunk = hull.equations.copy()
    shrunk[:, 3] += r
    core = HalfspaceIntersection(shrunk, centre).intersections
    d = fibonacci_directions(n)
    vertices = core[(d @ core.T).argmax(axis=1)] + r * d
    dense = fibonacci_directions(1024)
    ratio = mean_width_ratio((dense @ (core - centre).T).max(axis=1) + r, vertices - centre, dense)
    return check_piece(centre + (vertices - centre) * ratio)


def check_piece(vertices: Array) -> Array:
    """Return `vertices` unchanged if every one is extreme and the hull has 2V - 4 triangles.

    Raises:
        SleightError: otherwise; the compiled model would not fit the layout of the others.
    """
    n = len(vertices)
    try:
        hull = ConvexHull(vertices)
    except (QhullError, ValueError):
        raise SleightError("a convex piece is flat or not finite", value=np.ptp(vertices, axis=0).tolist()) from None
    if len(hull.vertices) != n or len(hull.simplices) != 2 * n - 4:
        raise SleightError(
            "a convex piece has vertices inside its hull",
            value=f"{len(hull.vertices)} of {n} vertices extreme, {len(hull.simplices)} of {2 * n - 4} faces",
            remedy="make the profile strictly convex",
        )
    return vertices


def _chebyshev(equations: Array) -> tuple[Array, float]:
    """Return centre (3,) and radius of the largest ball inside the half spaces (F, 4) of a hull."""
    solved = linprog(
        c=[0.0, 0.0, 0.0, -1.0],
        A_ub=np.concatenate([equations[:, :3], np.ones((len(equations), 1))], axis=1),
        b_ub=-equations[:, 3],
        bounds=[(None, None)] * 3 + [(0.0, None)],
    )
    return (solved.x[:3], float(solved.x[3])) if solved.success else (np.zeros(3), 0.0)
