"""Tiny policies, made without torch: a linear layer and a tanh."""

from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper
from sleight_core.action import ActionSpec
from sleight_core.bundle import write_bundle
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand

from ..sleight_core.bundle.toys import batched, toy_info, toy_model

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
    nodes = [
        helper.make_node("MatMul", ["obs", "weights"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["action"]),
    ]
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(offset, "offset")]
    model = toy_model(nodes, constants, batched({"obs": inputs}), batched({"action": outputs}))
    golden = rng.normal(size=(8, inputs)).astype(np.float32)
    info = toy_info(name, table, period=period, observation=tuple(specs), action=spec.parts)
    answers = np.tanh(golden @ weights + offset)
    return write_bundle(folder, info, {"policy": model}, {"obs": golden, "action": answers})
