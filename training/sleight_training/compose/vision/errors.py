"""How far estimates are off, by quantity: in mm where they are lengths, in degrees where they are angles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.estimation import read_features
from sleight_core.observation.estimated_terms import PLACES

Array = NDArray[np.float64]

_MM, _DEGREE = 1e3, 180.0 / np.pi


def error_sizes(quantities: Mapping[str, int], said: Array, truth: Array) -> dict[str, Array]:
    """Size (n,) of each quantity's error: a distance (m), an angle (rad), or the largest of the joints' (rad or m).

    Args:
        quantities: Sizes by name.
        said: (n, E) estimates.
        truth: (n, E) what is so.
    """
    found = {}
    for name, (mine, true) in _pairs(quantities, said, truth).items():
        if name in PLACES:
            found[name] = np.linalg.norm(mine - true, axis=-1)
        elif name == "object_quat":
            found[name] = 2.0 * np.arccos(np.clip(np.abs(np.sum(mine * true, axis=-1)), 0.0, 1.0))
        else:
            found[name] = np.abs(mine - true).max(axis=-1)
    return found


def typical_errors(quantities: Mapping[str, int], said: Array, truth: Array) -> dict[str, float]:
    """Mean error of each quantity, m or rad."""
    with np.errstate(invalid="ignore"):  # where the physics has diverged
        return {name: float(np.nanmean(size)) for name, size in error_sizes(quantities, said, truth).items()}


def error_table(quantities: Mapping[str, int], units: Mapping[str, str], said: Array, truth: Array) -> dict[str, Any]:
    """All figures of each quantity, as JSON takes them.

    Args:
        quantities: Sizes by name.
        units: "m" or "rad" by name; results are in mm and degrees.
        said: (n, E) estimates.
        truth: (n, E) what is so.

    Returns:
        By name: ``unit``, ``mean``, ``median`` and ``p95`` of the error's size; and for each element ``mean_abs`` and
        ``p95_abs`` of the error, its ``bias``, and the ``spread`` (standard deviation) of the truth: the error of one
        who always says the mean. Elements of an orientation are those of the quaternion.
    """
    sizes, table = error_sizes(quantities, said, truth), {}
    for name, (mine, true) in _pairs(quantities, said, truth).items():
        factor = _MM if units[name] == "m" else _DEGREE
        each = 1.0 if name == "object_quat" else factor
        off = mine - true
        table[name] = {
            "unit": "mm" if units[name] == "m" else "deg",
            "mean": factor * float(sizes[name].mean()),
            "median": factor * float(np.median(sizes[name])),
            "p95": factor * float(np.quantile(sizes[name], 0.95)),
            "elements": {
                "mean_abs": _listed(each * np.abs(off).mean(axis=0)),
                "p95_abs": _listed(each * np.quantile(np.abs(off), 0.95, axis=0)),
                "bias": _listed(each * off.mean(axis=0)),
                "spread": _listed(each * true.std(axis=0)),
            },
        }
    return table


def _pairs(quantities: Mapping[str, int], said: Array, truth: Array) -> dict[str, tuple[Array, Array]]:
    mine, true = read_features(quantities, said), read_features(quantities, truth)
    return {name: (mine[name], true[name]) for name in quantities}


def _listed(values: Array) -> list[float]:
    return [float(value) for value in values]
