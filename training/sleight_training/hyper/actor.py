"""The hyper-policy's network in rsl-rl: raw weights and a residual that is zero at the start."""

from __future__ import annotations

import math
from typing import Any

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict
from torch import nn

from sleight_training.hyper.config import HyperConfig
from sleight_training.ppo.config import PpoConfig


class HyperActor(MLPModel):
    """An MLP whose last layer starts at zero: equal weights (or one that leads) and no residual, whatever it sees.

    So the policy that training starts from is the mixture of the experts, and exploration goes around it.

    Args:
        obs, obs_groups, obs_set, output_dim: As rsl-rl gives them.
        experts: k, the number of raw weights at the front of the output.
        weight_start: What the raw weights start at: 0 for a softmax, 1 where they are divided by their norm.
        weight_std: Initial standard deviation of the raw weights.
        lead: How far the first raw weight starts above the others.
        settings: The further arguments of rsl-rl's model.
    """

    def __init__(
        self,
        obs: TensorDict,
        obs_groups: dict[str, list[str]],
        obs_set: str,
        output_dim: int,
        *,
        experts: int,
        weight_start: float,
        weight_std: float,
        lead: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(obs, obs_groups, obs_set, output_dim, **settings)
        last = [layer for layer in self.mlp if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()
            last.bias[:experts] = weight_start
            last.bias[0] += lead
            for name, parameter in self.named_parameters():
                if name.endswith("log_std_param"):
                    parameter[:experts] = math.log(weight_std)


def hyper_settings(ppo: PpoConfig, config: HyperConfig) -> dict[str, Any]:
    """Return the configuration that rsl-rl's PPO takes, with our actor."""
    settings = ppo.rsl_rl()
    start = 0.0 if config.normalisation == "softmax" else 1.0
    own = {"experts": config.k, "weight_start": start, "weight_std": config.weight_std, "lead": config.lead}
    settings["actor"] = {**settings["actor"], "class_name": HyperActor, **own}
    return settings
