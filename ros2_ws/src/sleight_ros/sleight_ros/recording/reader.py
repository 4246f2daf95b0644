"""Reading a recording again: whole bags, and what is left of those that were cut off."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.typesys.store import Typestore
from sleight_core.errors import SleightError

from sleight_ros.recording.typestore import sleight_typestore

_MAGIC = b"\x89MCAP0\r\n"
#: The end of an MCAP file without an index: readers then walk through the file.
_FOOTER = b"\x02" + (20).to_bytes(8, "little") + bytes(20) + _MAGIC
_STORAGES = ("*.mcap", "*.db3")


@dataclass
class Track:
    """The messages of one topic, in the order of their recording; they are decoded when they are asked for.

    Attributes:
        topic: Full name.
        times: When they were recorded, ns.
        raw: The messages, CDR.
    """

    topic: str
    decode: Callable[[bytes], Any] = field(repr=False)
    times: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    raw: list[bytes] = field(default_factory=list, repr=False)
    _kept: dict[int, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: int) -> Any:
        if index not in self._kept:
            if len(self._kept) > 256:
                self._kept.clear()
            self._kept[index] = self.decode(self.raw[index])
        return self._kept[index]

    def newest(self, time: float) -> int:
        """Index of the newest message that was recorded until a time (ns); -1 when there is none."""
        return int(np.searchsorted(self.times, time, side="right")) - 1


@dataclass
class Recording:
    """Some topics of a bag.

    Attributes:
        path: What was read.
        tracks: By full topic name; only topics with messages.
        cut: Why the end of the recording is missing, "" when it is not.
        seconds: From the first to the last message of the tracks.
    """

    path: Path
    tracks: dict[str, Track]
    cut: str = ""

    @property
    def seconds(self) -> float:
        """From the first to the last message, s."""
        if not self.tracks:
            return 0.0
        begin = min(int(track.times[0]) for track in self.tracks.values())
        end = max(int(track.times[-1]) for track in self.tracks.values())
        return 1e-9 * (end - begin)


def read_recording(path: Path, wanted: Iterable[str]) -> Recording:
    """Read the messages of some topics.

    Args:
        path: A bag's folder, an .mcap or .db3 file, or a folder that holds one bag.
        wanted: The ends of the topics' names, such as ``policy/command``: in whatever namespace.

    Raises:
        SleightError: There is no such bag, or it cannot be read.
    """
    path = _find(path)
    cut = ""
    endings = tuple(f"/{name.lstrip('/')}" for name in wanted)
    with tempfile.TemporaryDirectory(prefix="sleight_bag_") as scratch:
        readable, cut = _mend(path, Path(scratch))
        try:
            tracks = _read(readable, endings)
        except SleightError:
            raise
        except Exception as error:  # whatever a broken file makes of the reader
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise SleightError("the bag cannot be read", value=path, remedy=" ".join(said.split())[:200]) from error
    return Recording(path, tracks, cut)


def _read(path: Path, endings: tuple[str, ...]) -> dict[str, Track]:
    tracks: dict[str, Track] = {}
    times: dict[str, list[int]] = {}
    with AnyReader([path], default_typestore=sleight_typestore()) as reader:
        connections = [c for c in reader.connections if ("/" + c.topic.lstrip("/")).endswith(endings)]
        # The reader forgets its types when it is closed.
        store = reader.typestore
        if not connections:
            return {}
        for connection, stamp, data in reader.messages(connections=connections):
            name = "/" + connection.topic.lstrip("/")
            if name not in tracks:
                kind = connection.msgtype
                tracks[name] = Track(name, _decoder(store, kind, name))
                times[name] = []
            times[name].append(stamp)
            tracks[name].raw.append(data)
    for name, track in tracks.items():
        track.times = np.maximum.accumulate(np.array(times[name], dtype=np.int64))
        # A message that cannot be decoded is found now, not in the middle of the work.
        for index in (0, len(track) - 1):
            track.decode(track.raw[index])
    return tracks


def _decoder(store: Typestore, kind: str, topic: str) -> Callable[[bytes], Any]:
    def decode(raw: bytes) -> Any:
        try:
            return store.deserialize_cdr(raw, kind)
        except Exception as error:  # broken bytes break the decoder in many ways
            said = " ".join(str(error).split())
            raise SleightError("the bag holds a message that cannot be read", value=topic, remedy=said[:200]) from error

    return decode


def _find(path: Path) -> Path:
    """The bag that a path means.

    Raises:
        SleightError: None, or several.
    """
    if not path.exists():
        raise SleightError("no such recording", value=path)
    if path.is_file():
        if path.suffix not in (".mcap", ".db3"):
            raise SleightError(
                "this is no recording", value=path, remedy="give a bag's folder, an .mcap or a .db3 file"
            )
        return path
    if (path / "metadata.yaml").is_file():
        return path
    files = sorted(file for pattern in _STORAGES for file in path.glob(pattern))
    if len(files) == 1:
        return files[0]
    bags = sorted({file.parent for pattern in _STORAGES for file in path.glob(f"*/{pattern}")})
    if len(bags) == 1 and not files:
        return _find(bags[0])
    if bags or files:
        newest = max(bags or files, key=lambda one: one.stat().st_mtime)
        raise SleightError(f"there are {len(bags or files)} recordings", value=path, remedy=f"the newest is {newest}")
    raise SleightError("there is no recording in this folder", value=path)


def _mend(path: Path, scratch: Path) -> tuple[Path, str]:
    """A path that the reader takes, and why its end is missing: a copy of what is whole of a file that was cut off."""
    if path.is_dir():
        files = sorted(path.glob("*.mcap"))
        if len(files) != 1:
            return path, ""
        file = files[0]
    elif path.suffix == ".mcap":
        file = path
    else:
        return path, ""
    try:
        with file.open("rb") as source:
            end, whole = intact_end(source)
            if whole:
                return path, ""
            mended = scratch / file.name
            with mended.open("wb") as target:
                source.seek(0)
                left = end
                while left and (block := source.read(min(left, 1 << 24))):
                    target.write(block)
                    left -= len(block)
                target.write(_FOOTER)
    except OSError as error:
        raise SleightError("the bag cannot be read", value=path, remedy=str(error.strerror)) from error
    if end <= len(_MAGIC):
        raise SleightError("the bag cannot be read", value=path, remedy="no whole record is in it")
    return mended, "the recording was cut off, its last part is missing"


def intact_end(source: BinaryIO) -> tuple[int, bool]:
    """Where the whole records of an MCAP file end, and whether the file is complete.

    Args:
        source: The file.

    Returns:
        Bytes until the end of the last whole record before the summary, and whether the end of the file is there.
    """
    size = source.seek(0, 2)
    source.seek(0)
    if source.read(len(_MAGIC)) != _MAGIC:
        return 0, False
    end = source.tell()
    while True:
        head = source.read(9)
        if len(head) < 9:
            return end, False
        length = int.from_bytes(head[1:], "little")
        after = end + 9 + length
        if after > size:
            return end, False
        if head[0] == 0x02:  # the footer
            source.seek(after)
            return end, source.read(len(_MAGIC)) == _MAGIC and after + len(_MAGIC) == size
        if head[0] == 0x0F:  # the end of the data: what follows is an index
            summary_end, whole = _rest(source, after, size)
            return (summary_end if whole else end), whole
        source.seek(after)
        end = after


def _rest(source: BinaryIO, start: int, size: int) -> tuple[int, bool]:
    source.seek(max(start, size - len(_FOOTER)))
    tail = source.read()
    return size, len(tail) == len(_FOOTER) and tail[:9] == _FOOTER[:9] and tail.endswith(_MAGIC)
