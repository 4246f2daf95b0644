"""Tools. Lengths in centimetres of a thing of natural size; z is up, or flat tools lie in the plane z = 0."""

from __future__ import annotations

import numpy as np

from sleight_sim.objects.catalogue.parts import (
    Array,
    Draw,
    arc,
    ball,
    blob,
    chain,
    cylinder,
    hoop,
    loft,
    outline,
    oval,
    polygon,
    prism,
    rectangle,
    rod,
    slab,
    turned,
    turned_solid,
)


def pistol(d: Draw) -> list[Array]:
    """A toy pistol: slide, slanted grip, trigger and its guard."""
    length, high, width = d.u(10.0, 13.5), d.u(2.0, 2.8), d.u(1.6, 2.2)
    grip, slant = d.u(5.0, 7.0), d.u(8.0, 20.0)
    x = 0.32 * length
    bottom = -0.5 * high
    guard = [[x - 1.2, 0, bottom], [x - 2.2, 0, bottom - 2.0], [x - 4.2, 0, bottom - 1.6], [x - 4.6, 0, bottom]]
    return [
        slab([length, width, high], [0, 0, 0], 0.3),
        turned(slab([2.8, 0.9 * width, grip], [x, 0, bottom - 0.45 * grip], 0.3), "y", -slant, [x, 0, 0]),
        cylinder(0.32 * high, 0.0, d.u(0.6, 1.6), axis="x", at=[-0.5 * length - 1.4, 0, 0.1 * high]),
        rod([-0.5 * length, 0, 0.1 * high], [-0.5 * length - 0.9, 0, 0.1 * high], 0.36 * high),
        *chain(guard, 0.35),
        rod([x - 2.7, 0, bottom], [x - 2.9, 0, bottom - 1.0], 0.3),
    ]


def drill(d: Draw) -> list[Array]:
    """A cordless drill: motor, chuck, handle, battery."""
    r, length, grip = d.u(2.0, 2.6), d.u(7.0, 9.0), d.u(5.5, 7.5)
    slant, x = d.u(0.0, 14.0), d.u(0.5, 2.0)
    handle = turned(prism(oval(2.8, 2.3), -grip - 0.8 * r, -0.3 * r, at=[x, 0, 0]), "y", -slant, [x, 0, 0])
    foot = [x + np.sin(np.deg2rad(slant)) * (grip + r), 0, -grip - r]
    return [
        cylinder(r, -0.5 * length, 0.5 * length, axis="x"),
        cylinder(0.45 * r, -0.5 * length - 2.2, -0.5 * length + 0.1, top=0.8 * r, axis="x"),
        rod([-0.5 * length - 1.8, 0, 0], [-0.5 * length - d.u(3.2, 5.0), 0, 0], 0.35),
        handle,
        slab([d.u(4.4, 5.8), d.u(2.8, 3.6), d.u(1.6, 2.4)], foot, 0.3),
        slab([1.0, 0.9, 1.8], [x - 1.7, 0, -r - 0.9], 0.2),
    ]


def screwdriver(d: Draw) -> list[Array]:
    """A screwdriver with a thick handle."""
    r, grip, shaft = d.u(1.2, 1.7), d.u(5.5, 7.5), d.u(5.5, 9.0)
    sides = (oval(2 * r, 2 * r), polygon(6, 1.1 * r, 0.2 * r), polygon(4, 1.15 * r, 0.5 * r, 45.0))[d.pick(3)]
    return [
        loft(sides * 0.85, sides, 0.0, 0.35 * grip, axis="x"),
        loft(sides, sides * 0.8, 0.33 * grip, grip, axis="x"),
        rod([grip - 0.3, 0, 0], [grip + shaft, 0, 0], d.u(0.4, 0.55)),
        loft(rectangle(0.9, 0.9), rectangle(1.3, 0.4), grip + shaft - 0.2, grip + shaft + 1.0, axis="x"),
    ]


def wrench(d: Draw) -> list[Array]:
    """A spanner: an open jaw at one end, a ring at the other."""
    length, width, thick = d.u(7.5, 10.0), d.u(1.4, 2.0), d.u(1.2, 1.6)
    jaw, ring = d.u(1.5, 2.1), d.u(1.5, 1.9)
    half, z = 0.5 * length, 0.5 * thick
    prongs = [
        prism(outline([[half + 0.4, s * 0.5 * jaw], [half + 1.2, s * (jaw + 0.1)], [half + 2.8, s * jaw]], 0.5), -z, z)
        for s in (-1, 1)
    ]
    return [slab([length, width, 0.9 * thick], edge=0.25), *prongs, *hoop(ring, z, 9, at=[-half - ring, 0, 0])]


