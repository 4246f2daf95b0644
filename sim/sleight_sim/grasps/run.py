"""Proposals of many objects, a file each: an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.grasps.generate import Generator, GeneratorConfig
from sleight_sim.grasps.metrics import diversity
from sleight_sim.grasps.proposal import GraspProposals, read_about
from sleight_sim.objects.packing import object_digest
from sleight_sim.objects.spec import ObjectSpec

#: Called with an object's name and how many grasps it has so far.
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Made:
    """The proposals of one object, and where they are.

    Attributes:
        file: The .npz file.
        proposals: What is in it.
        about: The page beside it: yield, diversity, seconds, and those of the processor.
        kept: They were there already.
    """

    file: Path
    proposals: GraspProposals
    about: dict[str, Any]
    kept: bool


def make_proposals(
    objects: Sequence[ObjectSpec],
    table: HandTable,
    count: int,
    out: Path,
    config: GeneratorConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    num_threads: int = 0,
) -> Iterator[Made]:
    """Make the proposals of objects one after the other, and yield each when its file is written.

    Args:
        objects: The objects; one that is named twice is made once.
        table: The hand.
        count: Proposals an object.
        out: Folder of the files.
        config: How hard to try.
        seed: Seed of everything random.
        progress: Called as grasps are found.
        num_threads: Physics threads; 0 for one a core.

    Raises:
        SleightError: for a hand on an arm, a count below 1, or a folder that cannot be written.
    """
    config = config or GeneratorConfig()
    for thing in {thing.name: thing for thing in objects}.values():
        file = out / f"{file_stem(thing.name)}.npz"
        made = {"count": count, "seed": seed, "object_digest": object_digest(thing), **asdict(config)}
        present = _present(file, table, made)
        if present:
            yield Made(file, *present, kept=True)
            continue
        begin, worked = time.perf_counter(), time.process_time()
        generator = Generator(table, thing, config, num_threads=num_threads)
        told = (lambda n, name=thing.name: progress(name, n)) if progress else None
        proposals, report = generator.generate(count, seed, told)
        about = {
            "made": made,
            "yield": report.page(),
            "diversity": diversity(proposals).page(),
            "seconds": round(time.perf_counter() - begin, 1),
            "cpu_seconds": round(time.process_time() - worked, 1),
        }
        proposals.save(file, about)
        yield Made(file, proposals, read_about(file), kept=False)


def load_proposals(folder: Path, table: HandTable) -> dict[str, GraspProposals]:
    """Read all proposals of a folder for a hand, by the object's name; those for other hands are left out.

    Raises:
        SleightError: if there are none, or one is damaged.
    """
    files = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    ours = [file for file in files if read_about(file).get("hand") == table.name]
    if not ours:
        raise SleightError(
            f"no grasp proposals for the hand '{table.name}'", value=folder, remedy="sleight objects proposals"
        )
    loaded = [GraspProposals.load(file, table) for file in ours]
    return {one.object_name: one for one in loaded}


def file_stem(name: str) -> str:
    """Return a file name for an object's name, with a digest in it that tells similar names apart."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return f"{plain[-60:]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _present(file: Path, table: HandTable, made: dict[str, Any]) -> tuple[GraspProposals, dict[str, Any]] | None:
    """The proposals and their page if they are there, whole, and made in the same way."""
    try:
        page = read_about(file)
        if page.get("made") != json.loads(json.dumps(made)):
            return None
        return GraspProposals.load(file, table), page
    except SleightError:
        return None
