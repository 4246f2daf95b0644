"""The residuals' networks: LayerNorm before each hidden layer, ELU, and a mean that starts at zero (DexCompose B.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict
from torch import nn

from sleight_training.ppo.config import PpoConfig

#: Observation groups: what the stabiliser sees, what the second residual sees, and what only the critic sees.
FIRST, SECOND, PRIVILEGED = "first", "second", "critic"


def prefix_norm_mlp(inputs: int, outputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """An MLP with LayerNorm before each hidden layer, ELU after it; the output layer starts at zero.

    Args:
        inputs: Size of the input.
        outputs: Size of the output.
        hidden: Sizes of the hidden layers.
    """
    layers: list[nn.Module] = []
    size = inputs
    for width in hidden:
        layers += [nn.LayerNorm(size), nn.Linear(size, width), nn.ELU()]
        size = width
    last = nn.Linear(size, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


class ResidualModel(MLPModel):
    """rsl-rl's model on `prefix_norm_mlp`: a Gaussian around a mean that is zero at first, or a critic.

    Args:
        obs, obs_groups, obs_set, output_dim: As rsl-rl gives them.
        settings: The further arguments of rsl-rl's model.
    """

    def __init__(
        self, obs: TensorDict, obs_groups: dict[str, list[str]], obs_set: str, output_dim: int, **settings: Any
    ) -> None:
        super().__init__(obs, obs_groups, obs_set, output_dim, **settings)
        self.mlp = prefix_norm_mlp(self._get_latent_dim(), output_dim, settings["hidden_dims"])


class TwoResiduals(nn.Module):
    """Both residuals beside each other: each sees its own part of the input and writes its own part of the output.

    Args:
        sizes: Inputs of the first and of the second network.
        outputs: Outputs of both.
        hidden: Hidden layers of each.
    """

    def __init__(self, sizes: tuple[int, int], outputs: tuple[int, int], hidden: Sequence[int]) -> None:
        super().__init__()
        self.sizes = sizes
        self.first = prefix_norm_mlp(sizes[0], outputs[0], hidden)
        self.second = prefix_norm_mlp(sizes[1], outputs[1], hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (B, n + m) of inputs (B, N + M)."""
        first, second = x.split(self.sizes, dim=-1)
        return torch.cat([self.first(first), self.second(second)], dim=-1)


class JointResiduals(ResidualModel):
    """Both residuals as one Gaussian: the second one learns, the first one is tuned beside it (B.2).

    Args:
        obs, obs_groups, obs_set, output_dim: As rsl-rl gives them.
        first_outputs: Outputs of the first residual.
        settings: The further arguments of rsl-rl's model.
    """

    def __init__(
        self,
        obs: TensorDict,
        obs_groups: dict[str, list[str]],
        obs_set: str,
        output_dim: int,
        *,
        first_outputs: int,
        **settings: Any,
    ) -> None:
        super().__init__(obs, obs_groups, obs_set, output_dim, **settings)
        sizes = obs[FIRST].shape[-1], obs[SECOND].shape[-1]
        self.mlp = TwoResiduals(sizes, (first_outputs, output_dim - first_outputs), settings["hidden_dims"])


def ppo_settings(ppo: PpoConfig, groups: Sequence[str], first_outputs: int | None = None) -> dict[str, Any]:
    """Return the configuration that rsl-rl's PPO takes.

    Args:
        ppo: PPO's figures.
        groups: Observation groups that the actor sees.
        first_outputs: Outputs of the first residual, where both learn together.
    """
    settings = ppo.rsl_rl()
    settings["obs_groups"] = {"actor": list(groups), "critic": [*groups, PRIVILEGED]}
    settings["critic"] = {**settings["critic"], "class_name": ResidualModel}
    if first_outputs is None:
        settings["actor"] = {**settings["actor"], "class_name": ResidualModel}
        return settings
    settings["actor"] = {**settings["actor"], "class_name": JointResiduals, "first_outputs": first_outputs}
    # An adaptive schedule sets one rate for all, and the first residual has its own.
    settings["algorithm"] = {**settings["algorithm"], "schedule": "fixed"}
    return settings
