"""The method, its ablations and the baselines, as settings of one harness (DexCompose 4.2, 4.3, B.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from sleight_core.compose.ownership import Ownership
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

#: [P B.5] Fingers that the methods without allocation preserve, by the first task. GraspCube: as GraspBall [own].
FAMILY_MASKS: dict[str, tuple[str, ...]] = {
    "GraspBall": ("th", "ff", "mf"),
    "PourMug": ("th", "ff", "mf"),
    "PickCan": ("ff", "mf", "rf"),
    "PickStick": ("th", "ff"),
    "GraspCube": ("th", "ff", "mf"),
}


@dataclass(frozen=True)
class Composition:
    """What a method consists of.

    Attributes:
        title: As in the paper's tables.
        mask: "selected": of the release tests; "family": `FAMILY_MASKS`; "all": every finger holds.
        stabiliser: Whether the first residual acts.
        second: The second residual: none, masked (Eq. 11), or on every element (Eq. 16).
        transition: Whether there is a transition stage.
        note: How it differs from the paper's, or "".
    """

    title: str
    mask: Literal["selected", "family", "all"] = "selected"
    stabiliser: bool = True
    second: Literal["none", "masked", "unmasked"] = "masked"
    transition: bool = True
    note: str = ""


class Method(str, Enum):
    """Names on the command line."""

    OURS = "ours"
    OURS_ZS = "ours-zs"
    FROZEN = "frozen"
    DECOMPOSED = "decomposed"
    RESIDUAL = "residual-learning"
    STABILISER_ONLY = "stabiliser-only"
    NO_ALLOCATION = "no-allocation"
    NO_STABILISER = "no-stabiliser"
    NO_MASK = "no-mask"
    NO_TRANSITION = "no-transition"
    MASK_ONLY = "mask-only"


METHODS: dict[Method, Composition] = {
    Method.OURS: Composition("DexCompose"),
    Method.OURS_ZS: Composition("Ours-ZS", second="none"),
    Method.FROZEN: Composition(
        "Frozen", mask="all", stabiliser=False, second="none", note="every finger holds, the second skill has the wrist"
    ),
    Method.DECOMPOSED: Composition(
        "Decomposed",
        mask="family",
        stabiliser=False,
        second="none",
        note="hard-mask overwrite of the same skills: not retrained with the penalty on the other's elements",
    ),
    Method.RESIDUAL: Composition(
        "Residual Learning",
        mask="family",
        stabiliser=False,
        second="unmasked",
        note="trained by PPO, as the masked residual; the paper's by soft actor-critic",
    ),
    Method.STABILISER_ONLY: Composition("Stabiliser only", mask="family", second="none"),
    Method.NO_ALLOCATION: Composition("No finger allocation", mask="family"),
    Method.NO_STABILISER: Composition("No Task-A residual", stabiliser=False),
    Method.NO_MASK: Composition("No action mask", second="unmasked"),
    Method.NO_TRANSITION: Composition("No transition stage", transition=False),
    Method.MASK_ONLY: Composition(
        "Mask only", stabiliser=False, second="none", note="not in the paper: selected mask and transition, no residual"
    ),
}


def read_method(name: str) -> Method:
    """Return a method by its name.

    Raises:
        SleightError: There is none.
    """
    try:
        return Method(name)
    except ValueError as error:
        known = ", ".join(method.value for method in Method)
        raise SleightError("unknown method", value=name, remedy=f"choose one of {known}") from error


def method_mask(table: HandTable, method: Composition, first: str, selected: tuple[str, ...] | None) -> Ownership:
    """Who owns what under a method.

    Args:
        table: The hand.
        method: The method.
        first: The first task.
        selected: Preserved fingers of the selected mask.

    Raises:
        SleightError: The method needs a selected mask and none is given, or the mask is none.
    """
    if method.mask == "all":
        return Ownership(table, table.finger_names)
    if method.mask == "family":
        if first not in FAMILY_MASKS:
            raise SleightError("no fixed mask for this task", value=first, remedy=f"there are {sorted(FAMILY_MASKS)}")
        return Ownership(table, FAMILY_MASKS[first])
    if not selected:
        raise SleightError(
            f"'{method.title}' needs a finger mask", remedy="name the preserved fingers, such as th,rf,lf"
        )
    return Ownership(table, selected)
