"""Tiny policies, made without torch: a linear layer and a tanh."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sleight_core.action import ActionSpec
from sleight_core.bundle import BundleInfo, write_bundle
from sleight_core.bundle.manifest import (
    ControlSection,
    HandSection,
    Mlp,
    ObjectSection,
    StartPose,
    TaskSection,
    TrainingSection,
)
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand

HAND = load_hand("shadow")
TERMS = (
    ("joint_pos", 1.0),
    ("fingertip_state", 1.0),
    ("fingertip_wrench", 10.0),
    ("grasp_center_pos", 1.0),
    ("wrist_euler", 1.0),
    ("last_action", 1.0),
    ("object_pos", 1.0),
    ("goal_offset", 1.0),
)


def tiny_bundle(folder: Path, *, bias=None, gain=0.01, terms=TERMS, period=1.0 / 60.0, name="tiny", table=HAND):
    """Write a bundle whose action is tanh(gain W obs + bias) and return it as loaded."""
    specs = term_specs(table, terms)
    spec = ActionSpec.arm_pose(table, period, lead=0.1) if table.arm_joints else ActionSpec.absolute(table)
    inputs, outputs = sum(s.size for s in specs), spec.size
    rng = np.random.default_rng(0)
    weights = (gain * rng.normal(size=(inputs, outputs))).astype(np.float32)
    offset = np.zeros(outputs, np.float32) if bias is None else np.asarray(bias, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["obs", "weights"], ["product"]),
            helper.make_node("Add", ["product", "offset"], ["sum"]),
            helper.make_node("Tanh", ["sum"], ["action"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(offset, "offset")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    golden = rng.normal(size=(8, inputs)).astype(np.float32)
    info = BundleInfo(
        name=name,
        description="A bundle for tests.",
        hand=HandSection.of(table),
        control=ControlSection(period=period, position_margin=0.01),
        observation=tuple(specs),
        action=spec.parts,
        composition=Mlp(),
        task=TaskSection(
            name="grasp",
            goal=(0.0, 0.0, 0.8),
            success_radius=0.05,
            hold_time=0.5,
            episode_time=200 / 60,
            start=StartPose(
                wrist_position=(0.0, 0.0, 0.8), wrist_quat=(0.7071067811865476, 0.7071067811865476, 0.0, 0.0)
            ),
            object=ObjectSection(set="household:cylinder:0"),
        ),
        training=TrainingSection(
            algorithm="none", preset="none", seed=0, steps=0, wall_time=0.0, git_commit="", command="", versions={}
        ),
    )
    answers = np.tanh(golden @ weights + offset)
    return write_bundle(folder, info, {"policy": model.SerializeToString()}, {"obs": golden, "action": answers})
