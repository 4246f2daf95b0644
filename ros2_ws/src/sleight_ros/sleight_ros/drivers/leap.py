"""A LEAP Hand on its Dynamixel bus: one cycle writes goals, reads states and watches over the motors.

Whatever fails, the hand ends in a hold (its motors keep the last goal) or without torque, and nothing old is returned
as new: a cycle whose read cannot prove itself returns no reading at all.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sleight_ros.drivers import xc330
from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.connection import choose_read, meet
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.freshness import TickClock
from sleight_ros.drivers.protection import Guard
from sleight_ros.drivers.reader import Reading, StateReader
from sleight_ros.drivers.reasons import BusError, Reason
from sleight_ros.drivers.settings import MotorSettings
from sleight_ros.drivers.xc330 import SETTINGS, take

#: A limit is written anew when it differs by so much, mA.
CURRENT_STEP = 5
#: Settings are looked at when so much of the period is left, and after so many cycles without time in any case.
VERIFY_SHARE = 0.6
VERIFY_PATIENCE = 10
#: A torque-off that did not reach all motors is repeated in this rhythm, s.
PAYMENT_PERIOD = 0.2
#: Reasons for which torque is let go whatever `fault_action` says: going on holding would do harm.
NEVER_HOLD = (Reason.HARDWARE_ERROR, Reason.OVER_TEMPERATURE, Reason.OVER_CURRENT, Reason.IMPLAUSIBLE_POSITION)


class DriverState(str, Enum):
    """What the driver does."""

    #: No bus, or not all motors on it; it is tried again.
    DISCONNECTED = "disconnected"
    #: States are read; nothing is commanded.
    DISABLED = "disabled"
    #: Torque on, the last goal is kept.
    HOLDING = "holding"
    #: Torque on, goals follow the commands.
    FOLLOWING = "following"
    #: Latched: only `enable` ends it.
    FAULT = "fault"


class Torque(str, Enum):
    """What is known of the motors' torque."""

    OFF = "off"
    ON = "on"
    UNKNOWN = "unknown"


ENABLED = (DriverState.HOLDING, DriverState.FOLLOWING)


@dataclass(frozen=True)
class DriverOptions:
    """How the driver behaves.

    Attributes:
        period: Of the cycle, s.
        command_timeout: Age at which a command no longer counts, s.
        release_after: Torque is let go after holding so long without a command, s; 0: never.
        max_failures: So many failed cycles in a row are a fault.
        hold_on_fault: Keep torque on in faults of the bus, where the motors can be trusted to hold.
        reconnect_period: Between attempts to connect, s.
    """

    period: float = 0.01
    command_timeout: float = 0.1
    release_after: float = 0.0
    max_failures: int = 5
    hold_on_fault: bool = False
    reconnect_period: float = 1.0


