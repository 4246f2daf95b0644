"""The few convex parts that every shape of the catalogue is put together from.

Lengths are in any unit: a finished shape is scaled as a whole. Every part is a closed formula of its sizes, without a
solver or a hull algorithm in between, so that the same numbers come out on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sleight_sim.objects import convex

Array = NDArray[np.float64]
Point = Sequence[float]

_RING = convex.PIECE_VERTICES // 2
_AXES = {"x": 0, "y": 1, "z": 2}


class Draw:
    """Random numbers of one shape."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def u(self, low: float, high: float) -> float:
        """Return a number spread evenly between two bounds."""
        return float(self._rng.uniform(low, high))

    def pick(self, n: int) -> int:
        """Return 0 to n - 1 with equal chances."""
        return min(n - 1, int(self._rng.random() * n))

    def chance(self, share: float) -> bool:
        """Return True in that share of the shapes."""
        return bool(self._rng.random() < share)


def moved(piece: Array, at: Point) -> Array:
    """Return a part (V, 3) shifted by `at` (3,)."""
    return piece + np.asarray(at, dtype=np.float64)


def turned(piece: Array, axis: str, degrees: float, about: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return a part (V, 3) turned about the axis "x", "y" or "z" through `about`."""
    i, j = ((1, 2), (2, 0), (0, 1))[_AXES[axis]]
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    centre = np.asarray(about, dtype=np.float64)
    out = piece - centre
    first, second = out[:, i].copy(), out[:, j].copy()
    out[:, i], out[:, j] = c * first - s * second, s * first + c * second
    return out + centre


def upright(piece: Array, axis: str) -> Array:
    """Return a part built along z so that it lies along `axis` instead, the axes exchanged in a cycle."""
    return {"z": piece, "x": piece[:, [2, 0, 1]], "y": piece[:, [1, 2, 0]]}[axis]


def slab(size: Point, at: Point = (0.0, 0.0, 0.0), edge: float = 0.15) -> Array:
    """Return a box of full edge lengths `size`, its centre at `at`, corners rounded by `edge`."""
    return moved(convex.box(size, edge), at)


def ball(radius: float, at: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return a ball."""
    return convex.ball_hull([list(at)], radius)


def blob(half_axes: Point, at: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return an ellipsoid."""
    return moved(convex.ellipsoid(half_axes), at)


def rod(a: Point, b: Point, radius: float, end: float | None = None) -> Array:
    """Return the hull of a ball at `a` and one at `b` (of radius `end`, default the same)."""
    return convex.ball_hull([list(a), list(b)], [radius, radius if end is None else end])


def chain(points: ArrayLike, radii: float | Sequence[float]) -> list[Array]:
    """Return rods along a polyline (M, 3); M - 1 parts."""
    path = np.asarray(points, dtype=np.float64)
    r = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(path),))
    return [convex.ball_hull(path[i : i + 2], r[i : i + 2]) for i in range(len(path) - 1)]


def arc(radius: float, start: float, stop: float, n: int, plane: str = "xz", at: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return (n + 1, 3) points on a circle from `start` to `stop` degrees; `plane` names its first and second axis."""
    angle = np.deg2rad(np.linspace(start, stop, n + 1))
    out = np.zeros((n + 1, 3))
    out[:, _AXES[plane[0]]], out[:, _AXES[plane[1]]] = radius * np.cos(angle), radius * np.sin(angle)
    return out + np.asarray(at, dtype=np.float64)


def hoop(radius: float, bar: float, n: int, plane: str = "xy", at: Point = (0.0, 0.0, 0.0)) -> list[Array]:
    """Return a closed ring of `n` rods of radius `bar` along a circle."""
    return chain(arc(radius, 0.0, 360.0, n, plane, at), bar)


def cylinder(
    radius: float, z0: float, z1: float, top: float | None = None, axis: str = "z", at: Point = (0.0, 0.0, 0.0)
) -> Array:
    """Return a cylinder, or a cone to radius `top`, from z0 to z1 along an axis through `at`."""
    piece = convex.revolve([(radius, z0, _RING), (radius if top is None else top, z1, _RING)])
    return moved(upright(piece, axis), at)


def turned_solid(profile: Sequence[tuple[float, float]], axis: str = "z", at: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return a convex solid of revolution through (radius, z) rings, three or four, the profile strictly convex."""
    n, rest = divmod(convex.PIECE_VERTICES, len(profile))
    rings = [(r, z, n + (1 if k < rest else 0)) for k, (r, z) in enumerate(profile)]
    return moved(upright(convex.revolve(rings), axis), at)


def outline(points: ArrayLike, radius: float = 0.15) -> Array:
    """Return the (32, 2) corners of the hull of discs around points (N, 2): a strictly convex outline."""
    p = np.asarray(points, dtype=np.float64)
    # Half steps off the axes and the diagonals: no direction is square to an edge at a multiple of 11.25 degrees.
    angle = 2.0 * np.pi * (np.arange(_RING) + 0.5) / _RING
    d = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return p[(d @ p.T).argmax(axis=1)] + radius * d


def rectangle(x: float, y: float, radius: float = 0.15, at: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Return a rounded rectangle's outline of full lengths x and y."""
    r = min(radius, 0.45 * min(x, y))
    a, b = x / 2.0 - r, y / 2.0 - r
    return outline([[a, b], [-a, b], [-a, -b], [a, -b]], r / np.cos(np.pi / _RING)) + np.asarray(at)


def oval(x: float, y: float, at: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Return an ellipse's outline of full lengths x and y."""
    angle = 2.0 * np.pi * (np.arange(_RING) + 0.5) / _RING
    return np.stack([x / 2.0 * np.cos(angle), y / 2.0 * np.sin(angle)], axis=1) + np.asarray(at)


def polygon(n: int, radius: float, rounding: float = 0.1, phase: float = 0.0) -> Array:
    """Return a regular polygon's outline with corners at about `radius`, the first at `phase` degrees."""
    angle = 2.0 * np.pi * np.arange(n) / n + np.deg2rad(phase)
    return outline((radius - rounding) * np.stack([np.cos(angle), np.sin(angle)], axis=1), rounding)


def loft(bottom: Array, top: Array, z0: float, z1: float, axis: str = "z", at: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return the hull of an outline (32, 2) at z0 and another at z1: prisms, wedges, tapered blocks."""
    rings = [np.column_stack([ring, np.full(len(ring), z)]) for ring, z in ((bottom, z0), (top, z1))]
    return moved(upright(convex.check_piece(np.concatenate(rings)), axis), at)


def prism(shape: Array, z0: float, z1: float, axis: str = "z", at: Point = (0.0, 0.0, 0.0)) -> Array:
    """Return an outline (32, 2) drawn out from z0 to z1."""
    return loft(shape, shape, z0, z1, axis, at)


def shell(
    profile: Sequence[tuple[float, float]], thickness: float, sectors: int, axis: str = "z", at: Point = (0, 0, 0)
) -> list[Array]:
    """Return a wall around an axis: one part a sector and a step of the (outer radius, z) profile."""
    pieces = []
    step = 2.0 * np.pi / sectors
    straddle = 2.0 / (1.0 + np.cos(step / 2.0))
    rounding = 0.1 * thickness
    for (r0, z0), (r1, z1) in zip(profile[:-1], profile[1:], strict=True):
        for k in range(sectors):
            lower, upper = (_sector(r * straddle, thickness, k * step, step, rounding) for r in (r0, r1))
            pieces.append(loft(lower, upper, z0, z1, axis, at))
    return pieces


def _sector(radius: float, thickness: float, start: float, step: float, rounding: float) -> Array:
    """Return the outline of a straight wall between two angles, grown by its own rounding: neighbours overlap."""
    corners = [
        [r * np.cos(a), r * np.sin(a)]
        for a in (start, start + step)
        for r in (radius - rounding, radius - thickness + rounding)
    ]
    return outline(corners, rounding)
