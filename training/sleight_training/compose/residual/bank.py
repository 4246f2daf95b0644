"""Rollouts that came through the transition stage, kept so that the second residual's episodes can start there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sleight_training.compose.residual.composite import CompositeStep, CompositeTask
from sleight_training.compose.residual.holding import Corrections
from sleight_training.compose.residual.policy import Residual

Ids = NDArray[np.int64]


class TransitionBank:
    """Plays the transition stage some times in every environment and keeps where it ended with the object held.

    Args:
        task: The composition; all its environments are reset.
        stabiliser: The first residual; None for one that corrects nothing.
        rounds: How often.
    """

    def __init__(self, task: CompositeTask, stabiliser: Residual | None, rounds: int) -> None:
        self.task = task
        self._kept: list[dict[str, NDArray]] = []
        every = np.arange(task.num_envs)
        for _ in range(rounds if task.length else 0):
            task.reset(every)
            for _ in range(task.length):
                play_step(task, stabiliser)
            self._kept.append(task.save(every))
        #: (rounds, B) whether the object came through.
        self.held = np.array([rows["alive"] for rows in self._kept], dtype=bool).reshape(-1, task.num_envs)

    def restore(self, ids: Ids) -> Ids:
        """Put environments ids (n,) at the end of one of their transitions; return those that have none."""
        choices = [np.flatnonzero(self.held[:, i]) for i in ids]
        some = np.array([len(choice) > 0 for choice in choices], dtype=bool)
        found = ids[some]
        if len(found):
            turns = [self.task.rng.choice(choice) for choice in choices if len(choice)]
            rows = {
                name: np.stack([self._kept[turn][name][i] for turn, i in zip(turns, found, strict=True)])
                for name in self._kept[0]
            }
            self.task.restore(found, rows)
        return ids[~some]


def play_step(task: CompositeTask, stabiliser: Residual | None, second: Residual | None = None) -> CompositeStep:
    """Plan and advance one action under trained residuals; None for one that corrects nothing."""
    task.plan()
    none = np.zeros_like(task.nominal)
    first = none if stabiliser is None else stabiliser(task.features.join(task.first_terms()))
    correction = none if second is None else second(task.features.join(task.second_terms()))
    return task.step(Corrections(first, correction))
