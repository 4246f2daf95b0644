"""The serial port of a LEAP Hand: is it there, may we use it, and does it answer at once."""

from __future__ import annotations

import os
from pathlib import Path

from sleight_ros.checks.parameters import node_parameters
from sleight_ros.checks.row import Row

#: Where a port is looked for when the profile names none.
DEFAULT_PORT = "/dev/ttyUSB0"
#: FTDI adapters keep what they receive for so long, ms, before they hand it on; 16 by default.
LATENCY = 1


def check(profile: Path) -> list[Row]:
    """The port that a profile's `leap_driver` uses; nothing to check for other hands."""
    bridge = node_parameters(profile, "hand_bridge")
    driver = node_parameters(profile, "leap_driver")
    leap = bridge.get("hand") == "leap" or any(value == "leap" for key, value in bridge.items() if "adapter" in key)
    if not leap and "port" not in driver:
        return [Row("serial port", "ok", "this profile uses none")]
    return look(Path(driver.get("port") or DEFAULT_PORT))


def look(port: Path, system: Path = Path("/sys/bus/usb-serial/devices"), devices: Path = Path("/dev")) -> list[Row]:
    """Look at a port.

    Args:
        port: Its device file, or a link to it.
        system: Where the system tells of its serial adapters.
        devices: Where other ports would be.
    """
    if not port.exists():
        patterns = ("serial/by-id/*", "ttyUSB*", "ttyACM*")
        others = sorted(str(path) for pattern in patterns for path in devices.glob(pattern))
        found = f"there are {', '.join(others[:4])}" if others else "no serial adapter is plugged in"
        remedy = "plug it in, or set leap_driver's 'port'"
        return [Row("serial port", "fail", f"{port} does not exist; {found}", remedy)]
    rows = []
    if os.access(port, os.R_OK | os.W_OK):
        rows.append(Row("serial port", "ok", f"{port} can be used"))
    else:
        remedy = "sudo usermod -aG dialout $USER, then log in again"
        rows.append(Row("serial port", "fail", f"{port} may not be used by this user", remedy))
    timer = system / port.resolve().name / "latency_timer"
    try:
        latency = int(timer.read_text())
    except (OSError, ValueError):
        rows.append(Row("serial latency", "ok", "not a setting of this adapter"))
        return rows
    if latency > LATENCY:
        remedy = f'echo {LATENCY} | sudo tee {timer}; for good: a udev rule with ATTR{{latency_timer}}="{LATENCY}"'
        rows.append(Row("serial latency", "warn", f"{latency} ms: every cycle waits so long", remedy))
    else:
        rows.append(Row("serial latency", "ok", f"{latency} ms"))
    return rows
