"""Bounded residuals on disjoint parts of the action (DexCompose 3.3, Eqs. 7 to 12), for numpy and torch.

With the first skill's stored hold reference h, the second skill's nominal action n, the residual networks' outputs
r_A and r_B before any squashing, and a bound d for each element:

    first   = h + d tanh(r_A)  on the first skill's elements         (Eqs. 7, 8; h elsewhere, Eq. 9's ignored entries)
    second  = n + d tanh(r_B)  on the second skill's elements        (Eqs. 10, 11; n elsewhere)
    command = first on the first skill's elements, second elsewhere  (Eq. 12)

Squashing, bounds and masks are applied here and not in the networks: whatever a network, or a graph in a bundle,
computes, it cannot move another owner's element nor its own by more than the bound.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.arrays import Constants, namespace
from sleight_core.compose.ownership import Owner, Ownership
from sleight_core.errors import SleightError

Array = Any


class DualResidual:
    """Corrects and assembles the commands of two skills.

    A residual of nan makes its own elements nan and no others: it is for the caller to refuse. One of infinity is the
    bound.

    Args:
        ownership: Who owns which element.
        bounds: (28,) largest correction of each element: m for the wrist's position, rad for all else. An element of
            bound 0 is never corrected. Each element has one owner, so one array serves both residuals.

    Raises:
        SleightError: The bounds have another length, or one is negative or not finite.
    """

    def __init__(self, ownership: Ownership, bounds: NDArray[Any]) -> None:
        values = np.array(bounds, dtype=np.float64)
        if values.shape != (ownership.size,):
            raise SleightError(
                "residual bounds have the wrong shape", value=values.shape, remedy=f"give {ownership.size} numbers"
            )
        if not (np.isfinite(values) & (values >= 0.0)).all():
            raise SleightError("residual bounds must be finite and not negative", value=values.tolist())
        values.setflags(write=False)
        self.ownership = ownership
        self.bounds = values
        # A residual does not act where its bound is 0 either, so that 0 * nan is never computed.
        acts = [ownership.mask(owner) & (values > 0.0) for owner in ("first", "second")]
        self._constants = Constants(values, *acts)

    def correct(self, owner: Owner, base: Array, residual: Array) -> Array:
        """Add one skill's residual to its base command (Eqs. 7 and 8, or 10 and 11).

        Args:
            owner: Whose residual it is.
            base: (..., 28) hold reference or nominal action, in the action's units.
            residual: (..., 28) the network's output before squashing.

        Returns:
            (..., 28): `base`, corrected on the owner's elements, and bit for bit the same on all others.
        """
        xp = namespace(base, residual)
        bounds, first, second = self._constants.like(base)
        acts = first if owner == "first" else second
        return xp.where(acts, base + bounds * xp.tanh(residual), base)

    def compose(self, hold: Array, residual_first: Array, nominal: Array, residual_second: Array) -> Array:
        """The command of both skills (Eq. 12).

        Args:
            hold: (..., 28) the first skill's hold reference; its elements of the second skill are not used.
            residual_first: (..., 28) output of the first residual network.
            nominal: (..., 28) the second skill's action; its elements of the first skill are not used.
            residual_second: (..., 28) output of the second residual network.

        Returns:
            (..., 28) command; with residuals of 0 exactly `hold` on the first skill's elements, `nominal` elsewhere.
        """
        return self.ownership.assemble(
            self.correct("first", hold, residual_first), self.correct("second", nominal, residual_second)
        )
