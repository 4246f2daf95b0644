"""The 28-D action: limits, ownership, and the way to a command and back, for any numbers whatever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.compose.action import MAX_PITCH, ComposeAction, PoseCommand, euler_to_quat, quat_to_euler
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_rotate
from sleight_description import load_hand

HAND = load_hand("shadow")
WORKSPACE = ((-0.5, -0.5, 0.62), (0.5, 0.6, 1.2))
ACTION = ComposeAction(HAND, WORKSPACE)
ANYTHING = arrays(np.float64, (3, 28), elements=st.floats(allow_nan=True, allow_infinity=True, width=64))
UNIT = arrays(np.float64, (3, 28), elements=st.floats(-1.0, 1.0))


def test_it_is_the_papers_28():
    assert ACTION.size == 28
    assert ACTION.names[6:] == HAND.joint_names
    assert ACTION.owners[:6] == ("wrist",) * 6
    counts = {name: ACTION.owners.count(name) for name in HAND.finger_names}
    assert counts == {"ff": 4, "mf": 4, "rf": 4, "lf": 5, "th": 5}


@settings(max_examples=60, deadline=None)
@given(ANYTHING)
def test_whatever_comes_in_the_command_is_inside_the_limits(action):
    command = ACTION.decode(action)
    assert (command.wrist_pos >= ACTION.lower[:3]).all() and (command.wrist_pos <= ACTION.upper[:3]).all()
    assert np.linalg.norm(command.wrist_quat, axis=-1) == pytest.approx(1.0)
    assert (command.joint_targets >= HAND.actuated_lower).all()
    assert (command.joint_targets <= HAND.actuated_upper).all()
    assert np.abs(quat_to_euler(command.wrist_quat)[:, 1]).max() <= MAX_PITCH + 1e-6


@settings(max_examples=60, deadline=None)
@given(UNIT)
def test_inside_the_limits_nothing_is_changed(unit):
    action = ACTION.from_unit(0.999 * unit)
    assert ACTION.clip(action) == pytest.approx(action, abs=1e-9)
    assert ACTION.to_unit(action) == pytest.approx(0.999 * unit, abs=1e-9)
    again = ACTION.decode(ACTION.encode(ACTION.decode(action)))
    assert again.wrist_pos == pytest.approx(ACTION.decode(action).wrist_pos)
    assert again.joint_targets == pytest.approx(ACTION.decode(action).joint_targets)
    same = np.abs(np.sum(again.wrist_quat * ACTION.decode(action).wrist_quat, axis=-1))
    assert same == pytest.approx(1.0, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(UNIT, ANYTHING, st.sets(st.sampled_from(HAND.finger_names)), st.booleans())
def test_no_number_in_an_owners_elements_moves_what_another_owns(unit, other, fingers, wrist):
    mask = ACTION.mask(tuple(fingers), wrist=wrist)
    action = ACTION.from_unit(unit)
    changed = ACTION.decode(np.where(mask, other, action))
    before = ACTION.decode(action)
    theirs = np.array([ACTION.owners[6 + i] not in fingers for i in HAND.actuated_index])
    assert (changed.joint_targets[:, theirs] == before.joint_targets[:, theirs]).all()
    if not wrist:
        assert (changed.wrist_pos == before.wrist_pos).all() and (changed.wrist_quat == before.wrist_quat).all()


def test_masks_divide_the_action():
    masks = [ACTION.mask((name,)) for name in HAND.finger_names] + [ACTION.mask((), wrist=True)]
    assert (np.sum(masks, axis=0) == 1).all()


def test_euler_angles_turn_the_palm_down_hand():
    ways = euler_to_quat(np.array([[0, 0, 0], [np.pi / 2, 0, 0], [0, 1.0, 0], [0, 0, -np.pi / 2]]))
    fingers, palm, thumb = (quat_rotate(ways, np.tile(v, (4, 1))) for v in ([0, 0, 1.0], [0, -1.0, 0], [1.0, 0, 0]))
    assert fingers[0] == pytest.approx([0, -1, 0], abs=1e-9) and palm[0] == pytest.approx([0, 0, -1], abs=1e-9)
    assert fingers[1] == pytest.approx([1, 0, 0], abs=1e-9)
    assert fingers[2, 2] == pytest.approx(-np.sin(1.0))
    assert fingers[3] == pytest.approx([0, -1, 0], abs=1e-9)
    assert thumb[3] == pytest.approx([0, 0, 1], abs=1e-9) and palm[3] == pytest.approx([1, 0, 0], abs=1e-9)


def test_coupled_joints_follow_their_drivers_and_drive_nothing():
    open_hand = PoseCommand(np.array([[0, 0, 0.8]]), euler_to_quat(np.zeros((1, 3))), np.full((1, 18), 0.2))
    action = ACTION.encode(open_hand)
    at = {name: 6 + i for i, name in enumerate(HAND.joint_names)}
    assert action[0, at["FFJ0"]] == pytest.approx(0.2 * 0.00805 / 0.00705)
    moved = action.copy()
    moved[0, at["FFJ0"]] = 1.5
    assert (ACTION.decode(moved).joint_targets == ACTION.decode(action).joint_targets).all()


def test_wrong_uses_are_refused():
    with pytest.raises(SleightError, match="wrong length"):
        ACTION.decode(np.zeros((2, 24)))
    with pytest.raises(SleightError, match="no finger"):
        ACTION.mask(("pinky",))
    with pytest.raises(SleightError, match="workspace is empty"):
        ComposeAction(HAND, ((0, 0, 1), (1, 1, 0)))
    with pytest.raises(SleightError, match="no floating wrist"):
        ComposeAction(load_hand("leap_ur5e"), WORKSPACE)
