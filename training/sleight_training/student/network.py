"""The student's network: a PointNet for the cloud, an MLP for the rest, and one of two heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sleight_core.observation import TermSpec
from sleight_core.observation.terms import cloud_term
from torch import nn

from sleight_training.codes.network import UNITS_PER_METRE
from sleight_training.hyper.mixture import Mixture
from sleight_training.student.config import NetworkConfig

#: Least standard deviation that an element is divided by.
_LEAST_STD = 1e-2


class CloudEncoder(nn.Module):
    """Simplified PointNet of the paper's student (resdex_facts 5.5): per point, its offset and the cloud's middle.

    Half of the channels are pooled by their largest value, half by their mean. The order of the points does not matter.

    Args:
        point_widths: Layers that every point passes through.
        code_widths: Layers after pooling; the last is the code.
    """

    def __init__(self, point_widths: Sequence[int], code_widths: Sequence[int]) -> None:
        super().__init__()
        # The first layer on (offset, middle): the middle's share is the same for all points of a cloud.
        self.offset = nn.Linear(3, point_widths[0])
        self.middle = nn.Linear(3, point_widths[0], bias=False)
        layers: list[nn.Module] = []
        for a, b in zip(point_widths[:-1], point_widths[1:], strict=True):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.point = nn.Sequential(*layers)
        self.largest = point_widths[-1] // 2
        layers = []
        for a, b in zip((point_widths[-1], *code_widths[:-1]), code_widths, strict=True):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.head = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, offsets: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
        """Return codes (B, C).

        Args:
            offsets: (B, N, 3) m, points relative to their mean.
            middle: (B, 3) the mean, of the order of 1.
        """
        first = torch.relu(self.offset(offsets * UNITS_PER_METRE) + self.middle(middle)[:, None])
        features = self.point(first)
        # `max` learns faster than `amax`, which shares the gradient out among equals.
        pooled = [features[..., : self.largest].max(dim=1).values, features[..., self.largest :].mean(dim=1)]
        return self.head(torch.cat(pooled, dim=-1))


class StudentNetwork(nn.Module):
    """Observations, whose last term is the cloud, to actions.

    Args:
        config: Sizes.
        terms: The observation.
        actions: A, elements of an action.
        mixture: Frozen experts to mix, or None for a network that gives the action itself.
    """

    mean: torch.Tensor
    std: torch.Tensor
    count: torch.Tensor

    def __init__(
        self, config: NetworkConfig, terms: Sequence[TermSpec], actions: int, mixture: Mixture | None = None
    ) -> None:
        super().__init__()
        if terms[-1].name != cloud_term(config.cloud_points):
            raise ValueError("the cloud is the last term of a student's observation")
        self.config = config
        self.mixture = mixture
        self.vector_size = sum(spec.size for spec in terms[:-1])
        size = self.vector_size + 3
        self.encoder = CloudEncoder(config.point_widths, config.code_widths)
        layers: list[nn.Module] = []
        sizes = [size + config.code_widths[-1], *config.hidden]
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(a, b), nn.ELU()]
        last = nn.Linear(sizes[-1], actions if mixture is None else mixture.output_size)
        self.mlp = nn.Sequential(*layers, last)
        if mixture is not None:
            # Learning starts from the mean of the experts, as the hyper-policy's does.
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            if mixture.config.normalisation != "softmax":
                nn.init.ones_(last.bias[: mixture.config.k])
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.register_buffer("count", torch.zeros(()))

    def forward(
        self, obs: torch.Tensor
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions (B, A), not clamped, for observations (B, D).

        With a mixture: actions, weights (B, k), residuals (B, A) and the experts' actions (B, k, A).
        """
        vector, offsets = self._parts(obs)
        vector = (vector - self.mean) / self.std
        code = self.encoder(offsets, vector[:, -3:])
        out = self.mlp(torch.cat([vector, code], dim=-1))
        if self.mixture is None:
            return out
        experts = self.mixture.expert_actions(obs)
        return *self.mixture.compose(out, experts), experts

    def action(self, obs: torch.Tensor) -> torch.Tensor:
        """Return actions (B, A), not clamped."""
        out = self(obs)
        return out[0] if isinstance(out, tuple) else out

    def learnable(self) -> list[nn.Parameter]:
        """Return the parameters that learn: the experts do not."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    @torch.no_grad()
    def observe(self, obs: torch.Tensor) -> None:
        """Take observations (B, D) into the running statistics of all but the cloud's shape."""
        if not self.config.normalise:
            return
        vector, _ = self._parts(obs)
        new, old = float(len(vector)), float(self.count)
        total = old + new
        mean = vector.mean(dim=0)
        delta = mean - self.mean
        variance = (
            self.std.square() * old + vector.var(dim=0, unbiased=False) * new + delta.square() * old * new / total
        )
        self.mean += delta * (new / total)
        self.std.copy_((variance / total).sqrt().clamp_min(_LEAST_STD))
        self.count.fill_(total)

    def _parts(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vector (B, V + 3) with the cloud's mean at its end, and the points' offsets (B, N, 3) from it."""
        cloud = obs[:, self.vector_size :].reshape(-1, self.config.cloud_points, 3)
        middle = cloud.mean(dim=1)
        return torch.cat([obs[:, : self.vector_size], middle], dim=-1), cloud - middle[:, None]
