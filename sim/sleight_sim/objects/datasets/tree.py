"""What the dataset trees have in common: codes, meshes at a scale, sets of objects."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sleight_core.errors import SleightError

from sleight_sim.objects.mesh import load_mesh_object
from sleight_sim.objects.spec import ObjectSpec

log = logging.getLogger("sleight.objects")

Pair = tuple[str, float]

_CODE = re.compile(r"[A-Za-z0-9_.+()-]+(/[A-Za-z0-9_.+()-]+)?")


def checked_code(code: object, where: Path) -> str:
    """Return an object's code if it is one, and no way out of the dataset's folder.

    Raises:
        SleightError: otherwise.
    """
    if not isinstance(code, str) or not _CODE.fullmatch(code) or ".." in code or code.startswith("."):
        raise SleightError(
            "not an object code of the dataset", value=f"{code!r} in {where}", remedy="e.g. core/mug-1a2b"
        )
    return code


def category_of(code: str) -> str:
    """Return the category in a code such as core/bottle-70172e or sem-Camera-7bff4f."""
    words = code.replace("/", "-").split("-")
    return (words[1] if len(words) > 2 else words[0]).lower()


def mesh_object(file: Path, mesh_scale: float, prefix: str, pair: Pair) -> ObjectSpec:
    """Read a dataset mesh as an object of its category; the convex decomposition is cached once for all scales.

    Raises:
        SleightError: as `load_mesh_object`.
    """
    code, scale = pair
    thing = load_mesh_object(file, mesh_scale, name=f"{prefix}:{code}@{scale:.2f}")
    return replace(thing, family=category_of(code))


def load_pairs(
    pairs: Sequence[Pair], make: Callable[[str, float], ObjectSpec], has: Callable[[str], bool], where: Path
) -> list[ObjectSpec]:
    """Return the objects of a list; those that are not in the tree or cannot be used are left out, with a warning.

    Raises:
        SleightError: if none is left.
    """
    found: list[ObjectSpec] = []
    absent, refused = [], []
    for code, scale in pairs:
        if not has(code):
            absent.append(code)
            continue
        try:
            found.append(make(code, scale))
        except SleightError as error:
            refused.append(f"{code} at {scale}: {error}")
    if absent:
        log.warning("%d of %d objects are not in %s, e.g. %s", len(absent), len(pairs), where, absent[0])
    if refused:
        log.warning("%d of %d objects cannot be used, e.g. %s", len(refused), len(pairs), refused[0])
    if not found:
        raise SleightError(
            "no object of this set can be used",
            value=f"{where}: {len(absent)} of {len(pairs)} are missing, {len(refused)} refused",
            remedy=refused[0] if refused else "download the meshes of the dataset",
        )
    return found


def first_folder(candidates: Iterable[Path]) -> Path | None:
    """Return the first of some folders that exists."""
    for folder in candidates:
        try:
            if folder.is_dir():
                return folder
        except (OSError, ValueError):  # a name that no folder can have
            continue
    return None
