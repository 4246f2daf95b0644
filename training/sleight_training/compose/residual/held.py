"""States in which the first skill has succeeded: what composed rollouts and the stabiliser's episodes start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import ComposeTaskConfig, task_config
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_sim.tasks.compose.variation import ObjectDraw

from sleight_training.compose.residual.chunks import ChunkPlayer
from sleight_training.compose.residual.config import RetentionConfig
from sleight_training.compose.residual.retention import retained
from sleight_training.compose.skill import Skill

Array = NDArray[np.float64]
#: Makes the skill that acts in a task's environments, from a seed.
SkillMaker = Callable[[ComposeTask, int], Skill]

_STATE = ("joint_pos", "wrist_pos", "wrist_quat", "object_pos", "object_quat")


@dataclass(frozen=True)
class HeldStates:
    """N held states over W objects.

    Attributes:
        task: Name of the first skill's task.
        draws: W objects.
        world: (N,) which object.
        joint_pos: (N, 22) rad.
        wrist_pos, wrist_quat: (N, 3) m, (N, 4) wxyz, task frame.
        object_pos, object_quat: (N, 3) m, (N, 4) wxyz.
        targets: (N, A) rad, joint targets last sent: the hold reference, action order.
    """

    task: str
    draws: tuple[ObjectDraw, ...]
    world: NDArray[np.int64]
    joint_pos: Array
    wrist_pos: Array
    wrist_quat: Array
    object_pos: Array
    object_quat: Array
    targets: Array

    def __len__(self) -> int:
        return len(self.world)

    @property
    def usable(self) -> NDArray[np.int64]:
        """Objects of which there is a state."""
        return np.unique(self.world)


def take_held(task: ComposeTask, ids: NDArray[np.int64]) -> HeldStates:
    """Copy the states of environments ids (n,), an object each."""
    draws = tuple(draw for i in ids if (draw := task.engine.worlds[i].draw.thing) is not None)
    sim = task.sim
    arrays = {name: getattr(sim, name)[ids].copy() for name in _STATE}
    return HeldStates(task.config.name, draws, np.arange(len(ids)), targets=task.sent_targets[ids].copy(), **arrays)


def join_held(parts: list[HeldStates]) -> HeldStates:
    """Put states of one task together.

    Raises:
        SleightError: There are none.
    """
    if not parts or not sum(len(part) for part in parts):
        raise SleightError("there are no held states", remedy="check the first skill's success")
    firsts = np.cumsum([0, *(len(part.draws) for part in parts)])
    world = np.concatenate([part.world + first for part, first in zip(parts, firsts[:-1], strict=True)])
    draws = tuple(draw for part in parts for draw in part.draws)
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_STATE, "targets")}
    return HeldStates(parts[0].task, draws, world, **arrays)


def play_to_held(
    config: ComposeTaskConfig | str,
    make_skill: SkillMaker,
    count: int,
    *,
    seed: int = 0,
    num_envs: int = 32,
    settle: int = 10,
    num_threads: int = 0,
) -> tuple[HeldStates, float]:
    """Run the first skill until there are enough held states, each of a world of its own.

    Args:
        config: The first skill's task.
        make_skill: Makes the skill for a task.
        count: How many states.
        seed: Of worlds and starts.
        num_envs: Environments that play at a time.
        settle: Actions for which the hand then holds still; the object must be held at the end too.
        num_threads: Threads; 0 for one a core.

    Returns:
        The states, and the share of episodes that succeeded.

    Raises:
        SleightError: The skill fails too often.
    """
    config = task_config(config) if isinstance(config, str) else config
    found: list[HeldStates] = []
    played = succeeded = 0
    rounds = 4 + 4 * -(-count // num_envs)
    for turn in range(rounds):
        size = min(num_envs, max(count - sum(map(len, found)), 4))
        task = make_compose_task(config, size, seed=seed + 1000 * turn, num_threads=num_threads)
        held = _play(task, make_skill(task, seed + turn), settle)
        played, succeeded = played + size, succeeded + len(held)
        found.append(take_held(task, held))
        if sum(map(len, found)) >= count:
            return join_held(found), succeeded / played
    raise SleightError(
        f"only {succeeded} held states in {played} episodes", value=config.name, remedy="check the first skill"
    )


def _play(task: ComposeTask, skill: Skill, settle: int) -> NDArray[np.int64]:
    """Play one episode in every environment; return those that succeeded and then held still."""
    player, every = ChunkPlayer(skill, task.num_envs), np.arange(task.num_envs)
    terms = task.reset()
    player.reset(every)
    still = task.hold()
    left = np.full(task.num_envs, settle)
    for _ in range(task.config.episode_steps + settle):
        acting = np.flatnonzero(~task.succeeded)
        if len(acting):
            still[acting] = player.act(terms, acting)
        before = task.succeeded.copy()
        terms = task.step(still).terms
        new = task.succeeded & ~before
        still[new] = task.hold()[new]
        left -= before
        if (task.succeeded & (left <= 0)).all():
            break
    held = retained(RetentionConfig(), task) & ~task.engine.failed()
    return np.flatnonzero(held & task.succeeded & (left <= 0))
