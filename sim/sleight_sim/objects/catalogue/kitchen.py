"""Kitchen things. Lengths in centimetres of a thing of natural size; z is up."""

from __future__ import annotations

from sleight_sim.objects.catalogue.parts import (
    Array,
    Draw,
    arc,
    ball,
    blob,
    chain,
    cylinder,
    loft,
    oval,
    polygon,
    prism,
    rectangle,
    rod,
    shell,
    slab,
    turned_solid,
)


def handle(d: Draw, side: float, low: float, high: float, reach: float, bar: float) -> list[Array]:
    """Return a cup's handle beside a wall at x = `side`: angular, round or like an ear; three or four parts."""
    kind, outer, middle = d.pick(3), side + reach, 0.5 * (low + high)
    if kind == 0:
        drop = 0.15 * (high - low)
        return chain([[side, 0, high], [outer, 0, high - drop], [outer, 0, low + drop], [side, 0, low]], bar)
    if kind == 1:
        half = 0.5 * (high - low)
        points = arc(1.0, 90.0, -90.0, 4)
        points[:, 0] = side + reach * points[:, 0]
        points[:, 2] = middle + half * points[:, 2]
        return chain(points, bar)
    return chain([[side, 0, high], [outer, 0, middle + 0.3 * (high - middle)], [side, 0, low]], [bar, 1.2 * bar, bar])


def mug(d: Draw) -> list[Array]:
    """A mug: open, straight or tapered, with a handle."""
    r, h, wall = d.u(3.2, 4.4), d.u(6.5, 10.5), d.u(0.4, 0.65)
    rim = r * d.u(0.95, 1.15)
    return [
        cylinder(r, 0.0, 0.7),
        *shell([(r, 0.6), (rim, h)], wall, 9),
        *handle(d, r - 0.2, d.u(0.15, 0.25) * h, d.u(0.75, 0.85) * h, d.u(2.2, 3.4), d.u(0.42, 0.65)),
    ]


def cup(d: Draw) -> list[Array]:
    """A beaker without a handle, wider at the rim."""
    r, h = d.u(2.3, 3.2), d.u(6.0, 12.0)
    rim = r + d.u(0.4, 1.4)
    return [cylinder(r, 0.0, 0.6), *shell([(r, 0.5), (rim, h)], d.u(0.3, 0.55), 12)]


def bowl(d: Draw) -> list[Array]:
    """A bowl on a small foot."""
    foot, rim, h, wall = d.u(2.2, 3.2), d.u(4.4, 6.0), d.u(3.2, 6.0), d.u(0.4, 0.65)
    middle = foot + d.u(0.65, 0.85) * (rim - foot)
    return [cylinder(foot, 0.0, 0.7), *shell([(foot + 0.1, 0.5), (middle, 0.45 * h), (rim, h)], wall, 7)]


def kettle(d: Draw) -> list[Array]:
    """A kettle: a tapered body, a spout, a handle over the lid."""
    r, h = d.u(5.5, 6.5), d.u(7.0, 9.5)
    top = r * d.u(0.6, 0.8)
    bow, rise = top * d.u(0.85, 1.0), d.u(3.5, 5.0)
    hoop = arc(1.0, 0.0, 180.0, 5)
    hoop[:, 0], hoop[:, 2] = bow * hoop[:, 0], h - 0.3 + rise * hoop[:, 2]
    start = r * 0.75
    return [
        turned_solid([(0.94 * r, 0.0), (r, 0.18 * h), (0.5 * (r + top) + 0.35, 0.65 * h), (top, h)]),
        cylinder(0.6 * top, h - 0.1, h + 0.6, top=0.5 * top),
        ball(0.75, [0, 0, h + 1.1]),
        rod([start, 0, 0.45 * h], [r + d.u(1.8, 2.8), 0, h * d.u(0.9, 1.05)], 1.2, 0.7),
        *chain(hoop, d.u(0.5, 0.65)),
    ]


