"""A trained policy as a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from sleight_core.action import ActionSpec
from sleight_core.bundle.loader import Bundle
from sleight_core.bundle.manifest import (
    BundleInfo,
    Composition,
    ControlSection,
    HandSection,
    Mlp,
    ResultSection,
    TaskSection,
    TrainingSection,
    refusal,
)
from sleight_core.bundle.writer import write_bundle
from sleight_core.errors import BundleError
from sleight_core.hand import HandTable
from sleight_core.observation import TermSpec

from sleight_export.onnx_export import ClampedPolicy, Parity, check_parity, to_onnx, torch_outputs

#: Fewest golden observations that are worth the name.
MIN_GOLDEN = 8


@dataclass(frozen=True)
class PartGraph:
    """A graph beside the policy, such as the encoder that makes a term of its observation.

    Attributes:
        network: (B, D) -> (B, C), deterministic.
        source: Name of its input.
        output: Name of its output.
        golden: Inputs (N, D) float32, as many as there are golden observations.
    """

    network: torch.nn.Module
    source: str
    output: str
    golden: NDArray[np.float32]


@dataclass(frozen=True)
class ExportRequest:
    """Everything that a bundle needs to know about a trained policy.

    Attributes:
        name: Name of the bundle.
        actor: Observations (B, D) -> actions (B, A), deterministic, normalisation included, not clamped; for a mixture
            a tuple of actions, weights (B, k), residuals (B, A) and the experts' actions (B, k, A).
        table: The hand it was trained for.
        observation: Terms of its input, in order.
        action: Parts of its output.
        control: Control period and joint margin of the training.
        task: What it does.
        training: Where it comes from.
        golden: Observations of real episodes (N, D) float32, after scale and clip.
        description: One sentence for people.
        results: What was measured of it.
        composition: How its action comes about.
        parts: Further graphs, by role.
        simulation: Whether it may see what only a simulator knows; no robot runs such a bundle.
    """

    name: str
    actor: torch.nn.Module
    table: HandTable
    observation: Sequence[TermSpec]
    action: ActionSpec
    control: ControlSection
    task: TaskSection
    training: TrainingSection
    golden: NDArray[np.float32]
    description: str = ""
    results: Sequence[ResultSection] = ()
    composition: Composition = Mlp()
    parts: Mapping[str, PartGraph] = field(default_factory=dict)
    simulation: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        mixture = ("expert_weights", "residual", "expert_actions")
        return ("action", *mixture) if self.composition.kind == "moe_residual" else ("action",)


@dataclass(frozen=True)
class Exported:
    """What came out.

    Attributes:
        bundle: The bundle as loaded from the disk.
        parity: How well it repeats the torch policy.
    """

    bundle: Bundle
    parity: Parity


def export_policy(request: ExportRequest, path: Path, *, overwrite: bool = False) -> Exported:
    """Export a policy, compare it with torch, and write and verify its bundle.

    Args:
        request: The policy and what belongs to it.
        path: Folder of the bundle.
        overwrite: Whether an existing bundle there is replaced.

    Raises:
        BundleError: Something does not fit, or ONNX computes something else than torch.
        SleightError: The network cannot be exported, or the folder exists or cannot be written.
    """
    try:
        info = BundleInfo(
            name=request.name,
            description=request.description,
            hand=HandSection.of(request.table),
            control=request.control,
            observation=tuple(request.observation),
            action=request.action.parts,
            composition=request.composition,
            task=request.task,
            training=request.training,
            results=tuple(request.results),
        )
    except ValidationError as error:
        raise refusal(error, "correct what is exported") from error
    golden = np.ascontiguousarray(request.golden, dtype=np.float32)
    if golden.ndim != 2 or golden.shape[1] != info.observation_size or len(golden) < MIN_GOLDEN:
        raise BundleError(
            "golden.obs",
            expected=f"at least {MIN_GOLDEN} observations of {info.observation_size} elements",
            found=f"shape {golden.shape}",
            remedy="record observations with the terms that the policy was trained on",
        )
    if not np.isfinite(golden).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(golden))[0])
        raise BundleError(
            "golden.obs",
            expected="finite numbers",
            found=f"{info.observation_labels[column]} is {golden[row, column]} in observation {row}",
            remedy="record observations from working episodes",
        )
    policy = ClampedPolicy(request.actor)
    data = to_onnx(policy, info.observation_size, outputs=request.outputs)
    vectors = {"obs": golden, **_answers(policy, golden, request.outputs)}
    actions = vectors["action"]
    if actions.shape[1] != info.action_size:
        raise BundleError(
            "action",
            expected=f"{actions.shape[1]} elements as the network gives",
            found=f"{info.action_size} of the action parts",
            remedy="export the action that the policy was trained on",
        )
    parity = check_parity(policy, data, golden, info.action_labels, outputs=request.outputs)
    graphs = {"policy": data}
    for role, part in request.parts.items():
        graphs[role] = to_onnx(part.network, part.golden.shape[1], source=part.source, outputs=[part.output])
        vectors[part.source] = part.golden
        vectors[f"{role}.{part.output}"] = _answers(part.network, part.golden, [part.output])[part.output]
    bundle = write_bundle(
        path, info, graphs, vectors, table=request.table, overwrite=overwrite, simulation=request.simulation
    )
    return Exported(bundle, parity)


def _answers(
    network: torch.nn.Module, golden: NDArray[np.float32], names: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Return a network's outputs by name, each as vectors (N, size)."""
    outputs = torch_outputs(network, golden)
    return {name: out.reshape(len(golden), -1) for name, out in zip(names, outputs, strict=True)}
