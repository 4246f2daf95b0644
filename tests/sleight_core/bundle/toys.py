"""What toy bundles have in common: the rest of a manifest, and an ONNX graph of a few nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper
from sleight_core.bundle.manifest import (
    BundleInfo,
    ControlSection,
    HandSection,
    Mlp,
    ObjectSection,
    StartPose,
    TaskSection,
    TrainingSection,
)
from sleight_core.hand import HandTable

#: The start of the grasping task: the palm looks down.
PALM_DOWN = (0.7071067811865476, 0.7071067811865476, 0.0, 0.0)
TRAINING = TrainingSection(
    algorithm="none",
    preset="toy",
    seed=0,
    steps=0,
    wall_time=0.0,
    git_commit="",
    command="made by a test",
    versions={},
)


def toy_task(*, start: tuple[float, float, float] = (0.0, 0.0, 0.8), quat=PALM_DOWN, **changes: Any) -> TaskSection:
    """The grasping task, or what is changed of it."""
    data: dict[str, Any] = {
        "name": "grasp",
        "goal": (0.0, 0.0, 0.8),
        "success_radius": 0.05,
        "hold_time": 0.5,
        "episode_time": 200 / 60,
        "start": StartPose(wrist_position=start, wrist_quat=quat),
        "object": ObjectSection(set="household:cylinder:0"),
    }
    return TaskSection(**(data | changes))


def toy_info(name: str, table: HandTable, *, period: float = 1.0 / 60.0, **sections: Any) -> BundleInfo:
    """The manifest of a toy policy.

    Args:
        name: Of the bundle.
        table: Its hand.
        period: Control period, s.
        sections: At least `observation` and `action`; `composition` is one network unless given.
    """
    data: dict[str, Any] = {
        "name": name,
        "description": "A bundle for tests.",
        "hand": HandSection.of(table),
        "control": ControlSection(period=period, position_margin=0.01),
        "composition": Mlp(),
        "task": toy_task(),
        "training": TRAINING,
    }
    return BundleInfo(**(data | sections))


def toy_model(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
    *,
    opset: int = 17,
    ir_version: int = 8,
) -> bytes:
    """A graph of float tensors, checked unless its versions are unusual.

    Args:
        nodes: Its nodes.
        constants: Its initialisers.
        inputs, outputs: Their shapes by name.
        opset: Version of the operators.
        ir_version: Version of the file.
    """
    ins, outs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in tensors.items()]
        for tensors in (inputs, outputs)
    )
    graph = helper.make_graph(list(nodes), "toy", ins, outs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    if (opset, ir_version) == (17, 8):
        onnx.checker.check_model(model)
    return model.SerializeToString()


def batched(sizes: Mapping[str, int], batch: int | str = "batch") -> dict[str, tuple[int | str, int]]:
    """Shapes of tensors with a batch axis, by their sizes."""
    return {name: (batch, size) for name, size in sizes.items()}