def teapot(d: Draw) -> list[Array]:
    """A teapot: a round belly, a bent spout, a handle on the other side, a lid with a knob."""
    r, tall = d.u(4.8, 6.0), d.u(0.75, 0.95)
    h = r * tall
    tip = [-(r + d.u(2.4, 3.4)), 0, 0.75 * h]
    return [
        blob([r, r, h], [0, 0, 0]),
        cylinder(0.62 * r, -0.97 * h, -0.55 * h, top=0.85 * r),
        cylinder(0.5 * r, 0.8 * h, h + 0.3, top=0.4 * r),
        ball(d.u(0.7, 0.95), [0, 0, h + 0.8]),
        *chain([[-0.7 * r, 0, -0.35 * h], [-(r + 1.0), 0, 0.05 * h], tip], [1.3, 0.95, 0.6]),
        *handle(d, 0.86 * r, -0.5 * h, 0.55 * h, d.u(2.6, 3.6), d.u(0.5, 0.7)),
    ]


def wine_glass(d: Draw) -> list[Array]:
    """A stemmed glass."""
    r, h, stem, wall = d.u(2.9, 3.7), d.u(4.8, 7.0), d.u(4.0, 6.5), d.u(0.35, 0.5)
    rim = r * d.u(0.8, 1.05)
    z = stem + 1.8
    return [
        cylinder(d.u(2.8, 3.4), 0.0, 0.5),
        rod([0, 0, 0.4], [0, 0, stem + 0.4], d.u(0.4, 0.55)),
        cylinder(0.7, stem, z, top=0.8 * r),
        *shell([(0.8 * r, z - 0.4), (r, z + 0.4 * h), (rim, z + h)], wall, 6),
    ]


def jar(d: Draw) -> list[Array]:
    """A jar with a lid: round, square or six-sided."""
    r, h = d.u(2.8, 4.2), d.u(4.5, 9.0)
    shapes = (oval(2 * r, 2 * r), rectangle(1.8 * r, 1.8 * r, 0.4 * r), polygon(6, r, 0.2 * r))
    body = shapes[d.pick(3)]
    lid = r * d.u(0.72, 0.95)
    return [prism(body, 0.0, h), cylinder(0.9 * lid, h - 0.1, h + 0.8), cylinder(lid, h + 0.6, h + d.u(1.6, 2.4))]


def spoon(d: Draw) -> list[Array]:
    """A cooking spoon with a solid bowl."""
    length, r, bend = d.u(9.0, 12.5), d.u(0.55, 0.75), d.u(0.3, 1.2)
    a, b = d.u(1.5, 2.1), d.u(2.3, 3.0)
    points = [[0, length, 0.2 * bend], [0, 0.5 * length, bend], [0, 1.0, 0.2]]
    return [blob([a, b, d.u(0.8, 1.1)], [0, -0.6 * b, 0]), *chain(points, [1.25 * r, r, 0.85 * r])]


def ladle(d: Draw) -> list[Array]:
    """A ladle: a cup on a long, slanted handle."""
    r, h, length = d.u(2.4, 3.1), d.u(1.8, 2.5), d.u(8.5, 11.0)
    top = [r + 0.28 * length, 0, h + length]
    return [
        cylinder(0.72 * r, 0.0, 0.6),
        *shell([(0.75 * r, 0.4), (r, h)], 0.45, 8),
        *chain([[r - 0.2, 0, 0.8 * h], [r + 0.8, 0, h + 1.0], top, [top[0] - 1.4, 0, top[2] + 0.8]], d.u(0.5, 0.65)),
    ]


def pitcher(d: Draw) -> list[Array]:
    """A jug with a lip and a handle."""
    r, h = d.u(3.4, 4.2), d.u(9.0, 12.0)
    rim = r * d.u(0.75, 1.0)
    return [
        cylinder(r, 0.0, 0.8),
        *shell([(r, 0.6), (rim, h)], d.u(0.45, 0.65), 9),
        loft(oval(0.8, 1.0, (-rim + 0.3, 0)), oval(2.2, 1.8, (-rim - 0.5, 0)), h - 2.0, h + 0.2),
        *handle(d, rim - 0.2, 0.3 * h, 0.85 * h, d.u(2.4, 3.4), d.u(0.5, 0.65)),
    ]


