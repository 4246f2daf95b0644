"""From a description's rows to observation terms and action parts, and what does not fit, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from sleight_core.action import ActionPart
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import TERMS, TermSpec

from sleight_export.third_party.description import Elements, PartDescription, PolicyDescription, TermDescription
from sleight_export.third_party.graph import ForeignGraph
from sleight_export.third_party.joints import named_joints

Row = TypeVar("Row")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Mapping:
    """What a description means for a hand.

    Attributes:
        terms: Terms of the observation.
        parts: Parts of the action.
        columns: (D,) where each element of the graph's own input is in our observation.
        problems: What does not fit, one clause each; the rest holds only without any.
    """

    terms: tuple[TermSpec, ...]
    parts: tuple[ActionPart, ...]
    columns: NDArray[np.int64]
    problems: tuple[str, ...]


def map_description(table: HandTable, told: PolicyDescription, foreign: ForeignGraph) -> Mapping:
    """Work out terms, parts and joint orders.

    Args:
        table: The hand.
        told: The description.
        foreign: The graph that it describes.
    """
    problems = [
        *_coverage("observation", [row.elements for row in told.observation], foreign.input_size, foreign.input),
        *_coverage("action", [row.elements for row in told.action], foreign.output_size, foreign.output),
    ]
    terms = _make_all(_term, table, told.observation, "observation", problems)
    parts = _make_all(_part, table, told.action, "action", problems)
    owned = [name for part in parts for name in part.joint_names]
    if not problems and sorted(owned) != sorted(table.actuated_joint_names):
        wrong = sorted(set(owned) ^ set(table.actuated_joint_names)) or sorted({n for n in owned if owned.count(n) > 1})
        problems.append(f"action: must own every joint with a motor once, not so: {wrong}")
    if unknown := sorted(set(told.task.start.joints) - set(table.joint_names)):
        problems.append(f"task.start.joints: hand '{table.name}' has no joints {unknown}")
    columns = np.zeros(0, dtype=np.int64) if problems else _columns(table, told.observation, terms)
    return Mapping(tuple(terms), tuple(parts), columns, tuple(problems))


def _make_all(
    make: Callable[[HandTable, Row], Made], table: HandTable, rows: Sequence[Row], field: str, problems: list[str]
) -> list[Made]:
    """Make something of every row; what is refused becomes a problem."""
    made = []
    for i, row in enumerate(rows):
        try:
            made.append(make(table, row))
        except SleightError as error:
            problems.append(f"{field}.{i}.{error}")
        except ValidationError as error:
            problems.append(f"{field}.{i}: {error.errors()[0]['msg']}")
    return made


def _term(table: HandTable, row: TermDescription) -> TermSpec:
    if row.term not in TERMS:
        raise SleightError(f"term: no observation term '{row.term}'", remedy=f"choose from {sorted(TERMS)}")
    spec = TermSpec.of(row.term, table, scale=row.scale, clip=row.clip)
    if spec.size != _length(row.elements):
        raise SleightError(
            f"elements: term '{row.term}' has {spec.size} elements on hand '{table.name}', "
            f"{list(row.elements)} are {_length(row.elements)}"
        )
    if spec.provenance == "privileged":
        raise SleightError(f"term: only a simulator knows '{row.term}', no robot runs a policy that sees it")
    if spec.frame == "joint":
        if row.joint_order is None:
            raise SleightError(f"joint_order: {_ask_for_order(table)}")
        named_joints(table, row.joint_order, _joints_of(table, spec))
    elif row.joint_order is not None:
        raise SleightError(f"joint_order: term '{row.term}' is not over joints", remedy="leave it out")
    return spec


def _part(table: HandTable, row: PartDescription) -> ActionPart:
    count = _length(row.elements)
    if row.rule == "twist":
        if row.joint_order is not None or row.limits is not None:
            raise SleightError("joint_order: a twist has no joints", remedy="leave joint_order and limits out")
        return ActionPart(name=row.name, rule=row.rule, scale=_scales(row, 6))
    lacking = []
    if row.joint_order is None:
        lacking.append(f"joint_order: {_ask_for_order(table)}")
    if row.limits is None:
        lacking.append("limits: 'hand' for the hand table's ranges, or {joint: [lower, upper]} in rad for each joint")
    if row.rule == "delta_target" and row.scale is None:
        lacking.append("scale: rad that an element of 1 adds to the last target, one factor or one an element")
    if lacking:
        raise SleightError("; ".join(lacking))
    assert row.joint_order is not None
    names = _part_joints(table, row)
    if count != len(names):
        raise SleightError(f"elements: {list(row.elements)} are {count}, joint_order names {len(names)} joints")
    if isinstance(row.limits, dict) and set(row.limits) != set(names):
        raise SleightError(
            f"limits: must name exactly the part's joints, differ in {sorted(set(row.limits) ^ set(names))}"
        )
    ranges = row.limits if isinstance(row.limits, dict) else {}
    rows = [ranges.get(name, (table.joint(name).lower, table.joint(name).upper)) for name in names]
    return ActionPart(
        name=row.name,
        rule=row.rule,
        scale=_scales(row, count) if row.rule == "delta_target" else (),
        joint_names=names,
        lower=tuple(low for low, _ in rows),
        upper=tuple(high for _, high in rows),
    )


def _part_joints(table: HandTable, row: PartDescription) -> tuple[str, ...]:
    """Joints of a part in its order; a public order holds all joints with a motor, a list those of the part alone."""
    assert row.joint_order is not None
    return named_joints(table, row.joint_order, table.actuated_joint_names, some=not isinstance(row.joint_order, str))


def _scales(row: PartDescription, count: int) -> tuple[float, ...]:
    scale = row.scale
    if scale is None:
        raise SleightError("scale: factor of an element of 1, one for all or one an element")
    scales = scale if isinstance(scale, tuple) else (scale,) * count
    if len(scales) != count:
        raise SleightError(f"scale: {len(scales)} factors for {count} elements")
    return scales


def _ask_for_order(table: HandTable) -> str:
    return f"name the order of the joints: one of {sorted(table.joint_orders)}, or a list of joint names"


def _joints_of(table: HandTable, spec: TermSpec) -> tuple[str, ...]:
    """Joints that a term over joints holds, in our order."""
    return table.joint_names if spec.size == len(table.joint_names) else table.actuated_joint_names


def _length(elements: Elements) -> int:
    return elements[1] - elements[0]


def _coverage(field: str, slices: Sequence[Elements], size: int, name: str) -> list[str]:
    """What is wrong with slices that should cover a vector of the graph in order."""
    problems, at = [], 0
    for i, (first, end) in enumerate(slices):
        if first != at or end <= first:
            problems.append(f"{field}.{i}.elements: should begin at {at} and not be empty, is [{first}, {end}]")
        at = max(end, at)
    if at != size:
        problems.append(f"{field}: describes {at} elements, '{name}' of the graph has {size}")
    return problems


def _columns(table: HandTable, rows: Sequence[TermDescription], specs: Sequence[TermSpec]) -> NDArray[np.int64]:
    """Where each element of the graph's own input is in our observation, (D,)."""
    columns = []
    for row, spec in zip(rows, specs, strict=True):
        index = list(range(spec.size))
        if row.joint_order is not None:
            ours = _joints_of(table, spec)
            index = [ours.index(name) for name in named_joints(table, row.joint_order, ours)]
        columns += [row.elements[0] + i for i in index]
    return np.array(columns)
