"""The bus as a serial port: a pseudo-terminal that can be pulled out and put back."""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import select
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path

from sleight_ros.emulator.bus import Bus
from sleight_ros.emulator.packets import PacketStream

#: A packet that is not finished after this silence never will be, s.
SILENCE = 0.02


@dataclass(frozen=True)
class Timing:
    """How long bytes take on the way.

    Attributes:
        baud: Bits a second; a byte is 10 bits. 0: no time at all.
        latency: What the USB adapter adds to a reply, s (1 ms with its low-latency setting, 16 ms without).
    """

    baud: float = 0.0
    latency: float = 0.0

    def reply_time(self, asked: int, answered: int) -> float:
        """From the last byte of an instruction at the adapter to the last byte of the answer, s."""
        return self.latency + (10.0 * (asked + answered) / self.baud if self.baud else 0.0)


#: A U2D2 in low-latency mode at the LEAP Hand's rate.
U2D2 = Timing(4e6, 1e-3)


class Line:
    """Serves a bus on a pseudo-terminal, from a thread of its own.

    Args:
        bus: The motors.
        link: A symbolic link that leads to the terminal, and that stays the same when it is pulled and put back.
        timing: How long bytes take.
    """

    def __init__(self, bus: Bus, link: Path | None = None, timing: Timing | None = None) -> None:
        self._bus = bus
        self._link = link
        self._timing = timing or Timing()
        self._lock = threading.Lock()
        self._master = self._slave = -1
        self._path = ""
        self._stream = PacketStream()
        self._heard = 0.0
        self._waiting: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._wake_out, self._wake_in = os.pipe()
        self._ended = threading.Event()
        self.plug()
        self._thread = threading.Thread(target=self._serve, name="bus emulator", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """What a driver opens."""
        return str(self._link) if self._link is not None else self._path

    @property
    def plugged(self) -> bool:
        """Whether the terminal is there."""
        return self._master >= 0

    def plug(self) -> None:
        """Put the terminal back, or do nothing."""
        with self._lock:
            if self._master >= 0:
                return
            self._master, self._slave = os.openpty()
            # Holding the slave keeps the terminal alive while no driver has it open.
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._path = os.ttyname(self._slave)
            if self._link is not None:
                with contextlib.suppress(FileNotFoundError):
                    self._link.unlink()
                self._link.symlink_to(self._path)
        self._wake()

    def unplug(self) -> None:
        """Pull the terminal out: whoever has it open gets an error. The motors go on with what they last heard."""
        with self._lock:
            if self._master < 0:
                return
            master, slave, self._master, self._slave = self._master, self._slave, -1, -1
            self._waiting.clear()
            self._stream = PacketStream()
            if self._link is not None:
                with contextlib.suppress(FileNotFoundError):
                    self._link.unlink()
            os.close(slave)
            os.close(master)
        self._wake()

    def close(self) -> None:
        """End the thread and remove the terminal."""
        self._ended.set()
        self._wake()
        self._thread.join(timeout=2.0)
        self.unplug()
        for one in (self._wake_in, self._wake_out):
            with contextlib.suppress(OSError):
                os.close(one)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_in, b".")

    def _serve(self) -> None:
        while not self._ended.is_set():
            master = self._master
            waiting = [self._wake_out] + ([master] if master >= 0 else [])
            timeout = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
            try:
                ready = select.select(waiting, [], [], timeout)[0]
            except (OSError, ValueError):  # pulled out meanwhile
                continue
            if self._wake_out in ready:
                os.read(self._wake_out, 4096)
            with self._lock:
                if self._master >= 0:
                    if master in ready and master == self._master:
                        self._receive()
                    self._send_due()

    def _receive(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return
        now = time.monotonic()
        if now - self._heard > SILENCE:
            self._stream = PacketStream()
        self._heard = now
        for packet in self._stream.feed(data):
            replies = self._bus.handle(packet)
            size = sum(len(reply.data) for reply in replies)
            due = now + self._timing.reply_time(len(packet.params) + 10, size)
            for reply in replies:
                heapq.heappush(self._waiting, (due + reply.delay, next(self._order), reply.data))

    def _send_due(self) -> None:
        now = time.monotonic()
        ready = bytearray()
        while self._waiting and self._waiting[0][0] <= now:
            ready += heapq.heappop(self._waiting)[2]
        if not ready:
            return
        try:
            os.write(self._master, ready)
        except OSError as error:
            # Nobody reads and the terminal is full: on a real line the bytes would be gone as well.
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
