"""An ONNX file and its description as a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from sleight_core.action import ActionPart, ActionSpec
from sleight_core.bundle.loader import Bundle
from sleight_core.bundle.manifest import (
    BundleInfo,
    ControlSection,
    HandSection,
    Mlp,
    ObjectSection,
    StartPose,
    TaskSection,
    TrainingSection,
    refusal,
)
from sleight_core.bundle.writer import write_bundle
from sleight_core.cli.bundle import find_hand
from sleight_core.errors import IncompleteError, SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import TERMS, ObservationBuilder, TermSpec
from sleight_core.rotations import quat_normalize

from sleight_export.third_party.description import (
    Elements,
    PartDescription,
    PolicyDescription,
    TermDescription,
    read_description,
)
from sleight_export.third_party.graph import ForeignGraph, adapt, check_adapted, read_graph
from sleight_export.third_party.joints import named_joints
from sleight_export.third_party.states import random_states

#: Golden vectors of an imported policy.
GOLDEN_COUNT = 64
#: How far outside [-1, 1] an action may be by rounding alone.
_ROUNDING = 1e-6


def import_policy(onnx_file: Path, description_file: Path, out: Path, *, overwrite: bool = False) -> Bundle:
    """Wrap a policy that was trained elsewhere into a bundle.

    The graph is rewritten to a bundle's interface and compared with the file; joint vectors that it takes in another
    order are reordered inside it, so that its observation is in the hand table's order like every bundle's. Its golden
    vectors are the file's own answers.

    Args:
        onnx_file: The policy.
        description_file: What it sees and does, see `PolicyDescription`.
        out: Folder of the bundle.
        overwrite: Whether an existing bundle there is replaced.

    Returns:
        The bundle as loaded from the disk.

    Raises:
        IncompleteError: The description lacks something or does not fit the graph: all of it, with what to write.
        SleightError: A file cannot be read, or the policy is refused.
    """
    told = read_description(description_file)
    table = find_hand(told.hand)
    foreign = read_graph(onnx_file, told.graph.input, told.graph.output)
    terms = [_fallible(_term, table, row) for row in told.observation]
    parts = [_fallible(_part, table, row) for row in told.action]
    problems = [
        *_coverage("observation", [row.elements for row in told.observation], foreign.input_size, foreign.input),
        *_coverage("action", [row.elements for row in told.action], foreign.output_size, foreign.output),
        *(f"observation.{i}.{term}" for i, term in enumerate(terms) if isinstance(term, str)),
        *(f"action.{i}.{part}" for i, part in enumerate(parts) if isinstance(part, str)),
        *_unknown_joints(table, told),
    ]
    if problems:
        raise IncompleteError("the description does not fit", problems)
    specs = [term for term in terms if isinstance(term, TermSpec)]
    owned = [part for part in parts if isinstance(part, ActionPart)]
    action = ActionSpec(table, owned)
    info = _info(told, table, specs, action, onnx_file, foreign)
    columns = _columns(table, told.observation, specs)
    start = quat_normalize(np.asarray(told.task.start.wrist_quat, dtype=float))
    observations = ObservationBuilder(table, specs).compute(random_states(table, start, GOLDEN_COUNT))
    answers = foreign.answers(observations[:, columns])
    _check_range(told.action, answers)
    data = adapt(foreign, columns)
    difference = check_adapted(data, observations, answers, info.action_labels)
    bundle = write_bundle(
        out, info, {"policy": data}, {"obs": observations, "action": answers}, table=table, overwrite=overwrite
    )
    orders = {str(row.joint_order) for row in (*told.observation, *told.action) if row.joint_order}
    notes = (
        *foreign.notes,
        f"joints: by name, from {', '.join(sorted(orders)) or 'no order'}",
        f"graph: as the file on {GOLDEN_COUNT} states, one by one and together, largest difference {difference:.1e}",
    )
    return replace(bundle, checks=(*notes, *bundle.checks))


def _fallible(make, table: HandTable, row):  # noqa: ANN001, ANN202
    """The result, or what is wrong with the row as one clause."""
    try:
        return make(table, row)
    except IncompleteError:
        raise
    except SleightError as error:
        return str(error)
    except ValidationError as error:
        return error.errors()[0]["msg"]


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
    if isinstance(row.joint_order, str):
        return named_joints(table, row.joint_order, table.actuated_joint_names)
    wanted = tuple(name for name in table.actuated_joint_names if name in row.joint_order)
    return named_joints(table, row.joint_order, wanted)


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


def _unknown_joints(table: HandTable, told: PolicyDescription) -> list[str]:
    unknown = sorted(set(told.task.start.joints) - set(table.joint_names))
    return [f"task.start.joints: hand '{table.name}' has no joints {unknown}"] if unknown else []


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


def _check_range(rows: Sequence[PartDescription], answers: NDArray[np.float32]) -> None:
    """Actions outside [-1, 1] are cut on the robot: only with the user's word that they were in training."""
    problems = []
    for i, row in enumerate(rows):
        largest = float(np.abs(answers[:, slice(*row.elements)]).max())
        if largest > 1.0 + _ROUNDING and not row.clipped:
            problems.append(
                f"action.{i}.clipped: elements reach {largest:.3g}, and what is outside [-1, 1] is cut: write true if "
                "it was in training, else export the policy with its action scaled to [-1, 1]"
            )
    if problems:
        raise IncompleteError("the description does not fit", problems)


def _info(
    told: PolicyDescription,
    table: HandTable,
    specs: Sequence[TermSpec],
    action: ActionSpec,
    onnx_file: Path,
    foreign: ForeignGraph,
) -> BundleInfo:
    task, start, origin = told.task, told.task.start, told.training
    digest = hashlib.sha256(foreign.data).hexdigest()
    quat = quat_normalize(np.asarray(start.wrist_quat, dtype=float)).tolist()
    try:
        return BundleInfo(
            name=told.name,
            description=told.description,
            hand=HandSection.of(table),
            control=ControlSection(**told.control.model_dump()),
            observation=tuple(specs),
            action=action.parts,
            composition=Mlp(),
            task=TaskSection(
                **task.model_dump(include={"name", "goal", "success_radius", "success_angle", "hold_time"}),
                episode_time=task.episode_time,
                start=StartPose(wrist_position=start.wrist_position, wrist_quat=tuple(quat), joints=start.joints),
                object=ObjectSection(set=task.object),
            ),
            training=TrainingSection(
                algorithm=origin.algorithm,
                preset="imported",
                seed=0,
                steps=origin.steps,
                wall_time=0.0,
                git_commit="",
                command=f"sleight bundle import {onnx_file.name} (SHA-256 {digest})",
                versions={name: version(name) for name in ("onnx", "onnxruntime", "numpy")},
                source=origin.source,
                licence=origin.licence,
            ),
        )
    except ValidationError as error:
        raise refusal(error, "correct the description") from error
