"""The driver's bus over a terminal with real packets: whatever happens to them, what it returns is true or an error."""

import random

import pytest
from sleight_ros.drivers import xc330
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.reasons import BusError, Reason
from sleight_ros.emulator import LeapEmulator

from .rig import TIMEOUT

COUNT = 4
BLOCK = xc330.Register(148, 24)
SHORT = 0.05


@pytest.fixture
def emulator():
    with LeapEmulator(COUNT, boot_time=0.05) as one:
        yield one


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def bus(emulator, request):
    one = DynamixelBus(emulator.path, range(COUNT), reply_timeout=2.0, fast=request.param)
    one.open()
    yield one
    one.close()


def fill(emulator, rng):
    """Fill memory that no model touches, often with what looks like headers and stuffing; return it."""
    rows = []
    with emulator.bus.lock:
        for motor in emulator.bus.motors.values():
            row = bytes(rng.choice((0xFF, 0xFF, 0xFD, 0xFD, rng.randrange(256))) for _ in range(BLOCK.size))
            motor.memory.bytes[BLOCK.address : BLOCK.address + BLOCK.size] = row
            rows.append(row)
    return rows


def test_all_motors_are_read_at_once_whatever_they_hold(bus, emulator):
    rng = random.Random(1)
    for _ in range(20):
        rows = fill(emulator, rng)
        answer = bus.read_all(BLOCK)
        assert answer.rows == rows and answer.alerts == ()
        assert answer.sent < answer.received


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("drop", {Reason.NO_REPLY, Reason.CORRUPT_REPLY, Reason.WRONG_REPLY}),
        ("corrupt", {Reason.NO_REPLY, Reason.CORRUPT_REPLY, Reason.WRONG_REPLY, Reason.REFUSED}),
        ("truncate", {Reason.NO_REPLY, Reason.CORRUPT_REPLY, Reason.WRONG_REPLY}),
        ("wrong_id", {Reason.WRONG_REPLY}),
        ("deaf", {Reason.NO_REPLY}),
    ],
)
@pytest.mark.parametrize("motors", [None, [0], [2]], ids=["all", "first", "third"])
def test_damage_is_an_error_that_names_its_kind(emulator, kind, reasons, motors, bus):
    emulator.faults.add(kind, motors)
    with bus_timeout(bus), pytest.raises(BusError) as error:
        bus.read_all(BLOCK)
    assert error.value.reason in reasons
    emulator.faults.clear()
    bus.drain(0.02, 0.5)
    assert len(bus.read_all(BLOCK).rows) == COUNT


def test_a_missing_motor_is_named(emulator, bus):
    emulator.lose(2)
    with bus_timeout(bus, 1.0), pytest.raises(BusError) as error:
        bus.read_all(BLOCK)
    assert 2 in error.value.motors and "motor 2" in error.value.detail


@pytest.mark.parametrize("kind", ["duplicate", "noise"])
def test_too_much_on_the_line_is_no_lie(emulator, bus, kind):
    rng = random.Random(2)
    emulator.faults.add(kind)
    good = 0
    with bus_timeout(bus):
        for _ in range(10):
            rows = fill(emulator, rng)
            try:
                assert bus.read_all(BLOCK).rows == rows
                good += 1
            except BusError:
                pass
            bus.drain(0.01, 0.2)
    # Read one by one, a second reply of a motor stands where the next one's should.
    assert good or (kind == "duplicate" and not bus.fast)


def test_random_damage_never_becomes_data(emulator, bus):
    rng = random.Random(3)
    for kind in ("corrupt", "truncate", "noise", "drop", "wrong_id", "duplicate"):
        emulator.faults.add(kind, probability=0.06)
    outcomes = set()
    with bus_timeout(bus):
        for _ in range(60):
            rows = fill(emulator, rng)
            try:
                answer = bus.read_all(BLOCK)
            except BusError as error:
                outcomes.add(error.reason)
                bus.drain(0.01, 0.2)
            else:
                outcomes.add(Reason.OK)
                assert answer.rows == rows
                bus.drain(0.001, 0.1)
    assert Reason.OK in outcomes and len(outcomes) > 2


