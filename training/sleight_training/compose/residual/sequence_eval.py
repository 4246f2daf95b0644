"""Success of three skills in sequence: the object is kept throughout and every interaction is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sleight_core.compose.handover import HandOver
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.make import compose_hand

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.residual.config import SequenceConfig
from sleight_training.compose.residual.holding import Corrections
from sleight_training.compose.residual.pair import check_sequence, first_config, held_of, make_sequence_task
from sleight_training.compose.residual.policy import ResidualPolicy
from sleight_training.compose.residual.sequence import SequenceStep, SequenceTask
from sleight_training.compose.residual.sequence_outcomes import SequenceEnds, SequenceTally
from sleight_training.compose.skills import SkillSource, skill_source


@dataclass(frozen=True)
class Residuals:
    """The residuals of a sequence.

    Attributes:
        stabiliser: The first skill's; None: its fingers replay the hold reference.
        further: (K,) those of the interactions, each trained for the pair of the first skill and it; None: the frozen
            skill as it is.
    """

    stabiliser: ResidualPolicy | None
    further: tuple[ResidualPolicy | None, ...]

    def check(self, first: str, interactions: Sequence[str], owners: HandOver) -> None:
        """Check that each was trained for its skills and for the mask of its stage.

        Raises:
            SleightError: One was trained for something else, or acts on every element.
        """
        if self.stabiliser is not None:
            self.stabiliser.spec.check("first", (first,), owners.ownership(1).preserved)
        for stage, name, policy in zip(owners.stages, interactions, self.further, strict=True):
            if policy is None:
                continue
            policy.spec.check("second", (first, name), owners.ownership(stage).preserved)
            if policy.spec.unmasked:
                raise SleightError(f"the residual of {name} acts on every element", remedy="train one of method 'ours'")


@dataclass(frozen=True)
class SequenceScore:
    """What a sequence's evaluation gave.

    Attributes:
        first: The task whose outcome is kept.
        owners: Who owned what.
        skills: What played the interactions.
        residuals: What corrected them.
        per_seed: Counts by seed.
    """

    first: str
    owners: HandOver
    skills: tuple[str, ...]
    residuals: Residuals
    per_seed: dict[int, SequenceTally]

    @property
    def total(self) -> SequenceTally:
        """Counts over all seeds."""
        return SequenceTally.total(list(self.per_seed.values()))

    def row(self) -> dict[str, Any]:
        """The result as JSON takes it."""
        rates = [tally.success / tally.episodes for tally in self.per_seed.values()]
        return {
            "first": self.first,
            "skills": list(self.skills),
            "preserved_fingers": [list(self.owners.ownership(stage).preserved) for stage in self.owners.stages],
            "stabiliser": self.residuals.stabiliser is not None,
            "residuals": [policy is not None for policy in self.residuals.further],
            **self.total.row(),
            "seed_mean": float(np.mean(rates)),
            "seed_std": float(np.std(rates)),
            "per_seed": {str(seed): rate for seed, rate in zip(self.per_seed, rates, strict=True)},
        }


def evaluate_sequence(
    first: str,
    interactions: Sequence[str],
    masks: Sequence[Sequence[str]],
    *,
    held: HeldLibrary,
    skills: Sequence[SkillSource],
    residuals: Residuals | None = None,
    seeds: Sequence[int] = tuple(range(8)),
    rollouts: int = 32,
    config: SequenceConfig | None = None,
    num_threads: int = 0,
    report: Callable[[int, SequenceTally], None] | None = None,
) -> SequenceScore:
    """Measure a sequence.

    Args:
        first: Name of the task whose outcome is kept throughout.
        interactions: (K,) names of the tasks that are done one after another.
        masks: (K,) all fingers that earlier skills keep during each of them; the first mask keeps the object.
        held: What rollouts start from.
        skills: (K,) what plays the interactions.
        residuals: What corrects; None: nothing.
        seeds: Of worlds, held states and starts.
        rollouts: A seed.
        config: Stages, places, bounds and limits.
        num_threads: Threads; 0 for one a core.
        report: Called after each seed.

    Raises:
        SleightError: The tasks are no sequence, a mask gives away a finger that was kept, or a residual is for
            something else.
    """
    if held.task.name != first:
        raise SleightError("held states of another task", value=held.task.name, remedy=f"collect those of {first}")
    task, configs = check_sequence(first_config(held), interactions)
    owners = HandOver.from_masks(compose_hand(task), masks)
    residuals = residuals or Residuals(None, (None,) * len(interactions))
    residuals.check(first, interactions, owners)
    scores = {}
    for seed in seeds:
        sequence = make_sequence_task(
            task, configs, skills, held, rollouts, owners, config or SequenceConfig(), seed=seed,
            num_threads=num_threads,
        )  # fmt: skip
        scores[seed] = SequenceTally.of(interactions, play_sequence(sequence, residuals))
        if report:
            report(seed, scores[seed])
    return SequenceScore(first, owners, tuple(source.name for source in skills), residuals, scores)


def evaluate_named(
    first: str,
    interactions: Sequence[str],
    *,
    masks: Sequence[Sequence[str]],
    stabiliser: Path | None,
    residuals: Sequence[Path],
    skills: Sequence[str],
    held: Path,
    seeds: Sequence[int],
    rollouts: int,
    notice: Callable[[str], None],
) -> dict[str, Any]:
    """Measure a sequence of files and names; returns a row (see `SequenceScore.row`).

    Args:
        first: Name of the task whose outcome is kept throughout.
        interactions: (K,) names of the tasks that are done one after another.
        masks: One mask for all of them, or (K,), as `evaluate_sequence` takes them.
        stabiliser: The first residual's run or file.
        residuals: Runs or files of residuals; each goes to the interaction that it was trained for.
        skills: One choice for all interactions, or (K,) (see `skill_source`).
        held: File of held states of the first skill.
        seeds: Of worlds, held states and starts.
        rollouts: A seed.
        notice: Told how it goes.

    Raises:
        SleightError: As `evaluate_sequence`; a file cannot be read; a residual fits no interaction.
    """
    if first in TASKS:
        check_sequence(first, interactions)  # before a file is missed
    states = held_of(held, first)
    made = [
        skill_source(choice, name)
        for choice, name in zip(_for_each(skills, interactions, "skill"), interactions, strict=True)
    ]
    each = _for_each(masks, interactions, "mask")
    policies = [ResidualPolicy.load(path) for path in residuals]
    for policy in policies:
        if policy.spec.tasks[1:] not in [(name,) for name in interactions]:
            value = f"{policy.spec.kind} of {' and '.join(policy.spec.tasks)}"
            raise SleightError("a residual is for no skill of this sequence", value=value)
    further = tuple(next((p for p in policies if p.spec.tasks[1:] == (name,)), None) for name in interactions)
    given = Residuals(ResidualPolicy.load(stabiliser) if stabiliser else None, further)
    score = evaluate_sequence(
        first,
        interactions,
        each,
        held=states,
        skills=made,
        residuals=given,
        seeds=seeds,
        rollouts=rollouts,
        report=lambda seed, tally: notice(f"seed {seed}: {tally.success} of {tally.episodes}"),
    )
    return score.row()


def _for_each(given: Sequence[Any], interactions: Sequence[str], what: str) -> list[Any]:
    """One value for each interaction: those given, or the one given for all."""
    if len(given) not in (1, len(interactions)):
        raise SleightError(
            f"so many values of --{what} do not fit",
            value=len(given),
            remedy=f"give one, or one each for {interactions}",
        )
    return list(given) if len(given) == len(interactions) else [given[0]] * len(interactions)


def play_sequence(task: SequenceTask, residuals: Residuals) -> SequenceEnds:
    """Play one rollout in every environment, each until its last interaction is done or its time is over.

    A rollout goes on when the object is lost, because the interactions' own success is counted too.
    """
    b = task.num_envs
    task.reset(np.arange(b))
    over, alive, failed, lost_acting = (np.zeros(b, dtype=bool) for _ in range(4))
    alive[:] = True
    lost_stage = np.zeros(b, dtype=int)
    done, lasting = np.zeros_like(task.done), np.zeros_like(task.done)
    for _ in range(task.longest):
        step = _play_step(task, residuals)
        running = ~over
        lost = running & alive & ~step.alive
        lost_stage[lost], lost_acting[lost] = step.stage[lost], step.acting[lost]
        alive &= step.alive | over
        done[running], failed[running] = step.done[running], step.failed[running]
        lasting[running] = task.lasting()[running]
        over |= step.over
        if over.all():
            break
    return SequenceEnds(done, lasting, alive, lost_stage, lost_acting, failed)


def _play_step(task: SequenceTask, residuals: Residuals) -> SequenceStep:
    """Plan and advance one action, each environment under the residual of its present interaction."""
    task.plan()
    first, second = np.zeros_like(task.nominal), np.zeros_like(task.nominal)
    if residuals.stabiliser is not None:
        first = residuals.stabiliser(task.features.join(task.first_terms()))
    for k, policy in enumerate(residuals.further):
        rows = np.flatnonzero(task.acting & (task.stage == k))
        if policy is not None and len(rows):
            second[rows] = policy(task.features.join(task.second_terms(k)))[rows]
    return task.step(Corrections(first, second))
