"""Control table of the XC330-M288-T (ROBOTIS e-manual); its XL330 sister has the same addresses.

The indirect registers (168 to 227) are there as memory, but nothing is mapped through them.
"""

from __future__ import annotations

from dataclasses import dataclass

#: One past the last address.
TABLE_SIZE = 228
#: From here on the table is RAM; below, it is EEPROM and locked while torque is on.
RAM = 64


@dataclass(frozen=True)
class Register:
    """One item of the control table.

    Attributes:
        name: As in the e-manual.
        address: First address.
        size: Bytes, little endian.
        writable: Whether a master may write it.
        initial: Value when it leaves the factory.
        low: Lowest accepted value; None: any.
        high: Highest accepted value.
        signed: Two's complement.
    """

    name: str
    address: int
    size: int
    writable: bool = False
    initial: int = 0
    low: int | None = None
    high: int | None = None
    signed: bool = False


def _rw(
    name: str,
    address: int,
    size: int,
    initial: int,
    low: int | None = None,
    high: int | None = None,
    signed: bool = False,
) -> Register:
    return Register(name, address, size, True, initial, low, high, signed)


REGISTERS = (
    Register("Model Number", 0, 2, initial=1240),
    Register("Model Information", 2, 4),
    Register("Firmware Version", 6, 1, initial=52),
    _rw("ID", 7, 1, 1, 0, 252),
    _rw("Baud Rate", 8, 1, 6, 0, 6),
    _rw("Return Delay Time", 9, 1, 250, 0, 254),
    _rw("Drive Mode", 10, 1, 0, 0, 13),
    _rw("Operating Mode", 11, 1, 3, 0, 16),
    _rw("Secondary(Shadow) ID", 12, 1, 255, 0, 255),
    _rw("Protocol Type", 13, 1, 2, 2, 22),
    _rw("Homing Offset", 20, 4, 0, -1_044_479, 1_044_479, signed=True),
    _rw("Moving Threshold", 24, 4, 10, 0, 1023),
    _rw("Temperature Limit", 31, 1, 70, 0, 100),
    _rw("Max Voltage Limit", 32, 2, 70, 31, 70),
    _rw("Min Voltage Limit", 34, 2, 35, 31, 70),
    _rw("PWM Limit", 36, 2, 885, 0, 885),
    _rw("Current Limit", 38, 2, 2352, 0, 2352),
    _rw("Velocity Limit", 44, 4, 350, 0, 2047),
    _rw("Max Position Limit", 48, 4, 4095, 0, 4095),
    _rw("Min Position Limit", 52, 4, 0, 0, 4095),
    _rw("Startup Configuration", 60, 1, 0, 0, 3),
    _rw("PWM Slope", 62, 1, 140, 1, 255),
    _rw("Shutdown", 63, 1, 52),
    _rw("Torque Enable", 64, 1, 0, 0, 1),
    _rw("LED", 65, 1, 0, 0, 1),
    _rw("Status Return Level", 68, 1, 2, 0, 2),
    Register("Registered Instruction", 69, 1),
    Register("Hardware Error Status", 70, 1),
    _rw("Velocity I Gain", 76, 2, 1600, 0, 16383),
    _rw("Velocity P Gain", 78, 2, 50, 0, 16383),
    _rw("Position D Gain", 80, 2, 500, 0, 16383),
    _rw("Position I Gain", 82, 2, 0, 0, 16383),
    _rw("Position P Gain", 84, 2, 1100, 0, 16383),
    _rw("Feedforward 2nd Gain", 88, 2, 0, 0, 16383),
    _rw("Feedforward 1st Gain", 90, 2, 0, 0, 16383),
    _rw("Bus Watchdog", 98, 1, 0, 0, 127),
    _rw("Goal PWM", 100, 2, 885, -885, 885, signed=True),
    _rw("Goal Current", 102, 2, 2352, -2352, 2352, signed=True),
    _rw("Goal Velocity", 104, 4, 0, -2047, 2047, signed=True),
    _rw("Profile Acceleration", 108, 4, 0, 0, 32767),
    _rw("Profile Velocity", 112, 4, 0, 0, 32767),
    _rw("Goal Position", 116, 4, 0, -1_048_575, 1_048_575, signed=True),
    Register("Realtime Tick", 120, 2),
    Register("Moving", 122, 1),
    Register("Moving Status", 123, 1),
    Register("Present PWM", 124, 2, signed=True),
    Register("Present Current", 126, 2, signed=True),
    Register("Present Velocity", 128, 4, signed=True),
    Register("Present Position", 132, 4, signed=True),
    Register("Velocity Trajectory", 136, 4, signed=True),
    Register("Position Trajectory", 140, 4, signed=True),
    Register("Present Input Voltage", 144, 2, initial=50),
    Register("Present Temperature", 146, 1, initial=25),
    Register("Backup Ready", 147, 1),
)
BY_NAME = {register.name: register for register in REGISTERS}
BY_ADDRESS = {register.address: register for register in REGISTERS}


class Memory:
    """The bytes of one motor's control table."""

    def __init__(self) -> None:
        self.bytes = bytearray(TABLE_SIZE)
        for register in REGISTERS:
            self.set(register.name, register.initial)

    def get(self, name: str) -> int:
        """Value of a register."""
        one = BY_NAME[name]
        return int.from_bytes(self.bytes[one.address : one.address + one.size], "little", signed=one.signed)

    def set(self, name: str, value: int) -> None:
        """Set a register, whoever may write it."""
        one = BY_NAME[name]
        self.bytes[one.address : one.address + one.size] = int(value).to_bytes(one.size, "little", signed=one.signed)

    def forget_ram(self) -> None:
        """What a power cycle does: the EEPROM stays."""
        for register in REGISTERS:
            if register.address >= RAM:
                self.set(register.name, register.initial)
        self.set("Goal Current", self.get("Current Limit"))
        self.set("Goal PWM", self.get("PWM Limit"))
