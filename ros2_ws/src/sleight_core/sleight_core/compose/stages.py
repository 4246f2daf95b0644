"""Where a composition is: which skill acts, who owns what, and how the hand gets from one skill to the other.

Stages, counted in actions: *first*: one skill alone has the whole hand; *hold*: its outcome is stored and everything
stays; *transition*: the second skill's elements move to where it starts, then settle; *second*: it acts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sleight_core.bundle.composed import PairSection
from sleight_core.compose.ownership import Ownership
from sleight_core.compose.paths import between
from sleight_core.compose.residual import DualResidual
from sleight_core.hand import HandTable

Array = NDArray[np.float64]

FIRST, HOLD, TRANSITION, SECOND = "first", "hold", "transition", "second"


@dataclass
class PairRun:
    """A composition from the moment at which the first skill has succeeded.

    Attributes:
        section: The pair.
        ownership: Who owns what.
        residual: Corrects and assembles both skills' commands.
        hold: (1, 28) the hold reference: where everything was when the first skill had succeeded.
        count: Actions since then.
    """

    section: PairSection
    ownership: Ownership
    residual: DualResidual
    hold: Array
    count: int = 0

    @classmethod
    def begin(cls, table: HandTable, section: PairSection, hold: Array) -> PairRun:
        """Begin a composition at the hold reference (1, 28)."""
        ownership = Ownership(table, section.preserved)
        return cls(section, ownership, DualResidual(ownership, np.array(section.bounds)), hold)

    @property
    def until_second(self) -> int:
        """Actions before the second skill acts; 0 when it does."""
        way = self.section.transition
        return max(0, way.hold + way.steps + way.settle - self.count)

    @property
    def stage(self) -> str:
        """Name of the present stage."""
        if self.count < self.section.transition.hold:
            return HOLD
        return TRANSITION if self.until_second else SECOND

    @property
    def phase(self) -> Array:
        """(1, 2) progress of the transition, 0 to 1, and 1 while the second skill acts: what residuals see of it."""
        way = self.section.transition
        length = way.steps + way.settle
        done = min(max(0, self.count - way.hold) / length, 1.0) if length else float(self.until_second == 0)
        return np.array([[done, float(self.until_second == 0)]])

    def way(self) -> Array:
        """The nominal action (1, 28) of the present stage before the second skill acts."""
        way = self.section.transition
        if self.count < way.hold:
            return self.hold
        share = np.array([(self.count - way.hold + 1) / max(way.steps, 1)])
        return between(self.hold, np.array([way.target]), share)
