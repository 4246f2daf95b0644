"""A foreign ONNX graph with the interface of a bundle: names, batch axis, joint order, versions.

Nothing in the file is run but its standard operators, by ONNX Runtime, and nothing is read but the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from sleight_core.bundle.loader import GOLDEN_TOLERANCE, named_differences
from sleight_core.bundle.manifest import MAX_IR, MAX_OPSET
from sleight_core.bundle.onnx_check import OnnxFormatError, summarise
from sleight_core.bundle.policy import make_session
from sleight_core.errors import BundleError, SleightError

Array = NDArray[np.float32]

#: Largest file that is taken, bytes.
MAX_SIZE = 512 * 1024 * 1024
_PREFIX = "imported/"


@dataclass(frozen=True)
class ForeignGraph:
    """A foreign policy's file, checked.

    Attributes:
        data: The file.
        model: The same, parsed.
        input, output: Names of observation and action.
        input_size, output_size: Their lengths.
        notes: What was found, one clause each.
    """

    data: bytes
    model: onnx.ModelProto
    input: str
    output: str
    input_size: int
    output_size: int
    notes: tuple[str, ...]

    def answers(self, observations: Array) -> Array:
        """What the file itself makes of observations (N, D), one by one: actions (N, A)."""
        session = make_session(self.data, "graphs.policy")
        rows = [session.run([self.output], {self.input: row[None]})[0] for row in observations]
        return np.concatenate([np.asarray(row).reshape(1, -1) for row in rows])


def read_graph(path: Path, source: str, target: str) -> ForeignGraph:
    """Read and check a foreign policy.

    Args:
        path: The ONNX file.
        source: Name of the input that takes the observation.
        target: Name of the output that is the action.

    Raises:
        SleightError: The file cannot be read.
        BundleError: No ONNX model, weights in other files, operators that are not ONNX's own, or not one observation
            in and one action out as float32 vectors.
    """
    data = _read(path)
    try:
        summary = summarise(data)
    except OnnxFormatError as error:
        raise BundleError(path.name, expected="an ONNX model", found=error, remedy="give the policy's file") from error
    if summary.external:
        where = ", ".join(sorted(set(summary.external_locations))) or "another file"
        raise BundleError(
            path.name,
            expected="all weights inside",
            found=f"'{summary.external[0]}' lies in {where}",
            remedy="save the model in one file; no other file is ever read",
        )
    model = _parse(data, path.name)
    domains = {node.domain for node in _nodes(model) if node.domain not in ("", "ai.onnx")}
    if domains or model.functions:
        found = sorted(domains) or [function.name for function in model.functions]
        raise BundleError(
            path.name, expected="ONNX's own operators only", found=found, remedy="export the policy without extensions"
        )
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    size_in = _vector("graph.input", source, inputs, only=True)
    size_out = _vector("graph.output", target, model.graph.output, only=False)
    told = f"{model.producer_name or 'an unknown producer'}, opset {summary.opsets.get('', 0)}, IR {summary.ir_version}"
    return ForeignGraph(data, model, source, target, size_in, size_out, (f"file: {len(data)} bytes of {told}",))


def adapt(foreign: ForeignGraph, columns: Array | Iterable[int]) -> bytes:
    """Give a foreign graph a bundle's interface.

    Args:
        foreign: The policy.
        columns: Element i of its own input is element ``columns[i]`` of ours.

    Returns:
        A graph "obs" (batch, D) -> "action" (batch, A) in an opset and a file format that old runtimes read.

    Raises:
        BundleError: It cannot be brought to that opset, or the result is no valid model.
    """
    model = onnx.ModelProto()
    model.CopyFrom(foreign.model)
    try:
        if _opset(model) > MAX_OPSET:
            model = onnx.version_converter.convert_version(model, MAX_OPSET)
        model = compose.add_prefix(model, _PREFIX)
    except Exception as error:  # the converter raises what its C++ side thinks fit
        reason = " ".join(str(error).split())[:160]
        raise BundleError(
            "graphs.policy.opset",
            expected=f"at most {MAX_OPSET}",
            found=f"{_opset(foreign.model)}, which cannot be converted: {reason}",
            remedy=f"export the policy with opset {MAX_OPSET}",
        ) from error
    graph = model.graph
    index = np.asarray(list(columns), dtype=np.int64)
    first, last = _PREFIX + foreign.input, _PREFIX + foreign.output
    if (index == np.arange(len(index))).all():
        enter = helper.make_node("Identity", ["obs"], [first])
    else:
        graph.initializer.append(numpy_helper.from_array(index, "joint_order"))
        enter = helper.make_node("Gather", ["obs", "joint_order"], [first], axis=1)
    nodes = [enter, *graph.node, helper.make_node("Identity", [last], ["action"])]
    weights = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name in weights]
    obs, action = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("obs", foreign.input_size), ("action", foreign.output_size))
    )
    new = helper.make_graph(nodes, "policy", [obs, *kept], [action], list(graph.initializer))
    new.sparse_initializer.extend(graph.sparse_initializer)
    for node in new.node:
        node.ClearField("doc_string")
    made = helper.make_model(
        new,
        opset_imports=[helper.make_opsetid("", _opset(model))],
        ir_version=min(max(foreign.model.ir_version, 4), MAX_IR),
    )
    made.producer_name = foreign.model.producer_name
    try:
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:  # the checker's own types, and those of shape inference
        reason = " ".join(str(error).split())[:160]
        raise BundleError(
            "graphs.policy",
            expected="a graph that takes several observations at once",
            found=reason,
            remedy="export the policy with a batch axis of any size",
        ) from error
    return made.SerializeToString()


def check_adapted(data: bytes, observations: Array, expected: Array, labels: list[str]) -> float:
    """Compare an adapted graph with the file that it came from.

    Args:
        data: The adapted graph.
        observations: (N, D) in our order.
        expected: (N, A) what the file itself gave for them.
        labels: Names of the action's elements.

    Returns:
        The largest difference.

    Raises:
        BundleError: An element differs by more than golden vectors may, or it does not take a batch.
    """
    session = make_session(data, "graphs.policy")
    try:
        batch = np.asarray(session.run(["action"], {"obs": observations})[0])
        single = np.concatenate([np.asarray(session.run(["action"], {"obs": row[None]})[0]) for row in observations])
    except Exception as error:  # onnxruntime raises its own types, which differ between versions
        raise BundleError(
            "graphs.policy",
            expected="a graph that takes several observations at once",
            found=" ".join(str(error).split())[:160],
            remedy="export the policy with a batch axis of any size",
        ) from error
    largest = 0.0
    for answers in (batch, single):
        if answers.shape != expected.shape:
            raise BundleError(
                "graphs.policy",
                expected=f"actions {expected.shape} for {len(observations)} observations",
                found=answers.shape,
                remedy="export the policy with a batch axis of any size",
            )
        difference = np.abs(answers.astype(np.float64) - expected)
        if not difference.max() <= GOLDEN_TOLERANCE:
            raise BundleError(
                "graphs.policy",
                expected=f"the file's own actions within {GOLDEN_TOLERANCE:g}",
                found=named_differences(difference, labels),
                remedy="export the policy with standard operators and a batch axis",
            )
        largest = max(largest, float(difference.max()))
    return largest


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_SIZE:
            raise SleightError("the ONNX file is too large", value=path, remedy=f"at most {MAX_SIZE} bytes")
        return path.read_bytes()
    except OSError as error:
        raise SleightError("the ONNX file cannot be read", value=path, remedy=str(error.strerror)) from error


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's own types
        reason = " ".join(str(error).split())[:160]
        raise BundleError(
            name, expected="a valid ONNX model", found=reason, remedy="export the policy again"
        ) from error
    return model


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of inner graphs too."""
    stack = [model.graph]
    while stack:
        for node in stack.pop().node:
            yield node
            for attribute in node.attribute:
                stack += [attribute.g] if attribute.HasField("g") else []
                stack += attribute.graphs


def _vector(field: str, name: str, values: Iterable[onnx.ValueInfoProto], *, only: bool) -> int:
    """Length of a named float32 vector with a batch axis."""
    found = {value.name: value for value in values}
    if name not in found or (only and len(found) > 1):
        expected = f"'{name}'" + (" alone" if only else "")
        raise BundleError(
            field,
            expected=expected,
            found=sorted(found),
            remedy="name the one input of the graph; policies with a state are not run" if only else "name an output",
        )
    kind = found[name].type.tensor_type
    sizes = [dim.dim_value or dim.dim_param or "any" for dim in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT or len(sizes) != 2 or not isinstance(sizes[1], int):
        type_name = TensorProto.DataType.Name(kind.elem_type)
        raise BundleError(
            field, expected="float32 of shape [batch, size]", found=f"{type_name} {sizes}", remedy="export it so"
        )
    if isinstance(sizes[0], int) and sizes[0] != 1:
        raise BundleError(field, expected="a batch of 1, or of any size", found=sizes, remedy="export it so")
    return sizes[1]


def _opset(model: onnx.ModelProto) -> int:
    return next((row.version for row in model.opset_import if row.domain in ("", "ai.onnx")), 0)
