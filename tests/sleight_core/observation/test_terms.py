"""Observation terms: invariances, provenance, and what the specification refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.observation import TERMS, ObservationBuilder, RobotState, TermSpec
from sleight_core.observation.spec import term_specs
from sleight_core.rotations import quat_multiply, rotate_z, yaw_quat
from sleight_description import load_hand

SHADOW = load_hand("shadow")
#: With the point that some terms measure from.
TABLE = SHADOW.model_copy(update={"points": {"palm": SHADOW.grasp_center}})
#: Terms of composed skills and their estimators, which see the task frame and what a composition remembers: tested
#: with it.
COMPOSED = {
    name
    for name, row in TERMS.items()
    if row.function.__module__.rpartition(".")[2]
    in ("compose_terms", "estimated_terms", "residual_terms", "scene_terms")
}
DEPLOYED = [name for name, row in TERMS.items() if row.provenance != "privileged" and name not in COMPOSED]


def random_state(rng, batch=3):
    quat, tracked, goal = rng.normal(size=(3, batch, 4))
    for one in (quat, tracked, goal):
        one /= np.linalg.norm(one, axis=-1, keepdims=True)
    return RobotState(
        joint_pos=rng.uniform(TABLE.lower, TABLE.upper, (batch, 22)),
        joint_vel=rng.normal(size=(batch, 22)),
        wrist_pos=rng.normal(size=(batch, 3)),
        wrist_quat=quat,
        wrist_linvel=rng.normal(size=(batch, 3)),
        wrist_angvel=rng.normal(size=(batch, 3)),
        fingertip_wrench=rng.normal(size=(batch, 5, 6)),
        canonical_yaw=rng.uniform(-3, 3, batch),
        last_action=rng.uniform(-1, 1, (batch, 24)),
        object_pos=rng.normal(size=(batch, 3)),
        goal_pos=rng.normal(size=(batch, 3)),
        object_cloud=rng.normal(size=(batch, 512, 3)),
        object_quat=tracked,
        goal_quat=goal,
        joint_targets=rng.uniform(TABLE.actuated_lower, TABLE.actuated_upper, (batch, 18)),
        last_output=rng.uniform(-1, 1, (batch, 18)),
        scene_cloud=rng.normal(size=(batch, 512, 3)),
    )


WITH_QUAT = ("wrist", "object", "goal")


def turned(state, yaw):
    """The same situation, with the whole world turned about z by yaw."""
    turn = np.full(len(state.canonical_yaw), yaw)
    vectors = ("wrist_pos", "wrist_linvel", "wrist_angvel", "object_pos", "goal_pos")
    clouds = rotate_z(state.object_cloud, turn[:, None])
    moved = {name: rotate_z(getattr(state, name), turn) for name in vectors}
    return RobotState(
        **{
            **state.__dict__,
            **moved,
            "object_cloud": clouds,
            **{f"{name}_quat": quat_multiply(yaw_quat(turn), getattr(state, f"{name}_quat")) for name in WITH_QUAT},
            "canonical_yaw": state.canonical_yaw + turn,
        }
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), yaw=st.floats(-3.1, 3.1))
def test_a_policy_does_not_see_which_way_the_world_is_turned(seed, yaw):
    state = random_state(np.random.default_rng(seed))
    builder = ObservationBuilder(TABLE, term_specs(TABLE, DEPLOYED))
    assert builder.compute(turned(state, yaw)) == pytest.approx(builder.compute(state), abs=2e-6)


def test_quaternion_sign_does_not_matter():
    state = random_state(np.random.default_rng(0))
    builder = ObservationBuilder(TABLE, term_specs(TABLE, DEPLOYED))
    signs = {f"{name}_quat": -getattr(state, f"{name}_quat") for name in WITH_QUAT}
    flipped = RobotState(**{**state.__dict__, **signs})
    assert builder.compute(flipped) == pytest.approx(builder.compute(state), abs=1e-6)


def test_the_papers_sizes():
    names = ["joint_pos", "fingertip_state", "fingertip_wrench", "grasp_center_pos", "wrist_euler"]
    builder = ObservationBuilder(TABLE, term_specs(TABLE, names))
    assert builder.size == 123  # proprioception J (ResDex 3.1)
    assert (
        ObservationBuilder(TABLE, term_specs(TABLE, [*names, "last_action", "object_pos", "goal_offset"])).size == 153
    )


def test_torch_gives_the_same_numbers_as_numpy():
    torch = pytest.importorskip("torch", reason="the training extra is not installed")
    state = random_state(np.random.default_rng(1))
    other = RobotState(**{k: torch.as_tensor(v) for k, v in state.__dict__.items() if not isinstance(v, dict)})
    builder = ObservationBuilder(TABLE, term_specs(TABLE, DEPLOYED))
    assert builder.compute(other).numpy() == pytest.approx(builder.compute(state), abs=1e-6)


def test_scale_clip_and_layout():
    state = random_state(np.random.default_rng(2))
    state.fingertip_wrench[:] = 3.0
    specs = [TermSpec.of("object_pos", TABLE), TermSpec.of("fingertip_wrench", TABLE, scale=10.0, clip=5.0)]
    builder = ObservationBuilder(TABLE, specs)
    obs = builder.compute(state)
    assert obs.dtype == np.float32
    assert (obs[:, builder.slices["fingertip_wrench"]] == 5.0).all()
    assert builder.slices["object_pos"] == slice(0, 3)


def test_unknown_terms_and_changed_meanings_are_refused():
    with pytest.raises(SleightError, match="joint_pos"):
        TermSpec.of("joint_position", TABLE)
    lying = TermSpec.of("true_object_quat", TABLE).model_copy(update={"provenance": "perception"})
    with pytest.raises(SleightError, match="privileged"):
        ObservationBuilder(TABLE, [lying])


def test_every_term_has_the_size_it_says():
    state = random_state(np.random.default_rng(3))
    state.privileged = {
        "object_pos": np.zeros((3, 3)),
        "object_quat": np.tile([1.0, 0, 0, 0], (3, 1)),
        "object_linvel": np.zeros((3, 3)),
        "object_angvel": np.zeros((3, 3)),
        "time_left": np.ones((3, 1)),
        "object_code": np.zeros((3, 64)),
    }
    for name, row in TERMS.items():
        if name in COMPOSED:
            continue
        builder = ObservationBuilder(TABLE, term_specs(TABLE, [name]))
        assert builder.compute(state).shape == (3, row.size(TABLE)), name
