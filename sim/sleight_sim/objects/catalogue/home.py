"""Things of bath, wardrobe and desk. Lengths in centimetres of a thing of natural size; z is up."""

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
    shell,
    slab,
    turned,
    turned_solid,
)


def spray_bottle(d: Draw) -> list[Array]:
    """A spray bottle: flat body, shoulders, neck, head with nozzle and trigger."""
    x, y, h = d.u(5.0, 6.5), d.u(3.4, 4.8), d.u(7.5, 11.0)
    neck, z = d.u(1.0, 1.3), h + d.u(1.6, 2.8)
    head = d.u(5.0, 6.5)
    return [
        prism(rectangle(x, y, 1.2), 0.0, h),
        loft(rectangle(x, y, 1.2), oval(2 * neck, 2 * neck), h - 0.05, z),
        cylinder(neck, z - 0.1, z + 1.4),
        slab([head, 1.8, 1.6], [-0.12 * head, 0, z + 2.0], 0.3),
        cylinder(0.7, 0.0, 1.0, axis="x", at=[-0.62 * head - 0.9, 0, z + 2.1]),
        rod([-0.4 * head, 0, z + 1.4], [-0.4 * head - d.u(0.4, 1.2), 0, z - d.u(1.0, 1.8)], 0.5, 0.4),
    ]


def soap_dispenser(d: Draw) -> list[Array]:
    """A bottle with a pump."""
    r, h = d.u(2.7, 3.7), d.u(5.5, 8.5)
    body = (oval(2 * r, 2 * r), rectangle(1.9 * r, 1.9 * r, 0.5), oval(2.2 * r, 1.6 * r))[d.pick(3)]
    pump = h + d.u(2.2, 3.4)
    return [
        loft(body, body * d.u(0.85, 0.97), 0.0, h),
        cylinder(0.55 * r, h - 0.1, h + 1.0),
        rod([0, 0, h + 0.8], [0, 0, pump], 0.5),
        slab([2.4, 1.7, 0.9], [0, 0, pump], 0.3),
        *chain([[-0.6, 0, pump], [-d.u(2.6, 3.4), 0, pump], [-3.7, 0, pump - 0.5]], 0.45),
    ]


def toilet_paper(d: Draw) -> list[Array]:
    """A thick roll with a hole."""
    r = d.u(4.0, 5.0)
    return shell([(r, 0.0), (r, d.u(6.0, 9.0))], r - d.u(1.4, 2.0), 12)


def toothpaste(d: Draw) -> list[Array]:
    """A tube: round at the cap, flat at the end."""
    r, length, cap = d.u(1.4, 2.0), d.u(7.0, 10.5), d.u(1.4, 2.4)
    return [
        loft(oval(2 * r, 2 * r), rectangle(3.0 * r, 0.6), 0.0, length),
        cylinder(0.8 * r, -cap, 0.1, top=d.u(0.85, 1.0) * r),
    ]


def hairbrush(d: Draw) -> list[Array]:
    """A hairbrush: handle, oval head, a block of bristles."""
    x, y, length = d.u(4.0, 5.4), d.u(6.5, 8.5), d.u(6.5, 9.0)
    head = prism(oval(x, y), 0.0, d.u(1.0, 1.4))
    bristles = loft(oval(0.85 * x, 0.85 * y), oval(0.72 * x, 0.75 * y), -d.u(1.3, 2.2), 0.1)
    start = -0.46 * y
    points = [[0, start, 0.6], [0, start - 0.5 * length, 0.7], [0, start - length, 0.6]]
    return [head, bristles, *chain(points, [0.65, d.u(0.8, 1.05), 0.75])]


def perfume(d: Draw) -> list[Array]:
    """A perfume bottle with a large cap."""
    x, y, h = d.u(4.0, 6.0), d.u(2.4, 3.6), d.u(4.0, 7.5)
    cap, z = d.u(0.8, 1.3), h + 0.6
    body = (rectangle(x, y, 0.3), oval(x, y), polygon(8, x / 2, 0.3, 22.5))[d.pick(3)]
    tip = ball(1.2 * cap, [0, 0, z + cap]) if d.chance(0.4) else cylinder(cap, z - 0.1, z + d.u(1.4, 2.4))
    return [loft(body, body * d.u(0.7, 1.0), 0.0, h), cylinder(0.7, h - 0.1, z + 0.1), tip]


