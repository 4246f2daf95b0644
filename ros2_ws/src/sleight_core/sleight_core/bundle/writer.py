"""Writing a policy bundle, all of it or nothing."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from sleight_core.bundle.loader import Bundle, load_bundle
from sleight_core.bundle.manifest import (
    GOLDEN,
    MANIFEST,
    BundleInfo,
    GoldenSection,
    GraphSection,
    Manifest,
    TensorSection,
    refusal,
)
from sleight_core.bundle.onnx_check import OnnxFormatError, summarise
from sleight_core.bundle.policy import make_session
from sleight_core.errors import BundleError, SleightError
from sleight_core.hand import HandTable


def describe_graph(data: bytes, role: str = "policy") -> GraphSection:
    """Describe an ONNX file as a manifest does.

    Args:
        data: The file; its name in the bundle will be ``<role>.onnx``.
        role: Its role.

    Raises:
        BundleError: No ONNX model, or one with tensors that are not float32.
    """
    remedy = "export the policy again"
    try:
        summary = summarise(data)
    except OnnxFormatError as error:
        raise BundleError(f"graphs.{role}", expected="an ONNX model", found=error, remedy=remedy) from error
    session = make_session(data, f"graphs.{role}")
    tensors: list[list[TensorSection]] = []
    for nodes in (session.get_inputs(), session.get_outputs()):
        for node in nodes:
            if node.type != "tensor(float)":
                raise BundleError(f"graphs.{role}.{node.name}", expected="float32", found=node.type, remedy=remedy)
        tensors.append([TensorSection(name=n.name, shape=_shape(n.shape), dtype="float32") for n in nodes])
    return GraphSection(
        role=role,
        file=f"{role}.onnx",
        sha256=hashlib.sha256(data).hexdigest(),
        opset=summary.opsets.get("", 0),
        ir_version=summary.ir_version,
        inputs=tuple(tensors[0]),
        outputs=tuple(tensors[1]),
    )


def _shape(shape: Sequence[int | str | None]) -> tuple[int | str, ...]:
    return tuple("any" if size is None else size for size in shape)


def join_golden(parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Golden vectors of several graphs as `write_bundle` takes them for composed skills.

    Args:
        parts: By role: inputs and outputs (N, ...) by name.

    Returns:
        Flat arrays (N, size) by ``<role>.<name>``, N being that of the graph with the fewest.
    """
    count = min(len(array) for part in parts.values() for array in part.values())
    return {
        f"{role}.{name}": np.asarray(array)[:count].reshape(count, -1)
        for role, part in parts.items()
        for name, array in part.items()
    }


def write_bundle(
    path: Path | str,
    info: BundleInfo,
    graphs: Mapping[str, bytes],
    golden: Mapping[str, NDArray[Any]],
    *,
    table: HandTable | None = None,
    overwrite: bool = False,
    simulation: bool = False,
) -> Bundle:
    """Write a bundle and verify it as a robot would; on any refusal nothing is left behind.

    Args:
        path: Folder to make.
        info: The manifest without its files, which are described here.
        graphs: ONNX files by role; "policy" is the one that is run.
        golden: Inputs and expected outputs (N, size), by name.
        table: The hand to verify against.
        overwrite: Whether an existing bundle is replaced, with all that lies in its folder: its results are not those
            of the new policy.
        simulation: Whether it is for simulation only, see `load_bundle`.

    Returns:
        The bundle as loaded from the disk.

    Raises:
        BundleError: The parts do not fit.
        SleightError: The folder exists, or cannot be written.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise SleightError("bundle exists already", value=target, remedy="choose another folder, or overwrite it")
    if target.exists() and not (target / MANIFEST).is_file():
        raise SleightError("will not overwrite what is no bundle", value=target, remedy="choose another folder")
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in golden.items()}
    np.savez(buffer, **arrays)
    counts = sorted({len(array) for array in golden.values()})
    if len(counts) != 1 or counts[0] < 1:
        raise BundleError(
            "golden.count", expected="arrays of one length", found=counts, remedy="give one output an input"
        )
    try:
        manifest = Manifest(
            **{name: getattr(info, name) for name in BundleInfo.model_fields},
            graphs=tuple(describe_graph(data, role) for role, data in graphs.items()),
            golden=GoldenSection(sha256=hashlib.sha256(buffer.getvalue()).hexdigest(), count=counts[0]),
        )
    except ValidationError as error:
        raise refusal(error, "correct what is exported") from error
    files = {section.file: graphs[section.role] for section in manifest.graphs}
    files |= {GOLDEN: buffer.getvalue(), MANIFEST: manifest.to_json().encode("utf-8")}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
            part = Path(name) / "bundle"
            part.mkdir()
            for file, data in files.items():
                _write(part / file, data)
            load_bundle(part, table, simulation=simulation)
            if target.exists():
                os.rename(target, Path(name) / "old")
            os.rename(part, target)
    except OSError as error:
        raise SleightError("bundle cannot be written", value=target, remedy=str(error.strerror)) from error
    return load_bundle(target, table, simulation=simulation)


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
