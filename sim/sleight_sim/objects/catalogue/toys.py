"""Toys and games. Lengths in centimetres of a thing of natural size; z is up, x is forward."""

from __future__ import annotations

import numpy as np

from sleight_sim.objects.catalogue.parts import (
    Array,
    Draw,
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
    turned_solid,
)


def toy_figure(d: Draw) -> list[Array]:
    """A standing figure: head, body, arms raised or hanging, legs, feet, sometimes a hat."""
    h, wide, deep = d.u(4.0, 5.0), d.u(3.2, 4.4), d.u(2.0, 2.8)
    leg, arm, bar = d.u(2.6, 4.2), d.u(3.0, 4.2), d.u(0.65, 0.9)
    head, top = d.u(1.3, 1.9), leg + h
    pieces = [
        loft(rectangle(deep, 0.8 * wide, 0.6), rectangle(deep, wide, 0.6), leg, top),
        ball(head, [0, 0, top + 0.85 * head]),
    ]
    for s in (-1, 1):
        swing, lift = np.deg2rad(d.u(-50.0, 60.0)), np.deg2rad(d.u(10.0, 75.0))
        shoulder = np.array([0.0, s * 0.5 * wide, top - bar])
        hand = shoulder + arm * np.array(
            [np.sin(swing) * np.sin(lift), s * np.sin(lift) * np.cos(swing), -np.cos(lift)]
        )
        pieces.append(rod(list(shoulder), list(hand), bar, 1.1 * bar))
        foot = s * 0.27 * wide
        pieces.append(rod([0, foot, leg + 0.2], [0, foot, 0.8], 1.1 * bar, bar))
        pieces.append(slab([2.4 * bar + 0.8, 1.9 * bar, 0.9], [0.5, foot, 0.45], 0.2))
    if d.chance(0.4):
        z = top + 1.3 * head
        pieces += [cylinder(1.35 * head, z, z + 0.4), cylinder(0.9 * head, z + 0.3, z + 1.3 * head)]
    return pieces


def toy_animal(d: Draw) -> list[Array]:
    """A four-legged animal: long or short in neck, legs, snout and tail."""
    length, r = d.u(5.0, 7.5), d.u(1.7, 2.4)
    leg, bar, neck = d.u(2.2, 4.2), d.u(0.6, 0.85), d.u(0.8, 3.6)
    z, half = leg + r, 0.5 * length
    head = [half + 0.6 + 0.3 * neck, 0, z + 0.6 * r + neck]
    size, snout = d.u(1.0, 1.5), d.u(0.6, 1.8)
    pieces = [
        rod([-half + 0.6, 0, z], [half - 0.6, 0, z], d.u(0.85, 1.0) * r, r),
        rod([half - 0.8, 0, z + 0.2 * r], head, 0.6 * r, 0.8 * size),
        rod(head, [head[0] + size + snout, 0, head[2] - 0.4], size, 0.6 * size),
    ]
    for s in (-1, 1):
        for x in (-half + 0.9, half - 0.9):
            pieces.append(rod([x, s * 0.5 * r, z], [x, s * 0.62 * r, bar], 1.1 * bar, bar))
        pieces.append(rod([head[0] - 0.2, s * 0.6 * size, head[2]], [head[0] - 0.4, s * size, head[2] + 1.3], 0.5, 0.4))
    tail = [-half - d.u(0.8, 2.4), 0, z + d.u(-1.0, 2.0)]
    return [*pieces, rod([-half, 0, z + 0.4], tail, 0.55, 0.45)]


def teddy(d: Draw) -> list[Array]:
    """A sitting bear."""
    r, head = d.u(2.4, 3.0), d.u(1.9, 2.5)
    z = 0.9 * r + 0.85 * head
    pieces = [
        blob([r * d.u(0.75, 0.95), 0.9 * r, r]),
        ball(head, [0.2, 0, z]),
        blob([0.7, 0.85, 0.7], [head + 0.2, 0, z - 0.3]),
    ]
    for s in (-1, 1):
        pieces.append(ball(0.38 * head, [0.0, s * 0.75 * head, z + 0.75 * head]))
        pieces.append(rod([0.2, s * 0.75 * r, 0.5 * r], [1.4, s * 1.3 * r, d.u(-0.3, 0.5) * r], 0.85, 0.75))
        pieces.append(rod([0.4, s * 0.55 * r, -0.65 * r], [d.u(1.0, 1.4) * r, s * 0.75 * r, -0.7 * r], 0.95, 0.85))
    return pieces


