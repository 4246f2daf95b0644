"""Motors that do not exist, on a pseudo-terminal: the bus of a LEAP Hand for tests, benchmarks and simulation."""

from sleight_ros.emulator.control import EmulatorClient
from sleight_ros.emulator.faults import FAULT_KINDS, Faults
from sleight_ros.emulator.hand import LeapEmulator

__all__ = ["FAULT_KINDS", "EmulatorClient", "Faults", "LeapEmulator"]
