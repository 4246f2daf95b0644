"""The denoising network: a U-Net over the time steps of a chunk, conditioned by FiLM (DexCompose appendix A).

Residual temporal blocks with Mish, as in Diffusion Policy (Chi et al. 2023): the flattened history goes through an MLP,
is joined to the embedding of the diffusion step, and scales and shifts the channels of every block (FiLM, Perez et al.
2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sleight_training.compose.diffusion.config import UnetConfig


class StepEmbedding(nn.Module):
    """Sinusoidal embedding of diffusion steps, then an MLP.

    Args:
        size: Length of the embedding, even.
    """

    rates: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        half = size // 2
        self.register_buffer("rates", torch.exp(-math.log(10000.0) / max(half - 1, 1) * torch.arange(half)))
        self.layers = nn.Sequential(nn.Linear(size, 4 * size), nn.Mish(), nn.Linear(4 * size, size))

    def forward(self, step: Tensor) -> Tensor:
        """Steps (B,) -> (B, size)."""
        phase = step[:, None] * self.rates
        return self.layers(torch.cat([phase.sin(), phase.cos()], dim=-1))


class ResidualBlock(nn.Module):
    """Two convolutions over time, the first followed by FiLM, around a skip.

    Args:
        source, target: Channels in and out.
        condition: Length of the conditioning vector.
        config: Kernel and groups.
    """

    def __init__(self, source: int, target: int, condition: int, config: UnetConfig) -> None:
        super().__init__()
        self.first, self.second = _conv(source, target, config), _conv(target, target, config)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * target))
        self.skip = nn.Conv1d(source, target, 1) if source != target else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, source, T), (B, condition) -> (B, target, T)."""
        scale, shift = self.film(condition)[:, :, None].chunk(2, dim=1)
        return self.second(self.first(x) * (1.0 + scale) + shift) + self.skip(x)


class ConditionalUnet(nn.Module):
    """Says of a noisy chunk what its noise, or the chunk without it, is.

    Args:
        observation: Length of the flattened history.
        action: Length of an action.
        config: Sizes.
    """

    def __init__(self, observation: int, action: int, config: UnetConfig) -> None:
        super().__init__()
        features = config.observation_features
        self.encoder = _mlp([observation, *config.observation_hidden, features])
        self.step = StepEmbedding(config.time_features)
        condition = features + config.time_features

        def block(source: int, target: int) -> ResidualBlock:
            return ResidualBlock(source, target, condition, config)

        widths = (action, *config.widths)
        self.down = nn.ModuleList(
            nn.ModuleList([block(a, b), block(b, b)]) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv1d(width, width, 3, 2, 1) for width in config.widths[:-1])
        self.middle = nn.ModuleList([block(config.widths[-1], config.widths[-1]) for _ in range(2)])
        pairs = list(zip(config.widths[:0:-1], config.widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ModuleList([block(2 * a, b), block(b, b)]) for a, b in pairs)
        self.grow = nn.ModuleList(nn.ConvTranspose1d(b, b, 4, 2, 1) for _, b in pairs)
        self.out = nn.Sequential(
            _conv(config.widths[0], config.widths[0], config), nn.Conv1d(config.widths[0], action, 1)
        )

    def forward(self, noisy: Tensor, step: Tensor, history: Tensor) -> Tensor:
        """Chunks (B, T, A) at diffusion steps (B,), histories (B, H O) -> (B, T, A)."""
        condition = torch.cat([self.step(step), self.encoder(history)], dim=-1)
        x, skips = noisy.transpose(1, 2), []
        for level, blocks in enumerate(self.down):
            for one in blocks:  # type: ignore[attr-defined]  # a ModuleList
                x = one(x, condition)
            skips.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
        for one in self.middle:
            x = one(x, condition)
        for blocks, grow in zip(self.up, self.grow, strict=True):
            x = torch.cat([x, skips.pop()], dim=1)
            for one in blocks:  # type: ignore[attr-defined]
                x = one(x, condition)
            x = grow(x)
        return self.out(x).transpose(1, 2)


def _conv(source: int, target: int, config: UnetConfig) -> nn.Sequential:
    conv = nn.Conv1d(source, target, config.kernel, padding=config.kernel // 2)
    return nn.Sequential(conv, nn.GroupNorm(config.groups, target), nn.Mish())


def _mlp(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(a, b), nn.Mish()]
    return nn.Sequential(*layers[:-1])
