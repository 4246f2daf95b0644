"""Composite success of one pair under one method, as the paper measures it: seeds times rollouts (4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.make import compose_hand, make_compose_task

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.horizon import play_episodes
from sleight_training.compose.residual.bank import play_step
from sleight_training.compose.residual.bundled import read_bundled_pair
from sleight_training.compose.residual.composite import CompositeTask
from sleight_training.compose.residual.config import CompositionConfig
from sleight_training.compose.residual.methods import METHODS, Composition, Method, method_mask, read_method
from sleight_training.compose.residual.outcomes import Tally
from sleight_training.compose.residual.pair import check_pair, first_config, make_holding_worlds, read_pair
from sleight_training.compose.residual.policy import Residual, ResidualPolicy
from sleight_training.compose.skills import SkillSource, skill_source
from sleight_training.compose.vision.estimator import Estimator
from sleight_training.compose.vision.seeing import seeing_source


@dataclass(frozen=True)
class PairScore:
    """What a pair's evaluation gave.

    Attributes:
        first, second: The tasks.
        method: What was evaluated.
        mask: Preserved fingers.
        per_seed: Counts by seed.
        standalone: Success rates of both skills alone, or None.
    """

    first: str
    second: str
    method: Composition
    mask: tuple[str, ...]
    per_seed: dict[int, Tally]
    standalone: tuple[float | None, float | None] = (None, None)

    @property
    def total(self) -> Tally:
        """Counts over all seeds."""
        return Tally.total(list(self.per_seed.values()))

    def row(self) -> dict[str, Any]:
        """The result as JSON takes it, with mean and standard deviation over seeds as the paper's tables have them."""
        rates = [tally.success / tally.episodes for tally in self.per_seed.values()]
        return {
            "first": self.first,
            "second": self.second,
            "method": self.method.title,
            "note": self.method.note,
            "preserved_fingers": list(self.mask),
            **self.total.row(self.standalone),
            "seed_mean": float(np.mean(rates)),
            "seed_std": float(np.std(rates)),
            "per_seed": {str(seed): rate for seed, rate in zip(self.per_seed, rates, strict=True)},
        }


def evaluate_pair(
    first: str,
    second: str,
    method: Method | Composition,
    *,
    held: HeldLibrary,
    skill: SkillSource,
    mask: tuple[str, ...] | None = None,
    stabiliser: Residual | None = None,
    residual: Residual | None = None,
    seeds: Sequence[int] = tuple(range(8)),
    rollouts: int = 32,
    config: CompositionConfig | None = None,
    standalone: tuple[float | None, float | None] = (None, None),
    num_threads: int = 0,
    report: Callable[[int, Tally], None] | None = None,
) -> PairScore:
    """Measure a pair.

    Args:
        first: Name of the task whose outcome is kept.
        second: Name of the task that is done meanwhile.
        method: Which method.
        held: What rollouts start from.
        skill: The second skill.
        mask: Preserved fingers that were selected, for the methods that use them.
        stabiliser: The first residual, for the methods that have it.
        residual: The second residual, for the methods that have it.
        seeds: Of worlds, held states and starts.
        rollouts: A seed.
        config: Stages, bounds and limits.
        standalone: Success rates of both skills alone, for the preservation ratios.
        num_threads: Threads; 0 for one a core.
        report: Called after each seed.

    Raises:
        SleightError: The tasks are no pair, the method lacks a residual or a mask, or a residual is for another pair,
            mask or action.
    """
    _, task_config = check_pair(first_config(held) if held.task.name == first else first, second)
    chosen = METHODS[method] if isinstance(method, Method) else method
    ownership = method_mask(compose_hand(task_config), chosen, first, mask)
    if held.task.name != first:
        raise SleightError("held states of another task", value=held.task.name, remedy=f"collect those of {first}")
    stabiliser = _needed(stabiliser, chosen.stabiliser, "first", chosen, (first,), ownership.preserved)
    residual = _needed(residual, chosen.second != "none", "second", chosen, (first, second), ownership.preserved)
    scores = {}
    for seed in seeds:
        task, worlds = make_holding_worlds(task_config, held, rollouts, seed=seed, num_threads=num_threads)
        composite = CompositeTask(
            task,
            skill.make(task, seed),
            held,
            worlds,
            ownership,
            config or CompositionConfig(),
            transition=chosen.transition,
            unmasked=chosen.second == "unmasked",
            seed=seed,
        )
        scores[seed] = play_rollouts(composite, stabiliser, residual)
        if report:
            report(seed, scores[seed])
    return PairScore(first, second, chosen, ownership.preserved, scores, standalone)


