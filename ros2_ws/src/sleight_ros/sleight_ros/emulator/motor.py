"""One motor: its control table, what its firmware does with instructions, and a simple model of what it moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sleight_ros.emulator.registers import BY_ADDRESS, RAM, TABLE_SIZE, Memory, Register

TICKS_PER_REV = 4096
RAD = 2.0 * math.pi / TICKS_PER_REV
#: One unit of the velocity registers, rad/s.
VELOCITY_UNIT = 0.229 * 2.0 * math.pi / 60.0
CURRENT_BASED_POSITION = 5

# Error numbers of status packets, and the bit that says that the hardware error register is not empty.
OK, RESULT_FAIL, INSTRUCTION_ERROR, CRC_ERROR, DATA_RANGE, DATA_LENGTH, DATA_LIMIT, ACCESS = range(8)
ALERT = 0x80
#: Bits of Hardware Error Status (70) and Shutdown (63).
HARDWARE_ERRORS = {"voltage": 0x01, "overheating": 0x04, "encoder": 0x08, "shock": 0x10, "overload": 0x20}


@dataclass
class Plant:
    """What a motor moves: first order in position, with the speed and the current of the real one.

    Attributes:
        speed: No-load speed at 5 V, rad/s (XC330-M288: 81 rev/min).
        response: Time constant at a P gain of 800, s.
        stiffness: Current per position error at a P gain of 800, A/rad.
        heating: Temperature rise in steady state, K/A^2.
        cooling: Time constant of the temperature, s.
        ambient: degrees C.
    """

    speed: float = 8.48
    response: float = 0.04
    stiffness: float = 5.8
    heating: float = 83.0
    cooling: float = 120.0
    ambient: float = 25.0


class Motor:
    """An XC330-M288-T in current-based position control (operating mode 5); other modes store and do not move.

    Where the e-manual leaves something open, the motor does what is worst for its master: turning torque on leaves the
    goal position where it was, and the Bus Watchdog (98) is a register that does nothing, as ROBOTIS found of the real
    330 series.

    Args:
        motor_id: Id on the bus.
        clock: Monotonic time, s.
        plant: What it moves.
        model: Model number: 1240 XC330-M288-T, 1200 XL330-M288-T.
        firmware: Firmware version.
        boot_time: How long it says nothing after a reboot, s.

    Attributes:
        position: Ticks, not rounded, with whole turns.
        velocity: rad/s.
        current: A.
        temperature: degrees C.
        voltage: V.
        blocked: Something keeps it from moving.
        external: Position, velocity and current come from outside (`set_state`); goals are only stored.
        present: Whether it is on the bus.
    """

    def __init__(
        self,
        motor_id: int,
        clock: Callable[[], float],
        *,
        plant: Plant | None = None,
        model: int = 1240,
        firmware: int = 52,
        boot_time: float = 0.2,
    ) -> None:
        self.id = motor_id
        self.memory = Memory()
        self.memory.set("ID", motor_id)
        self.memory.set("Model Number", model)
        self.memory.set("Firmware Version", firmware)
        self.plant = plant or Plant()
        self.position = TICKS_PER_REV / 2.0
        self.velocity = self.current = 0.0
        self.temperature = self.plant.ambient
        self.voltage = 5.0
        self.blocked = self.external = False
        self.present = True
        self._clock = clock
        self._boot_time = boot_time
        self._started = self._updated = clock()
        self._registered: tuple[int, bytes] | None = None

    # Physics -------------------------------------------------------------------------------------------------------

    @property
    def torque(self) -> bool:
        """Whether torque is on."""
        return bool(self.memory.get("Torque Enable"))

    @property
    def goal(self) -> int:
        """Goal position, ticks."""
        return self.memory.get("Goal Position")

    def set_state(self, position: float, velocity: float = 0.0, current: float = 0.0) -> None:
        """Let the state come from outside from now on: ticks, rad/s, A."""
        self.external = True
        self.position, self.velocity, self.current = float(position), float(velocity), float(current)

    def trip(self, *names: str) -> None:
        """Detect hardware errors by name; those that the Shutdown register (63) names turn torque off."""
        found = sum(HARDWARE_ERRORS[name] for name in set(names))
        self.memory.set("Hardware Error Status", self.memory.get("Hardware Error Status") | found)
        if found & self.memory.get("Shutdown"):
            self.memory.set("Torque Enable", 0)

    def update(self) -> None:
        """Move on to now, and write what is measured into the registers."""
        now = self._clock()
        dt, self._updated = max(0.0, now - self._updated), now
        if not self.external:
            self._move(dt)
        rise = self.plant.heating * self.current**2
        target = self.plant.ambient + rise
        self.temperature += (target - self.temperature) * -math.expm1(-dt / self.plant.cooling)
        if self.temperature >= self.memory.get("Temperature Limit"):
            self.trip("overheating")
        memory = self.memory
        memory.set("Realtime Tick", int((now - self._started) * 1e3) % 32768)
        memory.set("Present Position", max(-(2**31), min(2**31 - 1, math.floor(self.position))))
        memory.set("Present Velocity", round(self.velocity / VELOCITY_UNIT))
        memory.set("Present Current", max(-32768, min(32767, round(1e3 * self.current))))
        memory.set("Present Temperature", max(0, min(255, int(self.temperature))))
        memory.set("Present Input Voltage", max(0, round(10.0 * self.voltage)))
        memory.set("Moving", int(abs(self.velocity) > 0.24))

    def _move(self, dt: float) -> None:
        if not self.torque or self.memory.get("Operating Mode") != CURRENT_BASED_POSITION:
            self.velocity = self.current = 0.0
            return
        gain = self.memory.get("Position P Gain") / 800.0
        limit = 1e-3 * abs(self.memory.get("Goal Current"))
        error = (self.goal - self.position) * RAD
        step = 0.0
        if not self.blocked and limit > 0.0 and gain > 0.0:
            furthest = self.plant.speed * dt
            step = max(-furthest, min(furthest, error * -math.expm1(-dt * gain / self.plant.response)))
        self.position += step / RAD
        self.velocity = step / dt if dt > 0.0 else 0.0
        self.current = max(-limit, min(limit, self.plant.stiffness * gain * (error - step)))

    # Firmware ------------------------------------------------------------------------------------------------------

    @property
    def awake(self) -> bool:
        """Whether it answers: on the bus, and not booting."""
        return self.present and self._clock() >= self._started

    @property
    def alert(self) -> int:
        """The alert bit of its status packets."""
        return ALERT if self.memory.get("Hardware Error Status") else 0

    def reboot(self, *, delay: float | None = None) -> None:
        """Start anew: RAM forgotten, torque off, clock at zero, whole turns lost."""
        self.memory.forget_ram()
        self.position %= TICKS_PER_REV
        self.velocity = self.current = 0.0
        self._registered = None
        self._started = self._updated = self._clock() + (self._boot_time if delay is None else delay)

    def read(self, address: int, length: int) -> tuple[int, bytes]:
        """Error number and data."""
        if length == 0 or address + length > TABLE_SIZE:
            return ACCESS, b""
        return OK, bytes(self.memory.bytes[address : address + length])

    def write(self, address: int, data: bytes) -> int:
        """Write whole registers, one behind the other; return the error number."""
        if not data or address + len(data) > TABLE_SIZE:
            return ACCESS
        while data:
            register = BY_ADDRESS.get(address)
            if register is None or not register.writable or (address < RAM and self.torque):
                return ACCESS
            if len(data) < register.size:
                return DATA_LENGTH
            value = int.from_bytes(data[: register.size], "little", signed=register.signed)
            error = self._set(register, value)
            if error:
                return error
            address, data = address + register.size, data[register.size :]
        return OK

    def _set(self, register: Register, value: int) -> int:
        if register.low is not None and register.high is not None and not register.low <= value <= register.high:
            return DATA_RANGE
        memory = self.memory
        if register.name == "Goal Current" and abs(value) > memory.get("Current Limit"):
            return DATA_LIMIT
        if register.name == "Torque Enable" and value and memory.get("Hardware Error Status") & memory.get("Shutdown"):
            return RESULT_FAIL
        memory.set(register.name, value)
        if register.name == "Operating Mode":
            # The gains, profiles and limits of the new mode.
            for name in ("Position P Gain", "Position I Gain", "Position D Gain"):
                memory.set(name, {"Position P Gain": 1100, "Position D Gain": 500}.get(name, 0))
            for name in ("Profile Velocity", "Profile Acceleration"):
                memory.set(name, 0)
            memory.set("Goal Current", memory.get("Current Limit"))
            memory.set("Goal PWM", memory.get("PWM Limit"))
        return OK

    def register(self, address: int, data: bytes) -> int:
        """Keep a write for the action instruction."""
        self._registered = (address, data)
        self.memory.set("Registered Instruction", 1)
        return OK

    def act(self) -> int:
        """Do the registered write."""
        if self._registered is None:
            return INSTRUCTION_ERROR
        kept, self._registered = self._registered, None
        self.memory.set("Registered Instruction", 0)
        return self.write(*kept)
