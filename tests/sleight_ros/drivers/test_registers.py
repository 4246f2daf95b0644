"""The control tables of emulator and driver, against the one that ROBOTIS ships with its SDK."""

from importlib.resources import files

import pytest
from sleight_ros.drivers import xc330
from sleight_ros.emulator.registers import BY_NAME, REGISTERS

#: Names in the driver -> names in the table.
NAMES = {
    "MODEL_NUMBER": "Model Number", "FIRMWARE": "Firmware Version", "RETURN_DELAY": "Return Delay Time",
    "DRIVE_MODE": "Drive Mode", "OPERATING_MODE": "Operating Mode", "CURRENT_LIMIT": "Current Limit",
    "TORQUE_ENABLE": "Torque Enable", "STATUS_RETURN_LEVEL": "Status Return Level",
    "HARDWARE_ERROR_STATUS": "Hardware Error Status", "POSITION_D_GAIN": "Position D Gain",
    "POSITION_I_GAIN": "Position I Gain", "POSITION_P_GAIN": "Position P Gain", "GOAL_CURRENT": "Goal Current",
    "PROFILE_ACCELERATION": "Profile Acceleration", "PROFILE_VELOCITY": "Profile Velocity",
    "GOAL_POSITION": "Goal Position", "REALTIME_TICK": "Realtime Tick", "PRESENT_CURRENT": "Present Current",
    "PRESENT_VELOCITY": "Present Velocity", "PRESENT_POSITION": "Present Position",
    "PRESENT_VOLTAGE": "Present Input Voltage", "PRESENT_TEMPERATURE": "Present Temperature",
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    folder = files("dynamixel_easy_sdk") / "control_table"
    lines = (folder / "xc330_m288.model").read_text().split("[control table]")[1].splitlines()
    rows = [line.split("\t") for line in lines if line and line[0].isdigit()]
    return {name: (int(address), int(size)) for address, size, name in rows}


def test_the_emulated_table_is_the_real_one(table):
    for register in REGISTERS:
        if register.name not in ("Startup Configuration", "Backup Ready"):  # newer than that file
            assert table[register.name] == (register.address, register.size)


@pytest.mark.parametrize("name", NAMES)
def test_the_drivers_addresses_are_the_real_ones(name, table):
    register = getattr(xc330, name)
    assert (register.address, register.size) == table[NAMES[name]]
    assert register.signed == BY_NAME[NAMES[name]].signed


def test_the_blocks_hold_what_is_taken_from_them():
    for block, first, last in (
        (xc330.STATE, xc330.REALTIME_TICK, xc330.PRESENT_TEMPERATURE),
        (xc330.SETTINGS, xc330.TORQUE_ENABLE, xc330.REALTIME_TICK),
        (xc330.EEPROM, xc330.RETURN_DELAY, xc330.CURRENT_LIMIT),
    ):
        assert block.address == first.address
        assert block.address + block.size == last.address + last.size


def test_known_models_and_units(table):
    folder = files("dynamixel_easy_sdk") / "control_table"
    rows = [line.split() for line in (folder / "dynamixel.model").read_text().splitlines()]
    known = {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdigit()}
    for number, name in xc330.MODELS.items():
        assert known[number].startswith(name.removesuffix("-T").replace("-", "_").lower())
    text = (folder / "xc330_m288.model").read_text()
    unit = next(line.split()[2] for line in text.splitlines() if line.startswith("Present Velocity"))
    assert pytest.approx(float(unit), rel=1e-3) == xc330.VELOCITY_UNIT
