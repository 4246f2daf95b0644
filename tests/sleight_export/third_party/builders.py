"""Small policies of others: one matrix, with whatever names, versions and joint order the test wants."""

import copy
import os
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

SHIPPED = Path(__file__).parents[3] / "export/sleight_export/third_party/leap_reorient.yaml"
#: Data of others that are used when they are there; not part of the project.
DATA = Path(os.environ.get("SLEIGHT_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
PUBLIC = DATA / "third_party_onnx" / "leap_reorient_policy.onnx"
SIZES = (57, 16)


def description() -> dict:
    """The shipped description, to be changed."""
    return copy.deepcopy(yaml.safe_load(SHIPPED.read_text()))


def write(folder: Path, content: dict, name: str = "policy.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def foreign(
    weights: np.ndarray | None = None,
    *,
    names=("obs", "continuous_actions"),
    sizes=SIZES,
    opset=11,
    ir_version=6,
    batch: int | str = 1,
    domains=(),
    gain=0.05,
    bend="Tanh",
) -> onnx.ModelProto:
    """``action = tanh(obs W)`` with the names given."""
    matrix = gain * np.random.default_rng(0).normal(size=sizes) if weights is None else weights
    nodes = [
        helper.make_node("MatMul", [names[0], "w"], ["bent"], doc_string="from /home/somebody/train.py"),
        helper.make_node(bend, ["bent"], [names[1]]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [batch, sizes[0]])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch, sizes[1]])],
        [numpy_helper.from_array(matrix.astype(np.float32), "w")],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, producer_name="someone")


def save(folder: Path, model: onnx.ModelProto, name: str = "policy.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path
