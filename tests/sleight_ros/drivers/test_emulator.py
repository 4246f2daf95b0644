"""The emulated bus over its terminal, asked by the SDK that its master would use."""

import os
import subprocess
import sys
import termios
import time

import dynamixel_sdk as sdk
import pytest
from sleight_core.errors import SleightError
from sleight_ros.emulator import EmulatorClient, LeapEmulator
from sleight_ros.emulator.control import ControlServer
from sleight_ros.emulator.line import Timing
from sleight_ros.emulator.motor import Motor

DATA_RANGE, DATA_LENGTH, DATA_LIMIT, ACCESS = 4, 5, 6, 7


class Master:
    """The SDK on a port, with long timeouts for a loaded machine."""

    def __init__(self, path):
        self.timeout = 5000.0
        self.port = sdk.PortHandler(path)
        assert self.port.setBaudRate(4_000_000)
        self.port.setPacketTimeout = lambda packet_length: self.port.setPacketTimeoutMillis(self.timeout)
        self.packets = sdk.PacketHandler(2.0)

    def ping(self, motor):
        return self.packets.ping(self.port, motor)[1]

    def is_silent(self, motor):
        """Whether a motor that ought to say nothing does so."""
        self.timeout, before = 200.0, self.timeout
        try:
            return self.ping(motor) == sdk.COMM_RX_TIMEOUT
        finally:
            self.timeout = before

    def read(self, motor, address, size):
        data, result, error = self.packets.readTxRx(self.port, motor, address, size)
        assert result == sdk.COMM_SUCCESS
        return int.from_bytes(bytes(data), "little"), error

    def write(self, motor, address, size, value):
        data = list(int(value).to_bytes(size, "little", signed=value < 0))
        result, error = self.packets.writeTxRx(self.port, motor, address, size, data)
        assert result == sdk.COMM_SUCCESS
        return error


@pytest.fixture
def emulator():
    with LeapEmulator(4, boot_time=0.05) as one:
        yield one


@pytest.fixture
def master(emulator):
    one = Master(emulator.path)
    yield one
    one.port.closePort()


