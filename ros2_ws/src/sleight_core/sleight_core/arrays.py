"""Which functions belong to an array."""

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