def evaluate_methods(
    first: str,
    second: str,
    methods: Sequence[str],
    *,
    mask: tuple[str, ...] | None,
    stabiliser: Path | None,
    residuals: Sequence[Path],
    skill: str,
    held: Path,
    seeds: Sequence[int],
    rollouts: int,
    alone: int,
    bundle: Path | None = None,
    notice: Callable[[str], None],
    estimator: Path | None = None,
    composition: CompositionConfig | None = None,
) -> list[dict[str, Any]]:
    """Measure a pair under several methods, from the same held states; a row (see `PairScore.row`) each.

    Args:
        first: Name of the task whose outcome is kept.
        second: Name of the task that is done meanwhile.
        methods: Names of the methods.
        mask: Preserved fingers that were selected.
        stabiliser: The first residual's run or file.
        residuals: Second residuals' runs or files; each is for the methods that it fits.
        skill: The second skill (see `skill_source`).
        held: File of held states of the first skill.
        seeds: Of worlds, held states and starts.
        rollouts: A seed.
        alone: Episodes of the second skill alone; 0 leaves its preservation ratio out.
        bundle: An exported bundle; then second skill, mask and residuals are its own.
        notice: Told how it goes.
        estimator: Run or file of 'sleight train features': the second skill, a script, sees places through it.
        composition: Stages, bounds and limits; a bundle brings its own.

    Raises:
        SleightError: As `evaluate_pair`, or a file cannot be read.
    """
    states, config = read_pair(held, first, second)
    chosen = [read_method(name) for name in methods]
    played = read_bundled_pair(bundle, first, second) if bundle else None
    if played is not None:
        source, mask, first_policy = played.skill, played.mask, played.stabiliser
        second_policies: list[Residual] = [played.residual] if played.residual else []
    else:
        source, first_policy = skill_source(skill, second), ResidualPolicy.load(stabiliser) if stabiliser else None
        second_policies = [ResidualPolicy.load(path) for path in residuals]
    if estimator is not None:
        source = seeing_source(source, Estimator.load(estimator), second)
    rate = standalone_success(config, source, alone, seed=seeds[0]) if alone else None
    rows = []
    for method in chosen:
        unmasked = METHODS[method].second == "unmasked"
        fitting = [policy for policy in second_policies if policy.spec.unmasked == unmasked]
        score = evaluate_pair(
            first,
            second,
            method,
            held=states,
            skill=source,
            mask=mask,
            stabiliser=first_policy,
            residual=_with_mask(fitting, METHODS[method], first, mask, config),
            seeds=seeds,
            rollouts=rollouts,
            config=played.config if played else composition,
            standalone=(None, rate),
        )
        rows.append({**score.row(), "skill": source.name})
        notice(f"{score.method.title}: {score.total.success} of {score.total.episodes}")
    return rows


def _with_mask(
    policies: list[Residual],
    method: Composition,
    first: str,
    mask: tuple[str, ...] | None,
    config: ComposeTaskConfig,
) -> Residual | None:
    """The residual that was trained with a method's mask; else any, which is then refused with the reason."""
    if method.second == "none" or not policies:
        return None
    preserved = method_mask(compose_hand(config), method, first, mask).preserved
    return next((policy for policy in policies if preserved in policy.spec.masks), policies[0])


def play_rollouts(task: CompositeTask, stabiliser: Residual | None, residual: Residual | None) -> Tally:
    """Play one rollout in every environment, each until the interaction is done or its time is over.

    A rollout goes on when the object is lost, because the second skill's own success is counted too.
    """
    b = task.num_envs
    task.reset(np.arange(b))
    over, alive, done, early, failed = (np.zeros(b, dtype=bool) for _ in range(5))
    for _ in range(task.length + task.config.steps):
        acting = task.acting
        step = play_step(task, stabiliser, residual)
        alive = np.where(over, alive, step.alive)
        done |= step.done & ~over
        failed |= step.failed & ~over
        early |= ~step.alive & ~acting
        over |= step.over
        if over.all():
            break
    return Tally.of(done, alive, early, failed)


def standalone_success(
    config: ComposeTaskConfig, skill: SkillSource, episodes: int, *, seed: int = 0, num_threads: int = 0
) -> float:
    """Success rate of a skill alone, the reference of the preservation ratios (Fig. 3)."""
    succeeded = 0
    for first in range(0, episodes, 32):
        task = make_compose_task(config, min(32, episodes - first), seed=seed + first, num_threads=num_threads)
        succeeded += int((play_episodes(skill.make(task, seed + first), task) > 0).sum())
    return succeeded / episodes


def _needed(
    policy: Residual | None,
    wanted: bool,
    kind: str,
    method: Composition,
    tasks: tuple[str, ...],
    mask: tuple[str, ...],
) -> Residual | None:
    """Return the residual that a method has; refuse one that was trained for something else."""
    if not wanted:
        return None
    if policy is None:
        raise SleightError(f"'{method.title}' has a {kind} residual and none is given", remedy=f"give --{kind}")
    spec = policy.spec
    spec.check(kind, tasks, mask)
    if kind == "second" and spec.unmasked != (method.second == "unmasked"):
        raise SleightError(
            f"the second residual is {'un' if spec.unmasked else ''}masked",
            value=method.title,
            remedy=f"train one with --method for '{method.title}'",
        )
    return policy
