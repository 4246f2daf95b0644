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
        mechanisms: The chains of its mechanisms.
    """

    model: mujoco.MjModel
    draw: WorldDraw
    mechanisms: tuple[Mechanism, ...]

    @property
    def mechanism(self) -> Mechanism | None:
        """The chain of the first mechanism, or None."""
        return next(iter(self.mechanisms), None)


def build_world(table: HandTable, draw: WorldDraw, timestep: float, *, visuals: bool = False) -> ComposeWorld:
    """Compile one environment's world.

    Worlds of the same object and mechanism kinds have the same MjData layout whatever their draws, so that one batch
    can hold them; a world with both is a composition. Several mechanisms stand on one table, where an episode puts
    them; they do not meet each other.

    Args:
        table: A hand on a floating wrist.
        draw: Object and mechanisms.
        timestep: Physics step (s).
        visuals: Add a table, a floor, lights and a camera for pictures (no effect on the physics or the layout).
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    kinds = [part.kind for part in (draw.thing, *draw.mechanisms) if part is not None]
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
    mechanisms = tuple(add_mechanism(spec, part, _prefix(i)) for i, part in enumerate(draw.mechanisms))
    for mechanism in mechanisms:
        add_contact_sensors(spec, table, mechanism.prefix + MECHANISM)
    if visuals:
        add_visuals(spec)
        # From the hand's side, where the mechanisms have their handles.
        eye = np.array([0.60, 0.62, TABLE_HEIGHT + 0.45])
        quat = look_at(eye, np.array([0.0, 0.02, TABLE_HEIGHT + 0.11]))
        spec.worldbody.add_camera(name=CAMERA, pos=eye, quat=quat, fovy=40)
    return ComposeWorld(spec.compile(), draw, mechanisms)


def _prefix(index: int) -> str:
    """Before the names of a mechanism's parts; nothing for the first."""
    return f"{index + 1}_" if index else ""
