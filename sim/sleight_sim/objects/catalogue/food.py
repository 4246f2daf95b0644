"""Fruit, bread and other food. Lengths in centimetres of a thing of natural size; z is up."""

from __future__ import annotations

import numpy as np

from sleight_sim.objects.catalogue.parts import Array, Draw, arc, ball, blob, chain, cylinder, hoop, rod, turned_solid


def donut(d: Draw) -> list[Array]:
    """A ring of round section."""
    bar = d.u(1.0, 1.6)
    return hoop(bar + d.u(1.1, 1.9), bar, 13)


def apple(d: Draw) -> list[Array]:
    """An apple: a body of several lobes and a stalk."""
    r, lobes, inset = d.u(2.4, 2.9), 4 + d.pick(2), d.u(0.7, 1.0)
    angles = 2.0 * np.pi * np.arange(lobes) / lobes
    body = [blob([r, r, r * d.u(1.0, 1.12)], [inset * np.cos(a), inset * np.sin(a), 0]) for a in angles]
    return [*body, rod([0, 0, 0.8 * r], [d.u(0.0, 0.5), 0, 1.1 * r + d.u(0.6, 1.3)], 0.28)]


def pear(d: Draw) -> list[Array]:
    """A pear."""
    r, top, h, lean = d.u(2.7, 3.3), d.u(1.2, 1.7), d.u(3.6, 5.2), d.u(0.0, 0.7)
    stalk = rod([lean, 0, h + 0.8 * top], [1.5 * lean, 0, h + top + d.u(0.8, 1.4)], 0.28)
    return [ball(r), rod([0.3 * lean, 0, 0.35 * h], [lean, 0, h], 0.86 * r, top), stalk]


def carrot(d: Draw) -> list[Array]:
    """A carrot with a tuft of leaves."""
    r, length, bend = d.u(1.5, 2.0), d.u(9.0, 12.0), d.u(0.0, 1.0)
    body = chain([[0, 0, 0], [0.5 * length, bend, 0], [length, 0, 0]], [r, 0.68 * r, 0.35])
    tuft = [
        rod([-0.7 * r, 0, 0], [-r - d.u(1.6, 2.8), y, z], 0.35, 0.55)
        for y, z in ((0.0, 0.0), (d.u(0.5, 1.0), 0.3), (-d.u(0.5, 1.0), -0.3))
    ]
    return [*body, *tuft]


def mushroom(d: Draw) -> list[Array]:
    """A mushroom."""
    r, h = d.u(2.6, 3.6), d.u(3.0, 4.6)
    cap = turned_solid([(r, h - 0.3), (0.86 * r, h + 0.45 * r), (0.4 * r, h + 0.8 * r)])
    return [cylinder(d.u(1.0, 1.5), 0.0, h, top=1.0), cap]


def ice_cream(d: Draw) -> list[Array]:
    """A cone with one to three scoops."""
    r, h, scoops = d.u(2.2, 2.8), d.u(6.5, 9.0), 1 + d.pick(3)
    balls = [ball(d.u(0.95, 1.08) * r, [0, 0, h + 0.3 * r + 1.05 * r * k]) for k in range(scoops)]
    return [cylinder(0.4, 0.0, h, top=r), *balls]


def croissant(d: Draw) -> list[Array]:
    """A croissant: a bent roll of segments that swell towards the middle."""
    bend, thick, n = d.u(70.0, 95.0), d.u(1.6, 2.2), 9
    centres = arc(d.u(3.6, 4.6), 90.0 - bend, 90.0 + bend, n - 1, plane="xy")
    swell = np.cos(np.linspace(-1.15, 1.15, n))
    pieces = []
    for k in range(n - 1):
        step = 0.12 * thick * (1 if k < (n - 1) / 2 else -1)
        a, b = thick * swell[k] - min(step, 0.0), thick * swell[k + 1] + max(step, 0.0)
        pieces.append(rod(list(centres[k]), list(centres[k + 1]), a, b))
    return pieces


def corn(d: Draw) -> list[Array]:
    """A cob half in its leaves."""
    r, half = d.u(1.9, 2.4), d.u(4.4, 6.0)
    pieces = chain([[-half, 0, 0], [0, 0, 0], [half, 0, 0]], [0.75 * r, r, 0.55 * r])
    for k in range(3):
        a = 2.0 * np.pi * k / 3
        c, s = np.cos(a), np.sin(a)
        pieces += chain(
            [
                [-half - 1.0, 0.2 * c, 0.2 * s],
                [-0.5 * half, 0.8 * r * c, 0.8 * r * s],
                [0.15 * half, 1.35 * r * c, 1.35 * r * s],
            ],
            [0.5, 0.6, 0.4],
        )
    return pieces


def bell_pepper(d: Draw) -> list[Array]:
    """A bell pepper: lobes that narrow downwards, a stalk."""
    r, h, inset = d.u(1.5, 2.0), d.u(3.2, 5.0), d.u(1.1, 1.5)
    lobes = 3 + d.pick(2)
    pieces = []
    for k in range(lobes):
        a = 2.0 * np.pi * k / lobes
        c, s = inset * np.cos(a), inset * np.sin(a)
        pieces.append(rod([0.7 * c, 0.7 * s, 0], [c, s, h], 0.8 * r, r))
    return [*pieces, rod([0, 0, 0], [0, 0, h], r), rod([0, 0, h + 0.5 * r], [0.3, 0, h + r + d.u(0.8, 1.4)], 0.4)]
