"""A nested section of parameters, checked against a model; an unknown key is refused with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from rclpy.node import Node


class Section(BaseModel):
    """Base of everything that a profile's section can hold: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Section)


def nearest(word: str, known: Iterable[str]) -> str:
    """A remedy for a word that is not known: the nearest known one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}"


def read_section(node: Node, name: str) -> dict[str, Any]:
    """Everything that the node's parameter files and arguments say under ``<name>.``, as nested dictionaries.

    The parameters are declared on the way, so that `ros2 param` shows them.

    Args:
        node: The node.
        name: First part of the parameters' names.
    """
    found: dict[str, Any] = {}
    # rclpy lists the parameters that were given and not declared nowhere else.
    given = node._parameter_overrides
    for key in sorted(given):
        if not key.startswith(f"{name}."):
            continue
        if not node.has_parameter(key):
            node.declare_parameter(key, given[key].value)
        value = node.get_parameter(key).value
        *folders, leaf = key.split(".")[1:]
        into = found
        for folder in folders:
            into = into.setdefault(folder, {})
            if not isinstance(into, dict):
                raise SleightError(f"parameter '{key}' lies in one that is no section", value=folder)
        into[leaf] = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
    return found


def parse(model: type[Model], data: Any, where: str, noun: str = "parameter") -> Model:
    """Check a section.

    Args:
        model: What it must be.
        data: What it is.
        where: Its full name, for the message.
        noun: What the message calls it.

    Raises:
        SleightError: It is something else; names the parameter, the value and the remedy.
    """
    if not isinstance(data, Mapping):
        raise SleightError(f"{noun} '{where}' must be a section", value=data, remedy="see docs/bridges.md")
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        # A misspelt key explains the missing one.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        name = ".".join(str(part) for part in (where, *first["loc"]))
        if first["type"] == "extra_forbidden":
            known = _fields(model, tuple(first["loc"][:-1]))
            remedy = nearest(str(first["loc"][-1]), known)
            raise SleightError(f"{noun} '{name}' is unknown", value=first["input"], remedy=remedy) from error
        # A missing key has its section as input, which says nothing.
        value = None if first["type"] == "missing" else first["input"]
        raise SleightError(f"{noun} '{name}': {first['msg'].lower()}", value=value) from error


def parse_parts(data: Mapping[str, Any], kinds: Mapping[str, type[Model]], where: str, key: str) -> dict[str, Model]:
    """Check a section of named parts, each of a kind that it names itself.

    Args:
        data: Part name -> its section.
        kinds: Kind -> its model.
        where: Name of the whole section.
        key: Key that holds the kind ("adapter", "dialect", "source").

    Raises:
        SleightError: A part is no section, or names no kind or an unknown one, or is refused by its model.
    """
    parts = {}
    for name, rows in data.items():
        here = f"{where}.{name}"
        if not isinstance(rows, Mapping):
            raise SleightError(f"parameter '{here}' must be a section with the key '{key}'", value=rows)
        kind = rows.get(key)
        if kind is None:
            raise SleightError(f"parameter '{here}.{key}' is missing", remedy=f"one of {', '.join(sorted(kinds))}")
        if kind not in kinds:
            raise SleightError(f"parameter '{here}.{key}' is unknown", value=kind, remedy=nearest(str(kind), kinds))
        parts[name] = parse(kinds[kind], rows, here)
    return parts


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Keys of a model, or of the one that lies under a path in it."""
    kind: Any = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = None if field is None else field.annotation
        else:  # a dictionary or a list: one more part of the path, and its values' type
            kind = next(iter(get_args(kind)[::-1]), None)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
