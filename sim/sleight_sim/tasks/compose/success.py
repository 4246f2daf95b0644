"""When a skill has succeeded (DexCompose appendix A, "Task success criteria"): pure functions of state and config."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.observation.compose_terms import tilt

from sleight_sim.tasks.compose.config import InteractionSuccess, RetentionSuccess

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def retention_reached(config: RetentionSuccess, pos: Array, quat: Array, rest_height: Array) -> Flags:
    """Whether objects are where a retention skill should bring them.

    Args:
        config: The conditions.
        pos: (B, 3) m of the objects in the task frame.
        quat: (B, 4) wxyz.
        rest_height: (B,) height of their origins at rest in the task frame (m).

    Returns:
        (B,) for this instant.
    """
    reached = np.ones(len(pos), dtype=bool)
    if config.target_distance is not None:
        reached &= np.linalg.norm(pos - np.asarray(config.target), axis=-1) <= config.target_distance
    if config.min_lift is not None:
        reached &= pos[:, 2] - rest_height >= config.min_lift
    if config.orientation is not None:
        angle = tilt(quat)
        if config.orientation == "upright":
            reached &= angle <= config.angle
        elif config.orientation == "level":
            reached &= np.abs(angle - 0.5 * np.pi) <= config.angle
        else:
            reached &= angle >= config.angle
    return reached


def interaction_reached(
    config: InteractionSuccess, names: tuple[str, ...], joint_pos: Array, lower: Array, upper: Array
) -> Flags:
    """Whether mechanisms are moved as an interaction skill should.

    Args:
        config: The conditions.
        names: The mechanism's M joints.
        joint_pos: (B, M) rad or m.
        lower: (B, M) lower ends of their ranges.
        upper: (B, M) upper ends.

    Returns:
        (B,) for this instant.

    Raises:
        SleightError: The mechanism has no such joint.
    """
    if config.joint not in names:
        raise SleightError("the mechanism has no such joint", value=config.joint, remedy=f"choose one of {list(names)}")
    i = names.index(config.joint)
    moved = joint_pos[:, i]
    reached = np.ones(len(moved), dtype=bool)
    if config.opening is not None:
        reached &= moved >= config.opening
    if config.share is not None:
        reached &= moved - lower[:, i] >= config.share * (upper[:, i] - lower[:, i])
    return reached