def toy_car(d: Draw) -> list[Array]:
    """A toy car: chassis, cabin, four wheels."""
    length, width, r = d.u(8.0, 11.0), d.u(3.6, 4.6), d.u(1.0, 1.4)
    h, cabin, shift = d.u(1.6, 2.2), d.u(1.4, 2.2), d.u(-1.2, 0.4)
    z = r + h
    pieces = [
        slab([length, width, h], [0, 0, r + 0.5 * h], 0.4),
        loft(
            rectangle(0.62 * length, 0.92 * width, 0.4, (shift, 0.0)),
            rectangle(d.u(0.3, 0.5) * length, 0.78 * width, 0.4, (shift - 0.2, 0.0)),
            z - 0.1,
            z + cabin,
        ),
    ]
    for x in (-0.31 * length, 0.31 * length):
        pieces += [cylinder(r, -0.5, 0.5, axis="y", at=[x, s * (0.5 * width), r]) for s in (-1, 1)]
    return pieces


def truck(d: Draw) -> list[Array]:
    """A lorry: cab, load, six wheels."""
    length, width, r = d.u(9.0, 12.0), d.u(3.2, 4.0), d.u(0.9, 1.2)
    cab, load = d.u(2.4, 3.2), d.u(2.2, 4.2)
    back = length - cab - 0.4
    kind = d.pick(2)
    z = r + 1.0
    body = (
        slab([back, width, load], [-0.5 * length + 0.5 * back, 0, z + 0.5 * load - 0.1], 0.2)
        if kind == 0
        else cylinder(0.5 * width, -0.5 * length, -0.5 * length + back, axis="x", at=[0, 0, z + 0.45 * width])
    )
    front = 0.5 * length - 0.5 * cab
    pieces = [
        slab([length, 0.9 * width, 1.2], [0, 0, r + 0.4], 0.2),
        slab([cab, 0.95 * width, d.u(2.6, 3.4)], [front, 0, z + 1.2], 0.4),
        body,
    ]
    for x in (front, -0.12 * length, -0.36 * length):
        pieces += [cylinder(r, -0.45, 0.45, axis="y", at=[x, s * (0.5 * width - 0.1), r]) for s in (-1, 1)]
    return pieces


def duck(d: Draw) -> list[Array]:
    """A bath duck."""
    a, b, c = d.u(3.4, 4.4), d.u(2.5, 3.2), d.u(2.1, 2.7)
    head = d.u(1.6, 2.1)
    x, z = 0.5 * a, c + 0.7 * head
    return [
        blob([a, b, c]),
        cylinder(0.7 * b, -0.97 * c, -0.5 * c),
        ball(head, [x, 0, z]),
        rod([x + 0.7 * head, 0, z - 0.2], [x + head + d.u(0.5, 1.1), 0, z - 0.2], 0.65, 0.5),
        rod([-0.7 * a, 0, 0.4 * c], [-a - d.u(0.2, 0.8), 0, 0.85 * c], 1.0, 0.45),
        *(
            rod([0.3 * a, s * 0.85 * b, 0.1 * c], [-0.5 * a, s * 0.85 * b, 0.4 * c], 0.95, d.u(0.5, 0.7))
            for s in (-1, 1)
        ),
    ]


def robot(d: Draw) -> list[Array]:
    """A square toy robot."""
    x, y, z = d.u(2.4, 3.6), d.u(3.4, 4.8), d.u(3.2, 4.8)
    leg, head, arm = d.u(1.4, 3.0), d.u(1.7, 2.4), d.u(2.8, 4.2)
    top = leg + z
    pieces = [
        slab([x, y, z], [0, 0, leg + 0.5 * z], 0.2),
        slab([0.85 * x, 0.6 * y, head], [0, 0, top + 0.5 * head + 0.3], 0.2),
        cylinder(0.7, top - 0.1, top + 0.5),
        rod([0, 0, top + head], [0, 0, top + head + d.u(0.8, 1.8)], 0.3, 0.45),
    ]
    for s in (-1, 1):
        pieces.append(slab([1.3, 1.4, leg + 0.2], [0, s * 0.27 * y, 0.5 * leg], 0.15))
        pieces.append(slab([2.6, 1.5, 0.8], [0.4, s * 0.27 * y, 0.4], 0.15))
        side = s * (0.5 * y + 0.5)
        raised = d.chance(0.4)
        end = [0.4 * arm + 1.0, side, top - 1.0] if raised else [0.3, side, top - arm]
        pieces += [rod([0, side, top - 0.9], end, 0.65), ball(0.85, end)]
    return pieces


