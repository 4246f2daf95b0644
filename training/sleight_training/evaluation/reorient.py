"""Consecutive rotations of a cube by an exported bundle's policy, counted as MuJoCo Playground counts successes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.bundle import Bundle, PolicySession, load_bundle
from sleight_core.errors import SleightError
from sleight_core.statistics import mean_interval, wilson_interval
from sleight_description import load_hand
from sleight_sim.tasks.reorient.config import TASK, TRAINED_SIGHT, GoalConfig, ReorientConfig, SightConfig
from sleight_sim.tasks.reorient.env import ReorientTask

#: Environments at once; more only cost memory.
MAX_ENVS = 64
SIGHTS = {"exact": SightConfig(), "modelled": TRAINED_SIGHT}


@dataclass(frozen=True)
class ReorientScore:
    """Result of an evaluation, one row an episode.

    Attributes:
        rotations: (N,) goals reached before the cube fell, or until the time was over.
        seconds: (N,) s until then.
        fallen: (N,) bool.
        task: What was measured.
    """

    rotations: NDArray[np.integer]
    seconds: NDArray[np.floating]
    fallen: NDArray[np.bool_]
    task: ReorientConfig

    def result(self, bundle: Bundle, **conditions: Any) -> dict[str, Any]:
        """Return what ``sleight eval --json`` writes: *held* means that the cube did not fall."""
        count, held = len(self.rotations), int((~self.fallen).sum())
        kept = {
            "episodes": count,
            "held_success": held / count,
            "ever_success": float((self.rotations > 0).mean()),
            "ci95": list(wilson_interval(held, count)),
        }
        return {
            **kept,
            "rotations": {
                "mean": float(self.rotations.mean()),
                "ci95": list(mean_interval(self.rotations.tolist())),
                "median": float(np.median(self.rotations)),
                "largest": int(self.rotations.max()),
                "each": self.rotations.tolist(),
                "time": self.task.episode_time,
                "threshold": self.task.goal.threshold,
            },
            "seconds_held": float(self.seconds.mean()),
            "bundle": str(bundle.path),
            "bundle_sha256": bundle.sha256,
            **conditions,
            "per_object": {"cube": kept},
        }


def reorient_config(bundle: Bundle, perception: str) -> ReorientConfig:
    """The task that a bundle is scored on: its own rate, start, threshold and time.

    Raises:
        SleightError: The bundle is for another task, does not say when a goal is reached, or the perception is unknown.
    """
    manifest = bundle.manifest
    task = manifest.task
    if task.name != TASK:
        raise SleightError("the bundle is not for this task", value=task.name, remedy=f"give one for '{TASK}'")
    if task.success_angle is None:
        raise SleightError("the bundle does not say which angle counts as success", remedy="state task.success_angle")
    if perception not in SIGHTS:
        raise SleightError("unknown perception", value=perception, remedy=f"choose one of {sorted(SIGHTS)}")
    default = ReorientConfig()
    mount = np.subtract(task.start.wrist_position, default.wrist_pos)
    return ReorientConfig(
        hand=manifest.hand.name,
        control_period=manifest.control.period,
        substeps=max(1, round(manifest.control.period / default.timestep)),
        episode_time=task.episode_time,
        mount=tuple(mount.tolist()),
        wrist_quat=task.start.wrist_quat,
        joints=task.start.joints,
        goal=GoalConfig(threshold=task.success_angle),
        sight=SIGHTS[perception],
    )


def evaluate_reorient(
    bundle_path: Path,
    episodes: int,
    *,
    seed: int = 1000,
    perception: str = "exact",
    num_threads: int = 0,
    advance: Callable[[int], None] | None = None,
) -> tuple[ReorientScore, Bundle]:
    """Run episodes with a bundle's policy and count rotations.

    Args:
        bundle_path: The bundle's folder.
        episodes: Number of episodes.
        seed: Seed of starts, goals and errors.
        perception: "exact", or "modelled": with the errors of the policy's training.
        num_threads: Threads of the physics; 0 for one a core.
        advance: Called with the number of episodes' worth of steps that were done.

    Raises:
        SleightError: The bundle or an option does not fit.
    """
    if episodes < 1:
        raise SleightError("the number of episodes must be at least 1", value=episodes)
    named = load_bundle(bundle_path, simulation=True)
    bundle = load_bundle(bundle_path, load_hand(named.manifest.hand.name), simulation=True)
    config = reorient_config(bundle, perception)
    policy = PolicySession(bundle)
    rows: list[tuple[NDArray, NDArray, NDArray]] = []
    for first in range(0, episodes, MAX_ENVS):
        count = min(MAX_ENVS, episodes - first)
        manifest = bundle.manifest
        task = ReorientTask(
            config, manifest.observation, manifest.action, count, seed=seed + first, num_threads=num_threads
        )
        obs = task.reset()
        for step in range(config.episode_steps):
            obs = task.step(policy.act_batch(obs)).obs
            if advance and (step + 1) % max(1, config.episode_steps // count) == 0:
                advance(1)
            if task.fallen.all():
                break
        rows.append((task.rotations, task.steps * config.control_period, task.fallen))
    rotations, seconds, fallen = (np.concatenate(column) for column in zip(*rows, strict=True))
    return ReorientScore(rotations, seconds, fallen, config), bundle
