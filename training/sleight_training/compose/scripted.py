"""The scripted expert as a skill: it stands in where no policy is trained, and is the mark to compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.experts import ScriptedExpert, Variation

from sleight_training.compose.skill import HORIZON

#: No variation: the script as it was written.
STEADY = Variation(position=0.0, rotation=0.0, joints=0.0, pace=(1.0, 1.0))


class ScriptedSkill:
    """Plays a task's script in chunks, as a `Skill`.

    What it sees is not what a policy sees. At the first plan of an episode it reads the simulator: the exact places,
    sizes and ranges of object or mechanism in `task`, and where the hand is. From then on it is blind: it ignores the
    history that it is given, feels no contact, and counts on `execute` actions of each chunk having been executed
    since it planned it. So it cannot correct anything, and it is no candidate for a bundle.

    Args:
        task: The environments that it acts in: their state, starts and worlds are read, nothing in them is changed. A
            composition's environments will do, when their `starts` and `config` are those of this skill.
        seed: Of the variation.
        variation: How much episodes differ; default: not at all.

    Raises:
        SleightError: There is no script for the task.
    """

    def __init__(self, task: ComposeTask, seed: int = 0, variation: Variation = STEADY) -> None:
        self.task = task.config.name
        self.term_names = tuple(task.observation.sizes)
        self.execute = task.config.execute_horizon
        self._expert = ScriptedExpert(task, seed, variation)
        #: Actions executed since each environment's plan; -1: none is planned.
        self._steps = np.full(task.num_envs, -1, dtype=np.int64)

    def plan(self, history: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the next chunks (n, HORIZON, 28) of environments ids (n,); `history` is ignored."""
        ids = np.asarray(ids, dtype=np.int64)
        fresh = ids[self._steps[ids] < 0]
        if len(fresh):
            self._expert.plan(fresh)
            self._steps[fresh] = 0
        ahead = self._steps[ids, None] + np.arange(HORIZON)
        actions = self._expert.at(np.repeat(ids, HORIZON), ahead.ravel())
        self._steps[ids] += self.execute
        return actions.reshape(len(ids), HORIZON, -1)

    def reset(self, ids: NDArray[np.int64]) -> None:
        """Plan anew, from the state at the next `plan`, in environments ids (n,)."""
        self._steps[np.asarray(ids, dtype=np.int64)] = -1
