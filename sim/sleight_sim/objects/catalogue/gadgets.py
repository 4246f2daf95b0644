"""Devices. Lengths in centimetres of a thing of natural size; z is up."""

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


def game_pad(d: Draw) -> list[Array]:
    """A game controller: body, two grips, sticks, buttons."""
    x, y, z = d.u(6.5, 8.5), d.u(4.0, 5.4), d.u(1.8, 2.4)
    grip, flare, down = d.u(3.0, 4.4), d.u(0.4, 1.6), d.u(0.0, 1.2)
    pieces = [prism(rectangle(x, y, 1.2), -0.5 * z, 0.5 * z)]
    for s in (-1, 1):
        start = [s * 0.46 * x, 0.2 * y, 0]
        end = [s * (0.5 * x + flare), -0.3 * y - grip, -down]
        pieces.append(rod(start, end, 0.62 * z, 0.52 * z))
        stick = [s * 0.24 * x, -0.18 * y]
        pieces.append(rod([*stick, 0.4 * z], [*stick, 0.5 * z + 0.7], 0.45, 0.6))
        pieces.append(slab([1.7, 1.0, 0.8], [s * 0.33 * x, 0.5 * y, 0.1 * z], 0.2))
    cross = [0.3 * x, 0.2 * y, 0.5 * z]
    pieces += [slab([1.7, 0.6, 0.5], cross, 0.1), slab([0.6, 1.7, 0.5], cross, 0.1)]
    return [*pieces, cylinder(0.9, 0.45 * z, 0.5 * z + 0.25, at=[-0.3 * x, 0.2 * y, 0])]


def headphones(d: Draw) -> list[Array]:
    """Headphones: a band, two cups, two pads."""
    r, bar = d.u(4.2, 5.2), d.u(0.6, 0.85)
    cup, thick = d.u(2.1, 2.8), d.u(1.1, 1.6)
    drop = d.u(0.8, 2.0)
    band = arc(r, 0.0, 180.0, 8)
    pieces = chain([[r, 0, -drop], *band, [-r, 0, -drop]], bar)
    for s in (-1, 1):
        for x0, x1, size in ((r - 0.4, r + thick - 0.4, 1.0), (r - 1.4, r - 0.3, 0.85)):
            low, high = sorted((s * x0, s * x1))
            pieces.append(cylinder(size * cup, low, high, axis="x", at=[0, 0, -drop - 0.5 * cup]))
    return pieces


def camera(d: Draw) -> list[Array]:
    """A camera: body, grip, lens, finder, shutter."""
    x, y, z = d.u(7.0, 9.0), d.u(2.6, 3.6), d.u(4.6, 6.0)
    r, reach = d.u(1.7, 2.4), d.u(1.4, 4.0)
    front = -0.5 * y
    return [
        slab([x, y, z], [0, 0, 0], 0.3),
        slab([1.8, y + 1.2, 0.92 * z], [-0.5 * x + 0.9, -0.4, 0], 0.4),
        cylinder(r, front - reach, front + 0.1, top=d.u(0.9, 1.1) * r, axis="y", at=[0.1 * x, 0, -0.05 * z]),
        cylinder(1.12 * r, front - 0.7, front + 0.1, axis="y", at=[0.1 * x, 0, -0.05 * z]),
        loft(rectangle(2.8, 0.9 * y, 0.3), rectangle(1.8, 0.6 * y, 0.3), 0.5 * z - 0.1, 0.5 * z + d.u(0.6, 1.5)),
        cylinder(0.6, 0.5 * z - 0.1, 0.5 * z + 0.5, at=[-0.36 * x, 0, 0]),
    ]


def remote_control(d: Draw) -> list[Array]:
    """A remote control with raised keys."""
    length, width, thick = d.u(10.0, 14.0), d.u(2.8, 3.8), d.u(1.5, 2.1)
    top = 0.5 * thick
    body = loft(rectangle(0.85 * width, 0.97 * length, 0.5), rectangle(width, length, 0.6), -top, top)
    pieces = [body, cylinder(0.33 * width, top - 0.1, top + 0.25, at=[0, 0.22 * length, 0])]
    rows = 2 + d.pick(4)
    for k in range(rows):
        y = (0.05 - 0.09 * k) * length
        pieces += [slab([0.8, 0.6, 0.4], [s * 0.22 * width, y, top + 0.1], 0.1) for s in (-1, 1)]
    return pieces


