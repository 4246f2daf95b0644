"""Who reaches held states: rounds of episodes that end with a hand standing still around an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import compose_hand, make_worlds
from sleight_sim.tasks.compose.shapes import ShapeDraw
from sleight_sim.tasks.compose.variation import ObjectDraw

from sleight_training.compose.held.config import HeldConfig
from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.skill import Skill
from sleight_training.compose.skills import SkillSource

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """The end of a round, one episode in each environment.

    Attributes:
        task: The environments as they are now.
        world: (B,) which object each has.
        hold: (B, 28) reference hold actions, under which they have stood still.
        good: (B,) the skill succeeded, and the hand has stood still since.
    """

    task: ComposeTask
    world: NDArray[np.int64]
    hold: Array
    good: NDArray[np.bool_]


class HeldSource(Protocol):
    """Plays rounds; what a round finds depends on its number only.

    Attributes:
        name: Who plays, for instance "scripted".
        task: The retention task.
        draws: The objects.
        episodes: Of a round.
    """

    name: str
    task: ComposeTaskConfig
    draws: Sequence[ObjectDraw | ShapeDraw]
    episodes: int

    def play(self, number: int) -> Played:
        """Play round `number`, from 0."""
        ...


class SkillRounds:
    """A retention task's own skill; each of its episodes has an object of its own.

    Args:
        task: The task.
        config: Figures of the collection.
        skill: Who plays.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: The task is no retention task.
    """

    def __init__(self, task: ComposeTaskConfig, config: HeldConfig, skill: SkillSource, num_threads: int = 0) -> None:
        if task.object is None:
            raise SleightError("only retention tasks have held states", value=task.name, remedy="choose e.g. GraspBall")
        self.name, self.task, self.config = skill.name, task, config
        self._skill, self._num_threads = skill, num_threads
        self._worlds = make_worlds(task, min(config.worlds, config.count), config.seed)
        things = [world.draw.thing for world in self._worlds]
        self.draws: Sequence[ObjectDraw | ShapeDraw] = [thing for thing in things if thing is not None]
        self.episodes = len(self._worlds)

    def play(self, number: int) -> Played:
        """Play round `number`, from 0."""
        config, seed = self.task, self.config.seed + 1 + number
        engine = ComposeEngine(
            compose_hand(config), self._worlds, substeps=config.substeps, num_threads=self._num_threads
        )
        task = ComposeTask(engine, config, seed=seed)
        hold = _play(task, self._skill.make(task, seed), self.config.settle)
        return Played(task, np.arange(task.num_envs), hold, task.succeeded)


def _play(task: ComposeTask, skill: Skill, settle: int) -> Array:
    """Play until every episode has succeeded and stood still, or is over; returns the hold actions (B, 28)."""
    player = RecedingHorizon(skill, task.num_envs)
    terms = task.reset()
    player.reset(np.arange(task.num_envs))
    action, stood = task.hold(), np.zeros(task.num_envs, dtype=int)
    for _ in range(task.config.episode_steps + settle):
        if not task.succeeded.all():
            acting = ~task.succeeded
            action[acting] = player.act(player.observation(terms))[acting]
        before = task.succeeded.copy()
        terms = task.step(action).terms
        fresh = task.succeeded & ~before
        action[fresh] = task.hold()[fresh]
        stood += before
        if (stood >= settle).all():
            break
    task.succeeded &= stood >= settle
    return action
