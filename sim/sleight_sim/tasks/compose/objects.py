"""The objects of the retention skills, of primitive shapes or given ones; no draw changes the model's layout."""

from __future__ import annotations

import mujoco
import numpy as np

from sleight_sim.objects import mjcf
from sleight_sim.tasks.compose.shapes import ShapeDraw
from sleight_sim.tasks.compose.variation import ObjectDraw

#: Collision bits. The hand has 1 / 2 and the table 2 / 2 (contype / conaffinity, as in the tabletop). Objects meet
#: hand, table and mechanisms; the parts of a mechanism meet hand and objects, but neither each other nor the table.
OBJECT_BITS = (2, 4)
MECHANISM_BITS = (4, 1)

_GEOM = mujoco.mjtGeom
_COLOURS = {
    "ball": (0.86, 0.42, 0.18, 1.0),
    "can": (0.72, 0.16, 0.18, 1.0),
    "stick": (0.80, 0.62, 0.36, 1.0),
    "mug": (0.20, 0.42, 0.66, 1.0),
    "cube": (0.28, 0.58, 0.36, 1.0),
}
#: A mug's wall is a ring of boxes, so that things could be poured from it and its handle is a real one.
MUG_STAVES = 10
MUG_WALL = 0.0035


def add_object(spec: mujoco.MjSpec, draw: ObjectDraw | ShapeDraw | None) -> None:
    """Add the free body "object".

    A world without an object still has the body, so that all tasks share one state: a 1 cm ball that nothing touches
    and no gravity moves, parked beside the table.

    Args:
        spec: The world under construction.
        draw: The object, or None.
    """
    body = spec.worldbody.add_body(name="object")
    body.add_freejoint(name="object")
    if draw is None:
        body.gravcomp = 1.0
        body.add_geom(
            type=_GEOM.mjGEOM_SPHERE, size=[0.01, 0, 0], mass=0.01, contype=0, conaffinity=0, rgba=[0, 0, 0, 0]
        )
        return
    if isinstance(draw, ShapeDraw):
        # Mass and friction are those of the tabletop, in which it was picked up.
        pieces = mjcf.add_object(spec, body, draw.spec, draw.slots)
        for geom in pieces[: len(draw.spec.pieces)]:
            geom.contype, geom.conaffinity = OBJECT_BITS
        return
    for geom in {"ball": _ball, "can": _can, "stick": _stick, "mug": _mug, "cube": _cube}[draw.kind](body, draw):
        geom.contype, geom.conaffinity = OBJECT_BITS
        geom.density = draw.density
        # Rolling friction, so that a ball on the table stays where it is put.
        geom.friction, geom.condim = [draw.friction, 0.005, 0.0005], 6
        geom.rgba = _COLOURS[draw.kind]


def _ball(body: mujoco.MjsBody, draw: ObjectDraw) -> list[mujoco.MjsGeom]:
    return [body.add_geom(type=_GEOM.mjGEOM_SPHERE, size=[draw.radius, 0, 0])]


def _can(body: mujoco.MjsBody, draw: ObjectDraw) -> list[mujoco.MjsGeom]:
    return [body.add_geom(type=_GEOM.mjGEOM_CYLINDER, size=[draw.radius, draw.half_length, 0])]


def _stick(body: mujoco.MjsBody, draw: ObjectDraw) -> list[mujoco.MjsGeom]:
    return [body.add_geom(type=_GEOM.mjGEOM_CAPSULE, size=[draw.radius, draw.half_length, 0])]


def _cube(body: mujoco.MjsBody, draw: ObjectDraw) -> list[mujoco.MjsGeom]:
    return [body.add_geom(type=_GEOM.mjGEOM_BOX, size=[draw.radius] * 3)]


def _mug(body: mujoco.MjsBody, draw: ObjectDraw) -> list[mujoco.MjsGeom]:
    """A ring of staves, a bottom, and a handle of three bars along +x; the origin is at the centre of the ring."""
    r, h, wall = draw.radius, draw.half_length, MUG_WALL
    bottom = body.add_geom(type=_GEOM.mjGEOM_CYLINDER, size=[r, wall, 0], pos=[0, 0, wall - h])
    geoms = [bottom]
    middle = r - wall
    width = middle * np.tan(np.pi / MUG_STAVES) + wall
    for i in range(MUG_STAVES):
        angle = 2.0 * np.pi * (i + 0.5) / MUG_STAVES
        geoms.append(
            body.add_geom(
                type=_GEOM.mjGEOM_BOX,
                size=[wall, width, h],
                pos=[middle * np.cos(angle), middle * np.sin(angle), 0],
                quat=[np.cos(0.5 * angle), 0, 0, np.sin(0.5 * angle)],
            )
        )
    out, up, bar = r + 0.028, 0.55 * h, 0.005
    for start, end in (((r, 0, up), (out, 0, up)), ((out, 0, up), (out, 0, -up)), ((out, 0, -up), (r, 0, -up))):
        geoms.append(body.add_geom(type=_GEOM.mjGEOM_CAPSULE, fromto=[*start, *end], size=[bar, 0, 0]))
    return geoms
