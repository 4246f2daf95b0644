"""A contact sheet of held states and of what is left of the hold when some fingers have opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.held.picture import HEIGHT, WIDTH, render_held
from sleight_training.compose.held.restore import HeldWorlds
from sleight_training.compose.masks.config import ReleaseConfig
from sleight_training.compose.masks.mask import FingerMask
from sleight_training.compose.masks.release import open_pose, release_action


def released_positions(library: HeldLibrary, row: int, mask: FingerMask, config: ReleaseConfig) -> NDArray[np.float64]:
    """Positions (Q,) at the end of a release test of one held state."""
    task = HeldWorlds(library).task(np.array([row]), num_threads=1)
    hold, released = library.hold[[row]], task.action.mask(mask.released)[None]
    for step in range(config.steps):
        task.step(release_action(hold, open_pose(task.action), released, step, config.ramp))
    return task.engine.positions()[0]


def write_contact_sheet(
    path: Path, libraries: Mapping[str, HeldLibrary], masks: Mapping[str, FingerMask], row: int = 0
) -> None:
    """Render a held state of each skill, and below it the end of a release test, preserved fingers green.

    Args:
        path: PNG to write.
        libraries: Held states by a label.
        masks: Masks by the same labels.
        row: Which state of each library.

    Raises:
        SleightError: Nothing can be rendered on this machine, or the file cannot be written.
    """
    from PIL import Image, ImageDraw

    band, config = 18, ReleaseConfig()
    sheet = Image.new("RGB", (len(libraries) * WIDTH, 2 * HEIGHT + 2 * band), (247, 247, 245))
    draw = ImageDraw.Draw(sheet)
    for i, (label, library) in enumerate(libraries.items()):
        mask = masks[label]
        after = released_positions(library, row, mask, config)
        images = render_held(library, row), render_held(library, row, qpos=after, marked=mask.preserved)
        for k, (image, text) in enumerate(zip(images, (f"{label}: held", f"preserved: {mask}"), strict=True)):
            y = k * (HEIGHT + band)
            sheet.paste(Image.fromarray(image), (i * WIDTH, y))
            draw.text((i * WIDTH + 6, y + HEIGHT + 3), text, fill=(40, 40, 40))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.quantize(160).save(path, "PNG", optimize=True)
    except (OSError, ValueError) as error:
        raise SleightError("the picture cannot be written", value=f"{path}: {error}") from None
