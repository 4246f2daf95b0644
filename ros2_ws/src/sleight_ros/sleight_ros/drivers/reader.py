"""Reading the state of all motors in one exchange, with the proof that it is of now."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from sleight_ros.drivers import xc330
from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.freshness import TickClock
from sleight_ros.drivers.reasons import BusError, Reason
from sleight_ros.drivers.xc330 import STATE, Register, take

#: Replies later than this are not reckoned with: after so much silence a line is empty, s.
SILENCE = 0.2
#: Between the two samples from which the motors' clocks are learned, s.
APART = 0.005


@dataclass(frozen=True)
class Reading:
    """One fresh, complete state, in the order of the joints.

    Attributes:
        stamp: When it was asked for, monotonic s: the motors measured it then or just after.
        positions: (J,) rad.
        velocities: (J,) rad/s.
        currents: (J,) A, positive with the joint's direction; measured at the supply.
        temperatures: (J,) degrees C.
        voltages: (J,) V.
        alerts: Ids of motors that report a hardware error.
    """

    stamp: float
    positions: np.ndarray
    velocities: np.ndarray
    currents: np.ndarray
    temperatures: np.ndarray
    voltages: np.ndarray
    alerts: tuple[int, ...] = ()


class StateReader:
    """Reads the motors of one hand.

    Args:
        bus: The motors.
        config: The hand; its joints are in the order of the bus's ids.
        ticks: Tells old replies from true ones.
        counts: Gets the failures, by reason.
    """

    def __init__(self, bus: DynamixelBus, config: LeapConfig, ticks: TickClock, counts: Counter[str]) -> None:
        self._bus = bus
        self._config = config
        self._map = config.mapping()
        self._ticks = ticks
        self._counts = counts

    def read(self) -> Reading:
        """One proven state; a failure is tried once more at once.

        Raises:
            BusError: Both failed, or the second would not help.
        """
        if not self._ticks.anchored(time.monotonic()):
            return self._anchor()
        try:
            return self._once()
        except BusError as error:
            self._counts[error.reason.value] += 1
            if error.reason in (Reason.PORT_LOST, Reason.MOTOR_RESTARTED):
                raise
            self._counts["retries"] += 1
            self._bus.drain(0.001, 0.01)
            return self._once()

    def _anchor(self) -> Reading:
        """Learn the motors' clocks: on an empty line, so that nothing is late, and twice, so that nothing repeats."""
        if not self._bus.drain(SILENCE, 2.0 * SILENCE):
            raise BusError(Reason.CORRUPT_REPLY, "the line does not become silent", self._bus.ids)
        try:
            self._once()
            time.sleep(APART)
            return self._once()
        except BusError:
            self._ticks.reset()
            raise

    def _once(self) -> Reading:
        answer = self._bus.read_all(STATE)

        def column(register: Register, unit: float = 1.0) -> np.ndarray:
            return unit * np.array([take(row, STATE, register) for row in answer.rows], dtype=float)

        ages = self._ticks.judge(column(xc330.REALTIME_TICK), answer.sent, answer.received)
        if ages.any():
            self._refuse(ages)
        along = self._map.along
        return Reading(
            answer.sent,
            self._map.from_ticks(column(xc330.PRESENT_POSITION)),
            along(column(xc330.PRESENT_VELOCITY, xc330.VELOCITY_UNIT)),
            along(column(xc330.PRESENT_CURRENT, xc330.CURRENT_UNIT)),
            column(xc330.PRESENT_TEMPERATURE),
            column(xc330.PRESENT_VOLTAGE, xc330.VOLTAGE_UNIT),
            answer.alerts,
        )

    def _refuse(self, ages: np.ndarray) -> None:
        worst = int(np.argmax(ages))
        name = self._config.describe(worst)
        motors = tuple(self._bus.ids[i] for i in np.flatnonzero(ages))
        if np.isinf(ages[worst]):
            raise BusError(Reason.MOTOR_RESTARTED, f"{name} started anew", motors)
        words = f"{name} answered with what it measured {1e3 * ages[worst]:.0f} ms before it was asked"
        raise BusError(Reason.STALE_REPLY, words, motors)
