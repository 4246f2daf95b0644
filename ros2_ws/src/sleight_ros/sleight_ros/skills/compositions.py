"""Which skills a policy's bundle is composed of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sleight_core.bundle.composed import ComposedSkills
from sleight_core.bundle.manifest import parse_manifest
from sleight_core.errors import SleightError

MANIFEST = "manifest.json"


def check_composition(name: str, composition: Any, skills: tuple[str, ...]) -> None:
    """Check that a bundle is composed of some skills.

    Args:
        name: The bundle's, for the message.
        composition: Its manifest's section of that name.
        skills: Names of the wanted skills.

    Raises:
        SleightError: It is no composition, or of other skills, or these two were not trained together.
    """
    if not isinstance(composition, ComposedSkills):
        raise SleightError(
            f"bundle '{name}' is no composition of skills but '{composition.kind}'",
            remedy="run policy_node with a composed bundle, or send a Grasp goal",
        )
    for skill in skills:
        if composition.skill(skill) is None:
            known = ", ".join(composition.skill_names)
            raise SleightError(f"bundle '{name}' has no skill '{skill}'", remedy=f"it has {known}")
    if len(skills) == 2 and composition.pair(*skills) is None:
        known = ", ".join(f"{pair.first} + {pair.second}" for pair in composition.pairs) or "none"
        raise SleightError(
            f"bundle '{name}' has no composition of '{skills[0]}' and '{skills[1]}'", remedy=f"it has {known}"
        )


def check_bundle(folder: str, skills: tuple[str, ...]) -> None:
    """Check the bundle in a folder; see `check_composition`.

    Raises:
        SleightError: It cannot be read here, is no composition, or of other skills.
    """
    try:
        text = (Path(folder) / MANIFEST).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SleightError(
            "the policy's bundle cannot be read here", value=folder, remedy="share its folder with this machine"
        ) from error
    manifest = parse_manifest(text)
    check_composition(manifest.name, manifest.composition, skills)
