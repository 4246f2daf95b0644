"""What a trained estimator is worth: its errors on held-out episodes, and the skill's success on what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sleight_core.observation.compose_terms import MECHANISM_JOINTS
from sleight_core.statistics import wilson_interval

from sleight_training.compose.skills import SkillSource
from sleight_training.compose.vision.config import FeatureRun
from sleight_training.compose.vision.errors import Array, error_table
from sleight_training.compose.vision.estimator import Estimator
from sleight_training.compose.vision.rollouts import Moment, Rollouts

#: Environments that play at a time.
_AT_ONCE = 32
#: What a skill can be fed with, and what results call it.
TRUE, ESTIMATED = "true", "estimated"


@dataclass(frozen=True)
class Played:
    """Episodes under one kind of food.

    Attributes:
        succeeded: (n,) whether each succeeded at some time.
        said: (T, E) estimates at all moments of running episodes.
        in_company: (T,) whether a thing of another task was in the scene.
        truth: (T, E) what was so.
    """

    succeeded: np.ndarray
    said: Array
    truth: Array
    in_company: np.ndarray


def evaluate_estimator(
    estimator: Estimator,
    source: SkillSource,
    episodes: int,
    seed: int,
    *,
    num_threads: int = 0,
    report: Callable[[str, int], None] | None = None,
) -> dict[str, Any]:
    """Play the same episodes with the skill fed with the truth and with the estimates.

    Worlds, starts, the skill's variation and the cameras' errors are the same for both, and of no training.

    Args:
        estimator: What is measured.
        source: The skill.
        episodes: How many of each.
        seed: Of all that.
        num_threads: Physics threads; 0 for one a core.
        report: Called with what the skill is fed with and the number of finished episodes.

    Returns:
        As JSON takes it: ``task``, ``skill``, ``episodes``, ``seed``; ``success`` by what the skill was fed with;
        ``errors`` (see `error_table`) of the estimates at all moments of the episodes fed with them;
        ``errors_beside_truth`` of those that looked on while the skill was fed with the truth; and
        ``errors_by_company`` of the first, by whether a thing of another task was in the scene.
    """
    run = estimator.run
    played = {food: _play(estimator, source, episodes, seed, food, num_threads, report) for food in (TRUE, ESTIMATED)}
    units = quantity_units(run)
    tables = {food: error_table(run.quantities, units, row.said, row.truth) for food, row in played.items()}
    fed = played[ESTIMATED]
    split = {
        name: error_table(run.quantities, units, fed.said[rows], fed.truth[rows])
        for name, rows in (("alone", ~fed.in_company), ("in_company", fed.in_company))
        if rows.any()
    }
    return {
        "task": run.task.name,
        "skill": source.name,
        "episodes": episodes,
        "seed": seed,
        "success": {food: _rate(row.succeeded) for food, row in played.items()},
        "errors": tables[ESTIMATED],
        "errors_beside_truth": tables[TRUE],
        "errors_by_company": split,
    }


def quantity_units(run: FeatureRun) -> dict[str, str]:
    """Unit "m" or "rad" of each quantity of a run; of a mechanism's joints that of its first one."""
    sliding = run.task.mechanism is not None and run.task.mechanism.kind in ("button", "drawer")
    units = {name: "rad" if name == "object_quat" else "m" for name in run.quantities}
    if MECHANISM_JOINTS in units and not sliding:
        units[MECHANISM_JOINTS] = "rad"
    return units


def _play(
    estimator: Estimator,
    source: SkillSource,
    episodes: int,
    seed: int,
    food: str,
    num_threads: int,
    report: Callable[[str, int], None] | None,
) -> Played:
    succeeded: list[np.ndarray] = []
    said: list[Array] = []
    truth: list[Array] = []
    company: list[np.ndarray] = []
    for first in range(0, episodes, _AT_ONCE):
        count = min(_AT_ONCE, episodes - first)
        rollouts = Rollouts(estimator.run, source, estimator, count, seed=seed + first, num_threads=num_threads)
        rollouts.reset(np.arange(count), np.full(count, food == TRUE))
        running = np.ones(count, dtype=bool)
        for _ in range(estimator.run.task.episode_steps):
            moment = rollouts.step()
            rows = running & _finite(moment)
            said.append(moment.said[rows])
            truth.append(moment.truth[rows])
            company.append(rollouts.watched.in_company[rows])
            running &= ~(moment.result.succeeded | moment.result.failed)
            if not running.any():
                break
        succeeded.append(rollouts.watched.task.succeeded.copy())
        if report:
            report(food, first + count)
    return Played(*(np.concatenate(rows) for rows in (succeeded, said, truth, company)))


def _finite(moment: Moment) -> np.ndarray:
    return np.logical_and.reduce(np.isfinite(np.concatenate([moment.said, moment.truth], axis=1)), axis=1)


def _rate(succeeded: np.ndarray) -> dict[str, Any]:
    count = int(succeeded.sum())
    return {
        "successes": count,
        "episodes": len(succeeded),
        "rate": count / len(succeeded),
        "ci95": list(wilson_interval(count, len(succeeded))),
    }


def summary(results: Mapping[str, Any]) -> list[str]:
    """The results as lines for people."""
    lines = []
    for food, row in results["success"].items():
        low, high = row["ci95"]
        count = f"{row['successes']} of {row['episodes']}"
        lines.append(f"fed with {food} features: {count} succeeded ({100 * low:.1f} to {100 * high:.1f} %)")
    for name, row in results["errors"].items():
        each = ", ".join(f"{value:.3g}" for value in row["elements"]["mean_abs"])
        lines.append(
            f"{name}: off by {row['median']:.2f} {row['unit']} (median), {row['p95']:.2f} (95 %); elements {each}"
        )
    return lines
