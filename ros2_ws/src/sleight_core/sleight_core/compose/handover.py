"""Who owns what when skills follow one another on one hand: the mask is handed over from skill to skill.

Skill 0 has the whole hand. When skill k begins, the skill before it keeps some of the fingers that it had, and hands
the others over together with the wrist. So there are two rules, whatever the skills compute:

* A finger changes its owner only where a stage begins, and only from the skill that acted until then to the next one.
* A finger that is kept stays with its keeper to the end.

Two skills are DexCompose's pair (3.2), which `Ownership` describes. Its paper names longer sequences as future work,
and its project page has a figure for three skills without saying how they own the hand: these rules are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sleight_core.compose.ownership import Ownership, element_mask
from sleight_core.compose.residual import DualResidual
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class HandOver:
    """The owners of a sequence of K + 1 skills; stage k is the one in which skill k acts, k = 0 .. K.

    Attributes:
        table: A hand on a floating wrist.
        keeps: (K,) for each skill but the last, the fingers that it keeps from when the next one begins.

    Raises:
        SleightError: There is only one skill, the hand has no such finger, a finger is kept twice, or the first skill
            keeps none.
    """

    table: HandTable
    keeps: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not self.keeps:
            raise SleightError("a sequence needs two skills or more", remedy="name what the first one keeps")
        if not self.keeps[0]:
            raise SleightError("the first skill of a sequence keeps no finger", remedy="name one or more for it")
        kept = [finger for fingers in self.keeps for finger in fingers]
        if twice := sorted({finger for finger in kept if kept.count(finger) > 1}):
            raise SleightError("a finger is kept twice", value=twice, remedy="a kept finger stays with its skill")
        element_mask(self.table, kept)  # refuses unknown fingers

    @classmethod
    def from_masks(cls, table: HandTable, masks: Sequence[Sequence[str]]) -> HandOver:
        """The owners of a mask for each stage after the first skill's.

        Args:
            table: A hand on a floating wrist.
            masks: (K,) all fingers that earlier skills keep in stages 1 .. K.

        Raises:
            SleightError: A finger is kept in one stage and free in a later one, or as the class.
        """
        keeps: list[tuple[str, ...]] = []
        before: tuple[str, ...] = ()
        for mask in masks:
            if lost := [finger for finger in before if finger not in mask]:
                raise SleightError(
                    "a finger that is kept cannot be handed over later",
                    value=lost,
                    remedy=f"name it in every later mask too: {','.join(before)} and any more",
                )
            keeps.append(tuple(finger for finger in mask if finger not in before))
            before = tuple(mask)
        return cls(table, tuple(keeps))

    @property
    def stages(self) -> range:
        """The stages in which an earlier skill keeps something: 1 .. K."""
        return range(1, len(self.keeps) + 1)

    @cached_property
    def _ownerships(self) -> tuple[Ownership, ...]:
        kept = [tuple(f for fingers in self.keeps[:k] for f in fingers) for k in self.stages]
        return tuple(Ownership(self.table, fingers) for fingers in kept)

    def ownership(self, stage: int) -> Ownership:
        """The division of a stage 1 .. K: `first` is all that is kept, `second` what the acting skill has."""
        return self._ownerships[stage - 1]

    def owners(self, stage: int) -> tuple[int, ...]:
        """(F,) the skill that owns each finger in a stage 0 .. K, in the hand table's order."""
        return tuple(
            next((k for k, kept in enumerate(self.keeps[:stage]) if finger in kept), stage)
            for finger in self.table.finger_names
        )

    def elements(self, stage: int, skill: int) -> Flags:
        """Elements (28,) of the action that a skill owns in a stage 0 .. K; the wrist is the acting skill's."""
        fingers = [
            name for name, owner in zip(self.table.finger_names, self.owners(stage), strict=True) if owner == skill
        ]
        return element_mask(self.table, fingers, wrist=skill == stage)

    def residual(self, stage: int, bounds: Array) -> DualResidual:
        """What corrects and assembles the commands of a stage 1 .. K.

        Its `first` corrects the fingers that skill 0 keeps and its `second` what the acting skill has. What skills in
        between keep has bound 0: it stays at its hold reference, whatever any network says.

        Args:
            stage: The stage.
            bounds: (28,) largest correction of each element, m and rad.
        """
        corrected = self.elements(stage, 0) | self.elements(stage, stage)
        return DualResidual(self.ownership(stage), np.where(corrected, bounds, 0.0))

    def reference(self, stage: int, before: Array, now: Array) -> Array:
        """The hold reference (..., 28) with which a stage 1 .. K begins.

        Args:
            stage: The stage.
            before: (..., 28) that of the stage before it; not used in stage 1.
            now: (..., 28) the action that keeps everything where it is.

        Returns:
            What was kept already stays what it was; the rest is `now`.
        """
        return now.copy() if stage == 1 else np.where(self.ownership(stage - 1).first, before, now)
