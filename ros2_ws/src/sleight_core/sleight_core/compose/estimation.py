"""What an estimator's answer means, and what the run-time adds to it about an object that is held.

An estimator (docs/compose_vision.md) tells quantities of `sleight_core.observation.estimated_terms`: positions and an
orientation in its skill's own frame, and the joints of a mechanism.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sleight_core.arrays import namespace
from sleight_core.observation.state import RobotState
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_normalize

Array = Any

#: The quantity that is an orientation.
_QUAT = "object_quat"


def read_features(sizes: Mapping[str, int], values: Array) -> dict[str, Array]:
    """Take an estimator's answer apart.

    Args:
        sizes: Sizes of the quantities by name, in the order of the answer.
        values: (B, E).

    Returns:
        (B, size) each, orientations as unit quaternions with w >= 0.
    """
    found, at = {}, 0
    for name, size in sizes.items():
        part = values[:, at : at + size]
        found[name] = quat_normalize(part) if name == _QUAT else part
        at += size
    return found


def held_object(state: RobotState, estimates: Mapping[str, Array], begin: Array) -> dict[str, Array]:
    """Estimates of a held object with what cameras do not tell of it: it moves, and else turns, with the hand.

    Args:
        state: The state now.
        estimates: With the object's position at least, task frame.
        begin: (B, 4) wxyz, the hand's orientation when the hold began: an orientation that is not estimated counts as
            upright then.
    """
    xp = namespace(state.wrist_pos)
    lever = estimates["object_pos"] - state.wrist_pos
    return {
        _QUAT: quat_multiply(state.wrist_quat, quat_conjugate(begin)),
        **estimates,
        "object_linvel": state.wrist_linvel + xp.linalg.cross(state.wrist_angvel, lever),
        "object_angvel": state.wrist_angvel,
    }
