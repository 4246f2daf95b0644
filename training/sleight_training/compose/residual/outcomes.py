"""How composed rollouts end, and what that says: success, preservation of both skills, failure modes (4.1, 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.statistics import wilson_interval

Flags = NDArray[np.bool_]


class Outcome(str, Enum):
    """How a rollout ended."""

    SUCCESS = "success"
    DROPPED_IN_TRANSITION = "dropped in transition"
    DROPPED_IN_INTERACTION = "dropped in interaction"
    NOT_DONE = "interaction not done"
    BOTH = "dropped in interaction, not done"
    DIVERGED = "diverged"


def outcomes(done: Flags, alive: Flags, dropped_early: Flags, failed: Flags) -> list[Outcome]:
    """Name how n rollouts ended.

    Args:
        done: (n,) the interaction was done, whatever became of the object.
        alive: (n,) the object was held throughout.
        dropped_early: (n,) it was lost in the transition stage.
        failed: (n,) the physics diverged.
    """
    names = []
    for is_done, is_alive, early, wrong in zip(done, alive, dropped_early, failed, strict=True):
        if wrong:
            names.append(Outcome.DIVERGED)
        elif is_alive:
            names.append(Outcome.SUCCESS if is_done else Outcome.NOT_DONE)
        elif early:
            names.append(Outcome.DROPPED_IN_TRANSITION)
        else:
            names.append(Outcome.DROPPED_IN_INTERACTION if is_done else Outcome.BOTH)
    return names


@dataclass(frozen=True)
class Tally:
    """Counts over rollouts.

    Attributes:
        episodes: How many.
        success: Object held throughout and interaction done.
        retained: Object held throughout.
        done: Interaction done, whatever became of the object.
        modes: Rollouts by outcome.
    """

    episodes: int
    success: int
    retained: int
    done: int
    modes: dict[Outcome, int]

    @classmethod
    def of(cls, done: Flags, alive: Flags, dropped_early: Flags, failed: Flags) -> Tally:
        """Count n rollouts (see `outcomes`)."""
        named = outcomes(done, alive, dropped_early, failed)
        fine = ~failed
        return cls(
            episodes=len(named),
            success=int((done & alive & fine).sum()),
            retained=int((alive & fine).sum()),
            done=int((done & fine).sum()),
            modes={outcome: named.count(outcome) for outcome in Outcome},
        )

    @classmethod
    def total(cls, parts: list[Tally]) -> Tally:
        """The sum of some."""
        return cls(
            *(sum(getattr(part, name) for part in parts) for name in ("episodes", "success", "retained", "done")),
            modes={outcome: sum(part.modes[outcome] for part in parts) for outcome in Outcome},
        )

    def row(self, standalone: tuple[float | None, float | None] = (None, None)) -> dict[str, Any]:
        """The figures by name.

        Args:
            standalone: Success rates of both skills alone, for the preservation ratios (Fig. 3); None: not known.
                Rollouts start where the first skill has succeeded, so its ratio compares with 1 unless it is given.
        """
        n = max(self.episodes, 1)
        first, second = standalone
        return {
            "episodes": self.episodes,
            "success": self.success / n,
            "ci95": list(wilson_interval(self.success, self.episodes)),
            "retained": self.retained / n,
            "done": self.done / n,
            "preservation_first": self.retained / n / (first or 1.0),
            "preservation_second": self.done / n / second if second else None,
            "failures": {outcome.value: count for outcome, count in self.modes.items() if outcome != Outcome.SUCCESS},
        }