def mouse(d: Draw) -> list[Array]:
    """A computer mouse: two tapered halves, a wheel."""
    x, y, z = d.u(5.4, 6.8), d.u(9.0, 11.0), d.u(1.4, 2.0)
    hump, shift = d.u(1.5, 2.2), d.u(0.4, 1.2)
    return [
        loft(oval(0.92 * x, 0.96 * y), oval(x, y), 0.0, z),
        loft(oval(x, y), oval(0.55 * x, 0.5 * y, (0.0, -shift)), z - 0.02, z + hump),
        cylinder(0.9, -0.35, 0.35, axis="x", at=[0, 0.3 * y, z + 0.35 * hump]),
    ]


def keypad(d: Draw) -> list[Array]:
    """A number keyboard: a wedge with rows of keys."""
    x, y, low, high = d.u(6.0, 8.0), d.u(7.5, 10.0), d.u(0.9, 1.2), d.u(1.5, 2.4)
    side = outline([[-0.5 * y + 0.2, 0.2], [0.5 * y - 0.2, 0.2], [0.5 * y - 0.2, high], [-0.5 * y + 0.2, low]], 0.2)
    columns, rows = 3, 3 + d.pick(3)
    pieces = [prism(side, -0.5 * x, 0.5 * x, axis="x")]
    slope = (high - low) / y
    for i in range(columns):
        for k in range(rows):
            v = (k + 0.5) / rows - 0.5
            at = [(i - 1) * 0.3 * x, 0.9 * v * y, 0.5 * (low + high) + 0.9 * v * y * slope + 0.25]
            key = slab([0.24 * x, 0.7 * y / rows, 0.6], at, 0.12)
            pieces.append(turned(key, "x", np.degrees(np.arctan(slope)), at))
    return pieces


def microphone(d: Draw) -> list[Array]:
    """A hand-held microphone."""
    r, length, head = d.u(1.0, 1.4), d.u(8.0, 11.0), d.u(2.0, 2.7)
    return [
        cylinder(0.85 * r, 0.0, length, top=1.35 * r, axis="x"),
        cylinder(1.02 * head, -0.3, 0.3, axis="x", at=[length + 0.75 * head, 0, 0]),
        ball(head, [length + 0.75 * head, 0, 0]),
        slab([1.4, 0.7, 0.6], [0.65 * length, 0, 1.15 * r], 0.15),
    ]


def walkie_talkie(d: Draw) -> list[Array]:
    """A hand-held radio with an aerial."""
    x, y, h = d.u(4.2, 5.6), d.u(2.4, 3.4), d.u(7.5, 10.0)
    aerial = d.u(3.5, 6.0)
    return [
        prism(rectangle(x, y, 0.6), 0.0, h),
        rod([0.32 * x, 0, h - 0.4], [0.32 * x, 0, h + aerial], 0.75, 0.5),
        cylinder(0.75, h - 0.1, h + 1.0, at=[-0.25 * x, 0, 0]),
        cylinder(0.33 * x, 0.5 * y - 0.1, 0.5 * y + 0.3, axis="y", at=[0, 0, 0.28 * h]),
        slab([0.5, 0.6 * y, 1.8], [-0.5 * x - 0.1, 0, 0.65 * h], 0.15),
    ]


def binoculars(d: Draw) -> list[Array]:
    """Binoculars: two stepped barrels and a bridge."""
    r, length, gap = d.u(1.5, 2.0), d.u(6.0, 8.0), d.u(0.2, 0.8)
    front = r * d.u(1.15, 1.45)
    pieces = [slab([2 * front + gap, 0.45 * length, 1.2], [0, 0.55 * length, 0], 0.3)]
    for s in (-1, 1):
        at = [s * (front + gap / 2), 0, 0]
        pieces.append(cylinder(front, 0.0, 0.55 * length, top=r, axis="y", at=at))
        pieces.append(cylinder(r, 0.53 * length, length, axis="y", at=at))
        pieces.append(cylinder(0.8 * r, length - 0.1, length + 1.2, top=0.9 * r, axis="y", at=at))
    return [*pieces, cylinder(0.8, 0.4 * length, 0.85 * length, axis="y", at=[0, 0, 0.6])]