def salt_shaker(d: Draw) -> list[Array]:
    """A salt shaker or pepper mill: a waisted body under a round cap."""
    r, h = d.u(1.9, 2.8), d.u(4.0, 7.5)
    waist = r * d.u(0.65, 0.9)
    sides = (oval, rectangle)[d.pick(2)]
    return [
        loft(sides(2 * r, 2 * r), sides(2 * waist, 2 * waist), 0.0, 0.55 * h),
        loft(sides(2 * waist, 2 * waist), sides(1.8 * r, 1.8 * r), 0.55 * h, h),
        turned_solid([(0.92 * r, h - 0.1), (0.8 * r, h + 0.4 * r), (0.35 * r, h + 0.8 * r)]),
    ]


def carton(d: Draw) -> list[Array]:
    """A drink carton with a gable."""
    x, y, h, roof = d.u(4.5, 6.5), d.u(4.5, 7.0), d.u(7.0, 12.0), d.u(1.6, 2.8)
    return [
        slab([x, y, h], [0, 0, h / 2]),
        loft(rectangle(x - 0.1, y - 0.1), rectangle(x - 0.1, 0.7), h - 0.1, h + roof),
        slab([x - 0.2, 0.6, 1.4], [0, 0, h + roof + 0.5]),
    ]


def pan(d: Draw) -> list[Array]:
    """A small saucepan with one handle."""
    r, h, length = d.u(3.4, 4.6), d.u(2.6, 4.4), d.u(5.5, 8.0)
    bar, top = d.u(0.55, 0.75), 0.75 * h + d.u(0.0, 1.5)
    start = [r - 0.2, 0, 0.75 * h]
    return [
        cylinder(0.94 * r, 0.0, 0.6),
        *shell([(0.94 * r, 0.5), (r, h)], d.u(0.4, 0.55), 10),
        *chain([start, [r + 0.5 * length, 0, top], [r + length, 0, top]], [bar, bar, 1.3 * bar]),
    ]


def rolling_pin(d: Draw) -> list[Array]:
    """A rolling pin."""
    r, half, grip = d.u(1.7, 2.6), d.u(5.0, 7.0), d.u(2.6, 4.0)
    bar = r * d.u(0.45, 0.6)
    grips = [rod([s * (half - 0.2), 0, 0], [s * (half + grip), 0, 0], 0.75 * bar, bar) for s in (-1, 1)]
    return [cylinder(r, -half, half, axis="x"), *grips]


def thermos(d: Draw) -> list[Array]:
    """A flask with a screwed cup on top."""
    r, h, cap = d.u(2.6, 3.5), d.u(9.0, 13.0), d.u(2.2, 4.0)
    neck = r * d.u(0.65, 0.8)
    pieces = [
        turned_solid([(0.95 * r, 0.0), (r, 0.8), (r, h), (neck, h + 1.2)]),
        cylinder(neck + 0.25, h + 1.0, h + 1.0 + cap, top=neck),
    ]
    return pieces + (handle(d, r - 0.2, 0.35 * h, 0.85 * h, 2.3, 0.55) if d.chance(0.4) else [])


def candlestick(d: Draw) -> list[Array]:
    """A candlestick: foot, turned stem, dish."""
    foot, h = d.u(2.8, 3.8), d.u(6.5, 10.0)
    knot = d.u(1.1, 1.6)
    return [
        cylinder(foot, 0.0, 1.0, top=0.75 * foot),
        rod([0, 0, 0.8], [0, 0, h], d.u(0.65, 0.95)),
        ball(knot, [0, 0, h * d.u(0.4, 0.65)]),
        cylinder(1.2, h - 0.4, h + 0.6, top=d.u(1.8, 2.5)),
        cylinder(1.0, h + 0.5, h + d.u(1.5, 4.0)),
    ]
