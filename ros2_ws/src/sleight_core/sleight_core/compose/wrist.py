"""The wrist's position servo: from a pose to the twist that a velocity-controlled wrist takes (contract 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sleight_core.hand import HandTable
from sleight_core.hand.kinematics import center_of_mass
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_normalize, quat_rotate
from sleight_core.safety.limits import WristLimits

Array = NDArray[np.float64]


class WristServo:
    """A proportional servo, as an arm would have it: simulation and robot run the same.

    The twist acts at the hand's centre of mass, so that is the point that is brought to its place.

    Args:
        table: The hand, whose wrist speeds bound the twist.
        gain: Speed for each unit of error, 1/s.
    """

    def __init__(self, table: HandTable, gain: float) -> None:
        self._gain = gain
        self._speed = WristLimits.from_table(table).speed
        self._centre = center_of_mass(table)

    def twist(self, target_pos: Array, target_quat: Array, pos: Array, quat: Array) -> Array:
        """Wanted twists (B, 6), m/s and rad/s in the task frame, within the wrist's speeds.

        Args:
            target_pos: Where the hand's root is to be, (B, 3) m, task frame.
            target_quat: Its orientation there, (B, 4) wxyz.
            pos: Where it is.
            quat: Its orientation.
        """
        there = target_pos + quat_rotate(target_quat, self._centre)
        here = pos + quat_rotate(quat, self._centre)
        between = quat_normalize(quat_multiply(target_quat, quat_conjugate(quat)))
        sine = np.linalg.norm(between[:, 1:], axis=-1, keepdims=True)
        turn = between[:, 1:] * (2.0 * np.arctan2(sine, between[:, :1]) / np.maximum(sine, 1e-9))
        wanted = self._gain * np.concatenate([there - here, turn], axis=-1)
        # Scaled as a whole, so that a far target is approached on a straight line.
        over = np.abs(wanted) / self._speed
        wanted[:, :3] /= np.maximum(over[:, :3].max(axis=-1, keepdims=True), 1.0)
        wanted[:, 3:] /= np.maximum(over[:, 3:].max(axis=-1, keepdims=True), 1.0)
        return wanted
