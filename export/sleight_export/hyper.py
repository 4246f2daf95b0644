"""A hyper-policy's run as a bundle: one graph of experts, weights and residual, and the object encoder beside it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from sleight_core.bundle.manifest import MoeResidual
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand
from sleight_sim.objects.clouds import CLOUD_POINTS, code_clouds
from sleight_sim.objects.sets import resolve_objects
from sleight_training.codes.encoder import ENCODER_INPUT, ENCODER_ROLE
from sleight_training.codes.network import PointNet
from sleight_training.codes.observe import TERM
from sleight_training.hyper.mixture import HyperPolicy
from sleight_training.hyper.training import hyper_of, hyper_task, rebuild
from sleight_training.run import RunConfig

from sleight_export.bundle import ExportRequest, PartGraph
from sleight_export.run import (
    GOLDEN,
    GOLDEN_COUNT,
    GOLDEN_ENVS,
    build_actor,
    common_sections,
    ppo_algorithm,
    record_observations,
)


class FlatEncoder(torch.nn.Module):
    """The object encoder on clouds as vectors, as a bundle's golden file holds them, in double precision inside.

    Args:
        encoder: (B, N, 3) -> (B, 64).
    """

    def __init__(self, encoder: PointNet) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).double()

    def forward(self, cloud: torch.Tensor) -> torch.Tensor:
        """Return codes (B, 64) for clouds (B, 3 N): x, y, z of each point in the object frame (m)."""
        return self.encoder(cloud.double().reshape(-1, CLOUD_POINTS, 3)).float()


def hyper_request(run: RunConfig, data: dict[str, Any], source: Path, name: str) -> ExportRequest:
    """Collect what a bundle needs from a hyper-policy's run.

    Args:
        run: The run's configuration.
        data: A checkpoint of the run.
        source: Where the checkpoint came from, for messages.
        name: Name of the bundle.

    Raises:
        SleightError: The checkpoint is of another network.
    """
    hyper = hyper_of(run)
    mixture, encoder = rebuild(run, data)
    size = sum(spec.size for spec in term_specs(load_hand(run.task.hand), run.task.terms))
    policy = HyperPolicy(build_actor(run, data, size, mixture.output_size, source), mixture).eval()
    things = resolve_objects(run.objects, count=GOLDEN_ENVS)
    task = hyper_task(run, things, GOLDEN_ENVS, encoder, **GOLDEN)
    clouds = code_clouds([things[i % len(things)] for i in range(GOLDEN_COUNT)])
    parts = {}
    if any(term == TERM for term, _ in run.task.terms):
        golden = clouds.reshape(GOLDEN_COUNT, -1)
        parts[ENCODER_ROLE] = PartGraph(FlatEncoder(encoder), ENCODER_INPUT, TERM, golden)
    experts = ", ".join(expert.name for expert in hyper.experts)
    return ExportRequest(
        name=name,
        actor=policy,
        golden=record_observations(policy, task),
        description=f"Hyper-policy of stage {hyper.stage} over the experts {experts}, learnt on {run.objects}.",
        composition=MoeResidual(
            k=hyper.k, normalisation=hyper.normalisation, expert_names=tuple(expert.name for expert in hyper.experts)
        ),
        parts=parts,
        simulation=True,
        **common_sections(run, data, ppo_algorithm(run)),
    )
