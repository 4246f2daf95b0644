"""Bringing a hand's motors to known settings, and looking whether they still have them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sleight_ros.drivers import xc330
from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.freshness import TickClock
from sleight_ros.drivers.reasons import BusError, Reason
from sleight_ros.drivers.xc330 import EEPROM, SETTINGS, Register, take

#: How often something that is not acknowledged is tried.
TRIES = 3
#: Bits of the drive mode that would surprise: reverse, and torque on by goal update.
FORBIDDEN_DRIVE = 0b1001
#: How long a motor may need to start anew, s.
BOOT_PATIENCE = 2.0


@dataclass(frozen=True)
class Wanted:
    """What one motor's registers must hold while the hand is driven."""

    p_gain: int
    i_gain: int
    d_gain: int


class MotorSettings:
    """The settings of all motors on a bus.

    Args:
        bus: The motors.
        config: The hand; its joints are in the order of the bus's ids.
        ticks: Tells old replies from true ones.
    """

    def __init__(self, bus: DynamixelBus, config: LeapConfig, ticks: TickClock) -> None:
        self._bus = bus
        self._config = config
        self._ticks = ticks
        control = config.control
        self._wanted = []
        for joint in config.joints:
            scale = control.side_scale if joint.side else 1.0
            gains = round(control.p_gain * scale), control.i_gain, round(control.d_gain * scale)
            self._wanted.append(Wanted(*gains))

    # Torque --------------------------------------------------------------------------------------------------------

    def torque_off(self) -> list[int]:
        """Turn torque off and look whether it is; return the motors of which that is not known.

        Raises:
            BusError: The port is lost.
        """
        for _ in range(TRIES):
            self._bus.write_all(xc330.TORQUE_ENABLE, [0] * len(self._bus.ids))
            if not self._ticks.anchored(time.monotonic()):
                continue
            try:
                left = [i for i, data in enumerate(self.read_all()) if take(data, SETTINGS, xc330.TORQUE_ENABLE)]
            except BusError as error:
                self._go_on_after(error)
                left = list(range(len(self._bus.ids)))
            if not left:
                return []
        if not self._ticks.anchored(time.monotonic()):  # no answer could be believed
            return list(self._bus.ids)
        return [self._bus.ids[index] for index in self._not_off(left)]

    def _not_off(self, indices: Sequence[int]) -> list[int]:
        """Ask each motor for itself: one that is missing must not hide the others."""
        left, silent = list(indices), 0
        for index in indices:
            try:
                if not take(self.read(index), SETTINGS, xc330.TORQUE_ENABLE):
                    left.remove(index)
                silent = 0
            except BusError as error:
                self._go_on_after(error)
                silent += 1
            if silent >= TRIES:  # the line is dead, not a motor
                break
        return left

    def torque_on(self, goals: Sequence[int]) -> None:
        """Turn torque on at given goals: goals first, so that nothing jumps.

        Raises:
            BusError: A motor does not have both afterwards.
        """

        def attempt() -> None:
            self._bus.write_all(xc330.GOAL_POSITION, goals)
            self._bus.write_all(xc330.TORQUE_ENABLE, [1] * len(goals))
            self._bus.write_all(xc330.GOAL_POSITION, goals)
            for index, data in enumerate(self.read_all()):
                name, ids = self._config.describe(index), self._bus.ids[index : index + 1]
                if not take(data, SETTINGS, xc330.TORQUE_ENABLE):
                    raise BusError(Reason.SETTINGS_LOST, f"{name} does not turn torque on", ids)
                if take(data, SETTINGS, xc330.GOAL_POSITION) != goals[index]:
                    raise BusError(Reason.WRITE_LOST, f"{name} has another goal", ids)

        self._insist(attempt)

    def torques(self) -> list[bool]:
        """Which motors have torque on.

        Raises:
            BusError: A motor does not answer.
        """
        found: list[bool] = []

        def attempt() -> None:
            found[:] = [bool(take(data, SETTINGS, xc330.TORQUE_ENABLE)) for data in self.read_all()]

        self._insist(attempt)
        return found

    # Settings ------------------------------------------------------------------------------------------------------

    def read(self, index: int) -> bytes:
        """The settings of one motor (`xc330.SETTINGS`), proven to be of now.

        Raises:
            BusError: It does not answer well, or with something old.
        """
        sent = time.monotonic()
        data = self._bus.read(self._bus.ids[index], SETTINGS)
        self._prove(index, data, sent, time.monotonic())
        return data

    def read_all(self) -> list[bytes]:
        """The settings of all motors, proven to be of now.

        Raises:
            BusError: One does not answer well, or with something old.
        """
        answer = self._bus.read_all(SETTINGS)
        for index, data in enumerate(answer.rows):
            self._prove(index, data, answer.sent, answer.received)
        return answer.rows

    def _prove(self, index: int, data: bytes, sent: float, received: float) -> None:
        age = self._ticks.judge_one(index, take(data, SETTINGS, xc330.REALTIME_TICK), sent, received)
        name, ids = self._config.describe(index), self._bus.ids[index : index + 1]
        if age == float("inf"):
            raise BusError(Reason.MOTOR_RESTARTED, f"{name} started anew", ids)
        if age > 0.0:
            raise BusError(Reason.STALE_REPLY, f"{name}: settings {1e3 * age:.0f} ms old", ids)

    def configure(self, current_limits: Sequence[int]) -> None:
        """Bring all motors to the wanted settings and verify them; turns torque off where the EEPROM must change.

        Args:
            current_limits: Goal currents, mA.

        Raises:
            BusError: A motor cannot be brought to them.
        """
        for index, limit in enumerate(current_limits):
            self._insist(lambda index=index, limit=limit: self._write_eeprom(index, limit))

        def attempt() -> None:
            for register, values in (
                (xc330.STATUS_RETURN_LEVEL, [2] * len(self._wanted)),
                (xc330.POSITION_P_GAIN, [one.p_gain for one in self._wanted]),
                (xc330.POSITION_I_GAIN, [one.i_gain for one in self._wanted]),
                (xc330.POSITION_D_GAIN, [one.d_gain for one in self._wanted]),
                (xc330.PROFILE_ACCELERATION, [0] * len(self._wanted)),
                (xc330.PROFILE_VELOCITY, [0] * len(self._wanted)),
                (xc330.GOAL_CURRENT, current_limits),
            ):
                self._bus.write_all(register, values)
            for index, data in enumerate(self.read_all()):
                wrong = self.wrong_gains(index, data)
                if not wrong and take(data, SETTINGS, xc330.GOAL_CURRENT) != current_limits[index]:
                    wrong = f"{self._config.describe(index)} does not take its current limit"
                if wrong:
                    raise BusError(Reason.SETTINGS_LOST, wrong, self._bus.ids[index : index + 1])

        self._insist(attempt)

    def wrong_gains(self, index: int, data: bytes) -> str:
        """Which of a motor's gains is not the wanted one, in words; "" when all are."""
        wanted = self._wanted[index]
        for register, value, word in (
            (xc330.POSITION_P_GAIN, wanted.p_gain, "P gain"),
            (xc330.POSITION_I_GAIN, wanted.i_gain, "I gain"),
            (xc330.POSITION_D_GAIN, wanted.d_gain, "D gain"),
        ):
            found = take(data, SETTINGS, register)
            if found != value:
                return f"{self._config.describe(index)}: {word} is {found}, not {value}"
        return ""

    def _write_eeprom(self, index: int, current_limit: int) -> None:
        motor = self._bus.ids[index]
        data = self._bus.read(motor, EEPROM)
        drive = take(data, EEPROM, xc330.DRIVE_MODE)
        if drive & FORBIDDEN_DRIVE:
            words = f"drive mode {drive}: clear 'reverse' and 'torque on by goal update'"
            raise BusError(Reason.WRONG_MOTOR, f"{self._config.describe(index)} has {words}", (motor,))
        changes: list[tuple[Register, int]] = []
        if take(data, EEPROM, xc330.OPERATING_MODE) != xc330.CURRENT_BASED_POSITION:
            changes.append((xc330.OPERATING_MODE, xc330.CURRENT_BASED_POSITION))
        # 0.5 ms a motor by default: with 16 of them most of a cycle.
        if take(data, EEPROM, xc330.RETURN_DELAY):
            changes.append((xc330.RETURN_DELAY, 0))
        if take(data, EEPROM, xc330.CURRENT_LIMIT) < current_limit:
            changes.append((xc330.CURRENT_LIMIT, current_limit))
        if changes:
            self._bus.write(motor, xc330.TORQUE_ENABLE, 0)
            for register, value in changes:
                self._bus.write(motor, register, value)

    def hardware_error(self, motor: int) -> int:
        """Hardware error bits of a motor.

        Raises:
            BusError: It does not answer.
        """
        return self._bus.read(motor, xc330.HARDWARE_ERROR_STATUS)[0]

    def reboot(self, motors: Sequence[int]) -> None:
        """Start motors anew, and wait until they answer; the clocks are forgotten.

        Raises:
            BusError: One does not come back.
        """
        for motor in motors:
            self._bus.reboot(motor)
        end = time.monotonic() + BOOT_PATIENCE
        for motor in motors:
            tries = 0
            while True:
                try:
                    self._bus.ping(motor)
                    break
                except BusError as error:
                    tries += 1
                    if error.reason == Reason.PORT_LOST or (tries >= TRIES and time.monotonic() > end):
                        raise
                    time.sleep(0.02)
        self._bus.drain()
        self._ticks.reset()

    def _insist(self, do: Callable[[], None]) -> None:
        """Do something until it succeeds, or until it is clear that it never will."""
        for left in reversed(range(TRIES)):
            try:
                return do()
            except BusError as error:
                if not left or error.reason in (Reason.WRONG_MOTOR, Reason.REFUSED, Reason.MOTOR_RESTARTED):
                    raise
                self._go_on_after(error)

    def _go_on_after(self, error: BusError) -> None:
        """Clear the line for another try.

        Raises:
            BusError: The port is lost, which no try will change.
        """
        if error.reason == Reason.PORT_LOST:
            raise error
        self._bus.drain()
