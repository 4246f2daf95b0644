"""Terms of in-hand reorientation against what they are said to be."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sleight_core.action import ActionPart, ActionSpec
from sleight_core.errors import SleightError
from sleight_core.observation import TERMS, ObservationBuilder, RobotState
from sleight_core.observation.spec import term_specs
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate, quat_to_matrix, yaw_quat
from sleight_description import load_hand

NAMES = ("joint_angles", "joint_target_error", "palm_object_offset", "object_goal_turn", "last_output")


@pytest.fixture(scope="module")
def hand():
    return load_hand("leap")


def quats(rng, count):
    q = rng.normal(size=(count, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def state(hand, seed=0, **changes: Any):
    count = 5
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = dict(
        joint_pos=rng.uniform(hand.lower, hand.upper, (count, 16)),
        joint_vel=rng.normal(size=(count, 16)),
        wrist_pos=rng.normal(size=(count, 3)),
        wrist_quat=quats(rng, count),
        wrist_linvel=np.zeros((count, 3)),
        wrist_angvel=np.zeros((count, 3)),
        fingertip_wrench=np.zeros((count, 4, 6)),
        canonical_yaw=np.zeros(count),
        last_action=np.zeros((count, 16)),
        object_pos=rng.normal(size=(count, 3)),
        goal_pos=np.zeros((count, 3)),
        object_quat=quats(rng, count),
        goal_quat=quats(rng, count),
        joint_targets=rng.uniform(hand.lower, hand.upper, (count, 16)),
        last_output=rng.uniform(-1, 1, (count, 16)),
    )
    return RobotState(**(values | changes))


def builder(hand, names=NAMES):
    return ObservationBuilder(hand, [spec.model_copy(update={"clip": None}) for spec in term_specs(hand, names)])


def test_sizes_and_honest_provenance(hand):
    build = builder(hand)
    assert [spec.size for spec in build.specs] == [16, 16, 3, 6, 16] and build.size == 57
    assert [TERMS[name].provenance for name in NAMES] == [
        "proprioception",
        "memory",
        "perception",
        "perception",
        "memory",
    ]


def test_values_are_what_the_names_say(hand):
    build, now = builder(hand), state(hand)
    obs, at = build.compute(now).astype(float), build.slices
    assert obs[:, at["joint_angles"]] == pytest.approx(now.joint_pos, abs=1e-6)
    assert obs[:, at["joint_target_error"]] == pytest.approx(now.joint_pos - now.joint_targets, abs=1e-6)
    assert obs[:, at["last_output"]] == pytest.approx(now.last_output, abs=1e-6)
    palm = now.wrist_pos + quat_rotate(now.wrist_quat, np.tile(hand.point("palm").offset, (5, 1)))
    assert obs[:, at["palm_object_offset"]] == pytest.approx(palm - now.object_pos, abs=1e-5)
    turn = quat_to_matrix(now.object_quat) @ np.swapaxes(quat_to_matrix(now.goal_quat), 1, 2)
    assert obs[:, at["object_goal_turn"]] == pytest.approx(turn[:, 1:].reshape(5, 6), abs=1e-6)


def test_a_reached_goal_is_seen_as_none_left(hand):
    now = state(hand)
    obs = builder(hand, ["object_goal_turn"]).compute(state(hand, goal_quat=now.object_quat))
    assert obs == pytest.approx(np.tile([0, 1, 0, 0, 0, 1], (5, 1)), abs=1e-6)


def test_turning_everything_about_the_vertical_changes_nothing(hand):
    """The canonical frame follows the hand: so does what the policy sees."""
    now = state(hand)
    yaw = np.random.default_rng(3).uniform(-np.pi, np.pi, 5)
    turn = yaw_quat(yaw)
    turned = state(
        hand,
        canonical_yaw=yaw,
        **{name: quat_rotate(turn, getattr(now, name)) for name in ("wrist_pos", "object_pos")},
        **{name: quat_multiply(turn, getattr(now, name)) for name in ("wrist_quat", "object_quat", "goal_quat")},
    )
    assert builder(hand).compute(turned) == pytest.approx(builder(hand).compute(now), abs=1e-5)


def test_the_turn_is_not_that_of_the_inverse(hand):
    now = state(hand)
    seen = builder(hand, ["object_goal_turn"]).compute(now)
    wrong = quat_to_matrix(quat_multiply(now.goal_quat, quat_conjugate(now.object_quat)))[:, 1:].reshape(5, 6)
    assert np.abs(seen - wrong).max() > 0.1


@pytest.mark.parametrize(
    ("missing", "term", "said"),
    [
        ("object_quat", "object_goal_turn", "tracked pose"),
        ("goal_quat", "object_goal_turn", "goal pose"),
        ("joint_targets", "joint_target_error", "what the bridge sent"),
        ("last_output", "last_output", "what the policy gave"),
    ],
)
def test_a_state_that_lacks_something_is_refused(hand, missing, term, said):
    with pytest.raises(SleightError, match=said):
        builder(hand, [term]).compute(replace(state(hand), **{missing: None}))


def test_a_hand_without_the_point_is_refused():
    with pytest.raises(SleightError, match="no point: palm"):
        term_specs(load_hand("shadow"), ["palm_object_offset"])


def test_torch_gives_the_same(hand):
    torch = pytest.importorskip("torch")
    now = state(hand)
    arrays = {name: torch.from_numpy(value) for name, value in vars(now).items() if isinstance(value, np.ndarray)}
    assert builder(hand).compute(state(hand, **arrays)).numpy() == pytest.approx(builder(hand).compute(now), abs=1e-6)


def test_outputs_of_parts_in_another_order_come_by_name(hand):
    names = hand.joint_order("isaac_lab").ours
    parts = [
        ActionPart(
            name="joints",
            rule="delta_target",
            scale=(0.5,) * 16,
            joint_names=names,
            lower=tuple(hand.joint(name).lower for name in names),
            upper=tuple(hand.joint(name).upper for name in names),
        )
    ]
    action = np.linspace(-2, 2, 16)[None]
    out = ActionSpec(hand, parts).joint_outputs(action)[0]
    expected = dict(zip(names, np.clip(action[0], -1, 1), strict=True))
    assert out == pytest.approx([expected[name] for name in hand.actuated_joint_names])