def wait_for(condition, timeout=10.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_ping_tells_the_model(master):
    assert master.packets.ping(master.port, 2) == (1240, sdk.COMM_SUCCESS, 0)
    assert master.is_silent(9)


def test_a_broadcast_ping_finds_all(master):
    master.port.setPacketTimeoutMillis = lambda _: sdk.PortHandler.setPacketTimeoutMillis(master.port, 1000.0)
    found, result = master.packets.broadcastPing(master.port)
    assert result == sdk.COMM_SUCCESS and found == {one: [1240, 52] for one in range(4)}


def test_registers_are_written_and_read(master):
    assert master.write(1, 84, 2, 800) == 0
    assert master.read(1, 84, 2) == (800, 0)
    assert master.read(0, 84, 2) == (1100, 0)
    assert master.read(1, 36, 2) == (885, 0)


def test_what_the_motor_refuses(master):
    assert master.write(1, 132, 4, 0) == ACCESS  # present position
    assert master.write(1, 66, 1, 0) == ACCESS  # nothing there
    assert master.write(1, 84, 2, 20000) == DATA_RANGE
    assert master.write(1, 84, 1, 1) == DATA_LENGTH
    assert master.write(1, 38, 2, 500) == 0
    assert master.write(1, 102, 2, 501) == DATA_LIMIT
    assert master.write(1, 64, 1, 1) == 0
    # The EEPROM is locked while torque is on.
    assert master.write(1, 11, 1, 5) == ACCESS
    assert master.read(1, 300, 2)[1] == ACCESS


def test_another_mode_brings_its_own_settings(master):
    master.write(1, 84, 2, 300)
    master.write(1, 102, 2, 100)
    assert master.write(1, 11, 1, 5) == 0
    assert master.read(1, 84, 2)[0] == 1100 and master.read(1, 102, 2)[0] == 2352


@pytest.mark.parametrize("fast", [False, True])
def test_sync_read_and_write(master, fast):
    writer = sdk.GroupSyncWrite(master.port, master.packets, 102, 2)
    for one in range(4):
        writer.addParam(one, (100 + one).to_bytes(2, "little"))
    assert writer.txPacket() == sdk.COMM_SUCCESS
    reader = sdk.GroupSyncRead(master.port, master.packets, 102, 2)
    for one in range(4):
        reader.addParam(one)
    assert (reader.fastSyncRead() if fast else reader.txRxPacket()) == sdk.COMM_SUCCESS
    assert [reader.getData(one, 102, 2) for one in range(4)] == [100, 101, 102, 103]


def test_bulk_read_and_write(master):
    writer = sdk.GroupBulkWrite(master.port, master.packets)
    writer.addParam(0, 84, 2, [1, 0])
    writer.addParam(1, 65, 1, [1])
    assert writer.txPacket() == sdk.COMM_SUCCESS
    reader = sdk.GroupBulkRead(master.port, master.packets)
    reader.addParam(0, 84, 2)
    reader.addParam(1, 65, 1)
    assert reader.txRxPacket() == sdk.COMM_SUCCESS
    assert (reader.getData(0, 84, 2), reader.getData(1, 65, 1)) == (1, 1)


def test_a_registered_write_waits_for_the_action(master):
    result, error = master.packets.regWriteTxRx(master.port, 1, 65, 1, [1])
    assert (result, error) == (sdk.COMM_SUCCESS, 0)
    assert master.read(1, 65, 1)[0] == 0 and master.read(1, 69, 1)[0] == 1
    master.packets.action(master.port, 1)
    wait_for(lambda: master.read(1, 65, 1)[0] == 1)


def test_a_motor_goes_to_its_goal_and_draws_current_on_the_way(emulator, master):
    master.write(1, 11, 1, 5)
    master.write(1, 102, 2, 300)
    master.write(1, 64, 1, 1)
    # The goal is what it was: turning torque on promises nothing.
    master.write(1, 116, 4, 2048)
    master.write(1, 116, 4, 3048)
    wait_for(lambda: abs(emulator.positions()[1] - 3048) < 5)
    assert master.read(1, 132, 4)[0] in range(3040, 3049)
    emulator.block(1)
    master.write(1, 116, 4, 2048)
    time.sleep(0.02)
    current = master.read(1, 126, 2)[0]
    assert current - (current >> 15 << 16) == -300
    assert abs(emulator.positions()[1] - 3048) < 10


def test_the_speed_has_a_limit():
    now = [0.0]
    motor = Motor(1, lambda: now[0])
    motor.write(11, b"\x05")
    motor.write(116, (2048 + 4096).to_bytes(4, "little"))
    motor.write(64, b"\x01")
    before = motor.position
    for _ in range(10):
        now[0] += 0.01
        motor.update()
        assert abs(motor.velocity) <= motor.plant.speed + 1e-9
        assert (motor.position - before) * 2 * 3.14159265 / 4096 <= motor.plant.speed * 0.01 + 1e-6
        before = motor.position
    assert motor.memory.get("Realtime Tick") in (99, 100)


def test_a_hot_motor_switches_itself_off(emulator, master):
    master.write(1, 11, 1, 5)
    master.write(1, 64, 1, 1)
    emulator.heat(1, 75.0)
    assert master.read(1, 70, 1) == (4, 0x80)
    assert master.read(1, 64, 1) == (0, 0x80)
    assert master.write(1, 64, 1, 1) == 0x80 | 1
    emulator.heat(1, 30.0)
    # Only a reboot ends it.
    assert master.read(1, 70, 1)[0] == 4
    master.packets.reboot(master.port, 1)
    time.sleep(0.2)
    assert master.read(1, 70, 1) == (0, 0)


def test_a_power_cycle_forgets_what_is_not_eeprom(emulator, master):
    master.write(1, 11, 1, 5)
    master.write(1, 84, 2, 800)
    master.write(1, 64, 1, 1)
    emulator.turn(1, 2)
    emulator.power_cycle()
    time.sleep(0.1)
    assert master.read(1, 64, 1)[0] == 0 and master.read(1, 84, 2)[0] == 1100 and master.read(1, 11, 1)[0] == 5
    assert master.read(1, 132, 4)[0] < 4096


def test_the_bus_watchdog_does_nothing_as_on_the_real_motor(emulator, master):
    master.write(1, 11, 1, 5)
    master.write(1, 116, 4, 2048)
    master.write(1, 64, 1, 1)
    assert master.write(1, 98, 1, 1) == 0
    time.sleep(0.1)
    assert master.read(1, 98, 1)[0] == 1 and master.read(1, 64, 1)[0] == 1


def test_a_simulator_can_stand_behind_the_motors(emulator, master):
    master.write(1, 116, 4, 2500)
    assert emulator.goals()[1] == 2500
    emulator.set_present([1000.0, 1100.5, 1200.0, 1300.0], [0.0, 1.0, 0.0, 0.0], [0.0, -0.2, 0.0, 0.0])
    assert master.read(1, 132, 4)[0] == 1100
    assert master.read(1, 128, 4)[0] == round(1.0 / 0.02398)
    assert master.read(1, 126, 2)[0] == 65536 - 200
    with pytest.raises(SleightError, match="4 motors"):
        emulator.set_present([1.0])


def test_pulling_the_cable_is_an_error_and_the_link_survives(tmp_path):
    link = tmp_path / "leap"
    with LeapEmulator(1, link=link) as emulator:
        master = Master(str(link))
        emulator.unplug()
        assert not link.exists()
        with pytest.raises((OSError, termios.error)):
            for _ in range(3):
                master.ping(0)
        master.port.is_using = False
        master.port.closePort()
        emulator.plug()
        again = Master(str(link))
        assert again.ping(0) == sdk.COMM_SUCCESS
        again.port.closePort()


def test_bytes_take_their_time():
    with LeapEmulator(1, timing=Timing(9600, 0.01)) as emulator:
        master = Master(emulator.path)
        begin = time.monotonic()
        assert master.ping(0) == sdk.COMM_SUCCESS
        # 10 bytes asked and 14 answered, 10 bits each, and the adapter: the least that it can be.
        assert time.monotonic() - begin >= 240 / 9600 + 0.01
        master.port.closePort()


def test_another_process_is_broken_over_its_socket(tmp_path):
    command = [sys.executable, "-m", "sleight_ros.emulator.leap", "--motors", "2", "--instant"]
    command += ["--link", str(tmp_path / "leap"), "--control", str(tmp_path / "control")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        path = process.stdout.readline().strip()
        assert path == str(tmp_path / "leap")
        master = Master(path)
        with EmulatorClient(tmp_path / "control") as client:
            assert client("goals") == [0, 0]
            client("lose", motor=1)
            assert master.is_silent(1)
            client("lose", motor=1, lost=False)
            assert master.ping(1) == sdk.COMM_SUCCESS
            client("add_fault", kind="drop", motors=[0], count=1)
            assert master.is_silent(0)
            assert master.ping(0) == sdk.COMM_SUCCESS
            client("clear_faults")
            for name, arguments in (("close", {}), ("lose", {"motor": 9}), ("lose", {}), ("add_fault", {"kind": "x"})):
                with pytest.raises(SleightError):
                    client(name, **arguments)
        process.terminate()
        assert process.wait(timeout=15) == 0
        assert not (tmp_path / "leap").exists() and not (tmp_path / "control").exists()
    finally:
        process.kill()
        process.wait()


def test_the_control_socket_takes_nonsense_calmly(tmp_path, emulator):
    import socket

    server = ControlServer(emulator, tmp_path / "control")
    with socket.socket(socket.AF_UNIX) as one, one.makefile("rwb") as stream:
        one.settimeout(10.0)
        one.connect(str(tmp_path / "control"))
        for line in (
            b"nonsense\n",
            b"[]\n",
            b'{"call": 3}\n',
            b'{"call": "__init__"}\n',
            b'{"call":"goals","with":[]}\n',
        ):
            stream.write(line)
            stream.flush()
            assert b"error" in stream.readline()
        stream.write(b'{"call": "goals"}\n')
        stream.flush()
        assert stream.readline() == b'{"result": [0, 0, 0, 0]}\n'
    server.close()
    with pytest.raises(SleightError, match="no emulator"):
        EmulatorClient(tmp_path / "control")


def test_unknown_faults_and_motors_are_refused(emulator):
    with pytest.raises(SleightError, match="no such bus fault"):
        emulator.faults.add("gremlin")
    with pytest.raises(SleightError, match="no such hardware error"):
        emulator.trip(0, "gremlin")
    with pytest.raises(SleightError, match="no such motor"):
        emulator.heat(77, 30.0)