def dumbbell(d: Draw) -> list[Array]:
    """A small dumbbell: round, six-sided or ball ends."""
    bar, r, wide, half = d.u(0.9, 1.3), d.u(1.9, 2.9), d.u(1.6, 2.8), d.u(3.0, 4.2)
    kind, inner = d.pick(3), d.u(0.7, 0.85)
    pieces = [cylinder(bar, -half, half, axis="x")]
    for s in (-1, 1):
        z0, z1 = sorted((s * (half - 0.2), s * (half + wide)))
        if kind == 0:
            pieces.append(cylinder(r, z0, z1, axis="x"))
            z0, z1 = sorted((s * (half + wide - 0.1), s * (half + wide + 0.8)))
            pieces.append(cylinder(inner * r, z0, z1, axis="x"))
        elif kind == 1:
            pieces.append(prism(polygon(6, 1.1 * r, 0.3), z0, z1, axis="x"))
        else:
            pieces.append(ball(r, [s * (half + 0.8 * r), 0, 0]))
    return pieces


def bowling_pin(d: Draw) -> list[Array]:
    """A skittle."""
    r, neck, h = d.u(2.3, 3.0), d.u(1.0, 1.3), d.u(10.0, 13.0)
    head, foot = d.u(1.4, 1.8), d.u(0.6, 0.75)
    waist = h - 2.4 * head
    return [
        turned_solid([(foot * r, 0.0), (r, 0.3 * h), (0.97 * r, 0.4 * h), (neck, waist)]),
        rod([0, 0, waist - 0.6], [0, 0, h - head], 0.9 * neck, head),
    ]


def spinning_top(d: Draw) -> list[Array]:
    """A spinning top."""
    r, low, high = d.u(2.6, 3.8), d.u(1.8, 3.0), d.u(1.2, 2.2)
    stem = d.u(2.0, 3.6)
    return [
        turned_solid([(0.45, -low), (r, 0.0), (r, 0.7)]),
        cylinder(r - 0.05, 0.65, high, top=0.45 * r),
        rod([0, 0, high - 0.3], [0, 0, high + stem], 0.65, d.u(0.55, 0.95)),
    ]


def tetromino(d: Draw) -> list[Array]:
    """Three to five cubes joined face to face."""
    cells = (
        [(0, 0), (1, 0), (2, 0), (2, 1)],
        [(0, 0), (1, 0), (1, 1), (2, 1)],
        [(0, 0), (1, 0), (2, 0), (1, 1)],
        [(0, 0), (1, 0), (0, 1)],
        [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)],
        [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2)],
    )[d.pick(6)]
    edge, high = d.u(2.2, 2.8), d.u(0.9, 1.6)
    # A little overlap: joined cubes leave no slit for a finger's corner.
    size = [edge + 0.06, edge + 0.06, high * edge]
    return [slab(size, [edge * x, edge * y, 0], 0.2) for x, y in cells]


def boat(d: Draw) -> list[Array]:
    """A toy boat: hull, deck, cabin, funnel."""
    length, width, h = d.u(9.0, 12.0), d.u(3.2, 4.2), d.u(1.8, 2.6)
    a = 0.5 * length
    corners = [[x, s * 0.4 * width] for x in (0.6 - a, 0.3 * a) for s in (-1, 1)]
    deck = outline([*corners, [a - 0.5, 0.0]], 0.35)
    keel = outline([[-0.85 * a, 0.2 * width], [-0.85 * a, -0.2 * width], [0.6 * a, 0.0]], 0.3)
    cabin, x = d.u(1.4, 2.2), d.u(-0.3, 0.0) * length
    return [
        loft(keel, deck, 0.0, h),
        slab([0.35 * length, 0.6 * width, cabin], [x, 0, h + 0.5 * cabin - 0.1], 0.2),
        cylinder(d.u(0.6, 0.85), h + cabin - 0.2, h + cabin + d.u(1.2, 2.2), at=[x - 0.4, 0, 0]),
        rod([0.3 * a, 0, h - 0.2], [0.3 * a, 0, h + 1.6], 0.35),
    ]


