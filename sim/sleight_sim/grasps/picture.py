"""A contact sheet of proposals: hand and object, a row an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_rotate
from sleight_description.mjcf import add_hand

from sleight_sim.grasps.hand_shape import HandShape
from sleight_sim.grasps.proposal import GraspProposals
from sleight_sim.objects.mjcf import add_object
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

_CELL, _FIELD, _DISTANCE = 150, 30.0, 0.52
_PAPER = (247, 247, 245)


def proposals_sheet(rows: Sequence[tuple[ObjectSpec, GraspProposals]], path: Path, *, columns: int = 6) -> None:
    """Write a PNG picture of the first proposals of each object, the object upright in its own frame.

    Args:
        rows: Objects and their proposals, for one hand.
        path: File to write; its folder is made.
        columns: Proposals an object.

    Raises:
        SleightError: if nothing can be rendered here (`NoGraphicsError`), or the file cannot be written.
    """
    from PIL import Image, ImageDraw

    cells = [_cells(thing, grasps.select(np.arange(min(columns, len(grasps))))) for thing, grasps in rows]
    band = 14
    sheet = Image.new("RGB", (columns * _CELL, len(rows) * (_CELL + band)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for r, ((thing, grasps), images) in enumerate(zip(rows, cells, strict=True)):
        top = r * (_CELL + band)
        for k, image in enumerate(images):
            sheet.paste(Image.fromarray(image), (k * _CELL, top))
        draw.text((4, top + _CELL), f"{thing.name}: {len(grasps)} proposals", fill=(40, 40, 40))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.quantize(200, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    except (OSError, ValueError) as error:
        raise SleightError("the picture cannot be written", value=f"{path}: {error}") from None


def _cells(thing: ObjectSpec, grasps: GraspProposals) -> list[NDArray[np.uint8]]:
    """One (cell, cell, 3) picture for each proposal, seen from the side of the hand's thumb."""
    from sleight_sim.video import OffscreenRenderer

    if not len(grasps):
        return []
    shape = HandShape(grasps.table)
    model = _scene(shape, thing, grasps)
    columns = [int(model.joint(name).qposadr[0]) for name in grasps.table.joint_names]
    renderer = OffscreenRenderer(model, camera="cell_0", width=2 * _CELL, height=2 * _CELL)
    images = []
    try:
        for i in range(len(grasps)):
            renderer.camera = f"cell_{i}"
            qpos = model.qpos0.copy()
            qpos[columns] = grasps.joints[i]
            wrist = int(model.joint("wrist").qposadr[0])
            qpos[wrist : wrist + 7] = [*grasps.wrist_positions[i], *grasps.wrist_quats[i]]
            big = renderer.frame(qpos).astype(np.uint16)
            small = big.reshape(_CELL, 2, _CELL, 2, 3).sum(axis=(1, 3)) // 4
            images.append(small.astype(np.uint8))
    finally:
        renderer.close()
    return images


def _scene(shape: HandShape, thing: ObjectSpec, grasps: GraspProposals) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.42] * 3, [0.35] * 3
    spec.visual.headlight.specular = [0.0] * 3
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20.0
    spec.stat.extent = 1.0
    add_hand(spec, shape.table)
    body = spec.worldbody.add_body(name="object")
    add_object(spec, body, thing, len(thing.pieces))
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=[channel / 255.0 for channel in _PAPER], rgb2=[channel / 255.0 for channel in _PAPER], width=8, height=8,
    )  # fmt: skip
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[0, 0, 3], dir=[0.5, 0.3, -0.8], diffuse=[0.5] * 3,
        castshadow=False,
    )  # fmt: skip
    for i in range(len(grasps)):
        # From the palm's side, half way round to the thumb: fingers and object are both seen.
        back = quat_rotate(grasps.wrist_quats[i], np.array([0.75, -0.55, 0.35]))
        back /= np.linalg.norm(back)
        up = quat_rotate(grasps.wrist_quats[i], np.array([0.0, 0.0, 1.0]))
        right = np.cross(up, back)
        right /= np.linalg.norm(right)
        target = 0.5 * (grasps.wrist_positions[i] + quat_rotate(grasps.wrist_quats[i], shape.offset))
        spec.worldbody.add_camera(
            name=f"cell_{i}", pos=target + _DISTANCE * back, fovy=_FIELD, xyaxes=[*right, *np.cross(back, right)]
        )
    return spec.compile()
