"""The motors on one bus: what they answer to a packet, and what of it arrives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sleight_ros.emulator.faults import INSTRUCTION_FAULTS, Fault, Faults
from sleight_ros.emulator.motor import INSTRUCTION_ERROR, Motor
from sleight_ros.emulator.packets import BROADCAST, Instruction, Packet, crc16, fast_status, status

REPLY_FAULTS = ("drop", "corrupt", "truncate", "late", "duplicate", "replay", "wrong_id", "noise")


class Reply(NamedTuple):
    """Bytes that leave the motors, and by how much later than they should, s."""

    data: bytes
    delay: float = 0.0


def _word(params: bytes, at: int) -> int:
    return int.from_bytes(params[at : at + 2], "little")


class Bus:
    """Motors on one bus.

    Args:
        ids: Their ids.
        clock: Monotonic time, s.
        model: Their model number.
        fast: Whether their firmware knows the fast sync read.
        boot_time: How long they say nothing after a reboot, s.
        seed: Of the faults.

    Attributes:
        lock: Held while a packet is handled; hold it to look at the motors.
        heard: Instructions so far, by name.
    """

    def __init__(
        self,
        ids: Iterable[int] = range(16),
        *,
        clock: Callable[[], float] = time.monotonic,
        model: int = 1240,
        fast: bool = True,
        boot_time: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.motors = {one: Motor(one, clock, model=model, boot_time=boot_time) for one in ids}
        self.faults = Faults(seed)
        self.fast = fast
        self.lock = threading.RLock()
        self.heard: dict[str, int] = {}
        self._last: dict[tuple[int, bytes], bytes] = {}

    def handle(self, packet: Packet) -> list[Reply]:
        """What comes back for one instruction, in order."""
        with self.lock:
            try:
                instruction = Instruction(packet.instruction)
            except ValueError:
                return self._single(packet, lambda _: (INSTRUCTION_ERROR, b""))
            self.heard[instruction.name] = self.heard.get(instruction.name, 0) + 1
            deaf = INSTRUCTION_FAULTS if self._is_broadcast_write(packet) else ("deaf",)
            if instruction == Instruction.STATUS or self.faults.strike(None, deaf):
                return []
            for motor in self.motors.values():
                motor.update()
            return self._answer(instruction, packet)

    @staticmethod
    def _is_broadcast_write(packet: Packet) -> bool:
        sync = packet.instruction in (Instruction.SYNC_WRITE, Instruction.BULK_WRITE)
        return sync or (packet.id == BROADCAST and packet.instruction == Instruction.WRITE)

    def _answer(self, instruction: Instruction, packet: Packet) -> list[Reply]:
        params = packet.params
        if instruction in (Instruction.SYNC_READ, Instruction.FAST_SYNC_READ):
            return self._sync_read(instruction, params)
        if instruction == Instruction.SYNC_WRITE:
            return self._sync_write(params)
        if instruction == Instruction.BULK_READ:
            rows = [params[i : i + 5] for i in range(0, len(params) - 4, 5)]
            found = [(row[0], self._read(row[0], _word(row, 1), _word(row, 3)), row) for row in rows]
            return self._deliver([(one, status(one, *answer), key) for one, answer, key in found if answer is not None])
        if instruction == Instruction.BULK_WRITE:
            return self._bulk_write(params)
        if instruction == Instruction.PING:
            return self._single(packet, self._ping, broadcast_answers=True)
        if instruction == Instruction.READ:
            return self._single(packet, lambda motor: motor.read(_word(params, 0), _word(params, 2)), key=params)
        if instruction == Instruction.WRITE:
            return self._single(packet, lambda motor: (motor.write(_word(params, 0), params[2:]), b""))
        if instruction == Instruction.REG_WRITE:
            return self._single(packet, lambda motor: (motor.register(_word(params, 0), params[2:]), b""))
        if instruction == Instruction.ACTION:
            return self._single(packet, lambda motor: (motor.act(), b""))
        if instruction == Instruction.REBOOT:
            return self._reboot(packet)
        # Clear and factory reset are known to the motor, but no driver of ours uses them.
        return self._single(packet, lambda _: (INSTRUCTION_ERROR, b""))

    # Instructions --------------------------------------------------------------------------------------------------

    @staticmethod
    def _ping(motor: Motor) -> tuple[int, bytes]:
        model, firmware = motor.memory.get("Model Number"), motor.memory.get("Firmware Version")
        return 0, model.to_bytes(2, "little") + bytes([firmware])

    def _single(
        self,
        packet: Packet,
        do: Callable[[Motor], tuple[int, bytes]],
        *,
        key: bytes = b"",
        broadcast_answers: bool = False,
    ) -> list[Reply]:
        """Let one motor, or all for a broadcast, do something; a broadcast is answered only where it must be."""
        rows = []
        for one, motor in self.motors.items():
            if packet.id not in (one, BROADCAST) or not motor.awake:
                continue
            error, data = do(motor)
            level = motor.memory.get("Status Return Level")
            wanted = packet.instruction == Instruction.PING or level >= (
                1 if packet.instruction == Instruction.READ else 2
            )
            if (packet.id == one and wanted) or broadcast_answers:
                rows.append((one, status(one, error | motor.alert, data), bytes([packet.instruction]) + key))
        return self._deliver(rows)

    def _reboot(self, packet: Packet) -> list[Reply]:
        replies = self._single(packet, lambda _: (0, b""))
        for one, motor in self.motors.items():
            if packet.id in (one, BROADCAST) and motor.awake:
                motor.reboot()
        return replies

    def _read(self, one: int, address: int, length: int) -> tuple[int, bytes] | None:
        motor = self.motors.get(one)
        if motor is None or not motor.awake:
            return None
        error, data = motor.read(address, length)
        return error | motor.alert, data

    def _sync_read(self, instruction: Instruction, params: bytes) -> list[Reply]:
        address, length, ids = _word(params, 0), _word(params, 2), params[4:]
        answers = [(one, self._read(one, address, length)) for one in ids]
        key = bytes([instruction]) + params[:4]
        if instruction == Instruction.SYNC_READ:
            return self._deliver([(one, status(one, *answer), key) for one, answer in answers if answer is not None])
        if not self.fast:
            return []
        return self._fast_sync_read(answers, key, length)

    def _fast_sync_read(
        self, answers: list[tuple[int, tuple[int, bytes] | None]], key: bytes, length: int
    ) -> list[Reply]:
        parts, struck = [], None
        for one, answer in answers:
            # The chain breaks where a motor says nothing: the next one waits for it.
            if answer is None or answer[0] & 0x7F:
                break
            fault = self.faults.strike(one, REPLY_FAULTS)
            error, data = answer
            if fault is not None and fault.kind == "drop":
                break
            if fault is not None and fault.kind == "replay":
                data = self._last.get((one, key), data)
            else:
                self._last[one, key] = data
            parts.append(((one + 1) % 252 if fault and fault.kind == "wrong_id" else one, error, data))
            if fault is not None and fault.kind not in ("replay", "wrong_id"):
                struck = fault
        if not parts:
            return []
        packet = fast_status(parts, len(answers))
        return [Reply(packet)] if struck is None else self._strike(struck, packet)

    def _sync_write(self, params: bytes) -> list[Reply]:
        address, length = _word(params, 0), _word(params, 2)
        for at in range(4, len(params) - length, 1 + length):
            motor = self.motors.get(params[at])
            if motor is not None and motor.awake:
                motor.write(address, params[at + 1 : at + 1 + length])
        return []

    def _bulk_write(self, params: bytes) -> list[Reply]:
        at = 0
        while at + 5 <= len(params):
            one, address, length = params[at], _word(params, at + 1), _word(params, at + 3)
            motor = self.motors.get(one)
            if motor is not None and motor.awake:
                motor.write(address, params[at + 5 : at + 5 + length])
            at += 5 + length
        return []

    # What arrives --------------------------------------------------------------------------------------------------

    def _deliver(self, rows: list[tuple[int, bytes, bytes]]) -> list[Reply]:
        """Replies (id, packet, key of what was asked) as they arrive."""
        replies = []
        for one, data, key in rows:
            fault = self.faults.strike(one, REPLY_FAULTS)
            if fault is not None and fault.kind == "replay":
                data = self._last.get((one, key), data)
            else:
                self._last[one, key] = data
            replies += [Reply(data)] if fault is None or fault.kind == "replay" else self._strike(fault, data)
        return replies

    def _strike(self, fault: Fault, data: bytes) -> list[Reply]:
        if fault.kind == "drop":
            return []
        if fault.kind == "late":
            return [Reply(data, fault.delay)]
        if fault.kind == "duplicate":
            return [Reply(data), Reply(data)]
        if fault.kind == "wrong_id":
            changed = bytearray(data[:-2])
            changed[4] = (changed[4] + 1) % 252
            return [Reply(bytes(changed) + crc16(changed).to_bytes(2, "little"))]
        return [Reply(self.faults.damage(fault, data))]
