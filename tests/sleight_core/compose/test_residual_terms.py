"""The residuals' terms as a manifest names them are the features that the trainer computes."""

from typing import Any

import numpy as np
import pytest
from sleight_core.compose import Ownership
from sleight_core.compose.features import HoldReference, ResidualFeatures
from sleight_core.compose.ownership import WRIST_SIZE
from sleight_core.errors import SleightError
from sleight_core.observation import TERMS, ObservationBuilder, RobotState
from sleight_core.observation.residual_terms import MEMORY, SeenObject, hold_memory, residual_terms
from sleight_core.observation.spec import term_specs

from .builders import HAND

FEATURES = ResidualFeatures(HAND)
OWN = Ownership(HAND, ("th", "lf"))


def state(seed=0, batch=3) -> RobotState:
    rng = np.random.default_rng(seed)

    def of(*shape):
        return rng.normal(size=(batch, *shape))

    def unit(values):
        return values / np.linalg.norm(values, axis=-1, keepdims=True)

    nothing = np.zeros((batch, 3))
    privileged = {"object_pos": of(3), "object_quat": unit(of(4)), "object_linvel": of(3), "object_angvel": of(3)}
    return RobotState(
        joint_pos=rng.uniform(HAND.lower, HAND.upper, (batch, 22)),
        joint_vel=of(22),
        wrist_pos=of(3),
        wrist_quat=unit(of(4)),
        wrist_linvel=of(3),
        wrist_angvel=of(3),
        fingertip_wrench=0.1 * of(5, 6),
        canonical_yaw=np.zeros(batch),
        last_action=np.zeros((batch, 24)),
        object_pos=nothing,
        goal_pos=nothing,
        privileged=privileged | {"handle_pos": of(3), "mechanism_joints": of(1)},
    )


def remembering(seen: RobotState) -> RobotState:
    rng = np.random.default_rng(5)
    batch = len(seen.joint_pos)
    own = np.tile(OWN.first[WRIST_SIZE:], (batch, 1))
    seen.memory = hold_memory(HAND, state(9), np.zeros((batch, 28))) | {
        "preserved": own,
        "fingers": np.tile(OWN.finger_mask.astype(float), (batch, 1)),
        "targets": rng.normal(size=(batch, 18)),
        "base_action": rng.normal(size=(batch, 6)),
        "previous_residual": rng.uniform(-1, 1, (batch, 28)),
        "phase": rng.uniform(0, 1, (batch, 2)),
        "nominal": rng.normal(size=(batch, 28)),
        "here": rng.normal(size=(batch, 28)),
    }
    return seen


def test_they_are_the_trainers_features():
    seen = remembering(state())
    memory = seen.memory
    assert set(memory) == set(MEMORY)
    there = SeenObject(seen)
    first = FEATURES.stabiliser(
        there,  # type: ignore[arg-type]
        HoldReference(memory["here"], memory["hold_object_pos"], memory["hold_tip_distance"]),
        preserved=memory["preserved"],
        targets=memory["targets"],
        previous=memory["previous_residual"],
        base_action=memory["base_action"],
        phase=memory["phase"],
    )
    second = FEATURES.second(memory["nominal"], memory["here"], memory["fingers"])
    known = seen.privileged
    own = {"second_handle_pos": known["handle_pos"], "second_mechanism_joints": known["mechanism_joints"]}
    wanted = FEATURES.join(first | own | second)
    sizes = FEATURES.stabiliser_sizes | {"second_handle_pos": 3, "second_mechanism_joints": 1} | FEATURES.second_sizes
    specs = residual_terms(HAND, sizes)
    assert [spec.name for spec in specs][-4:] == ["handle_pos", "mechanism_joints_1", "nominal", "mask"]
    found = ObservationBuilder(HAND, specs).compute(seen)
    assert found == pytest.approx(wanted, abs=1e-6)
    provenances = {spec.name: spec.provenance for spec in specs}
    assert provenances["object_pose"] == provenances["tip_distance_error"] == "privileged"
    assert provenances["contacts"] == "proprioception" and provenances["previous_residual"] == "memory"


def test_outside_a_composition_there_is_nothing_to_see():
    specs = residual_terms(HAND, {"phase": 2})
    with pytest.raises(SleightError, match="outside a composition"):
        ObservationBuilder(HAND, specs).compute(state())
    with pytest.raises(SleightError, match="has 2 elements"):
        residual_terms(HAND, {"phase": 3})


def test_where_nobody_knows_the_object_it_rests_at_0():
    seen = state()
    seen.privileged = {}
    there = SeenObject(seen)
    assert there.object_pos.shape == (3, 3) and (there.object_quat[:, 0] == 1.0).all()
    assert there.joint_pos is seen.joint_pos


COMPOSED = [
    name
    for name, row in TERMS.items()
    if row.function.__module__.rpartition(".")[2] in ("compose_terms", "residual_terms") and name[-2:] != "_2"
]


def test_every_term_of_composed_skills_has_the_size_it_says():
    seen = remembering(state())
    assert {"hand_joints", "handle_pos", "mechanism_joints_1", "nominal", "phase"} <= set(COMPOSED)
    for name in COMPOSED:
        builder = ObservationBuilder(HAND, term_specs(HAND, [name]))
        assert builder.compute(seen).shape == (3, TERMS[name].size(HAND)), name


def test_torch_gives_the_same_numbers_as_numpy():
    torch = pytest.importorskip("torch", reason="the training extra is not installed")
    seen = remembering(state())

    def moved(value) -> Any:
        if isinstance(value, dict):
            return {name: moved(one) for name, one in value.items()}
        return None if value is None else torch.as_tensor(value)

    builder = ObservationBuilder(HAND, term_specs(HAND, COMPOSED))
    other = RobotState(**{name: moved(value) for name, value in seen.__dict__.items()})
    assert builder.compute(other).numpy() == pytest.approx(builder.compute(seen), abs=1e-6)
