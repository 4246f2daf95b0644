"""The PointNet that makes a code of an object's surface, and the decoder that teaches it."""

from __future__ import annotations

import torch
from sleight_core.observation.terms import OBJECT_CODE_SIZE
from torch import nn

#: The network sees lengths in units of 0.1 m, so that its inputs are of the order of 1.
UNITS_PER_METRE = 10.0


class PointNet(nn.Module):
    """Encoder of point clouds: one network for every point, the largest answer over the points, and a head.

    The standardisation (`set_statistics`) is part of it, so that codes have mean 0 and deviation 1 over the objects
    that it learnt on.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 256))
        self.head = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, OBJECT_CODE_SIZE))
        self.register_buffer("mean", torch.zeros(OBJECT_CODE_SIZE))
        self.register_buffer("std", torch.ones(OBJECT_CODE_SIZE))

    def raw(self, clouds: torch.Tensor) -> torch.Tensor:
        """Return codes (B, 64) before standardisation for clouds (B, N, 3) in the object frame (m)."""
        return self.head(self.point(clouds * UNITS_PER_METRE).amax(dim=1))

    def forward(self, clouds: torch.Tensor) -> torch.Tensor:
        """Return codes (B, 64) for clouds (B, N, 3) in the object frame (m)."""
        return (self.raw(clouds) - self.mean) / self.std

    def set_statistics(self, raw: torch.Tensor) -> None:
        """Standardise by raw codes (N, 64); elements that hardly vary are left small instead of blown up."""
        std = raw.std(dim=0, unbiased=False)
        self.mean.copy_(raw.mean(dim=0))
        self.std.copy_(std.clamp_min(max(0.1 * float(std.mean()), 1e-6)))


class Decoder(nn.Module):
    """Points from a code; only training needs it.

    Args:
        points: Number of points.
    """

    def __init__(self, points: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(OBJECT_CODE_SIZE, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 3 * points)
        )

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return clouds (B, points, 3) in the object frame (m) for raw codes (B, 64)."""
        return self.layers(codes).reshape(len(codes), -1, 3) / UNITS_PER_METRE


def chamfer(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the mean squared distance (m^2) of each point to the nearest of the other cloud, both ways, as a scalar.

    Args:
        first: (B, N, 3) m.
        second: (B, M, 3) m.
    """
    # Only the choice of the nearest needs all pairs; its gradient needs none of them.
    with torch.no_grad():
        pairs = torch.cdist(first, second)
        to_second, to_first = pairs.argmin(dim=2), pairs.argmin(dim=1)
    near_second = torch.gather(second, 1, to_second[..., None].expand(-1, -1, 3))
    near_first = torch.gather(first, 1, to_first[..., None].expand(-1, -1, 3))
    return (first - near_second).square().sum(-1).mean() + (second - near_first).square().sum(-1).mean()
