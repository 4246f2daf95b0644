"""Reading messages of unknown quality: everything that is not a complete set of finite, named numbers is a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.safety.reasons import ReasonCode
from sleight_core.safety.sources import Fault

Array = NDArray[Any]


def vector(values: Any) -> Array | None:
    """Return values as a float64 vector; None when they are no flat list of numbers."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.ndim == 1 else None


def read_vector(what: str, values: Any, size: int, non_finite: ReasonCode) -> Array | Fault:
    """Return `size` finite numbers as a vector, or what is wrong with them."""
    array = vector(values)
    if array is None or len(array) != size:
        found = "no list of numbers" if array is None else f"{len(array)} numbers"
        return Fault(ReasonCode.WRONG_LENGTH, f"{what}: {found}, not {size}")
    finite = np.isfinite(array)
    if not finite.all():
        j = int(np.argmin(finite))
        return Fault(non_finite, f"{what}: element {j} is {array[j]}")
    return array


def read_by_name(
    what: str, names: Any, values: Any, wanted: tuple[str, ...], non_finite: ReasonCode, *, only_wanted: bool
) -> Array | Fault:
    """Pick the values of named joints out of a message.

    Args:
        what: The message, for details.
        names: Joint names, any order.
        values: One value a name.
        wanted: The joints to return, in this order; each must occur exactly once.
        non_finite: Reason for a value that is NaN or infinite.
        only_wanted: Whether any other name is a fault.

    Returns:
        Values (len(wanted),), or what is wrong with the message.
    """
    array = vector(values)
    try:
        names = list(names)
        index = {name: i for i, name in enumerate(names)}
    except TypeError:
        return Fault(ReasonCode.WRONG_LENGTH, f"{what}: the names are no list of strings")
    if array is None or len(array) != len(names):
        found = "no list of numbers" if array is None else f"{len(array)} values"
        return Fault(ReasonCode.WRONG_LENGTH, f"{what}: {len(names)} names, {found}")
    if len(index) != len(names):
        twice = next(name for i, name in enumerate(names) if index[name] != i)
        return Fault(ReasonCode.DUPLICATE_JOINT, f"{what}: '{twice}' occurs twice")
    if only_wanted and (unknown := [name for name in names if name not in wanted]):
        return Fault(ReasonCode.UNKNOWN_JOINT, f"{what}: '{unknown[0]}' is no actuated joint of the hand")
    if missing := [name for name in wanted if name not in index]:
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        return Fault(ReasonCode.MISSING_JOINT, f"{what}: without {', '.join(missing[:4])}{more}")
    picked = array[[index[name] for name in wanted]]
    finite = np.isfinite(picked)
    if not finite.all():
        j = int(np.argmin(finite))
        return Fault(non_finite, f"{what}: '{wanted[j]}' is {picked[j]}")
    return picked
