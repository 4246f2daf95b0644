"""Where a composition is: which skill acts, who owns what, and how the hand gets from one skill to the next.

Stages, counted in actions: *first*: one skill alone has the whole hand; *hold*: its outcome is stored and everything
stays; *transition*: the next skill's elements move to where it starts, then settle; *second*: it acts. A third skill
that follows has a *hold* and a *transition* of its own; then the stage is *third*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sleight_core.bundle.composed import PairSection
from sleight_core.compose.handover import HandOver
from sleight_core.compose.ownership import WRIST_SIZE, Ownership, element_owners
from sleight_core.compose.paths import backed_off, over
from sleight_core.compose.residual import DualResidual
from sleight_core.hand import HandTable

Array = NDArray[np.float64]

FIRST, HOLD, TRANSITION, SECOND, THIRD = "first", "hold", "transition", "second", "third"
#: Stages in which a skill acts beside what is kept.
ACTING = (SECOND, THIRD)


@dataclass
class PairRun:
    """A composition from the moment at which the skill before the acting one has succeeded.

    Attributes:
        section: The pair, or the sequence.
        owners: Who owns what in each of its stages.
        number: Which of them this is: 1 of a pair, 2 of a third skill.
        residual: Corrects and assembles the commands.
        hold: (1, 28) the hold reference: where everything was when the skill that keeps it had succeeded.
        count: Actions since this stage began.
    """

    section: PairSection
    owners: HandOver
    number: int
    residual: DualResidual
    hold: Array
    count: int = 0

    @classmethod
    def begin(cls, table: HandTable, section: PairSection, here: Array, before: PairRun | None = None) -> PairRun:
        """Begin a composition, or the third skill's part of one.

        Args:
            table: The hand.
            section: The pair; the sequence, for a third skill.
            here: (1, 28) what is now to be kept where it is.
            before: The pair's run, for a third skill: what it keeps stays what it was.
        """
        masks = [section.preserved] if before is None else [before.section.preserved, section.preserved]
        owners, number = HandOver.from_masks(table, masks), len(masks)
        hold = owners.reference(number, here if before is None else before.hold, here)
        return cls(section, owners, number, owners.residual(number, np.array(section.bounds)), hold)

    @property
    def ownership(self) -> Ownership:
        """What is kept, and what the acting skill has."""
        return self.owners.ownership(self.number)

    @cached_property
    def stabilised(self) -> NDArray[np.bool_]:
        """(28,) the first skill's elements."""
        return self.owners.elements(self.number, 0)

    @cached_property
    def joint_owners(self) -> tuple[str, ...]:
        """Name of the skill that owns each of the hand's joints, observation order."""
        table = self.owners.table
        of = dict(zip(table.finger_names, self.owners.owners(self.number), strict=True))
        return tuple(self.section.skills[of[finger]] for finger in element_owners(table)[WRIST_SIZE:])

    @property
    def until_acting(self) -> int:
        """Actions before the next skill acts; 0 when it does."""
        way = self.section.transition
        return max(0, way.hold + way.leave + way.steps + way.settle - self.count)

    @property
    def stage(self) -> str:
        """Name of the present stage."""
        if self.count < self.section.transition.hold:
            return HOLD
        return TRANSITION if self.until_acting else ACTING[self.number - 1]

    @property
    def phase(self) -> Array:
        """(1, 2) progress of the transition, 0 to 1, and 1 while the next skill acts: what residuals see of it."""
        way = self.section.transition
        length = way.leave + way.steps + way.settle
        done = min(max(0, self.count - way.hold) / length, 1.0) if length else float(self.until_acting == 0)
        return np.array([[done, float(self.until_acting == 0)]])

    def way(self) -> Array:
        """The nominal action (1, 28) of the present stage before the next skill acts."""
        way = self.section.transition
        if self.count < way.hold:
            return self.hold
        target = np.array([way.target])
        middle = backed_off(self.hold, target, np.array(way.retreat)) if way.leave else self.hold
        gone = np.array([self.count - way.hold + 1])
        return over(self.hold, middle, target, gone, np.array([way.leave]), way.steps)
