"""Actions: decode and encode are inverse, joints are owned once, ranges stay inside the hand's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.action import ActionPart, ActionSpec, Command
from sleight_core.errors import SleightError
from sleight_description import load_hand

TABLE = load_hand("shadow")
SPEC = ActionSpec.absolute(TABLE)


def joints(rule="absolute_target", names=TABLE.actuated_joint_names, **changes):
    rows = [TABLE.joint(name) for name in names]
    part = {
        "name": "fingers",
        "rule": rule,
        "joint_names": names,
        "lower": tuple(row.lower for row in rows),
        "upper": tuple(row.upper for row in rows),
        "scale": (0.1,) * len(names) if rule == "delta_target" else (),
    }
    return ActionPart(**{**part, **changes})


def test_the_papers_action():
    assert SPEC.size == 24
    assert [part.name for part in SPEC.parts] == ["wrist_twist", "hand_joints"]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_encode_is_the_inverse_of_decode(seed):
    rng = np.random.default_rng(seed)
    action, yaw = rng.uniform(-1, 1, (4, 24)), rng.uniform(-3, 3, 4)
    last = rng.uniform(TABLE.actuated_lower, TABLE.actuated_upper, (4, 18))
    command = SPEC.decode(action, yaw, last)
    assert (command.joint_targets >= TABLE.actuated_lower - 1e-12).all()
    assert (command.joint_targets <= TABLE.actuated_upper + 1e-12).all()
    assert SPEC.encode(command, yaw, last) == pytest.approx(action, abs=1e-9)


def test_wrist_twist_is_turned_into_the_task_frame():
    action = np.zeros((1, 24))
    action[0, 0] = 1.0
    command = SPEC.decode(action, np.array([np.pi / 2]), np.zeros((1, 18)))
    assert command.wrist_twist[0] == pytest.approx([0, TABLE.wrist.linear_speed, 0, 0, 0, 0], abs=1e-12)


def test_outputs_beyond_one_are_clipped():
    command = SPEC.decode(np.full((1, 24), 1e6), np.zeros(1), np.zeros((1, 18)))
    assert command.joint_targets[0] == pytest.approx(TABLE.actuated_upper)


def test_delta_targets_move_from_what_was_sent():
    spec = ActionSpec(TABLE, [joints("delta_target")])
    last = np.clip(np.full((1, 18), 0.05), TABLE.actuated_lower, TABLE.actuated_upper)
    command = spec.decode(np.ones((1, 18)), np.zeros(1), last)
    assert command.joint_targets == pytest.approx(np.clip(last + 0.1, TABLE.actuated_lower, TABLE.actuated_upper))
    again = spec.encode(Command(last + 0.05, np.zeros((1, 6))), np.zeros(1), last)
    assert again == pytest.approx(0.5 * np.ones((1, 18)))


def test_parts_in_another_order_still_address_joints_by_name():
    names = tuple(reversed(TABLE.actuated_joint_names))
    spec = ActionSpec(TABLE, [joints(names=names)])
    action = np.full((1, 18), -1.0)
    action[0, 0] = 1.0  # THJ0, the last joint of the hand's order
    targets = spec.decode(action, np.zeros(1), np.zeros((1, 18))).joint_targets[0]
    expected = TABLE.actuated_lower.copy()
    expected[-1] = TABLE.actuated_upper[-1]
    assert targets == pytest.approx(expected)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([joints(names=TABLE.actuated_joint_names[:-1])], "THJ0"),
        ([joints(), joints(names=("FFJ3",), name="again")], "FFJ3"),
        ([joints(upper=tuple(TABLE.actuated_upper + 1.0))], "wider"),
    ],
)
def test_joints_without_owner_owned_twice_or_too_wide_are_refused(parts, said):
    with pytest.raises(SleightError, match=said):
        ActionSpec(TABLE, parts)


@pytest.mark.parametrize("changes", [{"lower": (0.0,)}, {"scale": (1.0,)}, {"joint_names": ("FFJ3", "FFJ3")}])
def test_inconsistent_parts_are_refused(changes):
    with pytest.raises(ValueError, match="fingers"):
        joints(**changes)
