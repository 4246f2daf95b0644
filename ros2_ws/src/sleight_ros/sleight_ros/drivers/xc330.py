"""Registers and units of the XC330-M288-T that the driver uses (ROBOTIS e-manual; the XL330 has the same ones)."""

from __future__ import annotations

import math
from typing import NamedTuple

TICKS_PER_REV = 4096
RAD_PER_TICK = 2.0 * math.pi / TICKS_PER_REV
#: One unit of the velocity registers, 0.229 rev/min in rad/s.
VELOCITY_UNIT = 0.229 * 2.0 * math.pi / 60.0
#: One unit of the current registers, A; measured at the supply, not in the winding.
CURRENT_UNIT = 1e-3
VOLTAGE_UNIT = 0.1
#: The realtime tick counts milliseconds and starts over here.
TICK_UNIT = 1e-3
TICK_WRAP = 32768
#: Operating mode 5: position control whose current is limited by the goal current.
CURRENT_BASED_POSITION = 5
MODELS = {1240: "XC330-M288-T", 1200: "XL330-M288-T"}
#: Bits of Hardware Error Status (70).
HARDWARE_ERRORS = {
    0x01: "input voltage",
    0x04: "overheating",
    0x08: "motor encoder",
    0x10: "electrical shock",
    0x20: "overload",
}


class Register(NamedTuple):
    """Address, size in bytes, and whether the value is signed."""

    address: int
    size: int
    signed: bool = False


MODEL_NUMBER = Register(0, 2)
FIRMWARE = Register(6, 1)
RETURN_DELAY = Register(9, 1)
DRIVE_MODE = Register(10, 1)
OPERATING_MODE = Register(11, 1)
CURRENT_LIMIT = Register(38, 2)
TORQUE_ENABLE = Register(64, 1)
STATUS_RETURN_LEVEL = Register(68, 1)
HARDWARE_ERROR_STATUS = Register(70, 1)
POSITION_D_GAIN = Register(80, 2)
POSITION_I_GAIN = Register(82, 2)
POSITION_P_GAIN = Register(84, 2)
GOAL_CURRENT = Register(102, 2, signed=True)
PROFILE_ACCELERATION = Register(108, 4)
PROFILE_VELOCITY = Register(112, 4)
GOAL_POSITION = Register(116, 4, signed=True)
REALTIME_TICK = Register(120, 2)
PRESENT_CURRENT = Register(126, 2, signed=True)
PRESENT_VELOCITY = Register(128, 4, signed=True)
PRESENT_POSITION = Register(132, 4, signed=True)
PRESENT_VOLTAGE = Register(144, 2)
PRESENT_TEMPERATURE = Register(146, 1)

#: Everything that is measured stands from the tick to the temperature: one read gets it all.
STATE = Register(REALTIME_TICK.address, PRESENT_TEMPERATURE.address + 1 - REALTIME_TICK.address)
#: Everything that was set stands from torque to the goal position; the tick behind it tells when it was read.
SETTINGS = Register(TORQUE_ENABLE.address, REALTIME_TICK.address + REALTIME_TICK.size - TORQUE_ENABLE.address)
#: The EEPROM that matters, from the return delay to the current limit.
EEPROM = Register(RETURN_DELAY.address, CURRENT_LIMIT.address + CURRENT_LIMIT.size - RETURN_DELAY.address)


def take(data: bytes, block: Register, register: Register) -> int:
    """Value of a register inside a block that was read."""
    at = register.address - block.address
    return int.from_bytes(data[at : at + register.size], "little", signed=register.signed)


def pack(register: Register, value: int) -> bytes:
    """A register's bytes.

    Raises:
        OverflowError: The value does not fit.
    """
    return int(value).to_bytes(register.size, "little", signed=register.signed)


def describe_errors(bits: int) -> str:
    """Names of the hardware errors in a status register."""
    names = [name for bit, name in HARDWARE_ERRORS.items() if bits & bit]
    return " and ".join(names) or f"code {bits:#04x}"
