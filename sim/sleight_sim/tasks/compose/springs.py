"""Over-centre springs: detents and bistable joints as a tension spring between a hinged part and its base.

A spring from a point on the part, at distance `arm` from the hinge, to a point on the base, at distance `anchor` behind
the hinge, is longest when the two are in line with the hinge. There it changes from pulling back to pushing on: that is
how a toggle switch and a cupboard's latch work. In MuJoCo it is a spatial tendon with a stiffness and a dead band,
so that it runs unchanged in every engine, without code called at each physics step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OverCentreSpring:
    """A tension spring over a hinge.

    Attributes:
        arm: Distance of the spring's end on the part from the hinge (m).
        anchor: Distance of the spring's end on the base from the hinge (m).
        centre: Joint position at which the ends are in line with the hinge (rad).
        rest_length: Length from which on it pulls (m).
        stiffness: N/m.
    """

    arm: float
    anchor: float
    centre: float
    rest_length: float
    stiffness: float

    def length(self, angle: float | Array) -> Array:
        """Length (m) at joint positions (rad)."""
        between = np.cos(np.asarray(angle) - self.centre)
        return np.sqrt(self.arm**2 + self.anchor**2 + 2.0 * self.arm * self.anchor * between)

    def torque(self, angle: float | Array) -> Array:
        """Torque on the joint (N m), positive towards larger positions."""
        length = self.length(angle)
        slope = -self.arm * self.anchor * np.sin(np.asarray(angle) - self.centre) / length
        return -self.stiffness * np.maximum(length - self.rest_length, 0.0) * slope


def detent(torque: float, centre: float, arm: float) -> OverCentreSpring:
    """Spring that holds a hinge at 0: it takes `torque` to leave; past `centre` it helps for a bit, then lets go.

    Args:
        torque: Largest closing torque between 0 and `centre` (N m).
        centre: Where it turns over (rad); it lets go at 2.5 times that.
        arm: Length of both arms (m).
    """
    unit = OverCentreSpring(arm, arm, centre, 0.0, 1.0)
    unit = OverCentreSpring(arm, arm, centre, float(unit.length(-0.5 * centre)), 1.0)
    largest = float(-unit.torque(np.linspace(0.0, centre, 200)).min())
    return OverCentreSpring(arm, arm, centre, unit.rest_length, torque / largest)


def toggle(torque: float, end: float, arm: float) -> OverCentreSpring:
    """Spring that drives a hinge away from 0, to either end.

    Args:
        torque: Torque at the ends (N m).
        end: Joint position of the ends: -end and end (rad).
        arm: Length of both arms (m).
    """
    unit = OverCentreSpring(arm, arm, 0.0, arm, 1.0)
    return OverCentreSpring(arm, arm, 0.0, arm, torque / float(unit.torque(end)))
