"""Reading a bundle's files: nothing outside the folder, nothing altered, nothing that runs code."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sleight_core.bundle.manifest import GOLDEN, MANIFEST, MAX_IR, MAX_OPSET, GraphSection
from sleight_core.bundle.onnx_check import OnnxFormatError, summarise
from sleight_core.errors import BundleError

_INTACT = "fetch an intact copy or export the bundle again"
_MANIFEST_LIMIT = 16 * 1024 * 1024
_GOLDEN_LIMIT = 256 * 1024 * 1024


def read_manifest(folder: Path) -> bytes:
    """Return the bytes of a bundle's manifest.

    Raises:
        BundleError: The folder or its manifest is missing or unreadable.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing there"
        raise BundleError(
            "path", expected="a bundle folder", found=f"{folder} ({found})", remedy="give the bundle's folder"
        )
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            MANIFEST,
            expected="a file",
            found=f"none in {folder}",
            remedy="give a folder that 'sleight export' wrote",
        )
    if path.stat().st_size > _MANIFEST_LIMIT:
        size = f"{path.stat().st_size} bytes"
        raise BundleError(MANIFEST, expected=f"at most {_MANIFEST_LIMIT} bytes", found=size, remedy=_INTACT)
    return read_file(folder, MANIFEST, MANIFEST)


def read_file(folder: Path, name: str, field: str, sha256: str | None = None) -> bytes:
    """Return the bytes of a file named by a manifest.

    Args:
        folder: The bundle.
        name: File name as the manifest gives it.
        field: The manifest's field, for messages.
        sha256: What the bytes must hash to.

    Raises:
        BundleError: The name leads out of the bundle, or the file is missing, unreadable or altered.
    """
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or "\0" in name:
        raise BundleError(field, expected="a file inside the bundle", found=name, remedy="do not use this bundle")
    path = folder / pure
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        inside = False
    if not inside:
        found = f"{name}, which leads to a place outside"
        raise BundleError(field, expected="a file inside the bundle", found=found, remedy="do not use this bundle")
    if not path.is_file():
        raise BundleError(field, expected=f"the file {name}", found=f"none of this name in {folder}", remedy=_INTACT)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(
            field, expected=f"to read {name}", found=error.strerror, remedy="check permissions"
        ) from error
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        remedy = f"{name} was altered, truncated or replaced: {_INTACT}"
        raise BundleError(f"{field}.sha256", expected=sha256, found=f"{found} of {len(data)} bytes", remedy=remedy)
    return data


def check_graph(data: bytes, section: GraphSection, field: str) -> None:
    """Check an ONNX file's versions and that it refers to no other file.

    Raises:
        BundleError: No ONNX, too new, other versions than the manifest says, other operators, or weights outside.
    """
    try:
        summary = summarise(data)
    except OnnxFormatError as error:
        raise BundleError(f"{field}.file", expected="an ONNX model", found=str(error), remedy=_INTACT) from error
    again = "export the bundle again with 'sleight export'"
    if summary.external:
        where = ", ".join(sorted(set(summary.external_locations))) or "another file"
        raise BundleError(
            f"{field}.file",
            expected="all weights inside",
            found=f"'{summary.external[0]}' lies in {where}",
            remedy=again,
        )
    if domains := sorted(domain for domain in summary.opsets if domain):
        raise BundleError(f"{field}.opset", expected="standard ONNX operators only", found=domains, remedy=again)
    for what, value, told, limit in (
        ("opset", summary.opsets.get("", 0), section.opset, MAX_OPSET),
        ("ir_version", summary.ir_version, section.ir_version, MAX_IR),
    ):
        if value > limit:
            raise BundleError(f"{field}.{what}", expected=f"at most {limit}", found=value, remedy=again)
        if value != told:
            found = f"{told}, but the file has {value}"
            raise BundleError(f"{field}.{what}", expected=value, found=found, remedy=again)


def parse_golden(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Read golden vectors without unpickling anything.

    Args:
        data: Bytes of an ``.npz``.

    Returns:
        Arrays by input or output name, float32 (N, size).

    Raises:
        BundleError: No such archive, pickled objects, other types or shapes, or NaN.
    """
    remedy = "export the bundle again"
    try:
        size = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist())
        if size > _GOLDEN_LIMIT:
            raise ValueError(f"{size} bytes, more than {_GOLDEN_LIMIT}")
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # damaged archives raise what zipfile, zlib, struct and numpy each think fit
        raise BundleError("golden.file", expected=f"plain arrays in {GOLDEN}", found=error, remedy=remedy) from error
    for name, array in arrays.items():
        if array.dtype != np.float32 or array.ndim != 2:
            found = f"{array.dtype} of shape {array.shape}"
            raise BundleError(f"golden.{name}", expected="float32 vectors (N, size)", found=found, remedy=remedy)
        finite = np.isfinite(array)
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            found = f"{array[row, column]} in vector {row}, element {column}"
            raise BundleError(f"golden.{name}", expected="finite numbers", found=found, remedy=remedy)
    return arrays
