"""A skill's sampler as an ONNX graph: the observation history and noise in, a chunk of actions out.

The few DDIM steps are unrolled in the graph, and the noise that they start from is an input: the same inputs give the
same actions, so golden vectors can test it. Normalisation is inside: observations and actions are in their own units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sleight_core.bundle.loader import GOLDEN_TOLERANCE
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_training.compose.diffusion.config import SkillRun
from sleight_training.compose.diffusion.policy import DiffusionPolicy, Sampler
from sleight_training.compose.diffusion.skill import POLICY, DiffusionSkill, read_policy
from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.skill import HORIZON, OBSERVATION_STEPS

from sleight_export.onnx_export import Parity, compare_graph, store_halves, trace_onnx

Array = NDArray[np.float32]

#: Names of the graph's inputs and output.
HISTORY, NOISE, ACTIONS = "history", "noise", "actions"
#: Golden chunks, and random ones for the comparison with torch.
GOLDEN_COUNT, RANDOM_COUNT = 32, 256
#: Seed of the worlds, starts and noise of golden vectors.
GOLDEN_SEED = 7


@dataclass(frozen=True)
class SkillGraph:
    """A skill ready for a bundle.

    Attributes:
        run: What it was trained as.
        steps: DDIM steps in the graph.
        data: The ONNX file: ``history`` (batch, OBSERVATION_STEPS, O) and ``noise`` (batch, HORIZON, A) ->
            ``actions`` (batch, HORIZON, A).
        golden: Inputs of real episodes and torch's actions, by those names.
        parity: How well ONNX Runtime repeats torch.
    """

    run: SkillRun
    steps: int
    data: bytes
    golden: dict[str, Array]
    parity: Parity


def export_skill(path: Path, *, steps: int | None = None) -> SkillGraph:
    """Export the averaged policy of a skill's run and compare it with torch.

    Args:
        path: The folder that ``sleight train skill`` wrote, or its ``policy.safetensors``.
        steps: DDIM steps; None for those of the run.

    Raises:
        SleightError: There is no skill, or it cannot be exported.
        BundleError: ONNX Runtime computes something else than torch.
    """
    run, policy = read_policy(path / POLICY if path.is_dir() else path)
    skill = DiffusionSkill(run, policy, steps=steps, seed=GOLDEN_SEED)
    data = sampler_to_onnx(skill.sampler)
    golden = record_golden(skill)
    parity = check_sampler(skill.sampler, data, golden)
    return SkillGraph(run, len(skill.sampler.scheduler.timesteps), data, golden, parity)


def sampler_to_onnx(sampler: Sampler) -> bytes:
    """Export a sampler; the names and shapes are those of `SkillGraph.data`. Rounded weights take 16 bits.

    Raises:
        SleightError: It cannot be traced.
    """
    observation, action = _sizes(sampler.policy)
    inputs = {HISTORY: torch.zeros(1, OBSERVATION_STEPS, observation), NOISE: torch.zeros(1, HORIZON, action)}
    return store_halves(trace_onnx(sampler, inputs, [ACTIONS]))


def record_golden(skill: DiffusionSkill, count: int = GOLDEN_COUNT) -> dict[str, Array]:
    """Let a skill play, and keep histories from all phases of the episodes, noise, and the sampled actions.

    Args:
        skill: The skill.
        count: N.

    Returns:
        ``history`` (N, OBSERVATION_STEPS, O), ``noise`` and ``actions`` (N, HORIZON, A), the same ones each time.
    """
    task = make_compose_task(skill.run.task, 4, seed=GOLDEN_SEED, num_threads=1)
    runner = RecedingHorizon(skill, task.num_envs)
    seen = [runner.observation(task.reset())]
    for _ in range(task.config.episode_steps // 2):
        seen.append(runner.observation(task.step(runner.act(seen[-1])).terms))
    pairs = np.stack([seen[:-1], seen[1:]], axis=2).reshape(-1, OBSERVATION_STEPS, seen[0].shape[-1])
    history = pairs[np.linspace(0, len(pairs) - 1, count).astype(int)].astype(np.float32)
    noise = np.random.default_rng(GOLDEN_SEED).standard_normal((count, HORIZON, skill.run.action_size))
    inputs = {HISTORY: history, NOISE: noise.astype(np.float32)}
    return {**inputs, ACTIONS: _sample(skill.sampler, inputs)}


def check_sampler(
    sampler: Sampler,
    data: bytes,
    golden: dict[str, Array],
    *,
    samples: int = RANDOM_COUNT,
    tolerance: float = GOLDEN_TOLERANCE,
) -> Parity:
    """Compare an ONNX file with the sampler that it came from, in a batch and one by one.

    Args:
        sampler: The sampler.
        data: The ONNX file.
        golden: Inputs of real episodes; the random histories are drawn from the range that they span.
        samples: Number of random inputs.
        tolerance: Largest difference allowed (m or rad).

    Raises:
        BundleError: An action differs by more.
    """
    rng = np.random.default_rng(0)
    low, high = golden[HISTORY].min(axis=(0, 1)), golden[HISTORY].max(axis=(0, 1))
    room = 0.1 * (high - low) + 0.01
    drawn = {
        HISTORY: rng.uniform(low - room, high + room, (samples, *golden[HISTORY].shape[1:])).astype(np.float32),
        NOISE: rng.standard_normal((samples, *golden[NOISE].shape[1:])).astype(np.float32),
    }
    return compare_graph(
        data,
        "graphs.skill",
        ACTIONS,
        lambda inputs: _sample(sampler, inputs),
        random=drawn,
        golden={name: golden[name] for name in (HISTORY, NOISE)},
        tolerance=tolerance,
        remedy="train for longer: an untrained network magnifies rounding from step to step",
    )


def _sizes(policy: DiffusionPolicy) -> tuple[int, int]:
    """Lengths of observation and action."""
    return len(policy.observation.middle), len(policy.action.middle)


def _sample(sampler: Sampler, inputs: Mapping[str, Array]) -> Array:
    with torch.no_grad():
        return sampler.eval()(torch.from_numpy(inputs[HISTORY]), torch.from_numpy(inputs[NOISE])).numpy()
