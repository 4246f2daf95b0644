"""A bundle that breaks from inside on demand: a mixture of two experts whose graph has trapdoors.

Each trapdoor opens when the object's height, as perceived, lies in its range; so a running policy can be broken from
outside while everything that a robot checks of the bundle is in order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sleight_core.action import ActionSpec
from sleight_core.bundle import BundleInfo, write_bundle
from sleight_core.bundle.manifest import MaskedDualResidual, MoeResidual
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand

from ...sleight_core.bundle.toys import batched, toy_info, toy_model
from ..bundles import TERMS
from ..double import PERIOD

HAND = load_hand("shadow")
#: Heights of the object (m) that open the trapdoors; each is 0.2 m wide.
TRAPS = {"nan": 1.0, "thousandfold": 1.2, "raises": 1.4, "gate_zero": 1.6}
#: Something to do that changes all joints and both parts of the twist.
BIAS = np.concatenate([[0.05, 0.0, 0.1, 0.0, 0.0, 0.1], np.full(18, 0.3)]).astype(np.float32)


class Graph:
    """Collects nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def __call__(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def model(self, outputs: dict[str, int], size: int) -> bytes:
        return toy_model(self.nodes, self.constants, batched({"obs": size}), batched(outputs))


def _linear(g: Graph, weights: np.ndarray, bias: np.ndarray) -> str:
    return g("Tanh", g("Add", g("MatMul", "obs", g.constant(weights)), g.constant(bias)))


def _height(g: Graph, column: int) -> str:
    start, end, axis = (g.constant([value], np.int64) for value in (column, column + 1, 1))
    return g("Slice", "obs", start, end, axis)


def _opened(g: Graph, height: str, trap: str) -> str:
    middle = TRAPS[trap]
    above = g("Greater", height, g.constant([[middle - 0.1]]))
    return g("And", above, g("Less", height, g.constant([[middle + 0.1]])))


def _policy(weights: list[np.ndarray], column: int) -> bytes:
    g = Graph()
    size, actions = weights[0].shape
    experts = [_linear(g, weights[0], BIAS), _linear(g, weights[1], BIAS)]
    residual = g("Mul", _linear(g, weights[2], 0 * BIAS), g.constant(0.01), output="residual")
    height = _height(g, column)
    zero, one = g.constant(0.0), g.constant(1.0)
    logits = g("Where", _opened(g, height, "gate_zero"), zero, g.constant(np.array([[0.5, 0.5]])))
    total = g("ReduceSum", g("Abs", logits), g.constant([1], np.int64), keepdims=1)
    mixing = g("Div", logits, total, output="expert_weights")
    shares = g.constant([1, 1], np.int64)
    first, second = f"{mixing}_0", f"{mixing}_1"
    g.nodes.append(helper.make_node("Split", [mixing, shares], [first, second], axis=1))
    base = g("Add", g("Mul", experts[0], first), g("Mul", experts[1], second))
    action = g("Add", base, residual)
    action = g("Mul", action, g("Where", _opened(g, height, "thousandfold"), g.constant(1000.0), one))
    action = g("Add", action, g("Where", _opened(g, height, "nan"), g.constant(float("nan")), zero))
    # An index that is out of bounds makes the inference itself fail.
    flag = g("ReduceMax", g("Cast", _opened(g, height, "raises"), to=TensorProto.FLOAT), keepdims=0)
    index = g("Cast", g("Mul", flag, g.constant(7.0)), to=TensorProto.INT64)
    g("Mul", action, g("Gather", g.constant(np.ones(2)), index), output="action")
    return g.model({"action": actions, "expert_weights": 2, "residual": actions}, size)


def trap_bundle(folder: Path) -> None:
    """Write the bundle."""
    specs, spec = term_specs(HAND, TERMS), ActionSpec.absolute(HAND)
    size = sum(s.size for s in specs)
    before = [s.name for s in specs].index("object_pos")
    column = sum(s.size for s in specs[:before]) + 2
    rng = np.random.default_rng(0)
    weights = [(0.01 * rng.normal(size=(size, spec.size))).astype(np.float32) for _ in range(3)]
    g = Graph()
    g("Identity", _linear(g, weights[0], BIAS), output="action")
    expert = g.model({"action": spec.size}, size)
    golden = rng.normal(size=(8, size)).astype(np.float32)
    golden[:, column] = 0.64
    one, two = (np.tanh(golden @ w + BIAS) for w in weights[:2])
    residual = 0.01 * np.tanh(golden @ weights[2])
    answers = {
        "obs": golden,
        "action": 0.5 * one + 0.5 * two + residual,
        "expert_weights": np.full((8, 2), 0.5),
        "residual": residual,
        "expert_0.action": one,
    }
    composition = MoeResidual(k=2, normalisation="l1", expert_names=("one", "two"))
    write_bundle(
        folder, _info(composition, specs, spec), {"policy": _policy(weights, column), "expert_0": expert}, answers
    )


def unmasked_bundle(folder: Path) -> None:
    """Write a bundle of two policies whose mask gives the second one nothing."""
    specs, spec = term_specs(HAND, TERMS), ActionSpec.absolute(HAND)
    size = sum(s.size for s in specs)
    g = Graph()
    weights = (0.01 * np.random.default_rng(0).normal(size=(size, spec.size))).astype(np.float32)
    action = g("Identity", _linear(g, weights, BIAS), output="action")
    g("Mul", action, g.constant(0.0), output="residual")
    golden = np.random.default_rng(1).normal(size=(8, size)).astype(np.float32)
    answers = {"obs": golden, "action": np.tanh(golden @ weights + BIAS), "residual": np.zeros((8, spec.size))}
    composition = MaskedDualResidual(mask=(False,) * spec.size, bounds=(0.1,) * spec.size)
    graph = g.model({"action": spec.size, "residual": spec.size}, size)
    write_bundle(folder, _info(composition, specs, spec), {"policy": graph}, answers)


def _info(composition, specs, spec) -> BundleInfo:
    sections = {"observation": tuple(specs), "action": spec.parts, "composition": composition}
    return toy_info("trap", HAND, period=PERIOD, **sections)
