"""Where skills and held states come from: files, or the scripted experts where there are none yet."""

from __future__ import annotations

from pathlib import Path

from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.experts import Variation

from sleight_training.compose.diffusion.skill import DiffusionSkill
from sleight_training.compose.residual.held import HeldStates, SkillMaker, play_to_held
from sleight_training.compose.scripted import ScriptedSkill
from sleight_training.compose.skill import Skill

SCRIPTED = "scripted"


def skill_maker(choice: str, task: str) -> SkillMaker:
    """Return what makes a skill for a task's environments, from a seed.

    Args:
        choice: "scripted", the expert with its usual variation, or a run or file of 'sleight train skill'.
        task: The task that it must be for.

    Raises:
        SleightError: There is no such skill, or it is for another task.
    """
    if choice == SCRIPTED:
        return _scripted
    path = Path(choice)
    found = DiffusionSkill.load(path)
    if found.task != task:
        raise SleightError("a skill of another task", value=f"{path}: {found.task}", remedy=f"give one of {task}")
    return lambda environments, seed: DiffusionSkill.load(path, seed=seed)


def _scripted(task: ComposeTask, seed: int) -> Skill:
    return ScriptedSkill(task, seed, Variation())


def load_held(path: str, task: str, count: int, *, seed: int = 0) -> HeldStates:
    """Return held states of a task.

    Args:
        path: File of held states, or "" to let the scripted expert make some.
        task: The task.
        count: How many are made.
        seed: Of those.

    Raises:
        SleightError: The file is none, or of another task; or the expert fails too often.
    """
    if not path:
        return play_to_held(task, _scripted, count, seed=seed)[0]
    raise NotImplementedError