def vase(d: Draw) -> list[Array]:
    """A vase: open, with a belly and a neck."""
    foot, belly, neck, h = d.u(1.8, 2.6), d.u(3.0, 4.2), d.u(1.4, 2.2), d.u(8.0, 12.0)
    waist = h * d.u(0.65, 0.8)
    low, high = d.u(0.25, 0.35) * h, d.u(0.4, 0.5) * h
    return [
        turned_solid([(foot, 0.0), (belly, low), (belly * 0.96, high), (neck, waist)]),
        *shell([(neck, waist - 0.1), (neck * d.u(1.25, 1.7), h)], 0.45, 8),
    ]


def book(d: Draw) -> list[Array]:
    """A thick book with covers that stand over the pages."""
    x, y, z, cover = d.u(6.5, 9.0), d.u(9.5, 13.0), d.u(1.6, 3.6), d.u(0.3, 0.45)
    return [
        slab([x - 0.5, y - 0.7, z], [0.0, 0, 0], 0.05),
        slab([x, y, cover], [0, 0, (z + cover) / 2], 0.1),
        slab([x, y, cover], [0, 0, -(z + cover) / 2], 0.1),
        slab([cover, y, z + cover], [-x / 2 + cover / 2, 0, 0], 0.1),
    ]


def handbag(d: Draw) -> list[Array]:
    """A handbag: a tapered body under a bow."""
    x, y, h, rise = d.u(7.0, 10.0), d.u(3.0, 4.6), d.u(5.0, 7.5), d.u(2.6, 4.2)
    bow = arc(1.0, 0.0, 180.0, 6)
    bow[:, 0], bow[:, 2] = 0.33 * x * bow[:, 0], h - 0.2 + rise * bow[:, 2]
    body = loft(rectangle(x, y, 0.5), rectangle(d.u(0.7, 0.95) * x, 0.55 * y, 0.4), 0.0, h)
    return [body, slab([1.2, 0.5, 1.2], [0, -0.36 * y, 0.75 * h], 0.15), *chain(bow, d.u(0.45, 0.6))]


def watering_can(d: Draw) -> list[Array]:
    """A small watering can: body, long spout with a rose, a handle behind."""
    r, h = d.u(3.2, 4.2), d.u(5.0, 7.0)
    tip = [-(r + d.u(3.8, 5.2)), 0, h * d.u(0.95, 1.2)]
    bow = arc(0.5 * h + 0.4, 100.0, -80.0, 5, at=[r - 0.4, 0, 0.55 * h])
    return [
        cylinder(r, 0.0, h, top=0.9 * r),
        rod([-0.8 * r, 0, 0.25 * h], tip, 0.9, 0.55),
        rod([tip[0] + 0.3, 0, tip[2] - 0.1], [tip[0] - 0.5, 0, tip[2] + 0.2], 0.7, 1.2),
        *chain(bow, d.u(0.5, 0.65)),
    ]


def shoe(d: Draw) -> list[Array]:
    """A shoe: sole, toe cap, open shaft of four walls, heel."""
    length, width, h = d.u(10.0, 12.0), d.u(3.8, 4.6), d.u(3.6, 5.6)
    heel, wall = d.u(0.2, 1.4), 0.6
    back, front = -0.5 * length, 0.02 * length
    middle, span = 0.5 * (back + front), front - back
    sole = outline([[back + 1.2, 0], [0.1 * length, 0.12 * width], [0.42 * length, 0]], 0.42 * width)
    sides = [slab([span, wall, h], [middle, s * (0.5 * width - 0.5 * wall - 0.15), 0.9 + h / 2], 0.25) for s in (-1, 1)]
    toe = blob([0.28 * length, 0.46 * width, d.u(1.5, 2.1)], [0.24 * length, 0, 1.3])
    tongue = turned(slab([wall, 0.7 * width, 0.8 * h], [front, 0, 0.9 + 0.4 * h], 0.25), "y", -20.0, [front, 0, 0.9])
    return [
        prism(sole, 0.0, 1.0),
        toe,
        *sides,
        slab([wall, 0.8 * width, h + 0.4], [back + 0.5, 0, 0.9 + h / 2], 0.25),
        tongue,
        slab([0.24 * length, 0.7 * width, heel + 0.3], [back + 0.14 * length + 0.4, 0, -0.5 * heel], 0.2),
    ]


