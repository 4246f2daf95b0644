"""How far the second skill's interaction is, 0 to 1: the progress in its residual's reward (DexCompose B.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import InteractionSuccess
from sleight_sim.tasks.compose.env import ComposeTask

Array = NDArray[np.float64]


def interaction_progress(task: ComposeTask) -> Array:
    """Share (B,) of the way of the joint that counts, from where it starts to where the interaction has succeeded.

    Raises:
        SleightError: The task is no interaction.
    """
    success = task.config.success
    if not isinstance(success, InteractionSuccess):
        raise SleightError("not an interaction task", value=task.config.name, remedy="choose one such as PushButton")
    chain = task.chain
    i = chain.joint_names.index(success.joint)
    start, lower, upper = chain.joint_start[:, i], chain.lower[:, i], chain.upper[:, i]
    share = lower + (success.share or 0.0) * (upper - lower)
    goal = share if success.opening is None else np.full_like(start, success.opening)
    return np.clip(np.nan_to_num((task.mechanism.joint_pos[:, i] - start) / (goal - start)), 0.0, 1.0)
