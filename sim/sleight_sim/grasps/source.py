"""Where the proposals of a set of objects come from: a dataset's grasps, files, or the generator and its cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.grasps.generate import GeneratorConfig
from sleight_sim.grasps.proposal import GraspProposals, from_dataset, read_about
from sleight_sim.grasps.run import file_stem, make_proposals
from sleight_sim.objects.cache import cache_root, content_digest
from sleight_sim.objects.datasets import DATASET_JOINTS, DexGraspNet, UniDexGrasp
from sleight_sim.objects.packing import object_digest
from sleight_sim.objects.spec import ObjectSpec

NONE, AUTO, GENERATE = "none", "auto", "generate"
#: Proposals an object, and how hard the generator tries for a training: some 4 s of a core for each object.
COUNT = 8
EFFORT = GeneratorConfig(samples=48, rounds=2, improvements=1, on_table=True)

_KINDS: dict[str, type[UniDexGrasp] | type[DexGraspNet]] = {"unidexgrasp": UniDexGrasp, "dexgraspnet": DexGraspNet}

#: Called with the object that is being worked on and how many are done.
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class FoundProposals:
    """The proposals of a set of objects.

    Attributes:
        origin: Where they are from, for people.
        proposals: By the object's name.
        lacking: Names of objects that have none.
        sha256: Over all of them.
    """

    origin: str
    proposals: dict[str, GraspProposals]
    lacking: tuple[str, ...]
    sha256: str


def find_proposals(
    choice: str,
    objects: str,
    things: Sequence[ObjectSpec],
    table: HandTable,
    *,
    count: int = COUNT,
    effort: GeneratorConfig = EFFORT,
    progress: Progress | None = None,
) -> FoundProposals | None:
    """Find, or make, the proposals of objects.

    Args:
        choice: "none"; "auto": a dataset's grasps, or what "generate" has made before, for all objects; "generate":
            a dataset's grasps, and for other objects the generator, whose files stay in the cache; or a folder of
            `sleight objects proposals`.
        objects: Name of the set, which says where a dataset is.
        things: Its objects.
        table: The hand.
        count: Proposals an object, for the generator.
        effort: How hard the generator tries.
        progress: Called before each object is worked on.

    Returns:
        None for "none", for "auto" when there are none, and when the generator has found none for any object.

    Raises:
        SleightError: There are none in a folder, or they are damaged, of another hand or of another shape.
    """
    if choice == NONE:
        return None
    distinct = list({thing.name: thing for thing in things}.values())
    if choice not in (AUTO, GENERATE):
        return _found(f"files in {choice}", distinct, _from_folder(Path(choice), distinct, table, need=True))
    known = _from_datasets(objects, distinct, table)
    others = [thing for thing in distinct if thing.name not in known]
    folder = _kept(table)
    if choice == GENERATE and others:
        for k, _ in enumerate(make_proposals(others, table, count, folder, effort)):
            if progress:
                progress(others[min(k + 1, len(others) - 1)].name, k + 1)
    complete = all((folder / f"{file_stem(thing.name)}.json").exists() for thing in others)
    if choice == AUTO and not known and not complete:
        return None
    made = _from_folder(folder, others, table) if complete else {}
    names = [name for name, part in (("a dataset", known), ("the generator", made)) if part]
    return _found(" and ".join(names), distinct, {**known, **made})


def surely_none(choice: str, objects: str, table: HandTable) -> bool:
    """Whether `find_proposals` finds nothing whatever the objects are: they need not be made to know.

    Args:
        choice: See `find_proposals`.
        objects: Name of the set.
        table: The hand.
    """
    dataset = any(part.partition(":")[0] in _KINDS for part in objects.split("+"))
    return choice == NONE or (choice == AUTO and not dataset and not _kept(table).is_dir())


def _kept(table: HandTable) -> Path:
    return cache_root() / "proposals" / table.name


def _found(origin: str, things: Sequence[ObjectSpec], known: dict[str, GraspProposals]) -> FoundProposals | None:
    proposals = {name: found for name, found in known.items() if len(found)}
    if not known:
        remedy = "make them with 'sleight objects proposals', or use --proposals none"
        raise SleightError("no object of this set has grasp proposals here", value=things[0].name, remedy=remedy)
    if not proposals:
        return None
    lacking = tuple(sorted(thing.name for thing in things if thing.name not in proposals))
    digest = hashlib.sha256()
    for name in sorted(proposals):
        one = proposals[name]
        arrays = {"joints": one.joints, "positions": one.wrist_positions, "quats": one.wrist_quats}
        digest.update(f"{name} {content_digest(arrays)}\n".encode())
    return FoundProposals(origin, proposals, lacking, digest.hexdigest())


def _from_folder(
    folder: Path, things: Sequence[ObjectSpec], table: HandTable, *, need: bool = False
) -> dict[str, GraspProposals]:
    if need and not folder.is_dir():
        remedy = "make them with 'sleight objects proposals', or give none, auto or generate"
        raise SleightError("no folder of grasp proposals", value=folder, remedy=remedy)
    found = {}
    for thing in things:
        file = folder / f"{file_stem(thing.name)}.npz"
        if not file.exists():
            continue
        shape = read_about(file).get("made", {}).get("object_digest")
        if shape is not None and shape != object_digest(thing):
            raise SleightError(
                "these proposals are for another shape of the object",
                value=file,
                remedy="make them again: sleight objects proposals",
            )
        found[thing.name] = GraspProposals.load(file, table)
    return found


def _from_datasets(objects: str, things: Sequence[ObjectSpec], table: HandTable) -> dict[str, GraspProposals]:
    """Proposals of the objects whose dataset has grasps; those grasps are of one hand only."""
    trees = _trees(objects) if set(table.joint_names) == set(DATASET_JOINTS) else {}
    found: dict[str, GraspProposals] = {}
    for thing in things:
        kind, _, rest = thing.name.partition(":")
        code, at, scale = rest.rpartition("@")
        for tree in trees.get(kind, ()) if at else ():
            try:
                grasps = tree.grasps(code, float(scale))
            except SleightError:  # no grasps of this one: the generator's, or the fallback
                continue
            if len(grasps):
                found[thing.name] = from_dataset(grasps, thing, table)
                break
    return found


def _trees(objects: str) -> dict[str, list[UniDexGrasp | DexGraspNet]]:
    """The dataset trees that a set's name speaks of, by kind."""
    trees: dict[str, list[UniDexGrasp | DexGraspNet]] = {}
    for part in objects.split("+"):
        kind, _, path = part.partition(":")
        if kind in _KINDS:
            root = path if Path(path).is_dir() else path.rpartition(":")[0]
            trees.setdefault(kind, []).append(_KINDS[kind](root))
    return trees
