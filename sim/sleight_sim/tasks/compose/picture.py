"""A contact sheet of the tasks: one rendered world each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.make import make_compose_task, make_worlds
from sleight_sim.tasks.compose.world import CAMERA
from sleight_sim.video import OffscreenRenderer

WIDTH, HEIGHT = 320, 260


def render_start(name: str, seed: int = 0) -> NDArray[np.uint8]:
    """Picture (H, W, 3) of a task at the start of an episode.

    Args:
        name: The task.
        seed: Of world and start.

    Raises:
        NoGraphicsError: Nothing can be rendered on this machine.
    """
    config = TASKS[name]
    task = make_compose_task(config, 1, seed=seed, num_threads=1)
    task.reset()
    # Visuals change neither the layout nor the physics.
    model = make_worlds(config, 1, seed, visuals=True)[0].model
    renderer = OffscreenRenderer(model, camera=CAMERA, width=WIDTH, height=HEIGHT)
    if task.engine.joint_names:
        renderer.data.mocap_pos[:] = task.mechanism.base_pos
        renderer.data.mocap_quat[:] = task.mechanism.base_quat
    return renderer.frame(task.engine.positions()[0])


def write_contact_sheet(path: Path | str, seed: int = 0) -> None:
    """Render all tasks into one PNG, retention skills above interaction skills.

    Raises:
        SleightError: Nothing can be rendered on this machine (`NoGraphicsError`), or the file cannot be written.
    """
    from PIL import Image, ImageDraw

    path, band, columns = Path(path), 18, 5
    sheet = Image.new("RGB", (columns * WIDTH, -(-len(TASKS) // columns) * (HEIGHT + band)), (247, 247, 245))
    draw = ImageDraw.Draw(sheet)
    for i, name in enumerate(TASKS):
        x, y = (i % columns) * WIDTH, (i // columns) * (HEIGHT + band)
        sheet.paste(Image.fromarray(render_start(name, seed)), (x, y))
        draw.text((x + 6, y + HEIGHT + 3), name, fill=(40, 40, 40))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, "PNG", optimize=True)
    except (OSError, ValueError) as error:
        raise SleightError("the picture cannot be written", value=f"{path}: {error}") from None
