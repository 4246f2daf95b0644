"""How the final action comes from experts, weights and residual (Eq. 4); the same code trains and is exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sleight_core.errors import SleightError
from sleight_core.observation import TermSpec
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand
from torch import nn

from sleight_training.hyper.config import ExpertConfig, HyperConfig, Normalisation
from sleight_training.hyper.experts import Expert

#: Smallest norm that weights are divided by.
_LEAST_NORM = 1e-6


def normalise(raw: torch.Tensor, kind: Normalisation) -> torch.Tensor:
    """Return mixing weights (B, k) of a network's raw outputs (B, k).

    "softmax" gives positive weights that sum to 1, as the public code does. "l1" and "l2" divide by the norm, as Eq. 4
    is written: weights keep their signs, and those of "l2" sum to more than 1 where several experts act.
    """
    if kind == "softmax":
        return torch.softmax(raw, dim=-1)
    norm = raw.abs().sum(-1, keepdim=True) if kind == "l1" else raw.square().sum(-1, keepdim=True).sqrt()
    return raw / norm.clamp_min(_LEAST_NORM)


class Mixture(nn.Module):
    """Frozen experts, and the rule that composes their actions.

    Args:
        config: What the hyper-policy is.
        terms: Its observation.
        experts: The experts' networks, in the order of the configuration.

    Raises:
        SleightError: An expert sees something that the hyper-policy does not, or acts in another number of elements.
    """

    def __init__(self, config: HyperConfig, terms: Sequence[TermSpec], experts: Sequence[Expert]) -> None:
        super().__init__()
        self.config = config
        self.experts = nn.ModuleList(experts)
        for i, expert in enumerate(config.experts):
            self.register_buffer(f"columns_{i}", torch.tensor(expert_columns(expert, terms)), persistent=False)
        sizes = {int(expert.mlp[-1].out_features) for expert in experts}  # type: ignore[arg-type]
        if len(sizes) != 1:
            raise SleightError("experts act in different numbers of elements", value=sorted(sizes))
        self.action_size = sizes.pop()

    @property
    def output_size(self) -> int:
        """Elements that the hyper-policy's network gives: k raw weights, then the residual."""
        return self.config.k + (self.action_size if self.config.residual else 0)

    def expert_actions(self, obs: torch.Tensor) -> torch.Tensor:
        """Return what each expert wants, (B, k, A), not clamped, for observations (B, D) of the hyper-policy."""
        return torch.stack(
            [expert(obs[:, self.get_buffer(f"columns_{i}")]) for i, expert in enumerate(self.experts)], dim=1
        )

    def compose(self, output: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mix the experts' actions and add the residual.

        Args:
            output: (B, k + A), or (B, k) without a residual: what the hyper-policy's network gives.
            actions: (B, k, A) what each expert wants.

        Returns:
            Action (B, A), not clamped; weights (B, k); residual (B, A).
        """
        k = self.config.k
        weights = normalise(output[:, :k], self.config.normalisation)
        mixed = (weights[..., None] * actions).sum(dim=1)
        residual = output[:, k:] if self.config.residual else torch.zeros_like(mixed)
        return mixed + residual, weights, residual


class HyperPolicy(nn.Module):
    """The whole deterministic policy, as it is exported.

    Args:
        actor: Observations (B, D) -> raw weights and residual, normalisation of observations included.
        mixture: Experts and rule.
    """

    def __init__(self, actor: nn.Module, mixture: Mixture) -> None:
        super().__init__()
        self.actor = actor
        self.mixture = mixture

    def forward(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return action (B, A) not clamped, weights (B, k), residual (B, A) and the experts' actions (B, k, A)."""
        actions = self.mixture.expert_actions(obs)
        return *self.mixture.compose(self.actor(obs), actions), actions


def expert_columns(expert: ExpertConfig, terms: Sequence[TermSpec]) -> list[int]:
    """Return where an expert's observation lies in the hyper-policy's.

    Raises:
        SleightError: A term is missing, or has another scale.
    """
    starts: dict[str, tuple[int, TermSpec]] = {}
    start = 0
    for spec in terms:
        starts[spec.name] = (start, spec)
        start += spec.size
    columns: list[int] = []
    for wanted in term_specs(load_hand(expert.hand), expert.terms):
        place, spec = starts.get(wanted.name, (0, None))
        if spec != wanted:
            found = "nothing of this name" if spec is None else f"scale {spec.scale}, clip {spec.clip}"
            raise SleightError(
                f"expert '{expert.name}' sees {wanted.name} with scale {wanted.scale}, the hyper-policy {found}",
                remedy="train the expert on the same terms",
            )
        columns += range(place, place + wanted.size)
    return columns
