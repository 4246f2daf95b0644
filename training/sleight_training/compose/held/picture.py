"""Pictures of held states: hand and object from close by, the touching fingers in another colour; a sheet of some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.rotations import rotate_z
from sleight_sim.tasks.compose.action import quat_to_euler
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.compose.shapes import ShapeDraw
from sleight_sim.tasks.compose.variation import WorldDraw
from sleight_sim.tasks.compose.world import build_world
from sleight_sim.video import OffscreenRenderer

from sleight_training.compose.held.library import Draw, HeldLibrary

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
    camera = _close_up(model, shown, _size(library.draws[library.world[row]]))
    renderer = OffscreenRenderer(model, camera=camera, width=WIDTH, height=HEIGHT)
    try:
        return renderer.frame(shown).copy()
    finally:
        renderer.close()


def spread_rows(library: HeldLibrary, count: int) -> NDArray[np.int64]:
    """Rows that are spread evenly over a library: `count` or as many as there are."""
    return np.unique(np.linspace(0, len(library) - 1, min(count, len(library))).astype(np.int64))


def write_held_sheet(path: Path, library: HeldLibrary, count: int = 8) -> None:
    """Render held states that are spread over a library into one PNG, each with its object's name.

    Args:
        path: PNG to write.
        library: The library.
        count: How many, at most.

    Raises:
        SleightError: Nothing can be rendered on this machine (`NoGraphicsError`), or the file cannot be written.
    """
    from PIL import Image, ImageDraw

    rows, band = spread_rows(library, count), 18
    columns = min(4, len(rows))
    size = columns * WIDTH, -(-len(rows) // columns) * (HEIGHT + band)
    sheet = Image.new("RGB", size, (247, 247, 245))
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        x, y = (i % columns) * WIDTH, (i // columns) * (HEIGHT + band)
        sheet.paste(Image.fromarray(render_held(library, int(row))), (x, y))
        thing = library.draws[library.world[row]]
        label = thing.name if isinstance(thing, ShapeDraw) else f"{thing.kind} {library.world[row]}"
        draw.text((x + 6, y + HEIGHT + 3), label[-46:], fill=(40, 40, 40))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.quantize(160).save(path, "PNG", optimize=True)
    except (OSError, ValueError) as error:
        raise SleightError("the picture cannot be written", value=f"{path}: {error}") from None


def _size(thing: Draw) -> float:
    """Longest side of a given shape (m); 0 for the tasks' own objects, which fit the picture."""
    return float(thing.spec.extents.max()) if isinstance(thing, ShapeDraw) else 0.0


def _close_up(model: mujoco.MjModel, qpos: NDArray[np.float64], size: float) -> mujoco.MjvCamera:
    """A camera beside the object on the thumb's side, so that a palm-down grasp shows its fingers."""
    at, wrist = (int(model.joint(name).qposadr[0]) for name in ("object", "wrist"))
    turn = float(quat_to_euler(qpos[wrist + 3 : wrist + 7])[0])
    camera = mujoco.MjvCamera()
    camera.lookat[:] = qpos[at : at + 3] + rotate_z(np.array([[0.0, 0.03, 0.01]]), np.array([turn]))[0]
    camera.distance, camera.azimuth, camera.elevation = max(0.33, 0.1 + 2.0 * size), 215.0 + np.degrees(turn), -5.0
    return camera


def _colour(model: mujoco.MjModel, table: HandTable, marked: Sequence[str]) -> None:
    parent = {row.name: row.parent for row in table.bodies}
    for name, finger in table.fingers.items():
        body = finger.distal_body
        while body not in ("palm", table.root_body):
            index = model.body(body).id
            model.geom_rgba[model.geom_bodyid == index] = _TOUCHING if name in marked else _FREE
            body = parent[body]
