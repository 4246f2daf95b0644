"""A folder of scanned objects, such as the YCB models: one object for each folder in it, and which file is its scan."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from sleight_core.errors import SleightError

from sleight_sim.objects.mesh import MESH_SUFFIXES, load_mesh_object
from sleight_sim.objects.spec import ObjectSpec

log = logging.getLogger("sleight.objects")

#: Folders of the YCB models inside an object's, the best first; "" stands for the object's folder itself.
_MAKES = ("", "google_16k", "google_64k", "google_512k", "poisson", "tsdf")
#: Parts of paths that tell what is no scan of the surface.
_NO_SCAN = ("collision", "vhacd", "coacd", "cloud")


def scan_files(folder: str | Path) -> dict[str, Path]:
    """Return the file of each scanned object, by the object's name.

    Args:
        folder: Holds a folder for each object, named after it, with mesh files in it or one folder further down; a mesh
            file beside those folders is an object as well. Of several files the scan is taken, not a collision mesh.

    Raises:
        SleightError: There is no such folder, or no mesh file in it.
    """
    root = Path(folder)
    try:
        found = root.is_dir() and [file for depth in ("*", "*/*", "*/*/*") for file in root.glob(depth)]
    except (OSError, ValueError):  # a name no folder can have
        found = False
    if not found:
        raise SleightError("no folder of scanned objects", value=folder, remedy="needs a folder for each object")
    candidates: dict[str, list[Path]] = {}
    for file in found:
        inside = file.relative_to(root)
        if file.suffix.lower() in MESH_SUFFIXES and inside.parts[0][0] != "." and file.is_file():
            name = inside.parts[0] if len(inside.parts) > 1 else inside.stem
            candidates.setdefault(name, []).append(inside)
    if not candidates:
        raise SleightError(
            "no mesh files of scanned objects in this folder", value=folder, remedy="needs .obj, .stl or .ply files"
        )
    return {name: root / min(candidates[name], key=_rank) for name in sorted(candidates)}


def scans_digest(files: dict[str, Path]) -> str:
    """Return the SHA-256 over names and contents of scans.

    Raises:
        SleightError: One cannot be read.
    """
    digest = hashlib.sha256()
    for name, file in files.items():
        try:
            digest.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        except OSError as error:
            raise SleightError("a scan cannot be read", value=file, remedy=str(error.strerror)) from error
    return digest.hexdigest()


def scanned_objects(folder: str | Path, mesh_scale: float = 1.0, count: int | None = None) -> list[ObjectSpec]:
    """Return the scanned objects of a folder, each a family of its own; refused meshes are left out, with a warning.

    Args:
        folder: See `scan_files`.
        mesh_scale: Metres per unit of the files.
        count: At most so many.

    Raises:
        SleightError: There is no such folder, or all meshes are refused.
    """
    things: list[ObjectSpec] = []
    refused: list[str] = []
    files = scan_files(folder)
    for name, file in files.items():
        if count is not None and len(things) == count:
            break
        try:
            things.append(replace(load_mesh_object(file, mesh_scale, name=name), family=name))
        except SleightError as error:
            refused.append(f"{name}: {error}")
    if not things:
        raise SleightError("no scanned object of this folder can be used", value=folder, remedy=refused[0])
    for text in refused:
        log.warning("left out: %s", text)
    return things


def _rank(inside: Path) -> tuple[bool, int, str]:
    make = inside.parts[1] if len(inside.parts) > 2 else ""
    no_scan = any(word in part.lower() for part in inside.parts[1:] for word in _NO_SCAN)
    return no_scan, _MAKES.index(make) if make in _MAKES else len(_MAKES), str(inside)
