"""Which skill acts in a task: for now the scripted experts."""

from __future__ import annotations

from sleight_core.errors import SleightError

from sleight_training.compose.residual.held import SkillMaker
from sleight_training.compose.scripted import ScriptedSkill

SCRIPTED = "scripted"


def skill_maker(choice: str) -> SkillMaker:
    """Return what makes a skill for a task's environments.

    Args:
        choice: "scripted".

    Raises:
        SleightError: There is no such kind of skill.
    """
    if choice != SCRIPTED:
        raise SleightError("unknown skill", value=choice, remedy=f"use {SCRIPTED}")
    return ScriptedSkill