def watch(d: Draw) -> list[Array]:
    """A wrist watch, closed: a strap of links around an oval, a case on top, a crown."""
    x, z, width, thick = d.u(5.6, 6.8), d.u(4.4, 5.6), d.u(1.8, 2.4), d.u(0.45, 0.65)
    angle = np.linspace(115.0, 425.0, 12)
    points = [[0.5 * x * np.cos(np.deg2rad(a)), 0.5 * z * np.sin(np.deg2rad(a))] for a in angle]
    links = [
        prism(outline([p, q], thick / 2), -width / 2, width / 2, axis="y", at=[0, 0, 0])
        for p, q in zip(points[:-1], points[1:], strict=True)
    ]
    # A part drawn out along y has its outline's axes on z and x.
    links = [link[:, [2, 1, 0]] for link in links]
    r, tall = d.u(1.6, 2.1), d.u(0.8, 1.1)
    dial = (oval(2 * r, 2 * r), rectangle(1.8 * r, 2.1 * r, 0.5))[d.pick(2)]
    top = 0.5 * z
    return [
        *links,
        prism(dial, top - 0.35, top + tall),
        rod([0, r - 0.1, top + 0.3], [0, r + 0.5, top + 0.3], 0.3),
    ]


def lamp(d: Draw) -> list[Array]:
    """A small table lamp: foot, stem, an open shade."""
    foot, h, r = d.u(2.4, 3.2), d.u(5.5, 8.0), d.u(3.0, 4.0)
    top = r * d.u(0.5, 0.8)
    shade = d.u(3.2, 4.4)
    return [
        cylinder(foot, 0.0, d.u(0.8, 1.4), top=0.8 * foot),
        rod([0, 0, 0.6], [0, 0, h + 0.6 * shade], d.u(0.5, 0.8)),
        cylinder(top - 0.2, h + shade - 0.6, h + shade),
        *shell([(r, h), (top, h + shade)], 0.5, 10),
    ]


def alarm_clock(d: Draw) -> list[Array]:
    """A twin-bell alarm clock."""
    r, thick = d.u(3.0, 4.0), d.u(2.2, 3.4)
    pieces = [cylinder(r, -thick / 2, thick / 2, axis="y"), cylinder(0.86 * r, -thick / 2 - 0.3, 0.0, axis="y")]
    for s in (-1, 1):
        pieces.append(rod([s * 0.55 * r, 0, -0.7 * r], [s * 0.75 * r, 0, -1.12 * r], 0.45))
        pieces.append(blob([0.4 * r, 0.36 * r, 0.3 * r], [s * 0.55 * r, 0, 1.02 * r]))
    pieces += chain(arc(0.5 * r, 160.0, 20.0, 3, at=[0, 0, 1.15 * r]), 0.35)
    return pieces


def padlock(d: Draw) -> list[Array]:
    """A padlock: body and shackle."""
    x, y, h = d.u(4.0, 5.4), d.u(1.6, 2.4), d.u(3.6, 5.0)
    bar, rise = d.u(0.4, 0.6), d.u(0.6, 2.0)
    half = 0.5 * x - bar - d.u(0.2, 0.5)
    body = (rectangle(x, y, 0.4), oval(1.1 * x, 1.2 * y))[d.pick(2)]
    bow = arc(half, 0.0, 180.0, 5, at=[0, 0, h + rise])
    return [prism(body, 0.0, h), *chain([[half, 0, h - 0.4], *bow, [-half, 0, h - 0.4]], bar)]


def tape_roll(d: Draw) -> list[Array]:
    """A roll of adhesive tape."""
    r = d.u(3.4, 4.8)
    return shell([(r, 0.0), (r, d.u(1.8, 4.5))], d.u(0.7, 1.5), 14)


def magnifier(d: Draw) -> list[Array]:
    """A magnifying glass."""
    r, length, bar = d.u(2.6, 3.6), d.u(5.5, 8.0), d.u(0.6, 0.75)
    grip = chain([[r, 0, 0], [r + 0.35 * length, 0, 0], [r + length, 0, 0]], [0.5, 0.9, d.u(0.75, 1.0)])
    return [*hoop(r, bar, 11), cylinder(r, -0.25, 0.25), *grip]
