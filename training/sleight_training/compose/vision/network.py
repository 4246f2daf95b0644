"""The estimator's network: a small PointNet for two clouds, an MLP for what they say together with the hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from sleight_core.observation import TermSpec
from sleight_core.observation.estimated_terms import PLACES
from sleight_sim.worlds.tabletop import TABLE_HEIGHT
from torch import nn

from sleight_training.codes.network import UNITS_PER_METRE
from sleight_training.compose.vision.config import EstimatorConfig
from sleight_training.student.network import CloudEncoder

#: Where clouds usually are, m: the network sees how far theirs is from there.
_USUAL = (0.0, 0.0, TABLE_HEIGHT + 0.1)
#: Velocities of the wrist that are 1 to the network: m/s, rad/s.
_SPEED, _SPIN = 0.5, 2.0


class FeatureNetwork(nn.Module):
    """Observations to a task's features; lengths, units and centring are inside, so both ends are raw.

    All that the network sees of places is relative to a cloud's mean, and so are the places that it tells: the first
    cloud's for a mechanism, which stands where it stood; the newest one's for an object, which is carried away.

    Args:
        config: Sizes.
        terms: The observation, in the order of `EstimatorConfig.terms`.
        quantities: Sizes of what it tells, in order.
        units: What an output of 1 is, for each element.
    """

    usual: torch.Tensor
    speeds: torch.Tensor
    units: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self,
        config: EstimatorConfig,
        terms: Sequence[TermSpec],
        quantities: Mapping[str, int],
        units: Sequence[float],
    ) -> None:
        super().__init__()
        self.points = config.cloud_points
        self.sizes = [spec.size for spec in terms]
        self.stands = "handle_pos" in quantities
        joints, quat, palm, velocity, tips = self.sizes[:5]
        code = config.code_widths[-1]
        self.marks = (palm + tips) // 3
        self.encoder = CloudEncoder(config.point_widths, config.code_widths)
        layers: list[nn.Module] = []
        sizes = [joints + quat + velocity + palm + tips + 6 + 2 * code, *config.hidden]
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(a, b), nn.ELU()]
        last = nn.Linear(sizes[-1], sum(quantities.values()))
        self.mlp = nn.Sequential(*layers, last)
        # It begins with everything at the origin, upright: far from there, an optimiser of small steps would take long.
        with torch.no_grad():
            last.bias.copy_(torch.tensor(_at_first(quantities)) / torch.tensor(list(units)))
        # Which coordinate of the origin is added to each output.
        places = [torch.eye(3) if name in PLACES else torch.zeros(3, size) for name, size in quantities.items()]
        self.register_buffer("usual", torch.tensor(_USUAL))
        self.register_buffer("speeds", torch.tensor([1.0 / _SPEED] * 3 + [1.0 / _SPIN] * 3))
        self.register_buffer("units", torch.tensor(list(units)))
        self.register_buffer("spread", torch.cat(places, dim=1))

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Return features (B, E) in m, rad and quaternion elements (not normalised) for observations (B, D)."""
        joints, quat, palm, velocity, tips, first, newest = torch.split(obs, self.sizes, dim=-1)
        first, newest = (cloud.reshape(-1, self.points, 3) for cloud in (first, newest))
        before, now = first.mean(dim=1), newest.mean(dim=1)
        origin = before if self.stands else now
        hand = torch.cat([palm, tips], dim=-1)
        hand = (hand.reshape(-1, self.marks, 3) - origin[:, None]).flatten(1)
        was, at = ((middle - self.usual) * UNITS_PER_METRE for middle in (before, now))
        codes = [self.encoder(first - before[:, None], was), self.encoder(newest - now[:, None], at)]
        seen = torch.cat([joints, quat, velocity * self.speeds, hand * UNITS_PER_METRE, at, at - was, *codes], dim=-1)
        return self.mlp(seen) * self.units + origin @ self.spread


def _at_first(quantities: Mapping[str, int]) -> list[float]:
    """The upright unit quaternion, and 0 for all else."""
    return [1.0 if name == "object_quat" and i == 0 else 0.0 for name, size in quantities.items() for i in range(size)]
