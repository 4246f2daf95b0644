"""A Dynamixel bus on top of `dynamixel-sdk`, where every exchange either proves itself or fails by name.

The SDK's group readers drop the error byte of each reply, keep old data after a failed read, and believe whichever
motor answers. So this uses its packet layer alone, and checks id, length and error of every reply itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import serial
from dynamixel_sdk import (
    BROADCAST_ID,
    COMM_RX_TIMEOUT,
    COMM_SUCCESS,
    COMM_TX_FAIL,
    PortHandler,
    Protocol2PacketHandler,
)

from sleight_ros.drivers.reasons import BusError, Reason
from sleight_ros.drivers.xc330 import FIRMWARE, MODEL_NUMBER, Register, pack

ALERT = 0x80
#: Bytes of a status packet besides its data.
OVERHEAD = 11
#: A port that takes no data for so long is lost, s.
WRITE_TIMEOUT = 0.05
ERROR_NUMBERS = dict(
    enumerate(
        ("result fail", "instruction error", "CRC error", "data range", "data length", "data limit", "access error"), 1
    )
)


class _Port(PortHandler):
    """The SDK's port with a monotonic clock, tight timeouts, and waiting instead of spinning.

    Args:
        name: Device.
        baud: Bits a second.
        reply_timeout: How long motors and adapter may take besides the bytes' own time, s.
    """

    def __init__(self, name: str, baud: int, reply_timeout: float) -> None:
        super().__init__(name)
        self.baudrate = baud
        self.margin = 1e3 * reply_timeout
        self.ser: serial.Serial

    def setupPort(self, cflag_baud: int) -> bool:
        if self.is_open:
            self.closePort()
        self.ser = serial.Serial(self.port_name, cflag_baud, timeout=0, exclusive=True)
        # FTDI adapters collect replies for 16 ms otherwise; a pseudo-terminal knows nothing of it.
        with contextlib.suppress(OSError, ValueError, AttributeError, NotImplementedError):
            self.ser.set_low_latency_mode(True)
        self.is_open = True
        self.ser.reset_input_buffer()
        self.tx_time_per_byte = 1e4 / cflag_baud
        return True

    def readPort(self, length: int) -> bytes:
        if length <= 0:
            return b""
        data = self.ser.read(length)
        if data:
            return data
        left = 1e-3 * (self.packet_timeout - self.getTimeSinceStart())
        if left > 0.0 and select.select([self.ser.fileno()], [], [], left)[0]:
            return self.ser.read(length)
        return b""

    def writePort(self, packet: list[int]) -> int:
        # pyserial's own write calls a packet late that was written in time, if it is kept from noticing.
        left, end = bytes(packet), time.monotonic() + WRITE_TIMEOUT
        while left:
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self.ser.fileno(), left) :]
            if left and not select.select([], [self.ser.fileno()], [], max(0.0, end - time.monotonic()))[1]:
                break
        return len(packet) - len(left)

    def setPacketTimeout(self, packet_length: int) -> None:
        self.packet_start_time = self.getCurrentTime()
        self.packet_timeout = self.tx_time_per_byte * packet_length + self.margin

    def getCurrentTime(self) -> float:
        return 1e3 * time.monotonic()


class _Packets(Protocol2PacketHandler):
    """The SDK's packets, with its byte stuffing corrected.

    In version 4.1 `addStuffing` leaves a packet that needs it unstuffed (it fills a copy), and `removeStuffing` looks
    for later patterns among bytes that it has already moved.
    """

    def addStuffing(self, packet: list[int]) -> list[int]:
        body = bytes(packet[7:-2])
        stuffed = body.replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
        packet[7:] = [*stuffed, 0, 0]
        packet[5:7] = (len(stuffed) + 2).to_bytes(2, "little")
        return packet

    def removeStuffing(self, packet: list[int]) -> list[int]:
        body = bytes(packet[7:-2]).replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
        packet[7:-2] = list(body)
        packet[5:7] = (len(body) + 2).to_bytes(2, "little")
        return packet


@dataclass(frozen=True)
class Exchange:
    """What came back of one read of several motors.

    Attributes:
        sent: When it was asked, monotonic s: no true sample is older.
        received: When the last byte was there, monotonic s.
        rows: Data of each motor, in the order of the ids.
        alerts: Ids of motors that report a hardware error.
    """

    sent: float
    received: float
    rows: list[bytes]
    alerts: tuple[int, ...]


class DynamixelBus:
    """Motors on one serial port. Not thread-safe: one thread owns it.

    Args:
        port: Device, for instance /dev/serial/by-id/usb-FTDI_... .
        ids: Motors, in the order of every list that goes in or out.
        baud: Bits a second.
        reply_timeout: How long motors and adapter may take besides the bytes' own time, s.
        fast: Read all motors in one reply (Fast Sync Read), which old firmware does not know.
    """

    def __init__(
        self, port: str, ids: Sequence[int], *, baud: int = 4_000_000, reply_timeout: float = 0.006, fast: bool = True
    ) -> None:
        self.ids = tuple(ids)
        self.name = port
        self.fast = fast
        self._port = _Port(port, baud, reply_timeout)
        self._packets = _Packets()

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return bool(self._port.is_open)

    def open(self) -> None:
        """Open the port, for this process alone.

        Raises:
            BusError: It is not there, is used by another program, or does not know the baud rate.
        """
        with self._exchange("open"):
            if not self._port.openPort():
                raise BusError(Reason.PORT_LOST, f"baud rate {self._port.baudrate} is not known")

    def close(self) -> None:
        """Close the port, if it is open."""
        if self._port.is_open:
            with contextlib.suppress(OSError, serial.SerialException, termios.error):
                self._port.closePort()
            self._port.is_open = False

    @contextlib.contextmanager
    def patience(self, reply_timeout: float = 0.03) -> Iterator[None]:
        """Wait longer for replies than a cycle could: for what is done once."""
        before, self._port.margin = self._port.margin, max(self._port.margin, 1e3 * reply_timeout)
        try:
            yield
        finally:
            self._port.margin = before

    # Exchanges -----------------------------------------------------------------------------------------------------

    def ping(self, motor: int) -> tuple[int, int]:
        """Model number and firmware version of a motor.

        Raises:
            BusError: It does not answer.
        """
        with self._exchange("ping", (motor,)):
            _, result, _ = self._packets.ping(self._port, motor)
            self._check(result, "ping", motor)
        data = self.read(motor, Register(MODEL_NUMBER.address, FIRMWARE.address + 1))
        return int.from_bytes(data[:2], "little"), data[FIRMWARE.address]

    def read(self, motor: int, block: Register) -> bytes:
        """Registers of one motor.

        Raises:
            BusError: No reply, a bad one, or one that refuses.
        """
        with self._exchange("read", (motor,)):
            result = self._packets.readTx(self._port, motor, block.address, block.size)
            self._check(result, "read", motor)
            return self._receive(motor, block.size)[1]

    def read_all(self, block: Register) -> Exchange:
        """Registers of all motors, in one exchange.

        Raises:
            BusError: Any of them did not answer well; then nothing is returned at all.
        """
        with self._exchange("sync read", self.ids):
            sent = time.monotonic()
            result = self._packets.syncReadTx(
                self._port, block.address, block.size, list(self.ids), len(self.ids), self.fast
            )
            self._check(result, "sync read")
            replies = self._receive_fast(block.size) if self.fast else [self._receive(i, block.size) for i in self.ids]
            received = time.monotonic()
        alerts = tuple(i for i, (error, _) in zip(self.ids, replies, strict=True) if error & ALERT)
        return Exchange(sent, received, [data for _, data in replies], alerts)

    def write(self, motor: int, register: Register, value: int) -> None:
        """Write one register of one motor, acknowledged.

        Raises:
            BusError: No acknowledgement, or a refusal.
        """
        with self._exchange("write", (motor,)):
            data = list(pack(register, value))
            result, error = self._packets.writeTxRx(self._port, motor, register.address, register.size, data)
            self._check(result, "write", motor)
            self._refuse(motor, error, f"write to {register.address}")

    def write_all(self, register: Register, values: Sequence[int]) -> None:
        """Write one register of all motors; nobody acknowledges it.

        Raises:
            BusError: The port is lost.
        """
        params: list[int] = []
        for motor, value in zip(self.ids, values, strict=True):
            params += [motor, *pack(register, value)]
        with self._exchange("sync write", self.ids):
            result = self._packets.syncWriteTxOnly(self._port, register.address, register.size, params, len(params))
            self._check(result, "sync write")

    def reboot(self, motor: int) -> None:
        """Start a motor anew; it is silent for a while.

        Raises:
            BusError: It did not acknowledge.
        """
        with self._exchange("reboot", (motor,)):
            result, _ = self._packets.reboot(self._port, motor)
            self._check(result, "reboot", motor)

    def drain(self, quiet: float = 0.02, limit: float = 0.2) -> bool:
        """Throw away what still arrives, until nothing has for a while; return whether it came to that.

        Args:
            quiet: For how long nothing must come, s.
            limit: Give up then, s.

        Raises:
            BusError: The port is lost.
        """
        with self._exchange("drain"):
            end = time.monotonic() + limit
            while select.select([self._port.ser.fileno()], [], [], quiet)[0]:
                self._port.ser.read(4096)
                if time.monotonic() > end:
                    return False
        return True

    # Replies -------------------------------------------------------------------------------------------------------

    def _receive(self, motor: int, length: int) -> tuple[int, bytes]:
        """One status packet of a given motor: its error byte and its data."""
        packet, result = self._packets.rxPacket(self._port, False)
        self._check(result, "read", motor)
        if packet[4] != motor:
            raise BusError(Reason.WRONG_REPLY, f"motor {packet[4]} answered for motor {motor}", (motor,))
        self._refuse(motor, packet[8], "read")
        if len(packet) != OVERHEAD + length:
            raise BusError(
                Reason.CORRUPT_REPLY, f"motor {motor} sent {len(packet) - OVERHEAD} bytes of {length}", (motor,)
            )
        return packet[8], bytes(packet[9:-2])

    def _receive_fast(self, length: int) -> list[tuple[int, bytes]]:
        """The one status packet of all motors."""
        packet, result = self._packets.rxPacket(self._port, True)
        each = length + 4
        if result != COMM_SUCCESS:
            # The first motor whose part is not there broke the chain.
            whole = min(len(self.ids) - 1, max(0, len(packet) - 8) // each)
            self._check(result, "fast sync read", self.ids[whole] if packet else None)
        if packet[4] != BROADCAST_ID or len(packet) != 8 + each * len(self.ids):
            raise BusError(Reason.CORRUPT_REPLY, f"fast sync read: {len(packet)} bytes from {packet[4]}", self.ids)
        replies = []
        for k, motor in enumerate(self.ids):
            part = bytes(packet[8 + k * each : 8 + (k + 1) * each])
            if part[1] != motor:
                raise BusError(Reason.WRONG_REPLY, f"motor {part[1]} answered for motor {motor}", (motor,))
            self._refuse(motor, part[0], "fast sync read")
            replies.append((part[0], part[2 : 2 + length]))
        return replies

    @staticmethod
    def _refuse(motor: int, error: int, what: str) -> None:
        number = error & ~ALERT
        if number:
            words = ERROR_NUMBERS.get(number, f"error {number}")
            raise BusError(Reason.REFUSED, f"{what}: motor {motor} says {words}", (motor,))

    def _check(self, result: int, what: str, motor: int | None = None) -> None:
        if result == COMM_SUCCESS:
            return
        where = f"motor {motor}" if motor is not None else "all motors"
        ids = (motor,) if motor is not None else self.ids
        if result == COMM_RX_TIMEOUT:
            raise BusError(Reason.NO_REPLY, f"{what}: no reply from {where}", ids)
        if result == COMM_TX_FAIL:
            raise BusError(Reason.PORT_LOST, f"{what}: {self.name} took only a part", ids)
        words = self._packets.getTxRxResult(result).removeprefix("[TxRxResult] ")
        raise BusError(Reason.CORRUPT_REPLY, f"{what}: {where}: {words or result}", ids)

    @contextlib.contextmanager
    def _exchange(self, what: str, motors: tuple[int, ...] = ()) -> Iterator[None]:
        """Turn everything that pyserial and the SDK may raise into a BusError."""
        if what != "open" and not self._port.is_open:
            raise BusError(Reason.PORT_LOST, f"{what}: {self.name} is not open", motors)
        try:
            yield
        except BusError:
            raise
        except (serial.SerialException, OSError, termios.error) as error:
            words = " ".join(str(error).split())
            raise BusError(Reason.PORT_LOST, f"{what}: {self.name}: {words}", motors) from error
        except (IndexError, ValueError) as error:  # the SDK indexes into whatever came
            raise BusError(Reason.CORRUPT_REPLY, f"{what}: {error}", motors) from error
        finally:
            self._port.is_using = False
