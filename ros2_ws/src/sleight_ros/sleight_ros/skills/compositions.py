"""Which skills a policy's bundle is composed of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sleight_core.bundle.composed import ComposedSkills, PairSection
from sleight_core.bundle.manifest import parse_manifest
from sleight_core.errors import SleightError

MANIFEST = "manifest.json"
#: Fields of a Compose goal, and options of the demo, that name skills.
FIELDS = ("first", "second", "third")


def check_composition(name: str, composition: Any, skills: tuple[str, ...]) -> None:
    """Check that a bundle is composed of some skills.

    Args:
        name: The bundle's, for the message.
        composition: Its manifest's section of that name.
        skills: Names of the wanted skills, in the order in which they act.

    Raises:
        SleightError: It is no composition, or of other skills, or these were not trained together in this order.
    """
    if not isinstance(composition, ComposedSkills):
        raise SleightError(
            f"bundle '{name}' is no composition of skills but '{composition.kind}'",
            remedy="run policy_node with a composed bundle, or send a Grasp goal",
        )
    for field, skill in zip(FIELDS, skills, strict=False):
        if composition.skill(skill) is None:
            known = ", ".join(composition.skill_names)
            raise SleightError(f"{field}: bundle '{name}' has no skill '{skill}'", remedy=f"it has {known}")
    if len(skills) > 1 and composition.pair(*skills[:2]) is None:
        first, second = skills[:2]
        raise SleightError(
            f"second: bundle '{name}' has no composition of '{first}' and '{second}'",
            remedy=f"it has {_named(composition.pairs)}",
        )
    if len(skills) > 2 and composition.sequence(*skills[:3]) is None:
        first, second, third = skills[:3]
        raise SleightError(
            f"third: bundle '{name}' has no sequence in which '{third}' follows '{first}' and '{second}'",
            remedy=f"it has {_named(composition.sequences)}",
        )


def _named(rows: Sequence[PairSection]) -> str:
    """Compositions by their skills' names."""
    return ", ".join(" + ".join(row.skills) for row in rows) or "none"


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
