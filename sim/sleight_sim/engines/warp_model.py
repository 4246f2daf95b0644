"""One mujoco_warp model whose fields differ from world to world."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sleight_core.errors import SleightError

from sleight_sim.worlds.shared import SharedWorlds

#: Fields that may differ between variants and are yet the shared model's in all worlds. Which geoms collide: the shared
#: model and `geom_dataid` say so. What sleeping bodies alone need: none sleep here. Looks: pictures show the variants.
_SHARED = {
    "geom_dataid",
    *("geom_contype", "geom_conaffinity", "body_contype", "body_conaffinity"),
    "dof_length",
    *("geom_group", "geom_rgba"),
}


def require_warp() -> tuple[Any, Any]:
    """Import mujoco_warp and warp.

    Raises:
        SleightError: It, or torch, is not installed.
    """
    try:
        mujoco_warp, warp, _ = (importlib.import_module(name) for name in ("mujoco_warp", "warp", "torch"))
    except ImportError as error:
        raise SleightError(
            "the engine mujoco_warp is not installed", value=error.name, remedy="pip install 'sleight[gpu]'"
        ) from error
    warp.config.log_level = max(warp.config.log_level, warp.LOG_WARNING)
    return mujoco_warp, warp


def put_worlds(worlds: SharedWorlds, variant: Sequence[int]) -> Any:
    """Put a model on the current device in which world i has the parameters and the object of a variant.

    Whatever mujoco_warp batches by world may differ between variants: masses, inertias, sizes, poses, frictions, gains,
    damping, meshes. Only the fields that do differ are stored once a world.

    Args:
        worlds: The shared model and its variants.
        variant: (B,) variant of each world.

    Raises:
        SleightError: Variants differ in something that mujoco_warp keeps once for all worlds.
    """
    mjw, _ = require_warp()
    rows = np.asarray(variant)
    values = {"geom_dataid": worlds.meshes, **_differing(mjw, worlds)}
    names = {name: len(rows) for name in values}
    model = mjw.put_model(worlds.model, batch_sizes=names)
    for name, value in values.items():
        getattr(model, name).assign(np.ascontiguousarray(value[rows]))
    # Overflows are read from the data; printing each from every world would drown them.
    model.opt.warn_overflow = 0
    return model


def _differing(mjw: Any, worlds: SharedWorlds) -> dict[str, np.ndarray]:
    """Model fields in which variants differ from the shared model, stacked (V, ...)."""
    found = {}
    for field in dataclasses.fields(mjw.Model):
        shape = getattr(field.type, "shape", None)
        own = getattr(worlds.model, field.name, None)
        if not shape or not isinstance(own, np.ndarray) or field.name in _SHARED or field.name.startswith("mesh_"):
            continue
        values = [getattr(variant, field.name) for variant in worlds.variants]
        if all(np.array_equal(value, own) for value in values):
            continue
        if shape[0] != "*" or any(value.shape != own.shape for value in values):
            raise SleightError(
                "worlds differ in what mujoco_warp keeps once for all",
                value=field.name,
                remedy="use --engine mujoco, or objects that agree in it",
            )
        found[field.name] = np.stack(values)
    return found
