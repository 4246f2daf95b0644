"""The basic household families: seeded, nothing to download, convex pieces known by construction.

Sizes are those of household things that a Shadow Hand can hold. An object is named by its family and index, and the
random numbers come from a hash of that name, so every machine makes the same object. Policies are trained and measured
on these very objects: they do not change. The many other categories are in `catalogue`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.objects import convex
from sleight_sim.objects.spec import ObjectSpec, make_spec

Array = NDArray[np.float64]
Rng = np.random.Generator


def _u(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _shift(piece: Array, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Array:
    return piece + np.array([x, y, z])


def _cylinder(radius: float, z0: float, z1: float) -> Array:
    return convex.revolve([(radius, z0, 32), (radius, z1, 32)])


def _wall(profile: list[tuple[float, float]], thickness: float, sectors: int) -> list[Array]:
    """Return wall pieces around z, one for each sector and each step of the (outer radius, z) profile."""
    pieces = []
    step = 2.0 * np.pi / sectors
    straddle = 2.0 / (1.0 + np.cos(step / 2.0))
    for (r0, z0), (r1, z1) in zip(profile[:-1], profile[1:], strict=True):
        for k in range(sectors):
            corners = [
                (r * straddle * np.cos(a), r * straddle * np.sin(a), z)
                for a in (k * step, (k + 1) * step)
                for r, z in ((r0, z0), (r0 - thickness, z0), (r1, z1), (r1 - thickness, z1))
            ]
            pieces.append(convex.hull_piece(corners))
    return pieces


def _make_box(rng: Rng) -> list[Array]:
    return [convex.box([_u(rng, 0.035, 0.075), _u(rng, 0.045, 0.12), _u(rng, 0.04, 0.14)])]


def _make_cylinder(rng: Rng) -> list[Array]:
    h = _u(rng, 0.06, 0.18)
    return [_cylinder(_u(rng, 0.025, 0.045), -h / 2, h / 2)]


def _make_sphere(rng: Rng) -> list[Array]:
    return [convex.ball_hull([[0.0, 0.0, 0.0]], _u(rng, 0.025, 0.045))]


def _make_can(rng: Rng) -> list[Array]:
    r, h = _u(rng, 0.027, 0.042), _u(rng, 0.07, 0.13)
    rim = _u(rng, 0.002, 0.004)
    return [convex.revolve([(r - rim, 0.0, 14), (r, 1.5 * rim, 18), (r, h - 1.5 * rim, 18), (r - rim, h, 14)])]


def _make_bottle(rng: Rng) -> list[Array]:
    r, body = _u(rng, 0.025, 0.036), _u(rng, 0.075, 0.11)
    neck, shoulder, top = _u(rng, 0.010, 0.014), _u(rng, 0.015, 0.03), _u(rng, 0.02, 0.035)
    return [
        convex.revolve([(r, 0.0, 24), (r, body, 24), (neck, body + shoulder, 16)]),
        _cylinder(neck, body + shoulder, body + shoulder + top),
    ]


def _make_mug(rng: Rng) -> list[Array]:
    r, h, thickness = _u(rng, 0.034, 0.044), _u(rng, 0.075, 0.105), _u(rng, 0.004, 0.006)
    bar, reach = _u(rng, 0.0045, 0.006), _u(rng, 0.025, 0.034)
    low, high = 0.2 * h, 0.8 * h
    inner, outer = r - 0.002, r + reach
    handle = [([inner, 0, high], [outer, 0, high - 0.01]), ([outer, 0, high - 0.01], [outer, 0, low + 0.01])]
    handle.append(([outer, 0, low + 0.01], [inner, 0, low]))
    return [
        _cylinder(r, 0.0, 0.006),
        *_wall([(r, 0.006), (r, h)], thickness, 10),
        *(convex.ball_hull(ends, bar) for ends in handle),
    ]


def _make_bowl(rng: Rng) -> list[Array]:
    foot, rim, h = _u(rng, 0.024, 0.034), _u(rng, 0.05, 0.068), _u(rng, 0.035, 0.06)
    thickness = _u(rng, 0.004, 0.006)
    middle = foot + 0.72 * (rim - foot)
    base = convex.revolve([(foot, 0.0, 32), (foot + 0.002, 0.006, 32)])
    return [base, *_wall([(foot + 0.002, 0.006), (middle, 0.45 * h), (rim, h)], thickness, 7)]


def _make_phone(rng: Rng) -> list[Array]:
    return [convex.box([_u(rng, 0.06, 0.078), _u(rng, 0.12, 0.16), _u(rng, 0.009, 0.018)], edge_radius=2e-3)]


def _make_bar(rng: Rng) -> list[Array]:
    return [convex.box([_u(rng, 0.025, 0.045), _u(rng, 0.13, 0.20), _u(rng, 0.025, 0.045)])]


def _make_cup(rng: Rng) -> list[Array]:
    foot, h = _u(rng, 0.024, 0.032), _u(rng, 0.075, 0.12)
    rim = foot + _u(rng, 0.006, 0.013)
    base = convex.revolve([(foot, 0.0, 32), (foot + 0.0005, 0.006, 32)])
    return [base, *_wall([(foot + 0.0005, 0.006), (rim, h)], _u(rng, 0.003, 0.005), 12)]


def _make_banana(rng: Rng) -> list[Array]:
    length, bend, r = _u(rng, 0.13, 0.18), _u(rng, 0.7, 1.3), _u(rng, 0.014, 0.019)
    angle = np.linspace(-bend / 2, bend / 2, 7)
    radius = length / bend
    centres = np.stack([radius * np.sin(angle), radius * np.cos(angle), np.zeros(7)], axis=1)
    radii = r * np.array([0.45, 0.85, 1.0, 1.0, 1.0, 0.85, 0.45])
    return [convex.ball_hull(centres[i : i + 2], radii[i : i + 2]) for i in range(6)]


def _make_hammer(rng: Rng) -> list[Array]:
    length, r = _u(rng, 0.13, 0.18), _u(rng, 0.011, 0.015)
    head, width = _u(rng, 0.06, 0.09), _u(rng, 0.026, 0.034)
    handle = _cylinder(r, -length / 2, length / 2)[:, [2, 0, 1]]
    return [handle, _shift(convex.box([width, head, width]), x=length / 2 + width / 2)]


def _make_egg(rng: Rng) -> list[Array]:
    return [convex.ellipsoid([_u(rng, 0.022, 0.034), _u(rng, 0.026, 0.038), _u(rng, 0.034, 0.06)])]


#: Every basic family, by name, with the function that makes its pieces.
FAMILIES: dict[str, Callable[[Rng], list[Array]]] = {
    "box": _make_box,
    "cylinder": _make_cylinder,
    "sphere": _make_sphere,
    "bottle": _make_bottle,
    "can": _make_can,
    "mug": _make_mug,
    "bowl": _make_bowl,
    "phone": _make_phone,
    "bar": _make_bar,
    "cup": _make_cup,
    "banana": _make_banana,
    "hammer": _make_hammer,
    "egg": _make_egg,
}


def household_object(family: str, seed: int) -> ObjectSpec:
    """Return one object of a basic family in its own size, or of any other category in one that fits the hand.

    Args:
        family: A key of `FAMILIES` or of `catalogue.CATEGORIES`.
        seed: Index of the object in the family, 0 or more.

    Raises:
        SleightError: for an unknown family or a negative index.
    """
    if family not in FAMILIES:
        from sleight_sim.objects.scaled import catalogue_object  # builds on the families above

        return catalogue_object(family, seed)
    if seed < 0:
        raise SleightError("an object's index is 0 or more", value=seed)
    name = f"household:{family}:{seed}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    density = 500.0 * _u(rng, 0.6, 1.4)
    return make_spec(name, family, FAMILIES[family](rng), density=density)