def pliers(d: Draw) -> list[Array]:
    """Pliers, slightly open: two crossed arms, a pivot, two jaws."""
    length, spread, bar = d.u(7.0, 9.0), d.u(1.7, 2.4), d.u(0.75, 0.95)
    jaw, gap = d.u(3.2, 4.6), d.u(2.0, 9.0)
    pieces = [cylinder(d.u(1.1, 1.4), -0.75, 0.75)]
    for s in (-1, 1):
        path = [[0.3, -0.3 * s, 0], [-0.3 * length, -s * spread, 0], [-length, -s * (spread - 0.3), 0]]
        pieces += chain(path, [0.7, bar, 0.85 * bar])
        tip = loft(rectangle(1.3, 1.3, at=(s * 0.75, 0.0)), rectangle(0.7, 0.5, at=(s * 0.4, 0.0)), 0.4, jaw, axis="x")
        pieces.append(turned(tip, "z", s * gap))
    return pieces


def scissors(d: Draw) -> list[Array]:
    """Scissors with thick rings for the fingers."""
    r, bar, blade, opening = d.u(1.4, 1.8), d.u(0.85, 1.0), d.u(5.5, 7.5), d.u(4.0, 12.0)
    pieces = []
    for s in (-1, 1):
        ring = hoop(r, bar, 6, at=[-3.2 - r, s * (r - 0.1), 0])
        shank = rod([-3.4, s * (0.6 * r), 0], [0, 0, 0], bar, 0.55)
        edge = loft(rectangle(1.4, 0.7), rectangle(0.5, 0.4), 0.0, blade, axis="x", at=[0, 0, s * 0.25])
        # Drawn out along x, the outline's first axis is y.
        pieces += [turned(part, "z", -s * opening) for part in (*ring, shank, edge)]
    return pieces


def flashlight(d: Draw) -> list[Array]:
    """A torch: handle, cone, head, a switch."""
    r, grip, head = d.u(1.2, 1.8), d.u(6.5, 10.0), d.u(1.6, 2.6)
    big = r * d.u(1.25, 1.7)
    return [
        turned_solid([(0.85 * r, 0.0), (r, 0.6), (r, grip)], axis="x"),
        cylinder(r, grip - 0.1, grip + 1.4, top=big, axis="x"),
        cylinder(big, grip + 1.3, grip + 1.4 + head, axis="x"),
        slab([1.6, 0.8, 0.5], [0.7 * grip, 0, r + 0.05], 0.15),
    ]


def light_bulb(d: Draw) -> list[Array]:
    """A light bulb: a globe, a neck, a screw base."""
    r, base = d.u(2.6, 3.4), d.u(1.2, 1.5)
    neck = d.u(1.25, 1.7) * r
    globe = ball(r) if d.chance(0.6) else blob([r, r, 1.15 * r])
    return [
        globe,
        rod([0, 0, -0.35 * r], [0, 0, -neck], 0.86 * r, base),
        cylinder(base, -neck - 2.4, -neck),
        cylinder(0.45 * base, -neck - 2.9, -neck - 2.3),
    ]


def paint_brush(d: Draw) -> list[Array]:
    """A flat paint brush."""
    width, thick, grip = d.u(3.2, 5.0), d.u(1.3, 1.8), d.u(5.5, 7.5)
    bristle = d.u(2.6, 4.0)
    points = [[0, 0, 2.0], [0, 0, 2.0 + 0.5 * grip], [0, 0, 2.0 + grip]]
    return [
        loft(rectangle(width, 0.8 * thick), rectangle(width, thick), -bristle, 0.1),
        slab([width + 0.1, thick + 0.1, 1.8], [0, 0, 0.8]),
        loft(rectangle(width, thick), rectangle(1.3, 1.1), 1.6, 3.2),
        *chain(points, [0.6, d.u(0.75, 0.95), 0.65]),
    ]


def axe(d: Draw) -> list[Array]:
    """A hatchet."""
    length, bar = d.u(10.0, 13.0), d.u(0.8, 1.1)
    blade, width = d.u(3.5, 5.0), d.u(3.6, 5.5)
    handle = chain([[0, 0, 0], [0.5 * length, 0.4, 0], [length, 0, 0]], [1.1 * bar, bar, bar])
    head = loft(rectangle(1.7, 0.7 * width), rectangle(0.5, width), -0.8, blade, axis="y", at=[length - 1.2, 0, 0])
    # Drawn out along y, the outline's first axis is z: thin in z, wide in x.
    poll = slab([2.2, 1.6, 1.8], [length - 1.2, -1.2, 0], 0.2)
    return [*handle, head, poll]


