"""A look into an ONNX file without the onnx package: versions, operator domains, and that all weights are inside.

ONNX files are protobuf messages. Only what the checks need is read; the field numbers are those of ``onnx.proto3``,
which may never change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Fields to descend into, by message; the message of each field.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 8, 13, 14
_MAX_DEPTH = 64


class OnnxFormatError(ValueError):
    """The bytes are no ONNX model."""


@dataclass(frozen=True)
class OnnxSummary:
    """What an ONNX file says about itself.

    Attributes:
        ir_version: Version of the file format; 0 when absent.
        opsets: Operator sets by domain; the default domain is "".
        external: Names of tensors whose data lie in another file.
        external_locations: Where those tensors say their data are.
    """

    ir_version: int
    opsets: dict[str, int]
    external: tuple[str, ...]
    external_locations: tuple[str, ...]


def summarise(data: bytes) -> OnnxSummary:
    """Read an ONNX file.

    Args:
        data: The whole file.

    Raises:
        OnnxFormatError: The bytes are no ONNX model.
    """
    ir_version = 0
    opsets: dict[str, int] = {}
    external: list[str] = []
    locations: list[str] = []
    seen_graph = False
    stack: list[tuple[str, memoryview, int]] = [("model", memoryview(data), 0)]
    while stack:
        message, view, depth = stack.pop()
        if depth > _MAX_DEPTH:
            raise OnnxFormatError("messages are nested too deeply")
        if message == "opset":
            domain, version = _opset(view)
            opsets[domain] = max(version, opsets.get(domain, 0))
            continue
        if message == "tensor":
            name, is_external, where = _tensor(view)
            if is_external:
                external.append(name)
                locations += where
            continue
        children = _CHILDREN[message]
        for number, value in _fields(view):
            if message == "model" and number == 1 and isinstance(value, int):
                ir_version = value
            child = children.get(number)
            if child is not None:
                if isinstance(value, int):
                    raise OnnxFormatError(f"field {number} of a {message} is no message")
                seen_graph |= child == "graph"
                stack.append((child, value, depth + 1))
    if not seen_graph or not opsets:
        raise OnnxFormatError("no graph or no operator set inside")
    return OnnxSummary(ir_version, opsets, tuple(external), tuple(locations))


def _tensor(view: memoryview) -> tuple[str, bool, list[str]]:
    name, is_external, where = "", False, []
    for number, value in _fields(view):
        if number == _TENSOR_NAME and not isinstance(value, int):
            name = _text(value)
        elif number == _TENSOR_LOCATION and value == 1:
            is_external = True
        elif number == _TENSOR_EXTERNAL_DATA and not isinstance(value, int):
            is_external = True
            entry = {key: _text(text) for key, text in _fields(value) if not isinstance(text, int)}
            if entry.get(1) == "location":
                where.append(entry.get(2, ""))
    return name, is_external, where


def _opset(view: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for number, value in _fields(view):
        if number == 1 and not isinstance(value, int):
            domain = _text(value)
        elif number == 2 and isinstance(value, int):
            version = value
    return ("" if domain == "ai.onnx" else domain), version


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and value of each field: an int for scalars, the bytes of strings and messages."""
    position, end = 0, len(view)
    while position < end:
        key, position = _varint(view, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise OnnxFormatError("field number 0")
        if wire == 0:
            value, position = _varint(view, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(view, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise OnnxFormatError(f"wire type {wire}")
        if position + length > end:
            raise OnnxFormatError("a field ends beyond its message")
        if wire == 2:
            yield number, view[position : position + length]
        position += length


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise OnnxFormatError("ends within a number")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise OnnxFormatError("a number of more than ten bytes")


def _text(view: memoryview) -> str:
    return bytes(view).decode("utf-8", errors="replace")
