"""Names of object sets, as every command takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sleight_core.errors import SleightError

from sleight_sim.objects.catalogue import CATEGORIES
from sleight_sim.objects.datasets import DexGraspNet, UniDexGrasp
from sleight_sim.objects.household import FAMILIES, household_object
from sleight_sim.objects.mesh import MESH_SUFFIXES, load_mesh_object
from sleight_sim.objects.scaled import scaled_object
from sleight_sim.objects.scans import scanned_objects
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.objects.splits import SPLITS, HouseholdSplit

#: Families of `household:demo`: what one hand grasps from above, in the order in which they appear.
DEMO_FAMILIES = ("cylinder", "box", "can", "sphere", "bottle", "mug", "cup", "egg", "bowl", "phone")
#: Sets that take families in turn.
FAMILY_SETS: dict[str, tuple[str, ...]] = {
    "demo": DEMO_FAMILIES,
    "all": tuple(FAMILIES),
    "catalogue": tuple(CATEGORIES),
}

#: The forms that `resolve_objects` understands.
CHOICES = (
    "own (the object named in the bundle)",
    *(f"household:{name}" for name in (*FAMILY_SETS, *SPLITS)),
    *(f"household:{family}[:INDEX[@SCALE]]" for family in FAMILIES),
    f"household:CATEGORY[:INDEX[@SCALE]], CATEGORY one of {len(CATEGORIES)} (sleight objects stats)",
    "unidexgrasp:PATH[:SPLIT], SPLIT train, unseen_object, unseen_category or a .yaml list",
    "dexgraspnet:PATH",
    "a mesh file (.obj .stl .ply)",
    "a folder of mesh files, or of folders of them",
    "scans:PATH, a folder with a folder for each scanned object (YCB): one mesh of each",
    "several of these, joined by +",
)

_SCANS = "scans:"
_INDEX = re.compile(r"([0-9]{1,9})(?:@(0\.[0-9]{1,4}))?", re.ASCII)


def resolve_objects(
    names: str | Path | Sequence[str | Path],
    seed: int = 0,
    count: int | None = None,
    *,
    own: str | None = None,
    mesh_scale: float = 1.0,
) -> list[ObjectSpec]:
    """Return the objects that one or several set names stand for.

    Args:
        names: One name or several, also as one joined by ``+``; see `CHOICES`. Several are concatenated.
        seed: First index of procedural objects: two seeds that differ by `count` or more share no object.
        count: Number of objects. Procedural sets make this many, taking the families in turn (default: one a family);
            splits, files and single objects are repeated in turn, or cut, to reach it (default: each once). Objects of
            a split are made when first used, and only those that are asked for.
        own: What `own` stands for: the object name in a bundle's manifest.
        mesh_scale: Metres per unit of mesh files.

    Returns:
        The objects; repeated entries are the same instance.

    Raises:
        SleightError: for an unknown name, an empty folder, a count below 1, or a refused mesh.
    """
    given = [names] if isinstance(names, str | Path) else list(names)
    listed = [part for name in given for part in _parts(str(name), own)]
    if not listed:
        raise SleightError("no object set is named", remedy=_remedy())
    if count is not None and count < 1:
        raise SleightError("the number of objects is 1 or more", value=count)
    if len(listed) == 1:
        return _resolve(listed[0], seed, count, own, mesh_scale)
    found = [obj for name in listed for obj in _resolve(name, seed, None, own, mesh_scale)]
    return found if count is None else [found[i % len(found)] for i in range(count)]


def _parts(name: str, own: str | None) -> list[str]:
    """Split names joined by ``+``; a path may hold that sign itself."""
    if name == "own" and own and own != "own":
        return _parts(own, None)
    return name.split("+") if "+" in name and not Path(name.removeprefix(_SCANS)).exists() else [name]


def _resolve(name: str, seed: int, count: int | None, own: str | None, mesh_scale: float) -> list[ObjectSpec]:
    if name == "own":
        if not own or own == "own":
            raise SleightError("'own' needs a bundle that names its object", remedy="name an object set instead")
        return _resolve(own, seed, count, None, mesh_scale)
    if name.startswith("household:"):
        return _household(name, seed, count)
    if name.startswith("unidexgrasp:"):
        return _repeated(_unidexgrasp(name.removeprefix("unidexgrasp:"), count), count)
    if name.startswith("dexgraspnet:"):
        return _repeated(DexGraspNet(name.removeprefix("dexgraspnet:")).objects(count), count)
    if name.startswith(_SCANS):
        return _repeated(scanned_objects(name.removeprefix(_SCANS), mesh_scale, count), count)
    files = _mesh_files(name)
    files = files[:count] if count is not None else files
    return _repeated([load_mesh_object(file, mesh_scale=mesh_scale) for file in files], count)


def _repeated(things: list[ObjectSpec], count: int | None) -> list[ObjectSpec]:
    return things if count is None else [things[i % len(things)] for i in range(count)]


def _unidexgrasp(text: str, count: int | None) -> list[ObjectSpec]:
    """Load PATH or PATH:SPLIT; a path may have colons of its own."""
    path, colon, split = text.rpartition(":")
    try:
        whole = not colon or Path(text).is_dir()
    except (OSError, ValueError):
        whole = True
    return UniDexGrasp(text).objects(count=count) if whole else UniDexGrasp(path).objects(split, count)


def _mesh_files(name: str) -> list[Path]:
    """Return the file of that name, or the mesh files of a folder and of the folders in it."""
    path = Path(name)
    try:
        if name and path.is_dir():
            inside = [file for pattern in ("*", "*/*") for file in path.glob(pattern)]
            files = sorted(file for file in inside if file.suffix.lower() in MESH_SUFFIXES and file.is_file())
            if not files:
                raise SleightError("no mesh files in this folder", value=name, remedy="needs .obj, .stl or .ply files")
            return files
        known = path.suffix.lower() in MESH_SUFFIXES or path.is_file()
    except (OSError, ValueError):  # a name no file can have
        known = False
    if not known:
        raise SleightError("no such object set, file or folder", value=name, remedy=_remedy())
    return [path]


def _household(name: str, seed: int, count: int | None) -> list[ObjectSpec]:
    _, family, *rest = name.split(":")
    if family in SPLITS and not rest:
        split = HouseholdSplit(family)
        return split.take([(seed + i) % len(split) for i in range(len(split) if count is None else count)])
    families = FAMILY_SETS.get(family, (family,))
    if any(one not in CATEGORIES for one in families) or len(rest) > 1 or (rest and family in FAMILY_SETS):
        raise SleightError("no such household set", value=name, remedy=_remedy())
    if rest:
        return [_household_one(name, family, rest[0])] * (count or 1)
    total = len(families) if count is None else count
    return [household_object(families[i % len(families)], seed + i // len(families)) for i in range(total)]


def _household_one(name: str, family: str, text: str) -> ObjectSpec:
    found = _INDEX.fullmatch(text)
    if found is None:
        raise SleightError(
            "an object's index is a whole number from 0, its scale metres per unit",
            value=name,
            remedy=f"e.g. household:{family}:0 or household:{family}:0@0.08",
        )
    index, scale = int(found[1]), found[2]
    return household_object(family, index) if scale is None else scaled_object(family, index, float(scale))


def _remedy() -> str:
    return "choose one of: " + "; ".join(CHOICES)
