"""Small bundles made on the spot: a linear policy for the Shadow Hand."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from sleight_core.action import ActionSpec
from sleight_core.bundle.manifest import BundleInfo, Composition, Mlp
from sleight_core.bundle.writer import write_bundle
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand

from .toys import batched, toy_info, toy_model, toy_task

HAND = load_hand("shadow")
TERMS = ["joint_pos", "grasp_center_pos", "object_pos", "last_action"]
SPECS = term_specs(HAND, TERMS)
OBS = sum(spec.size for spec in SPECS)
ACTION = ActionSpec.absolute(HAND).size
PERIOD = 1.0 / 60.0


def linear_policy(
    obs: int = OBS,
    action: int = ACTION,
    *,
    opset: int = 17,
    ir_version: int = 8,
    extra: dict[str, int] | None = None,
    batch: str | int = "batch",
    seed: int = 0,
) -> bytes:
    """``action = clip(obs W + b, -1, 1)``; `extra` adds constant outputs name -> size."""
    rng = np.random.default_rng(seed)
    weight = (rng.standard_normal((obs, action)) / obs).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["obs", "weight", "bias"], ["linear"]),
        helper.make_node("Clip", ["linear", "low", "high"], ["action"]),
    ]
    inits = [
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(rng.uniform(-0.5, 0.5, action).astype(np.float32), "bias"),
        numpy_helper.from_array(np.array(-1, np.float32), "low"),
        numpy_helper.from_array(np.array(1, np.float32), "high"),
    ]
    sizes = {"action": action}
    for name, size in (extra or {}).items():
        matrix = np.full((obs, size), 1e-3, np.float32)
        inits.append(numpy_helper.from_array(matrix, name + "_weight"))
        nodes.append(helper.make_node("MatMul", ["obs", name + "_weight"], [name]))
        sizes[name] = size
    shapes = batched({"obs": obs}, batch), batched(sizes, batch)
    return toy_model(nodes, inits, *shapes, opset=opset, ir_version=ir_version)


def golden(data: bytes, obs: int = OBS, count: int = 8, seed: int = 1) -> dict[str, np.ndarray]:
    """Random inputs, and what the reference evaluator of the onnx package makes of them."""
    from onnx.reference import ReferenceEvaluator

    inputs = np.random.default_rng(seed).uniform(-5, 5, (count, obs)).astype(np.float32)
    model = onnx.load_from_string(data)
    names = [node.name for node in model.graph.output]
    answers: Any = ReferenceEvaluator(model).run(None, {"obs": inputs})
    return {"obs": inputs} | dict(zip(names, answers, strict=True))


def info(name: str = "toy", composition: Composition | None = None, **changes: Any) -> BundleInfo:
    """The manifest of the toy policy."""
    sections = {
        "observation": tuple(SPECS),
        "action": ActionSpec.absolute(HAND).parts,
        "composition": composition or Mlp(),
        "task": toy_task(quat=(1.0, 0.0, 0.0, 0.0)),
    }
    return toy_info(name, HAND, period=PERIOD, **(sections | changes))


def make(path: Path, composition: Composition | None = None, extra: dict[str, int] | None = None) -> Path:
    """Write a valid toy bundle and return its folder."""
    data = linear_policy(extra=extra)
    write_bundle(path, info(composition=composition), {"policy": data}, golden(data), table=HAND)
    return path


def edit(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a bundle's manifest."""
    path = bundle / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def replace_graph(bundle: Path, data: bytes, **fields: Any) -> None:
    """Put another graph into a bundle, with its hash and further fields of its section."""
    (bundle / "policy.onnx").write_bytes(data)
    fields["sha256"] = hashlib.sha256(data).hexdigest()
    edit(bundle, lambda m: m["graphs"][0].update(fields))


def replace_golden(bundle: Path, data: bytes | dict[str, Any], count: int | None = None) -> None:
    """Put other golden vectors into a bundle, with their hash."""
    if isinstance(data, dict):
        buffer = io.BytesIO()
        np.savez(buffer, **data)
        data = buffer.getvalue()
    (bundle / "golden.npz").write_bytes(data)
    fields: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest()}
    if count is not None:
        fields["count"] = count
    edit(bundle, lambda m: m["golden"].update(fields))
