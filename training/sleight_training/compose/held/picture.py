"""Pictures of held states: hand and object from close by, the touching fingers in another colour."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.hand import HandTable
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.variation import WorldDraw
from sleight_sim.tasks.compose.world import build_world
from sleight_sim.video import OffscreenRenderer

from sleight_training.compose.held.library import HeldLibrary

WIDTH, HEIGHT = 300, 260
#: Fingers that touch the object with at least this force are coloured (N).
TOUCHES = 0.1
_TOUCHING, _FREE = (0.06, 0.56, 0.52, 1.0), (0.78, 0.78, 0.80, 1.0)


def render_held(
    library: HeldLibrary, row: int, *, qpos: NDArray[np.float64] | None = None, marked: Sequence[str] | None = None
) -> NDArray[np.uint8]:
    """Picture (H, W, 3) of a held state.

    Args:
        library: The library.
        row: Which state.
        qpos: Show these positions (Q,) of its world instead, such as the end of a release test.
        marked: Fingers to colour; None: those that touch the object.

    Raises:
        NoGraphicsError: Nothing can be rendered on this machine.
    """
    table = compose_hand(library.task)
    draw = WorldDraw(library.draws[library.world[row]], None)
    model = build_world(table, draw, library.task.timestep, visuals=True).model
    if marked is None:
        touching = library.contact[row] >= TOUCHES
        marked = [name for name, on in zip(table.finger_names, touching, strict=True) if on]
    _colour(model, table, marked)
    shown = library.qpos[row] if qpos is None else qpos
    renderer = OffscreenRenderer(model, camera=_close_up(model, shown), width=WIDTH, height=HEIGHT)
    try:
        return renderer.frame(shown).copy()
    finally:
        renderer.close()


def spread_rows(library: HeldLibrary, count: int) -> NDArray[np.int64]:
    """Rows that are spread evenly over a library: `count` or as many as there are."""
    return np.unique(np.linspace(0, len(library) - 1, min(count, len(library))).astype(np.int64))


def _close_up(model: mujoco.MjModel, qpos: NDArray[np.float64]) -> mujoco.MjvCamera:
    """A camera beside the object on the thumb's side, so that a palm-down grasp shows its fingers."""
    at = int(model.joint("object").qposadr[0])
    camera = mujoco.MjvCamera()
    camera.lookat[:] = qpos[at : at + 3] + np.array([0.0, 0.03, 0.01])
    camera.distance, camera.azimuth, camera.elevation = 0.33, 215.0, -5.0
    return camera


def _colour(model: mujoco.MjModel, table: HandTable, marked: Sequence[str]) -> None:
    parent = {row.name: row.parent for row in table.bodies}
    for name, finger in table.fingers.items():
        body = finger.distal_body
        while body not in ("palm", table.root_body):
            index = model.body(body).id
            model.geom_rgba[model.geom_bodyid == index] = _TOUCHING if name in marked else _FREE
            body = parent[body]
