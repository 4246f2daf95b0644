"""Put an object into a MuJoCo model, always with the same number of mesh geoms."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.objects.convex import MAX_PIECES
from sleight_sim.objects.spec import ObjectSpec

#: Collision bit of the pieces that stand in for unused ones. Not 0: geoms with both bits 0 drop out of the tree of
#: bounding volumes, and the model would have another layout than its neighbours.
UNUSED_BIT = 8
#: Geom group of the pieces in use, and of the stand-ins (hidden from cameras and viewers).
OBJECT_GROUP, UNUSED_GROUP = 0, 5
#: No component of the centre of mass is smaller (m): a body whose inertia frame is its own frame is "simple" to MuJoCo,
#: its inertia matrix has 6 instead of 21 entries, and the model would again have another layout.
COM_OFFSET = 1e-5


def add_object(
    spec: mujoco.MjSpec,
    body: mujoco.MjsBody,
    obj: ObjectSpec | Sequence[ObjectSpec],
    max_pieces: int = MAX_PIECES,
    *,
    prefix: str = "object_piece_",
    rgba: tuple[float, float, float, float] = (0.85, 0.45, 0.15, 1.0),
) -> list[mujoco.MjsGeom]:
    """Add an object's geoms and inertia to a body whose frame becomes the object frame.

    Args:
        spec: The model specification that gets the mesh assets.
        body: The body; its inertial is set.
        obj: The object. With several, the meshes of all are added (`{prefix}{piece}` of the first,
            `{prefix}{piece}_{k}` of the k-th other, without stand-ins) and the geoms show the first, for engines that
            give each world its own `geom_dataid`.
        max_pieces: Number of geoms, the same for all models of a batch.
        prefix: Geoms are named `{prefix}{i}`.
        rgba: Colour.

    Returns:
        The geoms; the first `len(obj.pieces)` collide.

    Raises:
        SleightError: if the object has more pieces than `max_pieces`.
    """
    objects = [obj] if isinstance(obj, ObjectSpec) else list(obj)
    for k, one in enumerate(objects):
        if len(one.pieces) > max_pieces:
            raise SleightError(
                f"'{one.name}' has more pieces than the model", value=f"{len(one.pieces)} > {max_pieces}"
            )
        for i in range(max_pieces if k == 0 else len(one.pieces)):
            spec.add_mesh(name=mesh_name(i, k, prefix), uservert=_vertices(one, i).ravel())
    first = objects[0]
    body.explicitinertial = True
    body.mass = first.mass
    body.ipos = np.where(np.abs(first.com) < COM_OFFSET, COM_OFFSET, first.com)
    body.inertia = first.inertia
    body.iquat = first.inertia_quat
    geoms = []
    for i in range(max_pieces):
        used = i < len(first.pieces)
        geoms.append(
            body.add_geom(
                name=f"{prefix}{i}",
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=f"{prefix}{i}",
                contype=1 if used else UNUSED_BIT,
                conaffinity=1 if used else UNUSED_BIT,
                friction=[first.friction, 0.005, 0.0001],
                group=OBJECT_GROUP if used else UNUSED_GROUP,
                rgba=rgba if used else (0.0, 0.0, 0.0, 0.0),
                mass=0.0,
            )
        )
    return geoms


def mesh_name(piece: int, k: int = 0, prefix: str = "object_piece_") -> str:
    """Name of the mesh of a piece of the k-th object (see `add_object`)."""
    return f"{prefix}{piece}" if k == 0 else f"{prefix}{piece}_{k}"


def _vertices(obj: ObjectSpec, i: int) -> NDArray[np.float64]:
    """Return the (V, 3) vertices of piece `i`, or of a stand-in a tenth the size inside the first piece."""
    if i < len(obj.pieces):
        return obj.pieces[i]
    centre = obj.pieces[0].mean(axis=0)
    return centre + 0.1 * (obj.pieces[0] - centre)