def clamp(d: Draw) -> list[Array]:
    """A G-clamp: frame, screw, toggle."""
    high, deep, bar = d.u(6.5, 9.0), d.u(3.8, 5.2), d.u(1.2, 1.6)
    z, screw = 0.5 * high, d.u(3.5, 5.0)
    return [
        slab([bar, bar, high], [0, 0, 0], 0.2),
        slab([deep, bar, bar], [0.5 * deep - 0.5 * bar, 0, z - 0.5 * bar], 0.2),
        slab([deep, bar, bar], [0.5 * deep - 0.5 * bar, 0, -z + 0.5 * bar], 0.2),
        cylinder(0.8, z - bar - 0.6, z - bar + 0.1, at=[deep - 1.2, 0, 0]),
        rod([deep - 1.2, 0, -z - screw + 1.4], [deep - 1.2, 0, d.u(-0.35, 0.1) * high], 0.5),
        cylinder(0.9, -0.35, 0.35, at=[deep - 1.2, 0, -0.3 * high]),
        rod([deep - 1.2, -1.6, -z - screw + 1.5], [deep - 1.2, 1.6, -z - screw + 1.5], 0.4),
    ]


def bolt(d: Draw) -> list[Array]:
    """A large bolt with its nut."""
    r, length, head = d.u(1.0, 1.5), d.u(6.0, 9.5), d.u(1.9, 2.6)
    nut, high = d.u(0.45, 0.8) * length, d.u(1.3, 1.9)
    hexagon = polygon(6, head, 0.15)
    return [prism(hexagon, -high, 0.1), cylinder(r, 0.0, length), prism(hexagon, nut, nut + high)]


def tape_measure(d: Draw) -> list[Array]:
    """A tape measure: a case with one round corner, the tape's end, a clip."""
    x, h, y = d.u(5.5, 7.0), d.u(5.0, 6.5), d.u(2.8, 3.8)
    corners = [[-0.5 * x + 0.4, 0.4], [0.5 * x - 0.4, 0.4], [0.5 * x - 0.4, h - 0.4], [-0.15 * x, h - 0.4]]
    side = outline([*corners, [-0.5 * x + 0.4, 0.65 * h]], 0.4)
    case = prism(side, -0.5 * y, 0.5 * y, axis="y")[:, [2, 1, 0]]
    return [
        case,
        slab([1.2, 1.9, 0.5], [-0.5 * x - 0.5, 0, 0.5], 0.1),
        slab([0.4, 1.9, 1.3], [-0.5 * x - 1.1, 0, 0.2], 0.1),
        prism(oval(0.55 * x, 0.55 * x), 0.5 * y - 0.1, 0.5 * y + 0.4, axis="y", at=[0.0, 0, 0.5 * h]),
        slab([1.4, 0.5, 0.55 * h], [0.12 * x, -0.5 * y - 0.3, 0.62 * h], 0.12),
    ]


def stapler(d: Draw) -> list[Array]:
    """A stapler, open by a few degrees."""
    length, width, opening = d.u(10.0, 13.0), d.u(2.4, 3.2), d.u(4.0, 12.0)
    hinge = [-0.45 * length, 0, 1.6]
    arm = loft(rectangle(width, 1.8, 0.4), rectangle(0.85 * width, 1.1, 0.4), -0.5 * length, 0.5 * length, axis="x")
    arm = turned(arm + [0, 0, 2.4], "y", -opening, hinge)
    rail = turned(slab([0.85 * length, 0.6 * width, 0.8], [0, 0, 1.4], 0.15), "y", -0.6 * opening, hinge)
    return [
        prism(rectangle(length, width + 0.6, 1.0), 0.0, 0.9),
        slab([1.0, 0.8, 0.3], [0.42 * length, 0, 0.95], 0.1),
        cylinder(1.5, -0.5 * width, 0.5 * width, axis="y", at=[-0.43 * length, 0, 1.5]),
        rail,
        arm,
    ]


def pipe_wrench(d: Draw) -> list[Array]:
    """A pipe wrench: a handle, a fixed jaw and a hooked jaw over it."""
    length, width, thick = d.u(9.0, 12.0), d.u(1.5, 2.0), d.u(1.3, 1.7)
    gap = d.u(1.4, 2.8)
    x = 0.5 * length
    return [
        slab([length, width, 0.8 * thick], edge=0.3),
        slab([1.6, 3.6, thick], [x - 0.4, 0.9, 0], 0.25),
        slab([gap + 2.4, 1.1, thick], [x + 0.5 * gap, -0.8, 0], 0.25),
        slab([1.5, 4.4, thick], [x + gap + 1.3, 0.7, 0], 0.25),
        cylinder(1.3, -0.6 * thick, 0.6 * thick, at=[x - 2.0, 0, 0]),
        ball(0.75 * width, [-x, 0, 0]),
    ]


def fret_saw(d: Draw) -> list[Array]:
    """A fret saw: a bow, a blade, a grip."""
    half, deep, bar = d.u(4.0, 5.0), d.u(4.5, 6.0), d.u(0.6, 0.75)
    bow = arc(1.0, 0.0, 180.0, 6, plane="xy")
    bow[:, 0], bow[:, 1] = half * bow[:, 0], deep * bow[:, 1]
    return [
        *chain(bow, bar),
        rod([-half, 0, 0], [half, 0, 0], 0.4),
        cylinder(d.u(0.9, 1.1), 0.0, d.u(4.0, 5.5), top=0.9, axis="x", at=[half, 0, 0]),
    ]
