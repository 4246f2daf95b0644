"""What an evaluation sees besides success: distance from grasp proposals, and how a mixture weighs its experts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sleight_sim.grasps.task import ProposalGraspTask
from sleight_sim.tasks.grasp.env import GraspTask

Array = np.ndarray

#: Objects whose weights are kept along their first episode.
TRACES = 4


@dataclass
class EpisodeWatch:
    """Sums over episodes.

    Attributes:
        cost: Sum of D = - sum_t r_proposal over the episodes of objects with proposals.
        cost_episodes: Their number.
        weights: (k,) sum of the experts' weights over all steps.
        steps: Number of steps in it.
        traces: Weights (T, k) along an episode, by object.
    """

    cost: float = 0.0
    cost_episodes: int = 0
    weights: Array | None = None
    steps: int = 0
    traces: dict[str, list[list[float]]] = field(default_factory=dict)
    _followed: dict[str, int] = field(default_factory=dict)

    def begin(self, task: GraspTask) -> None:
        """Look at a new batch of episodes."""
        if isinstance(task, ProposalGraspTask):
            self.cost_episodes += int(task.targets.has.sum())
        self._followed = {}
        for i, thing in enumerate(task.objects):
            if len(self.traces) + len(self._followed) < TRACES and thing.name not in {*self.traces, *self._followed}:
                self._followed[thing.name] = i

    def step(self, task: GraspTask, weights: Array | None, alive: Array) -> None:
        """Look at a step.

        Args:
            task: After the step.
            weights: (B, k) of the experts, or None for a policy without.
            alive: (B,) whether an episode had not ended before.
        """
        if isinstance(task, ProposalGraspTask):
            self.cost -= float(task.proposal_reward[task.targets.has & alive].sum())
        if weights is None:
            return
        total = weights[alive].sum(axis=0, dtype=np.float64)
        self.weights = total if self.weights is None else self.weights + total
        self.steps += int(alive.sum())
        for name, i in self._followed.items():
            if alive[i]:
                self.traces.setdefault(name, []).append([round(float(w), 4) for w in weights[i]])

    def row(self) -> dict[str, Any]:
        """Return what there is for JSON."""
        out: dict[str, Any] = {}
        if self.cost_episodes:
            out["grasp_distance"] = {"D": self.cost / self.cost_episodes, "episodes": self.cost_episodes}
        if self.weights is not None and self.steps:
            mean = self.weights / self.steps
            out["expert_weights"] = {"mean": [float(w) for w in mean], "traces": self.traces}
        return out
