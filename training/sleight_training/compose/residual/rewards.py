"""Rewards of both residuals (DexCompose Eqs. 13, 14): pure functions of what an action gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sleight_training.compose.residual.config import RewardConfig

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]


def hold_reward(config: RewardConfig, lost: Array, squashed: Array, dropped: Flags, gamma: float) -> dict[str, Array]:
    """The stabiliser's reward (Eq. 13), by part, (B,) each.

    Args:
        config: Weights.
        lost: (B,) m of the object from its place in the palm.
        squashed: (B, n) the residual, -1 to 1.
        dropped: (B,) the object was lost with this action, and the episode ends.
        gamma: PPO's discount.
    """
    return {
        "distance": -np.where(dropped, config.far / (1.0 - gamma), lost),
        "residual": -config.residual * np.sum(squashed**2, axis=-1),
    }


def second_reward(
    config: RewardConfig,
    *,
    progress: Array,
    before: Array,
    done: Flags,
    lost: Array,
    squashed: Array,
    dropped: Flags,
    gamma: float,
) -> dict[str, Array]:
    """The second residual's reward (Eq. 14), by part, (B,) each.

    The progress is paid as it is made, and not at every step for what has been reached: an early success, which ends
    the episode, would otherwise cost the rest of it.

    Args:
        config: Weights.
        progress: (B,) of the interaction now, 0 to 1.
        before: (B,) before the action.
        done: (B,) the interaction was done with this action.
        lost: (B,) m of the object from its place in the palm.
        squashed: (B, n) the residual, -1 to 1.
        dropped: (B,) the object was lost with this action, and the episode ends.
        gamma: PPO's discount.
    """
    hold = hold_reward(config, lost, squashed, dropped, gamma)
    return {
        "progress": config.progress * (progress - before),
        "success": config.success * (done & ~dropped),
        "distance": config.distance * hold["distance"],
        "residual": hold["residual"],
    }
