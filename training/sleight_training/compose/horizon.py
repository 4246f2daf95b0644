"""Receding-horizon execution of skills, and how often they succeed (DexCompose appendix A, table 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.statistics import wilson_interval
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import make_compose_task

from sleight_training.compose.skill import OBSERVATION_STEPS, Skill

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Environments that play at a time.
_AT_ONCE = 64


class RecedingHorizon:
    """Keeps histories and chunks of a skill in B environments: it plans, executes a part of the plan, and plans anew.

    Args:
        skill: The skill.
        num_envs: B.
    """

    def __init__(self, skill: Skill, num_envs: int) -> None:
        self.skill = skill
        self._history: Array | None = None
        self._chunks: Array | None = None
        self._next = np.zeros(num_envs, dtype=np.int64)
        self._fresh = np.ones(num_envs, dtype=bool)

    def observation(self, terms: dict[str, Array]) -> Array:
        """The skill's observation (B, O) out of a task's terms.

        Raises:
            SleightError: The task has no such term.
        """
        if missing := [name for name in self.skill.term_names if name not in terms]:
            raise SleightError(
                f"the skill of {self.skill.task} sees what this task does not observe",
                value=missing,
                remedy=f"the task has {list(terms)}",
            )
        return np.concatenate([terms[name] for name in self.skill.term_names], axis=-1)

    def act(self, observation: Array, ids: Ids | None = None) -> Array:
        """Actions for observations (B, O); chunks are planned where none is left.

        An episode begins at the first call, and at the first one after `reset`: its history is its first observation.

        Args:
            observation: (B, O) of all environments.
            ids: (n,) environments in which the skill acts now, or None for all; in the others its time stands still.

        Returns:
            (n, 28), or (B, 28).
        """
        ids = np.arange(len(observation)) if ids is None else ids
        if self._history is None or self._chunks is None:
            self._history = np.repeat(observation[:, None], OBSERVATION_STEPS, axis=1)
            self._chunks = np.zeros((len(observation), 0, 0))
        history, fresh = self._history, ids[self._fresh[ids]]
        history[ids] = np.concatenate([history[ids, 1:], observation[ids, None]], axis=1)
        history[fresh] = observation[fresh, None]
        due = ids[self._fresh[ids] | (self._next[ids] >= self.skill.execute)]
        if len(due):
            planned = self.skill.plan(history[due], due)
            if planned.shape[1] < self.skill.execute:
                raise SleightError(
                    f"the skill of {self.skill.task} plans fewer actions than are executed",
                    value=planned.shape[1],
                    remedy=f"{self.skill.execute} are executed",
                )
            if not self._chunks.size:
                self._chunks = np.zeros((len(observation), *planned.shape[1:]))
            self._chunks[due] = planned
            self._next[due] = 0
        self._fresh[ids] = False
        actions = self._chunks[ids, self._next[ids]]
        self._next[ids] += 1
        return actions

    def reset(self, ids: Ids) -> None:
        """Environments ids (n,) start a new episode."""
        self._fresh[ids] = True
        self.skill.reset(ids)


@dataclass(frozen=True)
class SkillResult:
    """How often a skill succeeded.

    Attributes:
        task: Its task.
        episodes: Episodes, each in a world and from a start of its own.
        successes: Those that succeeded at some instant.
        ci95: Wilson 95 % interval of the rate.
        mean_steps: Actions until success, mean over those that succeeded; None without any.
        seed: Of worlds and starts.
    """

    task: str
    episodes: int
    successes: int
    ci95: tuple[float, float]
    mean_steps: float | None
    seed: int

    @property
    def rate(self) -> float:
        """Share that succeeded."""
        return self.successes / self.episodes

    def __str__(self) -> str:
        low, high = self.ci95
        return f"{self.successes} of {self.episodes} ({100 * low:.1f} to {100 * high:.1f} %)"


def evaluate_skill(
    skill: Skill,
    task: ComposeTaskConfig | str,
    episodes: int,
    seed: int,
    *,
    num_threads: int = 0,
    report: Callable[[int], None] | None = None,
) -> SkillResult:
    """Let a skill play until success or the time limit.

    Args:
        skill: The skill; one that is tied to environments of its own (a script) cannot be measured so.
        task: The task, or its name.
        episodes: How many.
        seed: Of worlds and starts.
        num_threads: Physics threads; 0 for one a core.
        report: Called with the number of finished episodes now and then.

    Raises:
        SleightError: The task lacks what the skill sees.
    """
    steps: list[int] = []
    for first in range(0, episodes, _AT_ONCE):
        count = min(_AT_ONCE, episodes - first)
        env = make_compose_task(task, count, seed=seed + first, num_threads=num_threads)
        steps += [int(step) for step in play_episodes(skill, env)]
        if report:
            report(first + count)
    done = [step for step in steps if step > 0]
    return SkillResult(
        task=skill.task,
        episodes=episodes,
        successes=len(done),
        ci95=wilson_interval(len(done), episodes),
        mean_steps=float(np.mean(done)) if done else None,
        seed=seed,
    )


def play_episodes(skill: Skill, task: ComposeTask) -> Ids:
    """Play one episode in every environment; return the actions (B,) until success, 0 where there was none."""
    ids = np.arange(task.num_envs)
    runner = RecedingHorizon(skill, task.num_envs)
    runner.reset(ids)
    terms, steps = task.reset(), np.zeros(task.num_envs, dtype=np.int64)
    for step in range(1, task.config.episode_steps + 1):
        result = task.step(runner.act(runner.observation(terms)))
        terms = result.terms
        steps[(steps == 0) & result.success] = step
        if (result.succeeded | result.failed).all():
            break
    return steps