def handset(d: Draw) -> list[Array]:
    """An old telephone's handset."""
    length, bar, bow = d.u(9.0, 11.5), d.u(0.9, 1.3), d.u(1.0, 2.2)
    r, thick = d.u(2.0, 2.6), d.u(1.6, 2.4)
    half = 0.5 * length
    grip = chain([[-half, 0, 0.8], [-0.5 * half, 0, bow], [0.5 * half, 0, bow], [half, 0, 0.8]], bar)
    ends = [cylinder(r, -thick, 0.8, top=0.75 * r, at=[s * half, 0, 0]) for s in (-1, 1)]
    return [*grip, *ends]


def hair_dryer(d: Draw) -> list[Array]:
    """A hair dryer: barrel, nozzle, a slanted handle, the cable's sleeve."""
    r, length, grip = d.u(2.2, 2.9), d.u(5.5, 7.5), d.u(6.0, 8.0)
    slant, x = d.u(-5.0, 18.0), d.u(0.4, 1.8)
    pieces = [
        cylinder(r, -0.5 * length, 0.4 * length, axis="x"),
        turned_solid([(r - 0.05, 0.38 * length), (0.85 * r, 0.52 * length), (0.45 * r, 0.62 * length)], axis="x"),
        cylinder(0.62 * r, -0.5 * length - d.u(1.6, 3.0), -0.5 * length + 0.1, top=0.9 * r, axis="x"),
    ]
    handle = [
        loft(oval(2.3, 1.9), oval(3.0, 2.3), -grip - 0.6 * r, -0.3 * r, at=[x, 0, 0]),
        rod([x, 0, -grip - 0.5 * r], [x, 0, -grip - 0.6 * r - d.u(0.8, 1.8)], 0.6, 0.4),
        slab([0.6, 0.9, 1.8], [x - 1.4, 0, -r - 1.0], 0.15),
    ]
    return pieces + [turned(part, "y", -slant, [x, 0, 0]) for part in handle]


def power_strip(d: Draw) -> list[Array]:
    """A strip of sockets with the start of its cable."""
    sockets = 3 + d.pick(3)
    pitch, width, h = d.u(2.3, 3.0), d.u(2.8, 3.8), d.u(1.6, 2.2)
    length = sockets * pitch + 2.6
    pieces = [prism(rectangle(length, width, 0.5), 0.0, h)]
    for k in range(sockets):
        x = -0.5 * length + 1.0 + pitch * (k + 0.5)
        pieces.append(cylinder(0.42 * min(pitch, width), h - 0.1, h + 0.45, at=[x, 0, 0]))
    pieces.append(slab([1.0, 1.5, 0.6], [0.5 * length - 1.0, 0, h + 0.1], 0.15))
    cable = [[0.5 * length - 0.3, 0, 0.5 * h], [0.5 * length + 1.2, 0, 0.5 * h], [0.5 * length + 2.2, d.u(-1, 1), 0.4]]
    return pieces + chain(cable, [0.6, 0.4, 0.4])


def microscope(d: Draw) -> list[Array]:
    """A microscope: foot, bent arm, stage, slanted tube, eyepiece, knobs."""
    x, y, h = d.u(5.5, 7.0), d.u(3.8, 5.0), d.u(6.0, 8.0)
    lean, r = d.u(8.0, 28.0), d.u(0.9, 1.2)
    back = -0.4 * x
    top = [0.1 * x, 0, h + 1.2]
    tube = [
        cylinder(r, -3.4, 3.4, at=top),
        cylinder(0.6 * r, -4.6, -3.3, at=top),
        cylinder(1.25 * r, 3.3, 4.4, at=top),
    ]
    return [
        prism(rectangle(x, y, 0.6), 0.0, 1.3),
        *chain([[back, 0, 1.0], [back - 0.3, 0, 0.6 * h], [back + 0.6, 0, h], [0.05 * x, 0, h + 1.2]], 0.85),
        slab([3.4, 3.6, 0.7], [0.1 * x, 0, 0.42 * h], 0.15),
        slab([2.4, 1.2, 0.7], [back + 1.0, 0, 0.42 * h], 0.15),
        cylinder(0.9, -1.7, 1.7, axis="y", at=[back - 0.2, 0, 0.55 * h]),
        *(turned(part, "y", -lean, top) for part in tube),
    ]


