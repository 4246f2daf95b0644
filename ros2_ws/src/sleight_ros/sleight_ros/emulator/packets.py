"""Dynamixel Protocol 2.0 on the wire, as the motors see it.

Written from the protocol's description (ROBOTIS e-manual, "Protocol 2.0"), independently of `dynamixel-sdk`, so that
one checks the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

HEADER = b"\xff\xff\xfd\x00"
BROADCAST = 0xFE
MAX_ID = 0xFC
#: Header, id and length stand before the instruction.
PREFIX = 7
#: Longest packet that is believed: a longer length is a damaged one.
MAX_LENGTH = 1024
_PATTERN = b"\xff\xff\xfd"


class Instruction(IntEnum):
    """Instructions of Protocol 2.0."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    FACTORY_RESET = 0x06
    REBOOT = 0x08
    CLEAR = 0x10
    STATUS = 0x55
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83
    FAST_SYNC_READ = 0x8A
    BULK_READ = 0x92
    BULK_WRITE = 0x93


class Packet(NamedTuple):
    """An instruction packet, unstuffed."""

    id: int
    instruction: int
    params: bytes


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1) ^ 0x8005 if value & 0x8000 else value << 1
        table.append(value & 0xFFFF)
    return table


_TABLE = _crc_table()


def crc16(data: bytes | bytearray, crc: int = 0) -> int:
    """CRC-16 with polynomial 0x8005 and no reflection, continued from `crc`."""
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _TABLE[(crc >> 8) ^ byte]
    return crc


def stuff(body: bytes) -> bytes:
    """Put a 0xFD behind every FF FF FD, so that no body looks like a header."""
    return body.replace(_PATTERN, _PATTERN + b"\xfd")


def unstuff(body: bytes) -> bytes:
    """Undo `stuff`."""
    return body.replace(_PATTERN + b"\xfd", _PATTERN)


def encode(motor: int, instruction: int, params: bytes = b"") -> bytes:
    """Make a packet: header, id, length, stuffed instruction and parameters, CRC."""
    body = stuff(bytes([instruction]) + params)
    packet = HEADER + bytes([motor]) + (len(body) + 2).to_bytes(2, "little") + body
    return packet + crc16(packet).to_bytes(2, "little")


def status(motor: int, error: int = 0, params: bytes = b"") -> bytes:
    """Make a status packet."""
    return encode(motor, Instruction.STATUS, bytes([error]) + params)


def fast_status(parts: Sequence[tuple[int, int, bytes]], count: int) -> bytes:
    """Make the one status packet in which all motors answer a fast sync read.

    Each motor adds its error, id, data and the CRC of all that came before, so that the last CRC is the packet's. The
    packet is not stuffed: its length stands in front before the data is known.

    Args:
        parts: (id, error, data) of the motors that answer; the chain breaks off after them.
        count: How many were asked: it decides the length that the first motor announces.
    """
    size = len(parts[0][2]) if parts else 0
    packet = bytearray(HEADER + bytes([BROADCAST]) + (1 + count * (size + 4)).to_bytes(2, "little") + b"\x55")
    for motor, error, data in parts:
        packet += bytes([error, motor]) + data
        packet += crc16(packet).to_bytes(2, "little")
    return bytes(packet)


class PacketStream:
    """Finds packets in a stream of bytes.

    Attributes:
        bad: Packets with a wrong CRC so far.
    """

    def __init__(self) -> None:
        self.bad = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes and return the packets that are complete now; what cannot be one is thrown away."""
        self._buffer += data
        packets = []
        while True:
            begin = self._buffer.find(HEADER)
            if begin < 0:
                # The beginning of a header may be at the end.
                del self._buffer[: max(0, len(self._buffer) - len(HEADER) + 1)]
                return packets
            del self._buffer[:begin]
            if len(self._buffer) < PREFIX:
                return packets
            length = int.from_bytes(self._buffer[5:7], "little")
            if not 3 <= length <= MAX_LENGTH:
                del self._buffer[: len(HEADER)]
                continue
            if len(self._buffer) < PREFIX + length:
                return packets
            raw = bytes(self._buffer[: PREFIX + length])
            if crc16(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
                self.bad += 1
                del self._buffer[: len(HEADER)]
                continue
            del self._buffer[: len(raw)]
            body = unstuff(raw[PREFIX:-2])
            packets.append(Packet(raw[4], body[0], body[1:]))
