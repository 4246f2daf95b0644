"""How rollouts of a sequence of skills end: success, and in which stage the others failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.statistics import wilson_interval

Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]

SUCCESS, DIVERGED = "success", "diverged"
#: What the further skills are called, in the order in which they act.
ORDINALS = ("second", "third", "fourth", "fifth")


@dataclass(frozen=True)
class SequenceEnds:
    """How n rollouts with K interactions ended.

    Attributes:
        done: (n, K) interactions that were done, whatever became of the object.
        lasting: (n, K) interactions whose success condition still held at the end.
        alive: (n,) the object was held throughout.
        lost_stage: (n,) interaction, 0 .. K - 1, of the stage in which it was lost; not used where it was not.
        lost_acting: (n,) the skill of that stage acted then; else the hand was on the way to it.
        failed: (n,) the physics diverged.
    """

    done: Flags
    lasting: Flags
    alive: Flags
    lost_stage: Ids
    lost_acting: Flags
    failed: Flags


def stage_names(interactions: Sequence[str]) -> tuple[str, ...]:
    """What stages are called: "second (PushButton)" and so on."""
    return tuple(f"{ORDINALS[k]} ({name})" for k, name in enumerate(interactions))


def sequence_modes(interactions: Sequence[str]) -> tuple[str, ...]:
    """All ways in which a rollout can end, success first."""
    names = stage_names(interactions)
    each = ("dropped on the way to {}", "dropped in {}", "{} not done")
    return (SUCCESS, *(text.format(name) for name in names for text in each), DIVERGED)


def sequence_outcomes(interactions: Sequence[str], ends: SequenceEnds) -> list[str]:
    """Name how n rollouts ended: by what went wrong first, the object's loss before all that comes after it."""
    names, out = stage_names(interactions), []
    for i in range(len(ends.alive)):
        missing = np.flatnonzero(~ends.done[i])
        if ends.failed[i]:
            out.append(DIVERGED)
        elif not ends.alive[i]:
            where = "dropped in {}" if ends.lost_acting[i] else "dropped on the way to {}"
            out.append(where.format(names[ends.lost_stage[i]]))
        elif len(missing):
            out.append(f"{names[missing[0]]} not done")
        else:
            out.append(SUCCESS)
    return out


@dataclass(frozen=True)
class SequenceTally:
    """Counts over rollouts.

    Attributes:
        interactions: The tasks after the first, in order.
        episodes: How many rollouts.
        success: Object held throughout and every interaction done.
        retained: Object held throughout.
        done: (K,) interactions done, whatever became of the object.
        lasting: (K,) interactions whose success condition still held at the end.
        modes: Rollouts by how they ended.
    """

    interactions: tuple[str, ...]
    episodes: int
    success: int
    retained: int
    done: tuple[int, ...]
    lasting: tuple[int, ...]
    modes: dict[str, int]

    @classmethod
    def of(cls, interactions: Sequence[str], ends: SequenceEnds) -> SequenceTally:
        """Count n rollouts."""
        named, fine = sequence_outcomes(interactions, ends), ~ends.failed
        return cls(
            interactions=tuple(interactions),
            episodes=len(named),
            success=named.count(SUCCESS),
            retained=int((ends.alive & fine).sum()),
            done=tuple(int(n) for n in ends.done[fine].sum(axis=0)),
            lasting=tuple(int(n) for n in ends.lasting[fine].sum(axis=0)),
            modes={mode: named.count(mode) for mode in sequence_modes(interactions)},
        )

    @classmethod
    def total(cls, parts: Sequence[SequenceTally]) -> SequenceTally:
        """The sum of some of the same interactions."""
        first = parts[0]
        return cls(
            interactions=first.interactions,
            episodes=sum(part.episodes for part in parts),
            success=sum(part.success for part in parts),
            retained=sum(part.retained for part in parts),
            done=tuple(sum(counts) for counts in zip(*(part.done for part in parts), strict=True)),
            lasting=tuple(sum(counts) for counts in zip(*(part.lasting for part in parts), strict=True)),
            modes={mode: sum(part.modes[mode] for part in parts) for mode in first.modes},
        )

    def row(self) -> dict[str, Any]:
        """The figures by name, with Wilson 95 % intervals."""
        n = max(self.episodes, 1)
        skills = [
            {
                "task": name,
                "done": done / n,
                "ci95": list(wilson_interval(done, self.episodes)),
                "done_at_the_end": lasting / n,
            }
            for name, done, lasting in zip(self.interactions, self.done, self.lasting, strict=True)
        ]
        return {
            "episodes": self.episodes,
            "success": self.success / n,
            "ci95": list(wilson_interval(self.success, self.episodes)),
            "retained": self.retained / n,
            "retained_ci95": list(wilson_interval(self.retained, self.episodes)),
            "interactions": skills,
            "failures": {mode: count for mode, count in self.modes.items() if mode != SUCCESS},
        }
