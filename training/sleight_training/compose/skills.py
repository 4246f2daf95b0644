"""Which skill plays: the scripted expert, or a trained one from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.experts import Variation

from sleight_training.compose.scripted import ScriptedSkill
from sleight_training.compose.skill import Skill

#: The choice that needs no file.
SCRIPTED = "scripted"


@dataclass(frozen=True)
class SkillSource:
    """A skill to be made for environments.

    Attributes:
        name: What results call it: "scripted", or the policy file's name and the start of its SHA-256.
        make: Makes it for a task's environments, from a seed.
    """

    name: str
    make: Callable[[ComposeTask, int], Skill]


def scripted_skill() -> SkillSource:
    """The scripted expert with its usual variation, so that episodes differ as demonstrations do."""
    return SkillSource(SCRIPTED, lambda task, seed: ScriptedSkill(task, seed, Variation()))


def skill_source(choice: str, task: str) -> SkillSource:
    """The skill that a user chose.

    Args:
        choice: "scripted", or a run or policy file of 'sleight train skill'.
        task: The task that it must be for.

    Raises:
        SleightError: There is no such skill, or it is for another task.
    """
    if choice == SCRIPTED:
        return scripted_skill()
    from sleight_training.compose.diffusion.skill import POLICY, DiffusionSkill

    path = Path(choice)
    found = DiffusionSkill.load(path)
    if found.task != task:
        raise SleightError("this skill is of another task", value=f"{path}: {found.task}", remedy=f"give one of {task}")
    file = path / POLICY if path.is_dir() else path
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return SkillSource(f"{file.name} sha256:{digest}", lambda environments, seed: DiffusionSkill.load(path, seed=seed))