def test_alerts_are_told_with_the_state(emulator, bus):
    emulator.trip(1, "overload")
    assert bus.read_all(BLOCK).alerts == (1,)


def test_one_motor_is_pinged_read_and_written(emulator, bus):
    assert bus.ping(3) == (1240, 52)
    bus.write(3, xc330.POSITION_P_GAIN, 321)
    assert bus.read(3, xc330.POSITION_P_GAIN) == (321).to_bytes(2, "little")
    bus.write_all(xc330.GOAL_POSITION, [-1, -131073, 2048, -2])
    assert [int.from_bytes(bus.read(i, xc330.GOAL_POSITION), "little", signed=True) for i in range(4)] == [
        -1, -131073, 2048, -2,
    ]  # fmt: skip
    with pytest.raises(BusError, match="motor 3 says data range") as error:
        bus.write(3, xc330.POSITION_P_GAIN, 20000)
    assert error.value.reason == Reason.REFUSED
    with bus_timeout(bus), pytest.raises(BusError) as error:
        bus.ping(9)
    assert error.value.reason == Reason.NO_REPLY


def test_values_that_look_like_headers_arrive(bus):
    # -131073 is FF FF FD FF: unstuffed, the motors would take it for a new packet.
    for goals in ([-131073] * 4, [-1, -3, -1, -3], [65535, 253, 65535, -771]):
        bus.write_all(xc330.GOAL_POSITION, goals)
        found = [int.from_bytes(bus.read(i, xc330.GOAL_POSITION), "little", signed=True) for i in range(COUNT)]
        assert found == goals


def test_old_firmware_does_not_know_the_fast_read():
    with LeapEmulator(COUNT, fast=False) as emulator:
        bus = DynamixelBus(emulator.path, range(COUNT), reply_timeout=SHORT)
        bus.open()
        with pytest.raises(BusError) as error:
            bus.read_all(BLOCK)
        assert error.value.reason == Reason.NO_REPLY
        bus.fast = False
        with bus.patience(2.0):
            assert len(bus.read_all(BLOCK).rows) == COUNT
        bus.close()


def test_a_pulled_cable_is_a_lost_port(emulator, bus):
    bus.read_all(BLOCK)
    emulator.unplug()
    with pytest.raises(BusError) as error:
        for _ in range(3):
            bus.read_all(BLOCK)
    assert error.value.reason == Reason.PORT_LOST
    for do in (lambda: bus.write_all(xc330.GOAL_POSITION, [0] * 4), bus.drain, lambda: bus.ping(0)):
        with pytest.raises(BusError) as error:
            do()
        assert error.value.reason == Reason.PORT_LOST
    bus.close()
    bus.close()


def test_a_port_that_is_not_there_or_taken(tmp_path, emulator):
    for port in (str(tmp_path / "nothing"), str(tmp_path)):
        with pytest.raises(BusError) as error:
            DynamixelBus(port, range(COUNT)).open()
        assert error.value.reason == Reason.PORT_LOST
    with pytest.raises(BusError, match="baud rate 12345"):
        DynamixelBus(emulator.path, range(COUNT), baud=12345).open()
    first, second = (DynamixelBus(emulator.path, range(COUNT)) for _ in range(2))
    first.open()
    with pytest.raises(BusError, match="lock") as error:
        second.open()
    assert error.value.reason == Reason.PORT_LOST
    first.close()
    second.open()
    second.close()
    with pytest.raises(BusError, match="not open"):
        second.read_all(BLOCK)


def bus_timeout(bus, seconds=TIMEOUT):
    """Errors are waited for; a loaded machine may still be slow where none is."""

    class Shorter:
        def __enter__(self):
            self.before, bus._port.margin = bus._port.margin, 1e3 * seconds

        def __exit__(self, *_):
            bus._port.margin = self.before

    return Shorter()
