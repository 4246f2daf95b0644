"""The household splits: fixed lists of objects, made when they are first asked for and kept in the cache.

`household:train`, `household:unseen_object` (shapes never trained on, of categories trained on) and
`household:unseen_category` have the paper's sizes, 3,200, 141 and 100. The lists are in `splits.json`; `splitting.py`
drew them. Objects are made in shards of `SHARD`, each a file of its own: an interrupted run loses one at most.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import overload

from sleight_core.errors import SleightError

from sleight_sim.objects.cache import cache_root, read_arrays, write_arrays
from sleight_sim.objects.packing import pack_objects, unpack_objects
from sleight_sim.objects.scaled import object_name, scaled_object
from sleight_sim.objects.spec import ObjectSpec

log = logging.getLogger("sleight.objects")

SPLITS = ("train", "unseen_object", "unseen_category")
#: Objects in one file of the cache.
SHARD = 32

_FOLDER = Path(__file__).parent
#: What an object depends on: with another version of these files, the cache is another one.
_SOURCES = ("catalogue/*.py", "convex.py", "household.py", "scaled.py", "spec.py", "splits.json")

Entry = tuple[str, int, float]


@cache
def split_entries(split: str) -> tuple[Entry, ...]:
    """Return (category, shape index, scale) of every object of a split, in the split's order.

    The categories take turns, so that the first objects of a split are as mixed as all of them.

    Raises:
        SleightError: for an unknown split.
    """
    if split not in SPLITS:
        raise SleightError("no such split", value=split, remedy="choose one of " + ", ".join(SPLITS))
    lists: dict[str, dict[str, list[int]]] = json.loads((_FOLDER / "splits.json").read_text())[split]
    ranked: list[tuple[float, int, Entry]] = []
    for category, by_scale in lists.items():
        entries = [(index, float(scale)) for scale, found in by_scale.items() for index in found]
        entries.sort(key=lambda entry: _hash(category, entry))
        for rank, (index, scale) in enumerate(entries):
            # Categories with fewer objects are spread over the whole list as well.
            share = (rank + 0.5) / len(entries)
            ranked.append((share, _hash(category, (index, scale)), (category, index, scale)))
    return tuple(entry for _, _, entry in sorted(ranked))


class HouseholdSplit(Sequence[ObjectSpec]):
    """The objects of one split, each made or read from the cache when it is asked for.

    Args:
        split: One of `SPLITS`.
        folder: Where shards are kept (default: `household` in `cache_root()`, under a hash of the sources).

    Raises:
        SleightError: for an unknown split.
    """

    def __init__(self, split: str, folder: Path | None = None) -> None:
        self.split = split
        self.entries = split_entries(split)
        self.names = [object_name(*entry) for entry in self.entries]
        self.folder = folder if folder is not None else cache_root() / "household" / _source_digest()[:16]
        self._shards: dict[int, list[ObjectSpec]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, key: int) -> ObjectSpec: ...
    @overload
    def __getitem__(self, key: slice) -> list[ObjectSpec]: ...
    def __getitem__(self, key: int | slice) -> ObjectSpec | list[ObjectSpec]:
        if isinstance(key, slice):
            return self.take(range(*key.indices(len(self))))
        if not -len(self) <= key < len(self):
            raise IndexError(key)
        index = key % len(self)
        return self.shard(index // SHARD)[index % SHARD]

    def take(self, indices: Sequence[int]) -> list[ObjectSpec]:
        """Return objects by index; on a terminal a bar shows how many shards are still to be made."""
        missing = [k for k in sorted({i // SHARD for i in indices}) if k not in self._shards]
        unmade = [k for k in missing if not self.shard_file(k).is_file()]
        if len(unmade) > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import track

            about = f"making {self.split} objects"
            for k in track(unmade, about, console=Console(stderr=True), transient=True):
                self.shard(k)
        return [self.shard(i // SHARD)[i % SHARD] for i in indices]

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-len(self) // SHARD)

    def shard_file(self, k: int) -> Path:
        """Return where shard `k` is kept."""
        return self.folder / f"{self.split}-{k:03d}.npz"

    def whole(self, k: int) -> bool:
        """Return whether the file of shard `k` is there and undamaged."""
        return read_arrays(self.shard_file(k)) is not None

    def shard(self, k: int) -> list[ObjectSpec]:
        """Return the objects of shard `k`: from memory, else from its file, else made and kept."""
        if k in self._shards:
            return self._shards[k]
        file = self.shard_file(k)
        names = self.names[k * SHARD : (k + 1) * SHARD]
        arrays = read_arrays(file)
        things = None if arrays is None else unpack_objects(arrays, names)
        if things is None:
            if file.is_file():
                log.warning("the cached objects in %s are damaged: made again", file)
            things = [scaled_object(*entry) for entry in self.entries[k * SHARD : (k + 1) * SHARD]]
            try:
                write_arrays(file, pack_objects(things))
            except OSError as error:
                log.info("the objects are not cached: %s", error)
        self._shards[k] = things
        return things


def make_shard(split: str, k: int, folder: Path | None = None) -> int:
    """Make sure that a shard is in the cache (for worker processes); return the number of its objects."""
    return len(HouseholdSplit(split, folder).shard(k))


@cache
def _source_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(file for pattern in _SOURCES for file in _FOLDER.glob(pattern)):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _hash(category: str, entry: tuple[int, float]) -> int:
    text = f"order {category} {entry[0]} {entry[1]:.2f}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
