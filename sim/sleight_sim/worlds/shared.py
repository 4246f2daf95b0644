"""Many tabletops with different objects as one model, for engines that batch model fields instead of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.hand import HandTable

from sleight_sim.objects.mjcf import mesh_name
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.worlds.tabletop import SolverOptions, build_model


@dataclass(frozen=True)
class SharedWorlds:
    """Variants of one world.

    Attributes:
        model: Holds the meshes of all variants; its object geoms show those of the variant with the most pieces.
        variants: (V,) each variant's own model, as `build_model` makes it.
        meshes: (V, ngeom) mesh in `model` of each geom; -1 for geoms that are no mesh, and for absent pieces.
    """

    model: mujoco.MjModel
    variants: tuple[mujoco.MjModel, ...]
    meshes: NDArray[np.int32]


def share_worlds(
    table: HandTable,
    things: Sequence[ObjectSpec],
    variants: Sequence[mujoco.MjModel],
    options: SolverOptions,
    *,
    max_pieces: int,
) -> SharedWorlds:
    """Build the model that all variants share.

    Args:
        table: The hand in the variants.
        things: (V,) the object of each variant, in its size.
        variants: (V,) their models, built with these options (physics variations aside) and this `max_pieces`.
        options: Numerical options.
        max_pieces: Mesh geoms of the object.
    """
    distinct = list({id(thing): thing for thing in things}.values())
    # The first object's pieces decide which geoms collide at all.
    distinct.sort(key=lambda thing: len(thing.pieces), reverse=True)
    model = build_model(table, distinct, options, max_pieces=max_pieces)
    geoms = [model.geom(f"object_piece_{i}").id for i in range(max_pieces)]
    rows = {}
    for k, thing in enumerate(distinct):
        row = np.full(model.ngeom, -1, dtype=np.int32)
        for i in range(len(thing.pieces)):
            row[geoms[i]] = model.mesh(mesh_name(i, k)).id
        rows[id(thing)] = row
    return SharedWorlds(model, tuple(variants), np.array([rows[id(thing)] for thing in things]))