def joystick(d: Draw) -> list[Array]:
    """A joystick on its base: a leaning stick with a grip, a fire button."""
    x, y, h = d.u(6.0, 8.0), d.u(5.5, 7.0), d.u(1.8, 2.8)
    lean, stick, r = d.u(-20.0, 20.0), d.u(4.5, 6.5), d.u(0.95, 1.3)
    base = (rectangle, oval)[d.pick(2)]
    up = [
        rod([0, 0, 0], [0, 0, stick], 0.7),
        rod([0, 0, 0.45 * stick], [0, 0, stick], 0.85 * r, r),
        ball(1.3 * r, [0, 0, stick + 0.6]) if d.chance(0.5) else slab([1.8, 2.4, 1.6], [0.3, 0, stick + 0.5], 0.4),
    ]
    return [
        loft(base(x, y), base(0.8 * x, 0.8 * y), 0.0, h),
        blob([1.6, 1.6, 0.9], [0, 0, h]),
        cylinder(0.7, h - 0.3, h + 0.5, at=[-0.28 * x, 0.2 * y, 0]),
        *(turned(part + [0, 0, h], "y", lean, [0, 0, h]) for part in up),
    ]


def loudspeaker(d: Draw) -> list[Array]:
    """A small loudspeaker: a case with two cones and feet."""
    x, y, h = d.u(4.5, 6.0), d.u(4.0, 5.5), d.u(7.0, 10.0)
    r = 0.38 * x
    front = -0.5 * y
    feet = [cylinder(0.6, -0.6, 0.1, at=[s * 0.33 * x, t * 0.3 * y, 0]) for s in (-1, 1) for t in (-1, 1)]
    return [
        slab([x, y, h], [0, 0, 0.5 * h], 0.3),
        cylinder(0.8 * r, front - 0.6, front + 0.1, top=r, axis="y", at=[0, 0, 0.32 * h]),
        cylinder(0.45 * r, front - 0.5, front + 0.1, top=0.6 * r, axis="y", at=[0, 0, 0.75 * h]),
        *feet,
    ]


def router(d: Draw) -> list[Array]:
    """A wireless router with two or three aerials."""
    x, y, z = d.u(8.5, 11.0), d.u(5.5, 7.5), d.u(1.6, 2.4)
    aerials, tall = 2 + d.pick(2), d.u(4.0, 6.0)
    pieces = [loft(rectangle(x, y, 0.8), rectangle(0.9 * x, 0.85 * y, 0.8), 0.0, z)]
    for k in range(aerials):
        base = [0.42 * x * (2.0 * k / (aerials - 1) - 1.0), 0.5 * y, 0.5 * z]
        pieces.append(cylinder(0.6, -0.6, 0.6, axis="x", at=base))
        up = rod(base, [base[0], base[1], base[2] + tall], 0.5, 0.42)
        pieces.append(turned(up, "x", d.u(-15.0, 30.0), base))
    return pieces


def plug(d: Draw) -> list[Array]:
    """A mains plug or adapter: body, two pins, a sleeve."""
    r, length = d.u(1.8, 2.4), d.u(3.4, 5.0)
    body = (oval(2.2 * r, 1.8 * r), rectangle(2.2 * r, 2.0 * r, 0.5), polygon(6, 1.15 * r, 0.3))[d.pick(3)]
    pins = [rod([0.2, s * 0.45 * r, 0], [-1.9, s * 0.45 * r, 0], 0.4) for s in (-1, 1)]
    sleeve = [[length, 0, 0], [length + 1.6, 0, 0], [length + 2.8, 0, -d.u(0.0, 1.0)]]
    return [loft(body, body * d.u(0.55, 0.9), 0.0, length, axis="x"), *pins, *chain(sleeve, [0.8, 0.5, 0.45])]