def airplane(d: Draw) -> list[Array]:
    """A toy aeroplane."""
    r, length, span = d.u(1.0, 1.4), d.u(8.5, 11.0), d.u(7.0, 10.5)
    root, tip, sweep = d.u(2.2, 3.0), d.u(1.2, 1.8), d.u(0.0, 1.8)
    pieces = [
        rod([0.2 * length, 0, 0], [0.5 * length - r, 0, 0], r, 0.9 * r),
        rod([0.2 * length, 0, 0], [-0.5 * length, 0, 0.3 * r], r, 0.5 * r),
        blob([1.4, 0.8 * r, 0.9], [0.2 * length, 0, 0.8 * r]),
    ]
    for s in (-1, 1):
        wing = [rectangle(0.75, root, 0.2), rectangle(0.5, tip, 0.15, (0.1, -sweep))]
        fin = [rectangle(0.6, 1.6, 0.15), rectangle(0.5, 1.1, 0.15, (0.0, -0.6))]
        # Drawn out along y, the outline's axes are z and x.
        for (inner, outer), reach, at in (
            (wing, 0.5 * span, [0.08 * length, 0, -0.2 * r]),
            (fin, 0.2 * span, [-0.44 * length, 0, 0.3 * r]),
        ):
            z0, z1 = sorted((0.0, s * reach))
            low, high = (inner, outer) if s > 0 else (outer, inner)
            pieces.append(loft(low, high, z0, z1, axis="y", at=at))
    tail = loft(rectangle(1.8, 0.6, 0.15), rectangle(1.1, 0.5, 0.15, (-0.7, 0.0)), 0.0, d.u(1.8, 2.6))
    return [*pieces, tail + [-0.42 * length, 0, 0.3 * r]]


def chess_piece(d: Draw) -> list[Array]:
    """A chessman: foot, cone, and the head of a pawn, bishop, rook or king."""
    r, h = d.u(2.2, 2.9), d.u(5.0, 8.5)
    waist, collar = d.u(0.8, 1.1), d.u(1.4, 1.9)
    pieces = [
        cylinder(r, 0.0, 1.1, top=0.85 * r),
        cylinder(0.75 * r, 1.0, h, top=waist),
        turned_solid([(0.85 * collar, h - 0.2), (collar, h + 0.2), (0.8 * collar, h + 0.6)]),
    ]
    kind, z = d.pick(4), h + 0.5
    if kind == 0:
        return [*pieces, ball(1.5, [0, 0, z + 1.1])]
    if kind == 1:
        return [*pieces, blob([1.3, 1.3, 1.8], [0, 0, z + 1.4]), ball(0.5, [0, 0, z + 3.2])]
    if kind == 2:
        tower = [slab([0.9, 0.9, 0.8], [1.3 * c, 1.3 * s, z + 2.2], 0.1) for c, s in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        return [*pieces, cylinder(1.5, z - 0.1, z + 1.9, top=1.8), *tower]
    cross = [slab([0.7, 0.7, 2.2], [0, 0, z + 2.6], 0.1), slab([0.7, 1.9, 0.7], [0, 0, z + 2.8], 0.1)]
    return [*pieces, cylinder(1.1, z - 0.1, z + 1.7, top=1.7), *cross]


def rattle(d: Draw) -> list[Array]:
    """A baby's rattle: a ring, a stick, a ball."""
    r, bar, stick = d.u(1.9, 2.5), d.u(0.65, 0.85), d.u(3.0, 5.0)
    end = r + stick
    head = d.u(1.9, 2.6)
    big = ball(head, [end + head, 0, 0]) if d.chance(0.5) else cylinder(head, end, end + 1.6 * head, axis="x")
    return [*hoop(r, bar, 9), rod([r, 0, 0], [end + 0.5, 0, 0], 0.9 * bar), big]


def wheel(d: Draw) -> list[Array]:
    """A wheel with a tyre, spokes and a hub."""
    r, bar, spokes = d.u(3.4, 4.4), d.u(0.8, 1.1), 3 + d.pick(3)
    hub = d.u(1.0, 1.4)
    pieces = [*hoop(r, bar, 10), cylinder(hub, -d.u(0.9, 1.4), 1.0)]
    for k in range(spokes):
        a = 2.0 * np.pi * (k + 0.25) / spokes
        pieces.append(rod([0.5 * hub * np.cos(a), 0.5 * hub * np.sin(a), 0], [r * np.cos(a), r * np.sin(a), 0], 0.45))
    return pieces


def mallet(d: Draw) -> list[Array]:
    """A mallet with a round head of its own axis."""
    length, bar, r, wide = d.u(8.5, 12.0), d.u(0.65, 0.95), d.u(1.6, 2.3), d.u(3.0, 5.0)
    head = prism(oval(2 * r, 2 * r), -wide / 2, wide / 2, axis="y", at=[length, 0, 0])
    return [*chain([[0, 0, 0], [0.5 * length, 0, 0], [length, 0, 0]], [1.2 * bar, bar, bar]), head]
