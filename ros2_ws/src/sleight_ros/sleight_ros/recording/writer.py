"""Writing a recording so that little is lost: chunks are flushed, bags are split, old ones make room for new ones."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys import TypesysError
from sleight_core.errors import SleightError

from sleight_ros.recording.typestore import sleight_typestore

#: Folders of bags are named by the time at which they begin.
TIME_FORMAT = "%Y-%m-%dT%H-%M-%S"
BAG_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(-\d+)?")


class RecordingStoppedError(SleightError):
    """Recording ended in the middle: no fault of the user's input, and none of the graph's."""


@dataclass(frozen=True)
class Room:
    """How much disk a recording may take.

    Attributes:
        split_after: A new bag begins after so long, s; 0: never.
        keep: Bytes that all bags of the folder may have together before the oldest is removed; 0: any number.
        min_free: Bytes that must stay free on the disk.
    """

    split_after: float = 600.0
    keep: int = 20_000_000_000
    min_free: int = 500_000_000


class BagWriter:
    """Writes messages into MCAP bags in a folder, one after the other.

    Args:
        folder: Gets one folder a bag.
        name: Name of the only bag; by default bags are named by the time and split.
        room: How much disk they may take.

    Attributes:
        unknown: Message types that cannot be recorded, because their definition is not to be found.

    Raises:
        SleightError: The folder cannot be written, or there is a bag of this name.
    """

    def __init__(self, folder: Path, name: str = "", room: Room | None = None) -> None:
        self.folder, self.name = folder, name
        self.unknown: set[str] = set()
        self._room = room or Room()
        self._writer: Writer | None = None
        self._connections: dict[str, Connection | None] = {}
        self._began = 0.0
        self._last = 0
        self._pending = False
        if name and (folder / name).exists():
            raise SleightError(
                "there is a recording already", value=folder / name, remedy="remove it, or choose another"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise SleightError(
                "the folder of the recording cannot be written", value=folder, remedy=str(error.strerror)
            ) from error

    @property
    def bag(self) -> Path | None:
        """Folder of the bag that is being written."""
        return self._writer.path if self._writer is not None else None

    def write(self, topic: str, kind: str, stamp: int, data: bytes) -> None:
        """Write one message.

        Args:
            topic: Full name.
            kind: Type, such as ``sensor_msgs/msg/JointState``.
            stamp: Time of the recording, ns; one that runs backward becomes that of the message before.
            data: The message, CDR.

        Raises:
            RecordingStoppedError: The disk is full, or the bag cannot be written any more.
        """
        with self._refusing():
            writer = self._writer if self._writer is not None else self._open()
            if topic not in self._connections:
                self._connections[topic] = self._connect(writer, topic, kind)
            connection = self._connections[topic]
            if connection is None:
                return
            # Without its index, which a killed recorder does not write, a bag is only readable in order.
            self._last = max(self._last, stamp)
            writer.write(connection, self._last, data)
            self._pending = True

    def flush(self) -> None:
        """Hand everything to the system: what was written until now survives a SIGKILL of the recorder.

        Raises:
            RecordingStoppedError: As `write`.
        """
        with self._refusing():
            if self._writer is None:
                return
            storage = self._writer.storage
            if self._pending and isinstance(storage, McapWriter):
                if storage.chunk.msgs:
                    storage.close_chunk()
                storage.bio.flush()
                self._pending = False
            free = shutil.disk_usage(self.folder).free
            if free < self._room.min_free:
                self._close()
                raise RecordingStoppedError(
                    "recording stopped: the disk is nearly full",
                    value=f"{free / 1e9:.2f} GB free in {self.folder}",
                    remedy="make room, or record elsewhere",
                )
            if not self.name and self._room.split_after and time.monotonic() - self._began > self._room.split_after:
                self._close()

    def close(self) -> None:
        """End the bag in order.

        Raises:
            RecordingStoppedError: As `write`.
        """
        with self._refusing():
            self._close()

    def _open(self) -> Writer:
        path = self.folder / (self.name or self._free_name())
        if not self.name:
            self._make_room()
        writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        writer.open()
        self._writer, self._began = writer, time.monotonic()
        self._connections.clear()
        return writer

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    def _connect(self, writer: Writer, topic: str, kind: str) -> Connection | None:
        try:
            return writer.add_connection(topic, kind, typestore=sleight_typestore())
        except (TypesysError, KeyError):
            self.unknown.add(kind)
            return None

    def _free_name(self) -> str:
        name = time.strftime(TIME_FORMAT)
        number, found = 1, name
        while (self.folder / found).exists():
            number += 1
            found = f"{name}-{number}"
        return found

    def _make_room(self) -> None:
        """Remove the oldest of our bags until the others fit."""
        if not self._room.keep:
            return
        bags = recorded_bags(self.folder)
        sizes = [sum(file.stat().st_size for file in bag.iterdir() if file.is_file()) for bag in bags]
        while bags and sum(sizes) > self._room.keep:
            shutil.rmtree(bags.pop(0), ignore_errors=True)
            sizes.pop(0)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn what the disk says into one line, and leave what is written as it is."""
        try:
            yield
        except OSError as error:
            writer, self._writer = self._writer, None
            if writer is not None and writer.storage is not None:
                with contextlib.suppress(OSError):
                    writer.storage.abort()
            raise RecordingStoppedError(
                f"recording stopped: {error.strerror or error}",
                value=self.folder,
                remedy="make room, or record elsewhere",
            ) from error


def recorded_bags(folder: Path) -> list[Path]:
    """Folders that a recorder named by the time, the oldest first."""
    found = [path for path in folder.iterdir() if path.is_dir() and BAG_NAME.fullmatch(path.name)]
    return sorted(path for path in found if any(path.glob("*.mcap")))
