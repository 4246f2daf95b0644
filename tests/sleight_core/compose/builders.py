"""Small bundles of composed skills, made on the spot: linear samplers and residuals for the Shadow Hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sleight_core.bundle.composed import (
    ComposedSkills,
    EstimateSection,
    EstimatorSection,
    PairSection,
    ResidualSection,
    SequenceSection,
    SkillSection,
    TransitionSection,
)
from sleight_core.bundle.manifest import BundleInfo, ControlSection, ObjectSection
from sleight_core.bundle.writer import join_golden, write_bundle
from sleight_core.compose import ComposeAction, Ownership
from sleight_core.observation.compose_terms import skill_terms
from sleight_core.observation.estimated_terms import twins
from sleight_core.observation.spec import TermSpec
from sleight_description import load_hand

from ..bundle.toys import PALM_DOWN, toy_info, toy_model, toy_task

HAND = load_hand("shadow_compose")
WORKSPACE = ((-0.5, -0.5, 0.62), (0.5, 0.6, 1.2))
ACTION = ComposeAction(HAND, WORKSPACE)
A = ACTION.size
PERIOD = 1.0 / 60.0
HORIZON, EXECUTE, LEAD = 12, 4, 2
#: What a robot can see: a bundle of these may be deployed.
SENSED = {"hand_joints": 22, "wrist_quat": 4}
#: What the tasks see: for simulation only.
GRASP = {**SENSED, "palm_to_object": 3, "object_to_target": 3}
PUSH = {**SENSED, "palm_to_handle": 3, "handle_pos": 3, "mechanism_joints": 1}
#: A pose in the middle of the workspace with nearly open fingers: where the toy skills want to be.
REST = np.concatenate([[0.0, 0.1, 0.8, 0.0, 0.0, 0.0], np.clip(np.full(22, 0.2), HAND.lower, HAND.upper)])
PRESERVED = ("th", "lf")
OWNERSHIP = Ownership(HAND, PRESERVED)


def sampler(observation: int, centre: np.ndarray = REST, *, horizon: int = HORIZON, gain=0.0, noise=0.0) -> bytes:
    """``actions = centre + gain * mean(last observation) + noise * noise`` for every action of the chunk."""
    mean = np.zeros((2 * observation, A), np.float32)
    mean[observation:] = gain / observation
    inits = [
        numpy_helper.from_array(mean, "mean"),
        numpy_helper.from_array(centre.astype(np.float32), "centre"),
        numpy_helper.from_array(np.array(noise, np.float32), "scale"),
        numpy_helper.from_array(np.array([1, 2 * observation], np.int64), "flat"),
        numpy_helper.from_array(np.array([1, 1, A], np.int64), "row"),
    ]
    nodes = [
        helper.make_node("Reshape", ["history", "flat"], ["seen"]),
        helper.make_node("MatMul", ["seen", "mean"], ["moved"]),
        helper.make_node("Add", ["moved", "centre"], ["one"]),
        helper.make_node("Reshape", ["one", "row"], ["first"]),
        helper.make_node("Mul", ["noise", "scale"], ["wobble"]),
        helper.make_node("Add", ["first", "wobble"], ["actions"]),
    ]
    inputs = {"history": [1, 2, observation], "noise": [1, horizon, A]}
    return toy_model(nodes, inits, inputs, {"actions": [1, horizon, A]})


def residual(observation: int, bias: np.ndarray | float = 0.0, *, gain: float = 0.0) -> bytes:
    """``residual = gain * mean(obs) + bias``."""
    weight = np.full((observation, A), gain / observation, np.float32)
    offset = np.broadcast_to(np.asarray(bias, np.float32), (A,)).copy()
    inits = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(offset, "bias")]
    nodes = [helper.make_node("Gemm", ["obs", "weight", "bias"], ["residual"])]
    return toy_model(nodes, inits, {"obs": [1, observation]}, {"residual": [1, A]})


def estimator(observation: int, weight: np.ndarray | float, bias: np.ndarray) -> bytes:
    """``features = obs @ weight + bias``; a number for a weight is the same for all."""
    matrix = np.broadcast_to(np.asarray(weight, np.float32), (observation, len(bias))).copy()
    inits = [numpy_helper.from_array(matrix, "weight"), numpy_helper.from_array(bias.astype(np.float32), "bias")]
    nodes = [helper.make_node("Gemm", ["obs", "weight", "bias"], ["features"])]
    return toy_model(nodes, inits, {"obs": [1, observation]}, {"features": [1, len(bias)]})


def slow_sampler(observation: int, centre: np.ndarray = REST, *, turns: int, size: int = 256) -> bytes:
    """A sampler that multiplies matrices `turns` times before it says what `sampler` says."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["kept", "square"], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn_number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("kept", TensorProto.FLOAT, [size, size]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [size, size]),
        ],
    )
    inits = [
        numpy_helper.from_array(np.array(turns, np.int64), "turns"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.eye(size, dtype=np.float32), "square"),
        numpy_helper.from_array(np.zeros((size, size), np.float32), "begin"),
        numpy_helper.from_array(np.zeros((size, A), np.float32), "narrow"),
        numpy_helper.from_array(centre.astype(np.float32), "centre"),
        numpy_helper.from_array(np.zeros((2 * observation, A), np.float32), "mean"),
        numpy_helper.from_array(np.array([1, 2 * observation], np.int64), "flat"),
        numpy_helper.from_array(np.array([1, 1, A], np.int64), "row"),
        numpy_helper.from_array(np.array(0.0, np.float32), "scale"),
        numpy_helper.from_array(np.array([0], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("Loop", ["turns", "yes", "begin"], ["product"], body=body),
        helper.make_node("MatMul", ["product", "narrow"], ["nothings"]),
        helper.make_node("ReduceSum", ["nothings", "axis"], ["nothing"], keepdims=1),
        helper.make_node("Reshape", ["history", "flat"], ["seen"]),
        helper.make_node("MatMul", ["seen", "mean"], ["moved"]),
        helper.make_node("Add", ["moved", "centre"], ["place"]),
        helper.make_node("Add", ["place", "nothing"], ["one"]),
        helper.make_node("Reshape", ["one", "row"], ["first"]),
        helper.make_node("Mul", ["noise", "scale"], ["wobble"]),
        helper.make_node("Add", ["first", "wobble"], ["actions"]),
    ]
    inputs = {"history": [1, 2, observation], "noise": [1, HORIZON, A]}
    return toy_model(nodes, inits, inputs, {"actions": [1, HORIZON, A]})


def golden(graphs: dict[str, bytes], count: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs of every graph, and what the reference evaluator makes of them, flat and under the graph's role."""
    from onnx.reference import ReferenceEvaluator

    rng = np.random.default_rng(seed)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for role, data in graphs.items():
        model = onnx.load_from_string(data)
        evaluate = ReferenceEvaluator(model)
        shapes = {i.name: [d.dim_value or 1 for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
        rows = [{n: rng.uniform(-1, 1, s).astype(np.float32) for n, s in shapes.items()} for _ in range(count)]
        answers: Any = [evaluate.run(None, row) for row in rows]
        parts[role] = {name: np.concatenate([row[name] for row in rows]) for name in shapes}
        parts[role] |= {
            node.name: np.concatenate([answer[i] for answer in answers]) for i, node in enumerate(model.graph.output)
        }
    return join_golden(parts)


def skill(name: str, terms: dict[str, int] | None = None, **changes: Any) -> SkillSection:
    """A toy skill."""
    data = {
        "name": name,
        "graph": f"skill.{name}",
        "observation": skill_terms(HAND, terms or SENSED),
        "goal": (0.0, 0.0, 0.8),
        "history": 2,
        "horizon": HORIZON,
        "execute": EXECUTE,
        "lead": LEAD,
    }
    return SkillSection(**(data | changes))


#: What the toy estimators see: the palm, and the first and the newest cloud.
WATCHED = ("palm_pos", "first_scene_cloud_64", "scene_cloud_64")
BALL, BUTTON = {"object_pos": 3}, {"handle_pos": 3, "mechanism_joints": 1}


def eyes(name: str, outputs: dict[str, int], terms: tuple[str, ...] = WATCHED) -> EstimatorSection:
    """The section of a toy estimator."""
    return EstimatorSection(
        graph=f"features.{name}",
        observation=tuple(TermSpec.of(term, HAND, clip=None) for term in terms),
        outputs=tuple(EstimateSection(name=quantity, size=size) for quantity, size in outputs.items()),
    )


def seeing(name: str, terms: dict[str, int], outputs: dict[str, int], **changes: Any) -> SkillSection:
    """A toy skill that sees estimates."""
    return skill(name, observation=twins(HAND, skill_terms(HAND, terms)), estimator=eyes(name, outputs), **changes)


def pair(first="GraspBall", second="PushButton", residuals: tuple[str, ...] = ("first", "second"), **changes: Any):
    """A toy pair: thumb and little finger keep the ball."""
    terms = (TermSpec.of("hand_joints", HAND),)
    data: dict[str, Any] = {
        "first": first,
        "second": second,
        "preserved": OWNERSHIP.preserved,
        "mask": tuple(OWNERSHIP.second.tolist()),
        "bounds": (0.02,) * 6 + (0.1,) * 22,
        "transition": TransitionSection(hold=2, steps=6, settle=2, target=tuple(REST.tolist())),
    }
    for which in residuals:
        data[f"{which}_residual"] = ResidualSection(graph=f"residual.{which}", observation=terms)
    return PairSection(**(data | changes))


def sequence(**changes: Any) -> SequenceSection:
    """A toy third skill after the toy pair: the second one keeps the ring finger where it is."""
    own = Ownership(HAND, (*PRESERVED, "rf"))
    data: dict[str, Any] = {
        "first": "GraspBall",
        "between": "PushButton",
        "second": "TurnOnSwitch",
        "preserved": own.preserved,
        "mask": tuple(own.second.tolist()),
        "bounds": (0.02,) * 6 + (0.1,) * 22,
        "transition": TransitionSection(
            hold=2, leave=4, retreat=(0.0, 0.1, 0.05), steps=6, settle=2, target=tuple(REST.tolist())
        ),
        "first_residual": pair().first_residual,
        "second_residual": ResidualSection(graph="residual.third", observation=(TermSpec.of("hand_joints", HAND),)),
    }
    return SequenceSection(**(data | changes))


def three(**changes: Any) -> ComposedSkills:
    """Three toy skills, a pair of them and what follows it."""
    skills = (skill("GraspBall"), skill("PushButton"), skill("TurnOnSwitch"))
    return composition(**({"skills": skills, "sequences": (sequence(),)} | changes))


def composition(**changes: Any) -> ComposedSkills:
    """Two toy skills and their pair."""
    skills = (skill("GraspBall"), skill("PushButton"))
    data = {"action_ticks": 2, "wrist_gain": 10.0, "skills": skills, "pairs": (pair(),)}
    return ComposedSkills(**(data | changes))


def info(composed: ComposedSkills, **changes: Any) -> BundleInfo:
    """The manifest of toy skills."""
    start = {"start": (0.0, 0.1, 0.8), "quat": PALM_DOWN}
    task = toy_task(**start, name="compose", episode_time=20.0, object=ObjectSection(set="compose:GraspBall"))
    sections = {"observation": (), "action": ACTION.parts, "composition": composed, "task": task}
    return toy_info("toys", HAND, period=PERIOD, **(sections | changes))


def graphs(composed: ComposedSkills, **made: bytes) -> dict[str, bytes]:
    """Graphs for all roles of a composition; those given, or resting ones."""
    out = {}
    for row in composed.skills:
        out[row.graph] = sampler(row.observation_size)
        if row.estimator is not None:
            out[row.estimator.graph] = estimator(
                row.estimator.observation_size, 0.0, np.zeros(sum(row.estimator.sizes.values()))
            )
    for row in composed.compositions.values():
        for section in row.residuals.values():
            out[section.graph] = residual(section.observation_size)
    return out | made


def make(
    path: Path,
    composed: ComposedSkills | None = None,
    *,
    simulation: bool = False,
    period: float = PERIOD,
    count: int = 3,
    **made: bytes,
) -> Path:
    """Write a valid bundle of toy skills and return its folder.

    `made` are graphs by role, with underscores for dots: ``skill_GraspBall=...``.
    """
    composed = composed or composition()
    files = graphs(composed, **{role.replace("_", ".", 1): data for role, data in made.items()})
    about = info(composed, control=ControlSection(period=period, position_margin=0.01))
    write_bundle(path, about, files, golden(files, count), table=HAND, simulation=simulation)
    return path
