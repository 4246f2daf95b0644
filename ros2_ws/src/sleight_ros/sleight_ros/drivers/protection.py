"""How much current each motor may use, and when the hand must stop."""

from __future__ import annotations

import math

import numpy as np

from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.reasons import Reason

#: Share of the continuous current at which allowance begins to shrink.
ONSET = 0.9


class Guard:
    """Watches temperature and current of all motors.

    Current is taken away gradually: with the mean current above what a motor may draw for ever, and with its
    temperature between `warm` and `hot`. What cannot be explained by its limits any more stops the hand.

    Args:
        config: The hand.

    Attributes:
        mean: (N,) mean absolute current, A.
        limits: (N,) current limits in force, A.
    """

    def __init__(self, config: LeapConfig) -> None:
        self._full = config.control.current_limit
        self._rules = config.protection
        self._names = config.joint_names
        self.reset()

    def reset(self) -> None:
        """Begin anew: nothing has been drawn yet."""
        self.mean = np.zeros(len(self._names))
        self.limits = np.full(len(self._names), self._full)
        self._excess = np.zeros(len(self._names))

    @property
    def derated(self) -> tuple[str, ...]:
        """Joints whose motors may use less than the full current now."""
        return tuple(n for n, limit in zip(self._names, self.limits, strict=True) if limit < 0.99 * self._full)

    def update(self, dt: float, currents: np.ndarray, temperatures: np.ndarray) -> tuple[Reason, str]:
        """Take a measurement; return why the hand must stop, or OK.

        Args:
            dt: Since the last one, s.
            currents: (N,) A.
            temperatures: (N,) degrees C.
        """
        rules, drawn = self._rules, np.abs(currents)
        self._excess = np.where(drawn > self.limits + rules.excess_current, self._excess + dt, 0.0)
        self.mean += (drawn - self.mean) * -math.expm1(-dt / rules.averaging)
        self.limits = np.minimum(self._from_mean(), self._from_temperature(temperatures))
        if (temperatures >= rules.hot).any():
            worst = int(np.argmax(temperatures))
            return Reason.OVER_TEMPERATURE, f"{self._names[worst]} has {temperatures[worst]:.0f} degrees"
        if (self._excess > rules.excess_time).any():
            worst = int(np.argmax(self._excess))
            return Reason.OVER_CURRENT, f"{self._names[worst]} draws {drawn[worst]:.2f} A"
        return Reason.OK, ""

    def _from_mean(self) -> np.ndarray:
        forever = min(self._rules.continuous_current, self._full)
        room = np.clip((forever - self.mean) / ((1.0 - ONSET) * forever), 0.0, 1.0)
        return forever + room * (self._full - forever)

    def _from_temperature(self, temperatures: np.ndarray) -> np.ndarray:
        rules = self._rules
        heat = np.clip((temperatures - rules.warm) / (rules.hot - rules.warm), 0.0, 1.0)
        return self._full * (1.0 - heat * (1.0 - rules.warm_share))
