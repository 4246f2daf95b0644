"""A feature estimator as an ONNX graph: clouds and the hand's state in, a task's features out, in their own units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sleight_core.bundle.composed import FEATURES, OBSERVATION, EstimateSection, EstimatorSection
from sleight_core.bundle.loader import GOLDEN_TOLERANCE
from sleight_core.hand import HandTable
from sleight_training.compose.skills import skill_source
from sleight_training.compose.vision.config import FeatureRun
from sleight_training.compose.vision.estimator import Estimator, estimator_terms
from sleight_training.compose.vision.rollouts import Rollouts

from sleight_export.onnx_export import Parity, compare_graph, trace_onnx

Array = NDArray[np.float32]

#: Golden moments, and random ones for the comparison with torch.
GOLDEN_COUNT, RANDOM_COUNT = 32, 256
#: Seed of the worlds, starts and cameras of golden moments.
GOLDEN_SEED = 13


@dataclass(frozen=True)
class FeatureGraph:
    """An estimator ready for a bundle.

    Attributes:
        run: What it was trained as.
        data: The ONNX file: ``obs`` (batch, D) -> ``features`` (batch, E).
        golden: What cameras and hand saw in real episodes, and torch's features, by those names.
        parity: How well ONNX Runtime repeats torch.
    """

    run: FeatureRun
    data: bytes
    golden: dict[str, Array]
    parity: Parity

    def section(self, table: HandTable, role: str) -> EstimatorSection:
        """What the manifest says of it.

        Args:
            table: The hand.
            role: Of its graph.
        """
        outputs = tuple(EstimateSection(name=name, size=size) for name, size in self.run.quantities.items())
        terms = estimator_terms(table, self.run.network.terms)
        return EstimatorSection(graph=role, observation=terms, outputs=outputs)


def export_features(path: Path) -> FeatureGraph:
    """Export the estimator of a run and compare it with torch.

    Args:
        path: The folder that ``sleight train features`` wrote, or its ``estimator.safetensors``.

    Raises:
        SleightError: There is no estimator, it cannot be exported, or the skill that it learnt from is gone.
        BundleError: ONNX Runtime computes something else than torch.
    """
    estimator = Estimator.load(path)
    data = trace_onnx(estimator.network, {OBSERVATION: torch.zeros(1, sum(estimator.network.sizes))}, [FEATURES])
    golden = record_moments(estimator)
    return FeatureGraph(estimator.run, data, golden, check_features(estimator, data, golden))


def record_moments(estimator: Estimator, count: int = GOLDEN_COUNT) -> dict[str, Array]:
    """Let the skill play on estimates, and keep moments from all phases of the episodes.

    Args:
        estimator: The estimator.
        count: N.

    Returns:
        ``obs`` (N, D) and ``features`` (N, E), the same ones each time.
    """
    run = estimator.run
    source = skill_source(run.skill, run.task.name)
    rollouts = Rollouts(run, source, estimator, 4, seed=GOLDEN_SEED, num_threads=1)
    rollouts.reset(np.arange(4), np.zeros(4, dtype=bool))
    seen = np.concatenate([rollouts.step().seen for _ in range(run.task.episode_steps // 2)])
    kept = seen[np.linspace(0, len(seen) - 1, count).astype(int)]
    return {OBSERVATION: kept, FEATURES: estimator(kept).astype(np.float32)}


def check_features(
    estimator: Estimator,
    data: bytes,
    golden: dict[str, Array],
    *,
    samples: int = RANDOM_COUNT,
    tolerance: float = GOLDEN_TOLERANCE,
) -> Parity:
    """Compare an ONNX file with the estimator that it came from, in a batch and one by one.

    Args:
        estimator: The estimator.
        data: The ONNX file.
        golden: Moments of real episodes; random ones are drawn from the range that they span.
        samples: Number of random inputs.
        tolerance: Largest difference allowed (m, rad or 1).

    Raises:
        BundleError: A feature differs by more.
    """
    seen = golden[OBSERVATION]
    room = 0.1 * (seen.max(axis=0) - seen.min(axis=0)) + 0.01
    low, high = seen.min(axis=0) - room, seen.max(axis=0) + room
    drawn = np.random.default_rng(0).uniform(low, high, (samples, seen.shape[1])).astype(np.float32)
    return compare_graph(
        data,
        "graphs.features",
        FEATURES,
        lambda inputs: estimator(inputs[OBSERVATION]),
        random={OBSERVATION: drawn},
        golden={OBSERVATION: seen},
        tolerance=tolerance,
        remedy="export again; if that does not help, the estimator's weights are too large: train it again",
    )
