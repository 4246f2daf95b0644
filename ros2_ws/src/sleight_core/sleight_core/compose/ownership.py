"""Who owns which element of the pose action: a finger mask expanded to elements and joints (DexCompose 3.2).

Two skills share a hand. The *first* (the paper's Task A) keeps what it has with the preserved fingers; the *second*
(Task B) acts with all other fingers and, as in the paper, with the wrist. Every element and every joint has exactly one
owner, found by the joint's name in the hand table. A third skill is one more stage: the fingers of both earlier ones
are then the preserved ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sleight_core.arrays import Constants, namespace
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

Array = Any
Flags = NDArray[np.bool_]
Owner = Literal["first", "second"]

#: Owner of the wrist's elements in `element_owners`.
WRIST = "wrist"
#: Elements of the wrist, which come first: position x, y, z and rotation turn, pitch, roll.
WRIST_NAMES = ("wrist_x", "wrist_y", "wrist_z", "wrist_turn", "wrist_pitch", "wrist_roll")
WRIST_SIZE = len(WRIST_NAMES)


def element_names(table: HandTable) -> tuple[str, ...]:
    """Name of each element of the pose action: wrist_x .. wrist_roll, then the hand's joints (28 for Shadow)."""
    return WRIST_NAMES + table.joint_names


def element_owners(table: HandTable) -> tuple[str, ...]:
    """What each element of the pose action moves: "wrist" or the name of a finger."""
    of = {joint: name for name, finger in table.fingers.items() for joint in finger.joints}
    return (WRIST,) * WRIST_SIZE + tuple(of[joint] for joint in table.joint_names)


def element_mask(table: HandTable, fingers: Iterable[str], *, wrist: bool = False) -> Flags:
    """Elements (28,) that belong to some fingers, and to the wrist if asked: the expanded mask of DexCompose 3.2.

    Raises:
        SleightError: The hand has no such finger, or no floating wrist.
    """
    if table.wrist_mode != "floating":
        raise SleightError(
            f"hand '{table.name}' has no floating wrist", value=table.wrist_mode, remedy="use hand 'shadow'"
        )
    wanted = set(fingers)
    if unknown := wanted - set(table.finger_names):
        raise SleightError(
            f"hand '{table.name}' has no finger",
            value=sorted(unknown),
            remedy=f"choose from {list(table.finger_names)}",
        )
    wanted |= {WRIST} if wrist else set()
    return np.array([owner in wanted for owner in element_owners(table)])


@dataclass(frozen=True)
class Ownership:
    """A division of the pose action between two skills.

    Attributes:
        table: A hand on a floating wrist.
        preserved: Fingers of the first skill, in the hand table's order whatever the order given.
        wrist: Which skill moves the wrist; the paper's is the second.

    Raises:
        SleightError: The hand has no such finger, or no floating wrist; a finger is named twice; or a skill owns
            nothing.
    """

    table: HandTable
    preserved: tuple[str, ...]
    wrist: Owner = "second"

    def __post_init__(self) -> None:
        if len(set(self.preserved)) != len(self.preserved):
            raise SleightError("a preserved finger is named twice", value=list(self.preserved))
        first = element_mask(self.table, self.preserved, wrist=self.wrist == "first")
        if first.all() or not first.any():
            raise SleightError(
                "one skill owns the whole action, the other nothing",
                value=f"preserved {list(self.preserved)}, wrist {self.wrist}",
                remedy="preserve some fingers and release the others",
            )
        ordered = tuple(name for name in self.table.finger_names if name in self.preserved)
        object.__setattr__(self, "preserved", ordered)

    @classmethod
    def from_mask(cls, table: HandTable, mask: Sequence[bool], *, wrist: Owner = "second") -> Ownership:
        """The division of a finger mask (F,): true, or 1, for a finger that the first skill keeps (DexCompose 3.2).

        Raises:
            SleightError: The mask has another length than the hand has fingers, or as the class.
        """
        if len(mask) != len(table.finger_names):
            raise SleightError(
                "a finger mask has the wrong length",
                value=list(mask),
                remedy=f"give one flag each for {list(table.finger_names)}",
            )
        return cls(table, tuple(name for name, keep in zip(table.finger_names, mask, strict=True) if keep), wrist=wrist)

    @property
    def size(self) -> int:
        """Number of elements: 28 for Shadow."""
        return WRIST_SIZE + len(self.table.joint_names)

    @property
    def released(self) -> tuple[str, ...]:
        """Fingers of the second skill, in the hand table's order."""
        return tuple(name for name in self.table.finger_names if name not in self.preserved)

    @property
    def finger_mask(self) -> Flags:
        """(F,) true for a finger that the first skill keeps."""
        return np.array([name in self.preserved for name in self.table.finger_names])

    @cached_property
    def first(self) -> Flags:
        """Elements (28,) of the first skill."""
        mask = element_mask(self.table, self.preserved, wrist=self.wrist == "first")
        mask.setflags(write=False)
        return mask

    @cached_property
    def second(self) -> Flags:
        """Elements (28,) of the second skill: all others."""
        mask = ~self.first
        mask.setflags(write=False)
        return mask

    def mask(self, owner: Owner) -> Flags:
        """Elements (28,) of one skill."""
        return self.first if owner == "first" else self.second

    def columns(self, owner: Owner) -> NDArray[np.intp]:
        """Indices of one skill's elements, ascending."""
        return np.flatnonzero(self.mask(owner))

    def joints(self, owner: Owner) -> tuple[str, ...]:
        """Names of the finger joints that one skill owns, observation order; without a motor included."""
        owned = self.mask(owner)[WRIST_SIZE:]
        return tuple(name for name, mine in zip(self.table.joint_names, owned, strict=True) if mine)

    def motors(self, owner: Owner) -> tuple[str, ...]:
        """Those of `joints` that have a motor, action order."""
        mine = set(self.joints(owner))
        return tuple(name for name in self.table.actuated_joint_names if name in mine)

    @cached_property
    def joint_owners(self) -> dict[str, Owner]:
        """Owner of every finger joint, by name."""
        return {name: "first" if mine else "second" for name, mine in zip(
            self.table.joint_names, self.first[WRIST_SIZE:], strict=True
        )}  # fmt: skip

    def assemble(self, first: Array, second: Array) -> Array:
        """Put the commands of both skills together (Eq. 12): elements are chosen, never added or multiplied.

        So no number of one skill, nan and infinity included, reaches an element of the other.

        Args:
            first: (..., 28) the first skill's command, numpy or torch.
            second: (..., 28) the second skill's, of the same kind.
        """
        xp = namespace(first, second)
        (mask,) = self._constants.like(first)
        return xp.where(mask, first, second)

    @cached_property
    def _constants(self) -> Constants:
        return Constants(self.first)


def intended_joints(table: HandTable, measured: NDArray[Any], nominal: NDArray[Any], own: Flags) -> NDArray[Any]:
    """Joint positions as a skill would see them if it had the whole hand.

    A skill that was trained alone has seen its own fingers only: those that now hold something for another skill are
    nowhere in its demonstrations. It is shown where it would have moved them instead.

    Args:
        table: The hand.
        measured: (B, J) rad.
        nominal: (B, 6 + J) the skill's own last actions, before masks and residuals.
        own: (6 + J,) or (B, 6 + J) elements that the skill owns.

    Returns:
        (B, J) rad: measured where the skill owns a joint, else its own last target inside the joint's range.
    """
    targets = np.clip(nominal[..., WRIST_SIZE:], table.lower, table.upper)
    return np.where(own[..., WRIST_SIZE:], measured, targets)
