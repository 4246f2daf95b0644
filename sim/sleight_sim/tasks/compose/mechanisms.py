"""The mechanisms of the interaction skills: door, microwave, drawer, button and switch, made of primitive shapes.

Each stands on a base that is a mocap body, so that an episode places it by two state arrays without another model. In
the base's frame x is to the right, y towards the hand and z up; the origin is on the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from sleight_sim.tasks.compose.objects import MECHANISM_BITS
from sleight_sim.tasks.compose.springs import OverCentreSpring, detent, toggle
from sleight_sim.tasks.compose.variation import MechanismDraw

Array = NDArray[np.float64]
Vec3 = tuple[float, float, float]

_GEOM, _JOINT = mujoco.mjtGeom, mujoco.mjtJoint
_CASE, _PART, _GRIP, _METAL = (
    (0.62, 0.64, 0.68, 1.0),
    (0.86, 0.85, 0.80, 1.0),
    (0.80, 0.24, 0.20, 1.0),
    (0.35, 0.36, 0.40, 1.0),
)
#: Bits of the door's cam and of the strike that it catches on: they meet each other only.
_LATCH_BITS = (8, 8)
#: Preload of springs, as a share of their range: they hold their part at its stop.
PRELOAD = 0.25
LEVER_RANGE = 0.8
DETENT_CENTRE = 0.12


@dataclass(frozen=True)
class Link:
    """A joint of a mechanism's chain from base to handle.

    Attributes:
        name: Joint.
        hinge: Hinge (else slide).
        axis: Unit axis in the parent's frame.
        origin: Origin of the joint's body in the parent's body (m).
        lower, upper: Its range (rad or m).
        start: Its position at the start of an episode.
    """

    name: str
    hinge: bool
    axis: Vec3
    origin: Vec3
    lower: float
    upper: float
    start: float


@dataclass(frozen=True)
class Mechanism:
    """What a task must know about a mechanism that was added to a world.

    Attributes:
        links: From base to handle.
        handle: What the hand acts on, in the last link's frame (m).
        spring: Its over-centre spring, or None.
        prefix: Before the names of its bodies, joints and sites in the model; the links' names are without it.
    """

    links: tuple[Link, ...]
    handle: Vec3
    spring: OverCentreSpring | None = None
    prefix: str = ""


def add_mechanism(spec: mujoco.MjSpec, draw: MechanismDraw, prefix: str = "") -> Mechanism:
    """Add a mechanism on the mocap body "base", with site "handle" on the part that the hand acts on.

    Args:
        spec: The world under construction.
        draw: Which one, and its dynamics.
        prefix: Before the names of its parts, so that a world can hold several.
    """
    if prefix:
        alone = mujoco.MjSpec()
        alone.compiler.degree = spec.compiler.degree
        made = add_mechanism(alone, draw)
        spec.attach(alone, frame=spec.worldbody.add_frame(), prefix=prefix)
        return replace(made, prefix=prefix)
    base = spec.worldbody.add_body(name="base", mocap=True)
    build = {"door": _door, "microwave": _microwave, "drawer": _drawer, "button": _button, "switch": _switch}
    made = build[draw.kind](spec, base, draw)
    spec.body(f"{made.links[-1].name}_body").add_site(name="handle", pos=made.handle, size=[0.003] * 3, group=4)
    return made


def _door(spec: mujoco.MjSpec, base: mujoco.MjsBody, draw: MechanismDraw) -> Mechanism:
    """A door pushed away from the hand; a lever pressed down by about 0.3 rad lifts its cam over the strike."""
    s = draw.size
    w, h, t = 0.18 * s, 0.17 * s, 0.009
    lever_x, lever_z = 2.0 * w - 0.05, 0.02 * s
    middle = h + 0.02
    for x in (-w - 0.016, w + 0.036):
        _box(base, draw, (x, -0.012, middle), (0.012, 0.02, middle), _CASE)
    _box(base, draw, (0.01, -0.012, 2.0 * h + 0.036), (w + 0.038, 0.02, 0.012), _CASE)
    hinge = Link("hinge", True, (0.0, 0.0, -1.0), (-w, 0.0, middle), 0.0, draw.travel, 0.0)
    door = _part(base, hinge, draw.damping, draw.friction_loss)
    _box(door, draw, (w, 0.0, 0.0), (w - 0.003, t, h), _PART, mass=1.5)
    lever = Link("lever", True, (0.0, -1.0, 0.0), (lever_x, 0.0, lever_z), 0.0, LEVER_RANGE, 0.0)
    arm = _part(door, lever, 0.02, 0.01, stiffness=draw.stiffness, armature=5e-4)
    _capsule(arm, draw, (0, t, 0), (0, 0.055, 0), 0.009, _METAL)
    _capsule(arm, draw, (0, 0.055, 0), (-0.11 * s, 0.055, 0), 0.009, _GRIP)
    arm.add_geom(
        type=_GEOM.mjGEOM_BOX, pos=[0.04, 0, 0], size=[0.025, 0.006, 0.006], mass=0.02, rgba=_METAL,
        contype=_LATCH_BITS[0], conaffinity=_LATCH_BITS[1],
    )  # fmt: skip
    strike = (-w + lever_x + 0.062, -0.0165, middle + lever_z)
    base.add_geom(
        type=_GEOM.mjGEOM_BOX, pos=strike, size=[0.007, 0.01, 0.01], rgba=_METAL,
        contype=_LATCH_BITS[0], conaffinity=_LATCH_BITS[1],
    )  # fmt: skip
    return Mechanism((hinge, lever), (-0.085 * s, 0.055, 0.0))


def _microwave(spec: mujoco.MjSpec, base: mujoco.MjsBody, draw: MechanismDraw) -> Mechanism:
    """A case whose door is pulled open by an upright bar; an over-centre spring holds it shut."""
    s = draw.size
    w, h, d, wall = 0.18 * s, 0.11 * s, 0.13 * s, 0.008
    up = h + 0.03
    for sign in (-1.0, 1.0):
        _box(base, draw, (sign * (w - wall), -d, up), (wall, d, h), _CASE)
        _box(base, draw, (0.0, -d, up + sign * (h - wall)), (w - 2 * wall, d, wall), _CASE)
    _box(base, draw, (0.0, -2.0 * d + wall, up), (w - 2 * wall, wall, h - 2 * wall), _CASE)
    _box(base, draw, (0.0, -d, 0.015), (w - 0.03, d - 0.03, 0.015), _METAL)
    hinge = Link("hinge", True, (0.0, 0.0, 1.0), (-w, 0.012, up), 0.0, draw.travel, 0.0)
    door = _part(base, hinge, draw.damping, draw.friction_loss)
    _box(door, draw, (w, 0.0, 0.0), (w, 0.01, h), _PART, mass=1.0)
    x, out, length = 2.0 * w - 0.04, 0.055, 0.07 * s
    _capsule(door, draw, (x, out, -length), (x, out, length), 0.009, _GRIP)
    for z in (-length, length):
        _capsule(door, draw, (x, 0.01, z), (x, out, z), 0.007, _METAL)
    spring = detent(draw.snap, DETENT_CENTRE, 0.1)
    _spring(spec, base, door, spring, hinge.origin, plane=(0, 1))
    return Mechanism((hinge,), (x, out, 0.0), spring)


def _drawer(spec: mujoco.MjSpec, base: mujoco.MjsBody, draw: MechanismDraw) -> Mechanism:
    """A drawer pulled by a level bar."""
    s = draw.size
    w, h, d = 0.15 * s, 0.08 * s, 0.13 * s
    _box(base, draw, (0.0, -d, h), (w, d, h), _CASE)
    slide = Link("drawer", False, (0.0, 1.0, 0.0), (0.0, 0.012, h), 0.0, draw.travel, 0.0)
    drawer = _part(base, slide, draw.damping, draw.friction_loss)
    _box(drawer, draw, (0.0, 0.0, 0.0), (w - 0.005, 0.01, h - 0.01), _PART, mass=0.8)
    _box(drawer, draw, (0.0, -0.9 * d, -0.01), (w - 0.02, 0.85 * d, h - 0.03), _PART, mass=0.4)
    out, length = 0.055, 0.06 * s
    _capsule(drawer, draw, (-length, out, 0.0), (length, out, 0.0), 0.009, _GRIP)
    for x in (-length, length):
        _capsule(drawer, draw, (x, 0.01, 0.0), (x, out, 0.0), 0.007, _METAL)
    return Mechanism((slide,), (0.0, out, 0.0))


def _button(spec: mujoco.MjSpec, base: mujoco.MjsBody, draw: MechanismDraw) -> Mechanism:
    """A button on a box, pressed down against a spring."""
    s = draw.size
    top = 0.08 * s
    _box(base, draw, (0.0, 0.0, 0.5 * top), (0.05 * s, 0.05 * s, 0.5 * top), _CASE)
    slide = Link("button", False, (0.0, 0.0, -1.0), (0.0, 0.0, top), 0.0, draw.travel, 0.0)
    button = _part(base, slide, draw.damping, draw.friction_loss, stiffness=draw.stiffness)
    # It stands out by more than its travel, so that the case never carries the finger.
    out = 0.5 * (draw.travel + 0.012)
    _cylinder(button, draw, (0.0, 0.0, out), 0.022 * s, out, _GRIP, mass=0.03)
    return Mechanism((slide,), (0.0, 0.0, 2.0 * out))


def _switch(spec: mujoco.MjSpec, base: mujoco.MjsBody, draw: MechanismDraw) -> Mechanism:
    """A toggle on a box: towards the hand is off, away from it is on; an over-centre spring keeps it at either end."""
    s = draw.size
    top, end = 0.08 * s, 0.5 * draw.travel
    _box(base, draw, (0.0, 0.0, 0.5 * top), (0.05 * s, 0.05 * s, 0.5 * top), _CASE)
    hinge = Link("switch", True, (1.0, 0.0, 0.0), (0.0, 0.0, top), -end, end, -end)
    lever = _part(base, hinge, draw.damping, draw.friction_loss, armature=2e-4)
    length = 0.05 * s
    _capsule(lever, draw, (0, 0, 0), (0, 0, length), 0.008, _GRIP)
    spring = toggle(draw.snap, end, 0.02)
    _spring(spec, base, lever, spring, hinge.origin, plane=(2, 1))
    return Mechanism((hinge,), (0.0, 0.0, length), spring)


def _part(
    parent: mujoco.MjsBody,
    link: Link,
    damping: float,
    friction_loss: float,
    *,
    stiffness: float = 0.0,
    armature: float = 0.0,
) -> mujoco.MjsBody:
    """Add the body of a joint; a spring presses it against its lower end with a preload."""
    body = parent.add_body(name=f"{link.name}_body", pos=link.origin)
    body.add_joint(
        name=link.name,
        type=_JOINT.mjJNT_HINGE if link.hinge else _JOINT.mjJNT_SLIDE,
        axis=link.axis,
        limited=True,
        range=[link.lower, link.upper],
        damping=damping,
        frictionloss=friction_loss,
        armature=armature,
        stiffness=stiffness,
        springref=link.lower - PRELOAD * (link.upper - link.lower) if stiffness else 0.0,
    )
    return body


def _spring(
    spec: mujoco.MjSpec,
    base: mujoco.MjsBody,
    part: mujoco.MjsBody,
    spring: OverCentreSpring,
    origin: Vec3,
    plane: tuple[int, int],
) -> None:
    """Add an over-centre spring that lies in a plane through the hinge.

    Args:
        spec: The world.
        base: The body with the anchor.
        part: The hinged body, with the arm along the plane's first axis at position 0.
        spring: Its figures.
        origin: The hinge in the base's frame (m).
        plane: Indices of the axes: the arm's, and the one that it turns towards.
    """
    along, across = plane
    turn = -1.0 if plane == (2, 1) else 1.0
    arm, anchor = np.zeros(3), np.array(origin)
    arm[along] = spring.arm
    anchor[along] -= spring.anchor * np.cos(spring.centre)
    anchor[across] -= turn * spring.anchor * np.sin(spring.centre)
    part.add_site(name="spring_arm", pos=arm, size=[0.002] * 3, group=4)
    base.add_site(name="spring_anchor", pos=anchor, size=[0.002] * 3, group=4)
    # Invisible: it stands for what is inside the case.
    tendon = spec.add_tendon(name="spring", stiffness=spring.stiffness, rgba=[0, 0, 0, 0])
    tendon.springlength = [0.0, spring.rest_length]
    tendon.wrap_site("spring_arm")
    tendon.wrap_site("spring_anchor")


def _skin(geom: mujoco.MjsGeom, draw: MechanismDraw, colour: tuple[float, ...]) -> None:
    geom.contype, geom.conaffinity = MECHANISM_BITS
    geom.friction = [draw.friction, 0.005, 0.0001]
    geom.rgba = colour


def _box(
    body: mujoco.MjsBody, draw: MechanismDraw, pos: Vec3, size: Vec3, colour: tuple[float, ...], mass: float = 0.1
) -> None:
    _skin(body.add_geom(type=_GEOM.mjGEOM_BOX, pos=pos, size=size, mass=mass), draw, colour)


def _capsule(
    body: mujoco.MjsBody, draw: MechanismDraw, start: Vec3, end: Vec3, radius: float, colour: tuple[float, ...]
) -> None:
    geom = body.add_geom(type=_GEOM.mjGEOM_CAPSULE, fromto=[*start, *end], size=[radius, 0, 0], mass=0.02)
    _skin(geom, draw, colour)


def _cylinder(
    body: mujoco.MjsBody,
    draw: MechanismDraw,
    pos: Vec3,
    radius: float,
    half: float,
    colour: tuple[float, ...],
    mass: float,
) -> None:
    _skin(body.add_geom(type=_GEOM.mjGEOM_CYLINDER, pos=pos, size=[radius, half, 0], mass=mass), draw, colour)
