"""What the residuals see: the same on numpy and torch, and nothing of fingers that are not the first skill's."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
from sleight_core.compose import Ownership
from sleight_core.compose.features import CLIP, HoldReference, ResidualFeatures
from sleight_description import load_hand

HAND = load_hand("shadow")
FEATURES = ResidualFeatures(HAND)
B = 3


@dataclass
class State:
    joint_pos: Any
    joint_vel: Any
    wrist_pos: Any
    wrist_quat: Any
    wrist_linvel: Any
    wrist_angvel: Any
    fingertip_wrench: Any
    object_pos: Any
    object_quat: Any
    object_linvel: Any
    object_angvel: Any


def random_state(seed=0) -> State:
    rng = np.random.default_rng(seed)
    quats = rng.normal(size=(2, B, 4))
    quats /= np.linalg.norm(quats, axis=-1, keepdims=True)
    shapes = {"joint_pos": 22, "joint_vel": 22, "wrist_quat": 4, "object_quat": 4}
    values = {f.name: rng.normal(size=(B, shapes.get(f.name, 3))) for f in fields(State)}
    values |= {"wrist_quat": quats[0], "object_quat": quats[1], "fingertip_wrench": rng.normal(size=(B, 5, 6))}
    return State(**values)


def arguments(seed=1) -> dict:
    rng = np.random.default_rng(seed)
    mask = Ownership(HAND, ("th", "rf")).first[6:]
    return {
        "preserved": np.tile(mask, (B, 1)),
        "targets": rng.normal(size=(B, 18)),
        "previous": np.tanh(rng.normal(size=(B, 28))),
        "base_action": rng.normal(size=(B, 6)),
        "phase": rng.uniform(size=(B, 2)),
    }


def stored(state) -> HoldReference:
    return FEATURES.reference(state, np.zeros((B, 28)))


def test_terms_have_the_sizes_that_are_stated():
    state = random_state()
    terms = FEATURES.stabiliser(state, stored(state), **arguments())
    assert {name: value.shape for name, value in terms.items()} == {
        name: (B, size) for name, size in FEATURES.stabiliser_sizes.items()
    }
    second = FEATURES.second(np.zeros((B, 28)), np.ones((B, 28)), np.ones((B, 5)))
    assert {name: value.shape[1] for name, value in second.items()} == FEATURES.second_sizes
    assert np.abs(FEATURES.join(terms)).max() <= CLIP


def test_torch_and_numpy_agree():
    torch = pytest.importorskip("torch")
    state, given = random_state(), arguments()
    as_torch = State(**{name: torch.from_numpy(value) for name, value in vars(state).items()})
    there = {name: torch.from_numpy(value) for name, value in given.items()}
    reference = FEATURES.reference(as_torch, torch.zeros((B, 28), dtype=torch.float64))
    ours = FEATURES.join(FEATURES.stabiliser(state, stored(state), **given))
    theirs = FEATURES.join(FEATURES.stabiliser(as_torch, reference, **there))
    assert np.allclose(ours, theirs.numpy(), atol=1e-12)


def test_released_fingers_are_not_seen():
    state, given = random_state(), arguments()
    before = FEATURES.stabiliser(state, stored(state), **given)
    released = ~given["preserved"]
    reference = stored(state)
    state.joint_pos = np.where(released, 0.3, state.joint_pos)
    state.joint_vel = np.where(released, 9.0, state.joint_vel)
    after = FEATURES.stabiliser(state, reference, **given)
    for name in ("preserved_joint_pos", "preserved_joint_vel", "preserved_torque", "previous_residual"):
        assert np.array_equal(before[name], after[name]), name
        assert not np.array_equal(before[name], np.zeros_like(before[name])), name


def test_an_object_at_its_place_has_no_tip_errors_and_one_carried_along_does_not_move():
    state = random_state()
    state.joint_vel = np.zeros((B, 22))
    turning = np.cross(state.wrist_angvel, state.object_pos - state.wrist_pos)
    state.object_linvel = state.wrist_linvel + turning
    state.object_angvel = state.wrist_angvel
    terms = FEATURES.stabiliser(state, stored(state), **arguments())
    assert np.allclose(terms["tip_distance_error"], 0.0)
    assert np.allclose(terms["object_velocity"], 0.0, atol=1e-12)


def test_where_in_the_room_all_this_happens_does_not_matter():
    state, given = random_state(), arguments()
    reference = stored(state)
    before = FEATURES.join(FEATURES.stabiliser(state, reference, **given))
    away = np.array([0.3, -2.0, 1.0])
    state.wrist_pos, state.object_pos = state.wrist_pos + away, state.object_pos + away
    assert np.allclose(FEATURES.join(FEATURES.stabiliser(state, reference, **given)), before, atol=1e-9)


def test_the_nominal_turn_is_seen_the_short_way_round():
    nominal, here = np.zeros((1, 28)), np.zeros((1, 28))
    nominal[0, 3], here[0, 3] = 3.1, -3.1
    seen = FEATURES.second(nominal, here, np.ones((1, 5)))["nominal"]
    assert abs(seen[0, 3]) < 0.2
