"""Which functions belong to an array, and arrays beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np
from array_api_compat import array_namespace


def namespace(*arrays: Any) -> Any:
    """The array API's functions for numpy or torch arrays; at once for numpy, asked for at every tick."""
    for array in arrays:
        if type(array) is not np.ndarray:
            return array_namespace(*arrays)
    return numpy_namespace


def constant(values: Any, like: Any) -> Any:
    """Values as an array of like's kind, floating type and device; `Constants` keeps what every step asks for."""
    if type(like) is np.ndarray:
        return np.asarray(values, dtype=like.dtype)
    # Copied: torch warns of arrays that may not be written.
    values = np.array(values) if isinstance(values, (np.ndarray, list, tuple)) else values
    return namespace(like).asarray(values, dtype=like.dtype, device=like.device)


def integers(values: np.ndarray, like: Any) -> Any:
    """Whole numbers or truth values, such as indices, on like's device as an array of like's kind."""
    return values if type(like) is np.ndarray else namespace(like).asarray(np.array(values), device=like.device)


def zeros(shape: tuple[int, ...], like: Any) -> Any:
    """Zeros of like's kind, type and device."""
    if type(like) is np.ndarray:
        return np.zeros(shape, dtype=like.dtype)
    return namespace(like).zeros(shape, dtype=like.dtype, device=like.device)


def clip(values: Any, low: Any, high: Any) -> Any:
    """Values between bounds (numbers, or arrays beside them); nan stays nan. At a fraction of the standard's cost."""
    if type(values) is np.ndarray:
        return np.minimum(np.maximum(values, low), high)
    return namespace(values).clip(values, low, high)


def side_by_side(parts: Sequence[Any]) -> Any:
    """Arrays of one shape (...) as one array (..., n), as `stack` on the last axis makes it."""
    first = parts[0]
    xp = namespace(first)
    if xp is not numpy_namespace:
        return xp.stack(parts, axis=-1)
    out = np.empty((*first.shape, len(parts)), first.dtype)
    for i, part in enumerate(parts):
        out[..., i] = part
    return out


def host(values: Any) -> np.ndarray:
    """Return an array as numpy's; copied from a GPU."""
    return values if type(values) is np.ndarray else np.asarray(values.cpu() if hasattr(values, "cpu") else values)


class Constants:
    """Constants as `constant` makes them, kept for every kind of array that they were asked for beside.

    Args:
        values: numpy arrays. Flags and whole numbers stay what they are; others take the type of the array beside them.
    """

    def __init__(self, *values: np.ndarray) -> None:
        self._values = values
        self._kept: dict[Any, tuple[Any, ...]] = {}

    def like(self, array: Any) -> tuple[Any, ...]:
        """The constants as arrays of an array's library, device and type."""
        key = (array.dtype, getattr(array, "device", None))
        if (kept := self._kept.get(key)) is None:
            kept = self._kept[key] = tuple(
                constant(value, array) if value.dtype.kind == "f" else integers(value, array) for value in self._values
            )
        return kept
