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
from sleight_core.action import ActionSpec
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
from sleight_core.errors import IncompleteError
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder, TermSpec
from sleight_core.rotations import quat_normalize

from sleight_export.third_party.description import PartDescription, PolicyDescription, read_description
from sleight_export.third_party.graph import ForeignGraph, adapt, check_adapted, read_graph
from sleight_export.third_party.mapping import map_description
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
    mapping = map_description(table, told, foreign)
    if mapping.problems:
        raise IncompleteError("the description does not fit", mapping.problems)
    action = ActionSpec(table, mapping.parts)
    info = _info(told, table, mapping.terms, action, onnx_file, foreign)
    start = quat_normalize(np.asarray(told.task.start.wrist_quat, dtype=float))
    observations = ObservationBuilder(table, mapping.terms).compute(random_states(table, start, GOLDEN_COUNT))
    answers = foreign.answers(observations[:, mapping.columns])
    _check_range(told.action, answers)
    data = adapt(foreign, mapping.columns)
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
