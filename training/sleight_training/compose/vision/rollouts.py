"""Skills that act on what is believed: the truth, or an estimator's answer, environment by environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_sim.tasks.compose.env import ComposeStep
from sleight_sim.tasks.compose.make import make_compose_task

from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.skills import SkillSource
from sleight_training.compose.vision.config import FeatureRun
from sleight_training.compose.vision.watched import BelievedTask, WatchedTask

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]
#: Observations (B, D) to features (B, E).
Ask = Callable[[NDArray[np.float32]], Array]


@dataclass(frozen=True)
class Moment:
    """One action of all environments.

    Attributes:
        seen: (B, D) what the estimator saw before it.
        truth: (B, E) the quantities then.
        said: (B, E) what the estimator said.
        trusted: (B,) environments whose skill was fed with the truth.
        result: What the action gave.
    """

    seen: NDArray[np.float32]
    truth: Array
    said: Array
    trusted: Flags
    result: ComposeStep


class Rollouts:
    """Environments of a run's task in which a skill plays.

    Args:
        run: Task, cameras and network.
        source: The skill.
        ask: The estimator.
        num_envs: B.
        seed: Of worlds, starts, cameras and the skill.
        num_threads: Physics threads; 0 for one a core.
    """

    def __init__(
        self, run: FeatureRun, source: SkillSource, ask: Ask, num_envs: int, *, seed: int, num_threads: int = 0
    ) -> None:
        task = make_compose_task(run.task, num_envs, seed=seed, num_threads=num_threads)
        self.watched = WatchedTask(task, run, seed=seed)
        self._ask = ask
        self._believed = BelievedTask(task, run.quantities, np.zeros((num_envs, sum(run.quantities.values()))))
        # A script reads places from its task when it plans: from what is believed, then.
        skill = source.make(self._believed, seed)  # pyright: ignore[reportArgumentType]
        self._player = RecedingHorizon(skill, num_envs)
        self.trusted = np.ones(num_envs, dtype=bool)

    def reset(self, ids: Ids, trusted: Flags) -> None:
        """Start episodes in environments ids (n,), whose skill is fed with the truth or with estimates (n,)."""
        self.watched.reset(ids)
        self.trusted[ids] = trusted
        self._player.reset(ids)

    def step(self) -> Moment:
        """Let the skill act once in all environments."""
        seen, truth = self.watched.seen(), self.watched.truth()
        said = self._ask(seen)
        trusted = self.trusted.copy()
        values = np.where(trusted[:, None], truth, said)
        self._believed.values = values
        action = self._player.act(self._player.observation(self.watched.terms(values)))
        return Moment(seen, truth, said, trusted, self.watched.step(action))
