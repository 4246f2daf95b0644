"""A whole LEAP Hand's bus behind one door: motors, terminal and everything that can break."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sleight_core.errors import SleightError

from sleight_ros.emulator.bus import Bus
from sleight_ros.emulator.faults import Faults
from sleight_ros.emulator.line import Line, Timing
from sleight_ros.emulator.motor import HARDWARE_ERRORS, TICKS_PER_REV, Motor


class LeapEmulator:
    """N motors on a pseudo-terminal; a context manager.

    All methods may be called from any thread while a driver talks to it.

    Args:
        motors: How many, with ids from 0.
        link: A symbolic link to the terminal that survives `unplug` and `plug`.
        timing: How long bytes take on the way.
        model: Model number of the motors.
        fast: Whether they know the fast sync read.
        boot_time: How long they say nothing after a reboot, s.
        seed: Of the faults.
    """

    def __init__(
        self,
        motors: int = 16,
        *,
        link: Path | None = None,
        timing: Timing | None = None,
        model: int = 1240,
        fast: bool = True,
        boot_time: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.bus = Bus(range(motors), model=model, fast=fast, boot_time=boot_time, seed=seed)
        self._line = Line(self.bus, link, timing)

    def __enter__(self) -> LeapEmulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the terminal."""
        self._line.close()

    @property
    def path(self) -> str:
        """What a driver opens."""
        return self._line.path

    @property
    def faults(self) -> Faults:
        """Faults of the line, to add and clear."""
        return self.bus.faults

    # The motors as a simulator sees them ---------------------------------------------------------------------------

    def goals(self) -> list[int]:
        """Goal positions in the order of the ids, ticks."""
        with self.bus.lock:
            return [motor.goal for motor in self.bus.motors.values()]

    def torques(self) -> list[bool]:
        """Which motors have torque on, in the order of the ids."""
        with self.bus.lock:
            return [motor.torque for motor in self.bus.motors.values()]

    def current_limits(self) -> list[float]:
        """Goal currents in the order of the ids, A: what a simulated motor may use."""
        with self.bus.lock:
            return [1e-3 * motor.memory.get("Goal Current") for motor in self.bus.motors.values()]

    def positions(self) -> list[float]:
        """Present positions in the order of the ids, ticks."""
        with self.bus.lock:
            for motor in self.bus.motors.values():
                motor.update()
            return [motor.position for motor in self.bus.motors.values()]

    def set_present(
        self,
        positions: Sequence[float],
        velocities: Sequence[float] | None = None,
        currents: Sequence[float] | None = None,
    ) -> None:
        """Let the motors' states come from outside, for instance from a simulation, from now on.

        Args:
            positions: One a motor, in the order of the ids, ticks.
            velocities: rad/s; zero when absent.
            currents: A; zero when absent.

        Raises:
            SleightError: A list has the wrong length.
        """
        count = len(self.bus.motors)
        rows = [list(values) if values is not None else [0.0] * count for values in (positions, velocities, currents)]
        if any(len(row) != count for row in rows):
            raise SleightError(f"{count} motors need {count} values", value=[len(row) for row in rows])
        with self.bus.lock:
            for motor, *values in zip(self.bus.motors.values(), *rows, strict=True):
                motor.set_state(*values)

    # What breaks ---------------------------------------------------------------------------------------------------

    def unplug(self) -> None:
        """Pull the USB cable: the terminal disappears, the motors go on."""
        self._line.unplug()

    def plug(self) -> None:
        """Put it back; without a link, `path` is another one afterwards."""
        self._line.plug()

    def lose(self, motor: int, lost: bool = True) -> None:
        """Take a motor off the bus, or put it back."""
        with self.bus.lock:
            self._motor(motor).present = not lost

    def block(self, motor: int, blocked: bool = True) -> None:
        """Keep a motor from moving."""
        with self.bus.lock:
            self._motor(motor).blocked = blocked

    def heat(self, motor: int, temperature: float) -> None:
        """Set a motor's temperature and that of its surroundings, degrees C."""
        with self.bus.lock:
            one = self._motor(motor)
            one.temperature = one.plant.ambient = temperature

    def trip(self, motor: int, error: str = "overload") -> None:
        """Let a motor detect a hardware error: voltage, overheating, encoder, shock or overload.

        Raises:
            SleightError: There is no such error.
        """
        if error not in HARDWARE_ERRORS:
            raise SleightError("no such hardware error", value=error, remedy=f"one of {', '.join(HARDWARE_ERRORS)}")
        with self.bus.lock:
            self._motor(motor).trip(error)

    def draw(self, motor: int, current: float) -> None:
        """Let a motor draw a current that its limit does not explain, A (it no longer moves by itself)."""
        with self.bus.lock:
            one = self._motor(motor)
            one.set_state(one.position, 0.0, current)

    def reboot(self, motor: int) -> None:
        """Let one motor start anew, as after a loose contact."""
        with self.bus.lock:
            self._motor(motor).reboot()

    def power_cycle(self, delay: float | None = None) -> None:
        """Cut and restore the power of all motors: RAM and whole turns lost, torque off.

        Args:
            delay: How long they are silent, s; None: their boot time.
        """
        with self.bus.lock:
            for motor in self.bus.motors.values():
                motor.reboot(delay=delay)

    def turn(self, motor: int, turns: int) -> None:
        """Shift a motor's position by whole turns: it was turned by hand while its torque was off."""
        with self.bus.lock:
            self._motor(motor).position += turns * TICKS_PER_REV

    def _motor(self, motor: int) -> Motor:
        try:
            return self.bus.motors[int(motor)]
        except (KeyError, ValueError) as error:
            raise SleightError(
                "no such motor", value=motor, remedy=f"ids {min(self.bus.motors)} to {max(self.bus.motors)}"
            ) from error
