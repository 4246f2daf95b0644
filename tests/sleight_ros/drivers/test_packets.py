"""Packets against the e-manual's examples and against the SDK, which was written by others."""

import dynamixel_sdk as sdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_ros.drivers.dynamixel import _Packets
from sleight_ros.emulator.packets import (
    Instruction,
    PacketStream,
    crc16,
    encode,
    fast_status,
    status,
    stuff,
    unstuff,
)

#: Bytes in which headers and stuffing are likely.
TRICKY = st.lists(st.sampled_from([0xFF, 0xFD, 0x00, 0x55, 0x01]), max_size=60).map(bytes) | st.binary(max_size=60)
IDS = st.integers(0, 252)


class Wire:
    """A port of the SDK that is a list of bytes."""

    def __init__(self, data=b""):
        self.data = bytearray(data)
        self.sent = b""
        self.is_using = False

    def clearPort(self):
        pass

    def writePort(self, packet):
        self.sent = bytes(packet)
        return len(packet)

    def readPort(self, length):
        taken, self.data = bytes(self.data[:length]), self.data[length:]
        return taken

    def setPacketTimeout(self, _):
        pass

    def isPacketTimeout(self):
        return not self.data


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (encode(1, Instruction.PING), "ff ff fd 00 01 03 00 01 19 4e"),
        (status(1, 0, bytes([0x06, 0x04, 0x26])), "ff ff fd 00 01 07 00 55 00 06 04 26 65 5d"),
        (encode(0xFE, Instruction.PING), "ff ff fd 00 fe 03 00 01 31 42"),
        (encode(1, Instruction.READ, bytes([0x84, 0, 4, 0])), "ff ff fd 00 01 07 00 02 84 00 04 00 1d 15"),
        (status(1, 0, bytes([0xA6, 0, 0, 0])), "ff ff fd 00 01 08 00 55 00 a6 00 00 00 8c c0"),
        (encode(1, Instruction.WRITE, bytes([0x74, 0, 0, 2, 0, 0])), "ff ff fd 00 01 09 00 03 74 00 00 02 00 00 ca 89"),
    ],
)
def test_packets_are_those_of_the_manual(packet, text):
    assert packet == bytes.fromhex(text)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_the_checksum_is_the_sdks(data):
    assert crc16(data) == _Packets().updateCRC(0, data, len(data))


@settings(deadline=None)
@given(TRICKY)
def test_stuffing_hides_headers_and_comes_off_again(body):
    assert unstuff(stuff(body)) == body
    assert b"\xff\xff\xfd\x00" not in stuff(body)


@settings(deadline=None)
@given(IDS, st.sampled_from([i.value for i in Instruction if i != Instruction.STATUS]), TRICKY)
def test_what_the_driver_sends_is_what_the_motors_hear(motor, instruction, params):
    wire = Wire()
    packet = [0, 0, 0, 0, motor, *(len(params) + 3).to_bytes(2, "little"), instruction, *params, 0, 0]
    assert _Packets().txPacket(wire, packet) == sdk.COMM_SUCCESS
    assert PacketStream().feed(wire.sent) == [(motor, instruction, params)]
    assert wire.sent == encode(motor, instruction, params)


@settings(deadline=None)
@given(IDS, st.integers(0, 255), TRICKY, st.binary(max_size=5))
def test_what_the_motors_answer_is_what_the_driver_reads(motor, error, data, noise):
    # The SDK waits for at least a whole empty packet, and takes noise for a header only if it is one.
    noise = noise.replace(b"\xff", b"\x00")
    packet, result = _Packets().rxPacket(Wire(noise + status(motor, error, data)), False)
    assert result == sdk.COMM_SUCCESS
    assert (packet[4], packet[8], bytes(packet[9:-2])) == (motor, error, data)


@settings(deadline=None)
@given(st.lists(st.tuples(IDS, st.integers(0, 255), st.binary(min_size=8, max_size=8)), min_size=1, max_size=16))
def test_fast_replies_are_read_by_the_sdk(parts):
    packet, result = _Packets().rxPacket(Wire(fast_status(parts, len(parts))), True)
    assert result == sdk.COMM_SUCCESS
    for k, (motor, error, data) in enumerate(parts):
        assert bytes(packet[8 + 12 * k : 18 + 12 * k]) == bytes([error, motor]) + data


@settings(deadline=None)
@given(st.lists(st.tuples(IDS, TRICKY), max_size=5), st.lists(st.integers(1, 40), min_size=1), TRICKY)
def test_a_stream_is_cut_anywhere(packets, cuts, noise):
    whole = b"".join(encode(motor, Instruction.WRITE, params) for motor, params in packets)
    stream, found = PacketStream(), []
    at, k = 0, 0
    while at < len(whole):
        found += stream.feed(whole[at : at + cuts[k % len(cuts)]])
        at, k = at + cuts[k % len(cuts)], k + 1
    assert found == [(motor, Instruction.WRITE, params) for motor, params in packets]
    # Noise neither raises nor becomes a packet.
    assert all(packet.id <= 255 for packet in PacketStream().feed(noise * 3))


@settings(deadline=None)
@given(IDS, TRICKY.filter(len), st.data())
def test_a_damaged_packet_is_never_heard(motor, params, data):
    packet = bytearray(encode(motor, Instruction.WRITE, params))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= 1 << data.draw(st.integers(0, 7))
    assert (motor, Instruction.WRITE, params) not in PacketStream().feed(bytes(packet))
