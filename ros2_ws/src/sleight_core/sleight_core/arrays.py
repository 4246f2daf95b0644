"""Which functions belong to an array, and arrays beside it."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np
from array_api_compat import array_namespace


def namespace(*arrays: Any) -> Any:
    """The array API's functions for numpy or torch arrays; at once for numpy, asked for at every tick."""
    if all(type(array) is np.ndarray for array in arrays):
        return numpy_namespace
    return array_namespace(*arrays)


def constant(values: Any, like: Any) -> Any:
    """Values as an array of like's kind, floating type and device."""
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


def host(values: Any) -> np.ndarray:
    """Return an array as numpy's; copied from a GPU."""
    return values if type(values) is np.ndarray else np.asarray(values.cpu() if hasattr(values, "cpu") else values)


class Constants:
    """Constants as arrays of whatever kind the work is done in, each kind made once.

    Args:
        values: numpy arrays. Flags stay flags; numbers take the type of the array they are used with.
    """

    def __init__(self, *values: np.ndarray) -> None:
        self._values = values
        self._kept: dict[Any, tuple[Any, ...]] = {}

    def like(self, array: Any) -> tuple[Any, ...]:
        """The constants as arrays of an array's library, device and type."""
        device = getattr(array, "device", None)
        key = (array.dtype, device)
        if key not in self._kept:
            xp = namespace(array)
            # Copied, because torch shares memory with a numpy array, and warns of one that is read-only.
            self._kept[key] = tuple(
                xp.asarray(value.copy(), dtype=None if value.dtype == np.bool_ else array.dtype, device=device)
                for value in self._values
            )
        return self._kept[key]
