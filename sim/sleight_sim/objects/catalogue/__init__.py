"""Categories of household things: how their shapes are made, and which of them training never sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sleight_sim.objects.catalogue import food, gadgets, home, kitchen, tools, toys
from sleight_sim.objects.catalogue.parts import Array, Draw
from sleight_sim.objects.household import FAMILIES


@dataclass(frozen=True)
class Category:
    """One category of things.

    Attributes:
        name: Its name in object names.
        kind: The room or shelf it belongs to.
        build: Makes the convex parts (each (V, 3), any unit) of one shape from a generator.
        unseen: True if training never sees the category.
        fill: Bounds of the shape's largest distance from its centre, as a share of the scale. Bulky things stay
            smaller than the sphere they are scaled to, or no hand could span them.
    """

    name: str
    kind: str
    build: Callable[[np.random.Generator], list[Array]]
    unseen: bool = False
    fill: tuple[float, float] = (0.85, 1.0)


#: Categories that training never sees.
UNSEEN = frozenset(
    ("teapot", "wine_glass", "hairbrush", "shoe", "watch", "padlock", "croissant", "bell_pepper", "scissors", "clamp")
    + ("tape_measure", "stapler", "fret_saw", "toy_animal", "airplane", "hair_dryer", "power_strip", "microscope")
    + ("joystick", "plug")
)

#: Bulky things, by the bounds of their `Category.fill`.
_BULKY = {
    (0.52, 0.72): ("sphere", "mushroom", "wheel"),
    (0.6, 0.8): ("egg", "apple", "bell_pepper", "bowl", "toilet_paper", "tape_roll", "donut"),
    (0.7, 0.9): ("box", "can", "light_bulb", "spinning_top", "duck", "headphones", "watch"),
}
_FILL = {name: fill for fill, names in _BULKY.items() for name in names}

_SHELVES: dict[str, tuple[Callable[[Draw], list[Array]], ...]] = {
    "kitchen": (
        *(kitchen.mug, kitchen.cup, kitchen.bowl, kitchen.kettle, kitchen.teapot, kitchen.wine_glass, kitchen.jar),
        *(kitchen.spoon, kitchen.ladle, kitchen.pitcher, kitchen.salt_shaker, kitchen.carton, kitchen.pan),
        *(kitchen.rolling_pin, kitchen.thermos, kitchen.candlestick),
    ),
    "home": (
        *(home.spray_bottle, home.soap_dispenser, home.toilet_paper, home.toothpaste, home.hairbrush, home.perfume),
        *(home.vase, home.book, home.handbag, home.watering_can, home.shoe, home.watch, home.lamp, home.alarm_clock),
        *(home.padlock, home.tape_roll, home.magnifier),
    ),
    "food": (
        *(food.donut, food.apple, food.pear, food.carrot, food.mushroom, food.ice_cream, food.croissant, food.corn),
        food.bell_pepper,
    ),
    "tools": (
        *(tools.pistol, tools.drill, tools.screwdriver, tools.wrench, tools.pliers, tools.scissors, tools.flashlight),
        *(tools.light_bulb, tools.paint_brush, tools.axe, tools.clamp, tools.bolt, tools.tape_measure, tools.stapler),
        *(tools.pipe_wrench, tools.fret_saw),
    ),
    "toys": (
        *(toys.toy_figure, toys.toy_animal, toys.teddy, toys.toy_car, toys.truck, toys.duck, toys.robot, toys.dumbbell),
        *(toys.bowling_pin, toys.spinning_top, toys.tetromino, toys.boat, toys.airplane, toys.chess_piece, toys.rattle),
        *(toys.wheel, toys.mallet),
    ),
    "gadgets": (
        *(gadgets.game_pad, gadgets.headphones, gadgets.camera, gadgets.remote_control, gadgets.mouse, gadgets.keypad),
        *(gadgets.microphone, gadgets.walkie_talkie, gadgets.binoculars, gadgets.handset, gadgets.hair_dryer),
        *(gadgets.power_strip, gadgets.microscope, gadgets.joystick, gadgets.loudspeaker, gadgets.router, gadgets.plug),
    ),
}


def _drawn(build: Callable[[Draw], list[Array]], rng: np.random.Generator) -> list[Array]:
    return build(Draw(rng))


def _catalogue() -> dict[str, Category]:
    found = {
        build.__name__: Category(
            build.__name__,
            kind,
            partial(_drawn, build),
            unseen=build.__name__ in UNSEEN,
            fill=_FILL.get(build.__name__, Category.fill),
        )
        for kind, builds in _SHELVES.items()
        for build in builds
    }
    basic = {
        name: Category(name, "basic", build, fill=_FILL.get(name, Category.fill))
        for name, build in FAMILIES.items()
        if name not in found
    }
    return basic | found


#: Every category by name: first the basic shapes, then shelf by shelf.
CATEGORIES: dict[str, Category] = _catalogue()
