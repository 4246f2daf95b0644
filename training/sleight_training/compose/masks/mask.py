"""Finger masks: which fingers a composition preserves for its first skill, and which it releases for its second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from sleight_core.errors import SleightError


@dataclass(frozen=True)
class FingerMask:
    """An allocation of fingers.

    Attributes:
        fingers: All fingers, in the hand table's order.
        keeps: For each, whether it is preserved for the first skill (m_i = 1).
    """

    fingers: tuple[str, ...]
    keeps: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.fingers) != len(self.keeps) or len(set(self.fingers)) != len(self.fingers):
            raise SleightError("a mask needs one flag for each finger", value=f"{self.fingers}: {self.keeps}")

    @classmethod
    def of(cls, fingers: Sequence[str], preserved: Iterable[str]) -> FingerMask:
        """The mask that preserves the named fingers.

        Raises:
            SleightError: There is no such finger.
        """
        wanted = set(preserved)
        if unknown := wanted - set(fingers):
            raise SleightError("the hand has no finger", value=sorted(unknown), remedy=f"choose from {list(fingers)}")
        return cls(tuple(fingers), tuple(finger in wanted for finger in fingers))

    @property
    def preserved(self) -> tuple[str, ...]:
        """Fingers of the first skill."""
        return tuple(finger for finger, keep in zip(self.fingers, self.keeps, strict=True) if keep)

    @property
    def released(self) -> tuple[str, ...]:
        """Fingers of the second skill."""
        return tuple(finger for finger, keep in zip(self.fingers, self.keeps, strict=True) if not keep)

    def __str__(self) -> str:
        return "+".join(self.preserved) or "none"


def candidate_masks(fingers: Sequence[str]) -> tuple[FingerMask, ...]:
    """All useful masks: at least one finger preserved and at least one released; for five fingers there are 30.

    With no finger preserved nothing holds the object, and with none released the second skill has no finger: these two
    are no candidates. None of the others is left out beforehand: a single finger can hold an object against the palm,
    so only the release test says what a mask is good for.

    Returns:
        Those with fewer released fingers first; an index into this order names a mask.
    """
    masks = [FingerMask(tuple(fingers), keeps) for keeps in product((True, False), repeat=len(fingers))]
    useful = [mask for mask in masks if mask.preserved and mask.released]
    return tuple(sorted(useful, key=lambda mask: len(mask.released)))
