"""An observation as an ordered list of terms, as written in a bundle's manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sleight_core.arrays import Constants, namespace
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.observation.state import RobotState
from sleight_core.observation.terms import TERMS, Frame, Provenance

Array = Any


class TermSpec(BaseModel):
    """One term of an observation.

    Attributes:
        name: A registered term.
        size: Number of elements.
        unit: Unit of the raw value.
        frame: Frame of the raw value.
        scale: Factor applied to the raw value.
        clip: Bound on the scaled value (symmetric), or None.
        provenance: Where the value comes from; "privileged" terms cannot be deployed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int = Field(gt=0)
    unit: str
    frame: str
    scale: float = 1.0
    clip: float | None = Field(default=5.0, gt=0)
    provenance: Provenance

    @classmethod
    def of(cls, name: str, table: HandTable, *, scale: float = 1.0, clip: float | None = 5.0) -> TermSpec:
        """Describe a registered term for a hand.

        Raises:
            SleightError: There is no such term.
        """
        if name not in TERMS:
            raise SleightError("unknown observation term", value=name, remedy=f"choose from {sorted(TERMS)}")
        row = TERMS[name]
        return cls(
            name=name,
            size=row.size(table),
            unit=row.unit,
            frame=row.frame,
            scale=scale,
            clip=clip,
            provenance=row.provenance,
        )


class ObservationBuilder:
    """Computes observations for a hand from an ordered list of terms.

    Args:
        table: The hand.
        specs: The terms, in the order of the policy's input.

    Raises:
        SleightError: A term is unknown, or its size, unit, frame or provenance is not what this version computes.
    """

    def __init__(
        self, table: HandTable, specs: Sequence[TermSpec], kinematics: FingertipKinematics | None = None
    ) -> None:
        self.table = table
        self.specs = tuple(specs)
        self.kinematics = kinematics or FingertipKinematics(table)
        for spec in self.specs:
            known = TermSpec.of(spec.name, table)
            for name in ("size", "unit", "frame", "provenance"):
                if getattr(spec, name) != getattr(known, name):
                    raise SleightError(
                        f"observation term '{spec.name}': {name} is {getattr(spec, name)!r}, this version has "
                        f"{getattr(known, name)!r} for hand '{table.name}'",
                        remedy="export the policy again with this version",
                    )
        rows = [(spec.scale, np.inf if spec.clip is None else spec.clip) for spec in self.specs]
        sizes = np.array([spec.size for spec in self.specs], dtype=np.intp)
        full = np.repeat(np.array(rows, dtype=np.float64).reshape(-1, 2), sizes, axis=0)
        self._functions = [TERMS[spec.name].function for spec in self.specs]
        self._bounds = Constants(full[:, 0].copy(), full[:, 1].copy())

    @property
    def size(self) -> int:
        """Length of the observation."""
        return sum(spec.size for spec in self.specs)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each term lies in the observation."""
        result, start = {}, 0
        for spec in self.specs:
            result[spec.name] = slice(start, start + spec.size)
            start += spec.size
        return result

    def frame(self, state: RobotState) -> Frame:
        """Return the shared intermediate results for a batch of states."""
        return Frame(state, self.kinematics)

    def compute(self, state: RobotState, frame: Frame | None = None) -> Array:
        """Compute observations.

        Args:
            state: A batch of B states.
            frame: The result of `frame(state)`, when the caller has it.

        Returns:
            (B, size) float32.
        """
        frame = frame or self.frame(state)
        xp = namespace(state.joint_pos)
        values = xp.concat([function(frame) for function in self._functions], axis=-1)
        scale, bound = self._bounds.like(values)
        return xp.astype(xp.minimum(xp.maximum(values * scale, -bound), bound), xp.float32)


def term_specs(table: HandTable, names: Iterable[str | tuple[str, float]]) -> list[TermSpec]:
    """Describe several terms; an entry is a name, or a name with its scale."""
    rows = [(entry, 1.0) if isinstance(entry, str) else entry for entry in names]
    return [TermSpec.of(name, table, scale=scale) for name, scale in rows]
