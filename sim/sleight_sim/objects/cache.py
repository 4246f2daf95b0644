"""Where what took long to make is kept: decompositions of meshes, objects of the household splits."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGEST = "sha256"


def cache_root() -> Path:
    """Return `$XDG_CACHE_HOME/sleight`, else `.cache/sleight` of the working folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(".cache")) / "sleight"


def write_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Store plain arrays with a digest of their content, atomically: several processes may make the same file.

    Raises:
        OSError: if the folder cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {**arrays, _DIGEST: np.array(content_digest(arrays))}
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as out:
        try:
            np.savez_compressed(out, **content)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise
    os.replace(out.name, file)


def read_arrays(file: Path) -> dict[str, NDArray[Any]] | None:
    """Read what `write_arrays` wrote; None if the file is missing, damaged or not what was written."""
    try:
        with np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        wanted = str(arrays.pop(_DIGEST))
    except Exception:  # a damaged archive raises anything from zipfile, zlib or numpy
        return None
    return arrays if content_digest(arrays) == wanted else None


def content_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
