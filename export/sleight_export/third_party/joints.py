"""Joint orders of foreign vectors: by name, or refused."""

from __future__ import annotations

from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_export.third_party.description import JointNames


def named_joints(
    table: HandTable, order: JointNames, wanted: tuple[str, ...], *, some: bool = False
) -> tuple[str, ...]:
    """Return our joint names in a foreign order.

    Args:
        table: The hand.
        order: A public order of the table, or our joint names in that order.
        wanted: The joints that the vector must hold, in our order.
        some: It may hold some of them only.

    Raises:
        SleightError: There is no such order, or it does not hold exactly these joints, each once.
    """
    names = table.joint_order(order).ours if isinstance(order, str) else order
    lacking = [name for name in wanted if name not in names and not some]
    unknown = [name for name in names if name not in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    for what, wrong in (("lacks", lacking), ("has unknown joints", unknown), ("names twice", twice)):
        if wrong:
            raise SleightError(f"joint_order: {what} {wrong}", remedy=f"name each of {list(wanted)} once, in its order")
    return names
