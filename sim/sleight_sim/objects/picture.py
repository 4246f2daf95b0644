"""Contact sheets: every object in a cell of its own, at rest, all to one scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.objects.mjcf import add_object
from sleight_sim.objects.spec import ObjectSpec

if TYPE_CHECKING:
    from PIL import Image

#: Distance between the objects in the scene (m), and from the camera to the object; field of view (degrees).
_PITCH, _DISTANCE, _FIELD = 0.9, 1.1, 8.0
#: Height of the point in the middle of every cell (m).
_CENTRE = 0.04
_AZIMUTH, _ELEVATION = np.deg2rad(-58.0), np.deg2rad(30.0)
#: Colours of the paper on which things lie, and of the lines of text.
_PAPER, _INK = (247, 247, 245), (40, 40, 40)

Colour = tuple[int, int, int]


def contact_sheet(
    objects: Sequence[ObjectSpec],
    labels: Sequence[str],
    colours: Sequence[Colour],
    path: Path,
    *,
    title: str = "",
    columns: int | None = None,
    cell: tuple[int, int] = (132, 104),
    resting: bool = True,
) -> None:
    """Write a PNG picture of objects, all to one scale.

    Args:
        objects: The objects, one a cell.
        labels: A short text for each.
        colours: RGB of each object, 0 to 255.
        path: File to write; its folder is made.
        title: A line above the cells.
        columns: Cells in a row (default: about twice as wide as high).
        cell: Width and height of a cell's picture in pixels.
        resting: Show the most probable resting poses; otherwise the object frames, in which most things stand upright.

    Raises:
        SleightError: if nothing can be rendered here (`NoGraphicsError`), or the file cannot be written.
    """
    from PIL import Image

    images = render_cells(objects, colours, cell, resting=resting)
    columns = columns or max(1, min(len(objects), round(np.sqrt(2.0 * len(objects)))))
    rows = -(-len(objects) // columns)
    width, height, band, head = *cell, 15, 26 if title else 0
    sheet = Image.new("RGB", (columns * width, head + rows * (height + band)), _PAPER)
    write = _Writer(sheet)
    if title:
        write(title, (8, 5), 13)
    for k, (image, label, colour) in enumerate(zip(images, labels, colours, strict=True)):
        x, y = (k % columns) * width, head + (k // columns) * (height + band)
        sheet.paste(Image.fromarray(image), (x, y))
        dark = tuple(int(0.6 * channel) for channel in colour)
        write(label, (x + 6, y + height), 10, (dark[0], dark[1], dark[2]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.quantize(200, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    except (OSError, ValueError) as error:
        raise SleightError("the picture cannot be written", value=f"{path}: {error}") from None


def render_cells(
    objects: Sequence[ObjectSpec], colours: Sequence[Colour], cell: tuple[int, int], *, resting: bool = True
) -> list[NDArray[np.uint8]]:
    """Return one (height, width, 3) picture for each object; see `contact_sheet`.

    Raises:
        NoGraphicsError: There is no OpenGL here.
    """
    from sleight_sim.video import OffscreenRenderer

    images = []
    # In parts: the renderer uploads every mesh of a model at once.
    for start in range(0, len(objects), 64):
        part = range(start, min(len(objects), start + 64))
        model = _scene([objects[k] for k in part], [colours[k] for k in part], resting)
        renderer = OffscreenRenderer(model, camera="cell_0", width=2 * cell[0], height=2 * cell[1])
        try:
            for i in range(len(part)):
                renderer.camera = f"cell_{i}"
                big = renderer.frame(np.zeros(0)).astype(np.uint16)
                small = big.reshape(cell[1], 2, cell[0], 2, 3).sum(axis=(1, 3)) // 4
                images.append(small.astype(np.uint8))
        finally:
            renderer.close()
    return images


def _scene(objects: Sequence[ObjectSpec], colours: Sequence[Colour], resting: bool) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.42] * 3, [0.25] * 3
    spec.visual.headlight.specular = [0.0] * 3
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20.0
    spec.stat.extent = 1.0
    spec.add_material(name="paper", rgba=[*(channel / 255.0 for channel in _PAPER), 1.0], specular=0.0)
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[0, 0, 3], dir=[0.5, 0.3, -0.8], diffuse=[0.55] * 3,
        specular=[0.1] * 3, castshadow=False,
    )  # fmt: skip
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=[channel / 255.0 for channel in _PAPER], rgb2=[1, 1, 1], width=8, height=8,
    )  # fmt: skip
    back = np.array([np.cos(_ELEVATION) * np.cos(_AZIMUTH), np.cos(_ELEVATION) * np.sin(_AZIMUTH), np.sin(_ELEVATION)])
    right = np.array([-np.sin(_AZIMUTH), np.cos(_AZIMUTH), 0.0])
    up = np.cross(back, right)
    for k, (thing, colour) in enumerate(zip(objects, colours, strict=True)):
        x = _PITCH * k
        stable = thing.stable_poses
        height = float(stable.heights[0]) if resting else _CENTRE
        body = spec.worldbody.add_body(pos=[x, 0, height], quat=stable.quats[0] if resting else [1, 0, 0, 0])
        add_object(
            spec,
            body,
            thing,
            len(thing.pieces),
            prefix=f"cell_{k}_",
            rgba=(colour[0] / 255.0, colour[1] / 255.0, colour[2] / 255.0, 1.0),
        )
        # A fixed point and not the object's own: what lies on the table is seen to lie lower than what stands.
        target = np.array([x, 0.0, _CENTRE])
        spec.worldbody.add_camera(name=f"cell_{k}", pos=target + _DISTANCE * back, fovy=_FIELD, xyaxes=[*right, *up])
    return spec.compile()


class _Writer:
    def __init__(self, sheet: Image.Image) -> None:
        from PIL import ImageDraw

        self._draw = ImageDraw.Draw(sheet)

    def __call__(self, text: str, at: tuple[int, int], size: int, colour: Colour = _INK) -> None:
        """Write one line, its upper left corner at `at`."""
        import matplotlib
        from PIL import ImageFont

        font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
        self._draw.text(at, text, fill=colour, font=font)