class LeapDriver:
    """Drives one hand. All methods but `command` belong to one thread.

    Args:
        config: The hand.
        bus: Its motors; the ids are those of the config, in its order.
        options: How to behave.
        clock: Monotonic time, s.

    Attributes:
        state: What it does.
        reason: Why, when it does not follow.
        detail: The same in words.
        torque: What is known of the torque.
        counts: Events so far, by name.
        alerts: Motors that reported a hardware error in the last reading.
        guard: Limits of current in force.
    """

    def __init__(
        self,
        config: LeapConfig,
        bus: DynamixelBus,
        options: DriverOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if bus.ids != config.ids:
            raise ValueError("the bus and the config name different motors")
        self.config, self.options = config, options or DriverOptions()
        self.state, self.reason, self.detail = DriverState.DISCONNECTED, Reason.PORT_LOST, "not connected yet"
        self.torque = Torque.UNKNOWN
        self.counts: Counter[str] = Counter()
        self.alerts: tuple[int, ...] = ()
        self.guard = Guard(config)
        self._bus = bus
        self._clock = clock
        self._map = config.mapping()
        self._ticks = TickClock(len(bus.ids))
        self._settings = MotorSettings(bus, config, self._ticks)
        self._reader = StateReader(bus, config, self._ticks, self.counts)
        self._command: tuple[np.ndarray, float] | None = None
        self._goal = np.zeros(len(bus.ids))
        self._goal_ticks: list[int] = [0] * len(bus.ids)
        self._goal_time = 0.0
        self._held_since = 0.0
        self._failed = 0
        self._next_try = -np.inf
        self._last_reading: float | None = None
        self._written_current = self._milliamperes()
        self._checked = self._doubts = self._unverified = 0
        # A fault whose torque-off did not get through is made good as soon as it can be.
        self._owed = False
        self._next_payment = -np.inf
        self._latched: tuple[Reason, str] | None = None

    # Commands ------------------------------------------------------------------------------------------------------

    def command(self, positions: np.ndarray) -> str:
        """Take joint targets; may be called from any thread.

        Args:
            positions: (J,) rad, in the order of the joints; clipped to the limits.

        Returns:
            Why they are refused, "" if they are not.
        """
        targets = np.array(positions, dtype=float)
        if targets.shape != (len(self.config.joints),):
            self.counts["commands refused"] += 1
            return f"{targets.size} targets for {len(self.config.joints)} joints"
        if not np.isfinite(targets).all():
            self.counts["commands refused"] += 1
            return f"target of {self.config.joint_names[int(np.argmin(np.isfinite(targets)))]} is not finite"
        clipped = np.clip(targets, self._map.lower, self._map.upper)
        self.counts["commands"] += 1
        self.counts["commands clipped"] += bool((clipped != targets).any())
        self._command = (clipped, self._clock())
        return ""

    @property
    def goal(self) -> np.ndarray:
        """(J,) the goal that was last written, rad."""
        return self._goal.copy()

    # The cycle -----------------------------------------------------------------------------------------------------

    def step(self) -> Reading | None:
        """Do one cycle; return the state of the hand, or None if it could not be read for certain."""
        now = self._clock()
        if not self._bus.is_open:
            self._connect(now)
            return None
        self.counts["cycles"] += 1
        try:
            if self._owed and now >= self._next_payment:
                self._pay()
            # After a failed read the motors keep what they have until it is known how they are.
            if self.state in ENABLED and self._failed == 0:
                self._follow(now)
            reading = self._reader.read()
        except BusError as error:
            self._fail(error)
            return None
        self._failed = 0
        self.alerts = reading.alerts
        if self.state == DriverState.DISABLED and self.reason not in (Reason.DISABLED, Reason.RELEASED):
            self.reason, self.detail = Reason.DISABLED, ""
        self._protect(reading)
        if self.state in ENABLED:
            self._unverified += 1
            if self._clock() - now < VERIFY_SHARE * self.options.period or self._unverified > VERIFY_PATIENCE:
                self._verify()
        self._last_reading = reading.stamp
        return reading

    def _follow(self, now: float) -> None:
        """Write the next goals: towards the command, or the same again."""
        command, options = self._command, self.options
        if command is not None and now - command[1] <= options.command_timeout:
            self.state, self.reason, self.detail = DriverState.FOLLOWING, Reason.OK, ""
            furthest = self.config.control.max_velocity * min(now - self._goal_time, 3.0 * options.period)
            step = np.clip(command[0] - self._goal, -furthest, furthest)
            self._goal = self._goal + step
            self._goal_ticks = self._map.ticks(self._goal)
        elif self.state == DriverState.FOLLOWING:
            self.state, self._held_since = DriverState.HOLDING, now
            self.reason, self.detail = Reason.COMMAND_STALE, f"none for {options.command_timeout:g} s"
            self.counts["command timeouts"] += 1
        elif options.release_after and now - self._held_since > options.release_after:
            self._let_go(DriverState.DISABLED, Reason.RELEASED, f"no command for {options.release_after:g} s")
            return
        self._goal_time = now
        self._bus.write_all(xc330.GOAL_POSITION, self._goal_ticks)

    def _protect(self, reading: Reading) -> None:
        """Stop for what the motors say of themselves, and take current away before that."""
        dt = 0.0 if self._last_reading is None else min(0.1, reading.stamp - self._last_reading)
        reason, detail = self.guard.update(dt, reading.currents, reading.temperatures)
        if self.state not in ENABLED and not (self.state == DriverState.FAULT and self.torque == Torque.ON):
            return
        if self.alerts:
            self._fault(Reason.HARDWARE_ERROR, self._hardware_errors())
        elif reason != Reason.OK:
            self._fault(reason, detail)
        elif (wrong := self._implausible(reading)) is not None:
            self._fault(Reason.IMPLAUSIBLE_POSITION, wrong)
        else:
            wanted = self._milliamperes()
            if max(abs(a - b) for a, b in zip(wanted, self._written_current, strict=True)) >= CURRENT_STEP:
                with self._losing_port():
                    self._bus.write_all(xc330.GOAL_CURRENT, wanted)
                    self._written_current = wanted

    def _implausible(self, reading: Reading) -> str | None:
        slack = self.config.protection.position_slack
        low, high = self._map.lower - slack, self._map.upper + slack
        out = np.flatnonzero((reading.positions < low) | (reading.positions > high))
        if not out.size:
            return None
        return f"{self.config.describe(int(out[0]))} is at {reading.positions[out[0]]:.2f} rad"

    def _hardware_errors(self) -> str:
        words = []
        for motor in self.alerts:
            name = self.config.describe(self._bus.ids.index(motor))
            try:
                words.append(f"{name}: {xc330.describe_errors(self._settings.hardware_error(motor))}")
            except BusError:
                words.append(f"{name}: not told which")
        return ", ".join(words)

    def _verify(self) -> None:
        """Look at one motor's settings a cycle: a write that is not acknowledged may have been lost."""
        index, self._unverified = self._checked, 0
        try:
            data = self._settings.read(index)
        except BusError as error:
            self._count(error)
            if error.reason in (Reason.PORT_LOST, Reason.MOTOR_RESTARTED):
                self._fail(error)
            else:
                self._doubt(error.reason, error.detail)
            return
        if not take(data, SETTINGS, xc330.TORQUE_ENABLE):
            name, gains = self.config.describe(index), self._settings.wrong_gains(index, data)
            self._fault(Reason.MOTOR_RESTARTED if gains else Reason.SETTINGS_LOST, f"{name} has no torque")
        elif wrong := self._settings.wrong_gains(index, data):
            self._fault(Reason.SETTINGS_LOST, wrong)
        elif take(data, SETTINGS, xc330.GOAL_POSITION) != self._goal_ticks[index]:
            self._doubt(Reason.WRITE_LOST, f"goals do not arrive at {self.config.describe(index)}")
        elif take(data, SETTINGS, xc330.GOAL_CURRENT) != self._written_current[index]:
            with self._losing_port():
                self._bus.write_all(xc330.GOAL_CURRENT, self._written_current)
            self._doubt(Reason.WRITE_LOST, f"current limits do not arrive at {self.config.describe(index)}")
        else:
            self._doubts = 0
            self._checked = (index + 1) % len(self._bus.ids)

    def _doubt(self, reason: Reason, detail: str) -> None:
        """Look again at the same motor; so often in a row is a fault."""
        self.counts["doubts"] += 1
        self._doubts += 1
        if self._doubts >= self.options.max_failures:
            self._fault(reason, detail)

    # Failures ------------------------------------------------------------------------------------------------------

    def _count(self, error: BusError) -> None:
        self.counts[error.reason.value] += 1

    def _fail(self, error: BusError) -> None:
        """A cycle without a reading."""
        self.counts["failed cycles"] += 1
        self._count(error)
        self._failed += 1
        if error.reason == Reason.PORT_LOST:
            self._lose_port(error.detail)
            return
        restarted = error.reason == Reason.MOTOR_RESTARTED
        hopeless = self._failed >= self.options.max_failures
        if self.state in ENABLED and (hopeless or restarted):
            self._fault(error.reason, error.detail)
        elif self.state == DriverState.DISABLED:
            self.reason, self.detail = error.reason, error.detail
        if restarted or (hopeless and error.reason == Reason.STALE_REPLY):
            # Learn the clocks anew; what was lost with a motor's settings is a matter of `enable`.
            self._ticks.reset()

    def _fault(self, reason: Reason, detail: str) -> None:
        """Latch a fault, and let go of torque unless holding was asked for and can do no harm."""
        self.counts["faults"] += 1
        if self.options.hold_on_fault and reason not in NEVER_HOLD:
            self.state, self.reason, self.detail = DriverState.FAULT, reason, detail
            return
        self._let_go(DriverState.FAULT, reason, detail)

    def _let_go(self, state: DriverState, reason: Reason, detail: str) -> None:
        """Turn torque off, verified, and end in a state; what does not get through is owed."""
        self.state, self.reason, self.detail = state, reason, detail
        self._command = None
        self._owed = True
        with self._losing_port():
            self._pay()

    def _pay(self) -> None:
        self._next_payment = self._clock() + PAYMENT_PERIOD
        with self._bus.patience():
            unknown = self._settings.torque_off()
        self.torque = Torque.UNKNOWN if unknown else Torque.OFF
        self._owed = bool(unknown)

    def _lose_port(self, detail: str) -> None:
        """The motors are out of reach, and keep the last goal if they have torque."""
        self._bus.close()
        self._next_try = self._clock() + self.options.reconnect_period
        if self.state in ENABLED:
            self.counts["faults"] += 1
            self._latched = (Reason.PORT_LOST, detail)
            self._owed = not self.options.hold_on_fault
        elif self.state == DriverState.FAULT:
            self._latched = (self.reason, self.detail)
        self._command = None
        if self.torque == Torque.ON:
            self.torque = Torque.UNKNOWN
        self.state, self.reason, self.detail = DriverState.DISCONNECTED, Reason.PORT_LOST, detail

    @contextlib.contextmanager
    def _losing_port(self):  # noqa: ANN202
        """In what is done beside a reading only a lost port counts as a failure."""
        try:
            yield
        except BusError as error:
            self._count(error)
            if error.reason == Reason.PORT_LOST:
                self._lose_port(error.detail)

    # Connecting ----------------------------------------------------------------------------------------------------

    def _connect(self, now: float) -> None:
        """Open the port and look whether all motors are there; torque stays as it is."""
        if now < self._next_try:
            return
        self._next_try = now + self.options.reconnect_period
        self.counts["connection attempts"] += 1
        try:
            self._bus.open()
            with self._bus.patience(0.1):
                self._bus.drain()
                meet(self._bus, self.config)
                self._ticks.reset()
                choose_read(self._bus, self._reader)
                on = self._settings.torques()
        except BusError as error:
            self._count(error)
            self._bus.close()
            self.reason, self.detail = error.reason, error.detail
            return
        self.torque = Torque.ON if any(on) else Torque.OFF
        self._failed = 0
        self._last_reading = None
        self.state, self.reason, self.detail = DriverState.DISABLED, Reason.DISABLED, ""
        if self._latched is not None:
            self.state = DriverState.FAULT
            self.reason, self.detail = self._latched

    def _milliamperes(self) -> list[int]:
        return [int(round(limit / xc330.CURRENT_UNIT)) for limit in self.guard.limits]

    # Requests ------------------------------------------------------------------------------------------------------

    def enable(self) -> str:
        """Configure the motors and turn torque on at the present pose; ends a fault.

        Returns:
            Why not, "" if it is done.
        """
        if not self._bus.is_open:
            return f"not connected: {self.reason.value}: {self.detail}"
        if self.state in ENABLED:
            return ""
        try:
            with self._bus.patience():
                refusal = self._turn_on()
        except BusError as error:
            self._count(error)
            if error.reason == Reason.PORT_LOST:
                self._lose_port(error.detail)
            else:
                self._let_go(DriverState.FAULT, error.reason, error.detail)
            return str(error)
        if refusal:
            return refusal
        self.torque, self._owed, self._latched = Torque.ON, False, None
        self._failed = self._doubts = self._checked = 0
        self._command = None
        self._goal_time = self._held_since = self._clock()
        self.state, self.reason, self.detail = DriverState.HOLDING, Reason.NO_COMMAND, ""
        self.counts["enabled"] += 1
        return ""

    def _turn_on(self) -> str:
        """Configure and turn on, or say why not."""
        self._bus.drain()
        reading = self._reader.read()
        if reading.alerts:
            # The only way out of a motor's own shutdown.
            self._settings.reboot(reading.alerts)
            reading = self._reader.read()
        self.alerts = reading.alerts
        if refusal := self._unfit(reading):
            return refusal
        self.guard.reset()
        self._written_current = self._milliamperes()
        self._settings.configure(self._written_current)
        self._goal = self._reader.read().positions
        self._goal_ticks = self._map.ticks(self._goal)
        self._settings.torque_on(self._goal_ticks)
        return ""

    def _unfit(self, reading: Reading) -> str:
        """Why torque may not be turned on in this state of the hand."""
        if self.alerts:
            return f"{Reason.HARDWARE_ERROR.value}: {self._hardware_errors()}"
        hottest = int(np.argmax(reading.temperatures))
        if reading.temperatures[hottest] >= self.config.protection.hot:
            return f"{Reason.OVER_TEMPERATURE.value}: {self.config.describe(hottest)} must cool down first"
        wrong = self._implausible(reading)
        return f"{Reason.IMPLAUSIBLE_POSITION.value}: {wrong}" if wrong else ""

    def disable(self) -> str:
        """Turn torque off, verified; a latched fault stays.

        Returns:
            What is not known for certain, "" if all is off.
        """
        if not self._bus.is_open:
            self._owed = True
            return "not connected: torque is turned off as soon as the bus is back"
        fault = self.state == DriverState.FAULT
        state = DriverState.FAULT if fault else DriverState.DISABLED
        reason, detail = (self.reason, self.detail) if fault else (Reason.DISABLED, "")
        self._let_go(state, reason, detail)
        return "" if self.torque == Torque.OFF else "not all motors confirm that their torque is off"

    def panic(self, error: Exception) -> None:
        """A mistake in the driver itself is a fault like any other."""
        with contextlib.suppress(Exception):
            self._fault(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}"[:200])

    def close(self) -> None:
        """Turn torque off and close the port, whatever the state is."""
        try:
            if self._bus.is_open:
                self.disable()
        finally:
            self._bus.close()
            self.state, self.reason, self.detail = DriverState.DISCONNECTED, Reason.DISABLED, "closed"
