"""The simulator model of one environment: hand, table, and the object or the mechanism that was drawn (or both)."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from sleight_core.hand import HandTable
from sleight_description.mjcf import add_hand

from sleight_sim.tasks.compose.contacts import MECHANISM, OBJECT, add_contact_sensors
from sleight_sim.tasks.compose.mechanisms import Mechanism, add_mechanism
from sleight_sim.tasks.compose.objects import add_object
from sleight_sim.tasks.compose.variation import WorldDraw
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, add_table, add_visuals, look_at

#: Camera of worlds with visuals.
CAMERA = "front"


@dataclass(frozen=True)
class ComposeWorld:
    """A compiled world.

    Attributes:
        model: Joints "wrist", the hand's, "object", then the mechanism's.
        draw: What it was made from.
        mechanism: Its chain, or None.
    """

    model: mujoco.MjModel
    draw: WorldDraw
    mechanism: Mechanism | None


def build_world(table: HandTable, draw: WorldDraw, timestep: float, *, visuals: bool = False) -> ComposeWorld:
    """Compile one environment's world.

    Worlds of the same object and mechanism kinds have the same MjData layout whatever their draws, so that one batch
    can hold them; a world with both is a composition.

    Args:
        table: A hand on a floating wrist.
        draw: Object and mechanism.
        timestep: Physics step (s).
        visuals: Add a table, a floor, lights and a camera for pictures (no effect on the physics or the layout).
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    kinds = [part.kind for part in (draw.thing, draw.mechanism) if part is not None]
    spec.modelname = "_".join(["compose", table.name, *kinds])
    spec.option.timestep = timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # Elliptic cones and a high ratio of friction to normal impedance: held things otherwise creep out of a grasp.
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.iterations = 20
    spec.option.ls_iterations = 20
    add_table(spec)
    add_hand(spec, table)
    add_object(spec, draw.thing)
    add_contact_sensors(spec, table, OBJECT)
    mechanism = None if draw.mechanism is None else add_mechanism(spec, draw.mechanism)
    if mechanism is not None:
        add_contact_sensors(spec, table, MECHANISM)
    if visuals:
        add_visuals(spec)
        # From the hand's side, where the mechanisms have their handles.
        eye = np.array([0.60, 0.62, TABLE_HEIGHT + 0.45])
        quat = look_at(eye, np.array([0.0, 0.02, TABLE_HEIGHT + 0.11]))
        spec.worldbody.add_camera(name=CAMERA, pos=eye, quat=quat, fovy=40)
    return ComposeWorld(spec.compile(), draw, mechanism)
