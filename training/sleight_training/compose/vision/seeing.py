"""A script that sees: its places come from an estimator, in whatever scene it acts, composed rollouts included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.env import ComposeTask

from sleight_training.compose.skills import SCRIPTED, SkillSource
from sleight_training.compose.vision.config import CompanyConfig
from sleight_training.compose.vision.estimator import Estimator
from sleight_training.compose.vision.watched import BelievedTask, WatchedTask


class SeeingScript:
    """Plays a task's script on what an estimator sees when its episode starts, as a `Skill`.

    What else is in the scene are the worlds' own things, such as the object that a first skill holds.

    Args:
        task: The environments that it acts in.
        source: The script.
        estimator: Of the script's task.
        seed: Of the script's variation and the cameras' errors.
    """

    def __init__(self, task: ComposeTask, source: SkillSource, estimator: Estimator, seed: int) -> None:
        run = estimator.run.model_copy(update={"company": CompanyConfig()})
        self._watched = WatchedTask(task, run, seed=seed)
        self._estimator = estimator
        self._believed = BelievedTask(task, run.quantities, np.zeros((task.num_envs, sum(run.quantities.values()))))
        self._skill = source.make(self._believed, seed)  # pyright: ignore[reportArgumentType]
        self._fresh = np.ones(task.num_envs, dtype=bool)
        self.task, self.term_names, self.execute = self._skill.task, self._skill.term_names, self._skill.execute

    def plan(self, history: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The next chunks (n, HORIZON, 28) of environments ids (n,), see `Skill.plan`."""
        new = ids[self._fresh[ids]]
        if len(new):
            self._watched.look(new)
            self._believed.values[new] = self._estimator(self._watched.seen())[new]
            self._fresh[new] = False
        return self._skill.plan(history, ids)

    def reset(self, ids: NDArray[np.int64]) -> None:
        """Look and plan anew in environments ids (n,)."""
        self._fresh[ids] = True
        self._skill.reset(ids)


def seeing_source(source: SkillSource, estimator: Estimator, task: str) -> SkillSource:
    """A script that sees, to be made for environments.

    Args:
        source: The script.
        estimator: What it sees through.
        task: The task that both must be for.

    Raises:
        SleightError: The estimator is of another task, or the skill is no script.
    """
    if source.name != SCRIPTED:
        raise SleightError(
            "only a script can be given eyes in composed rollouts", value=source.name, remedy="leave the estimator out"
        )
    if estimator.run.task.name != task:
        raise SleightError(
            "the estimator is of another task", value=estimator.run.task.name, remedy=f"give one of {task}"
        )
    return SkillSource(f"{SCRIPTED}, seeing", lambda own, seed: SeeingScript(own, source, estimator, seed))
