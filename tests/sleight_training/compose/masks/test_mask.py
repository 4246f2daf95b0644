"""Finger masks and what is made of them, as properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.tasks.compose.action import WRIST_SIZE, ComposeAction
from sleight_training.compose.masks.mask import FingerMask, candidate_masks
from sleight_training.compose.masks.release import release_action

FINGERS = ("ff", "mf", "rf", "lf", "th")
ACTION = ComposeAction(load_hand("shadow"), ((-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)))
MASKS = st.lists(st.booleans(), min_size=5, max_size=5).map(lambda keeps: FingerMask(FINGERS, tuple(keeps)))


def test_the_thirty_useful_masks():
    masks = candidate_masks(FINGERS)
    assert len(masks) == len(set(masks)) == 30
    assert all(mask.preserved and mask.released for mask in masks)
    counts = [len(mask.released) for mask in masks]
    assert counts == sorted(counts) and {counts.count(n) for n in (1, 4)} == {5}


@settings(deadline=None)
@given(st.integers(2, 7))
def test_candidates_of_any_hand_are_all_but_two(count):
    fingers = tuple(f"f{i}" for i in range(count))
    masks = candidate_masks(fingers)
    assert len(set(masks)) == len(masks) == 2**count - 2


@settings(deadline=None)
@given(MASKS)
def test_every_finger_is_either_preserved_or_released(mask):
    assert set(mask.preserved) | set(mask.released) == set(FINGERS)
    assert not set(mask.preserved) & set(mask.released)
    assert FingerMask.of(FINGERS, mask.preserved) == mask == FingerMask.of(FINGERS, reversed(mask.preserved))
    first, second = ACTION.mask(mask.preserved), ACTION.mask(mask.released, wrist=True)
    assert (first ^ second).all()


def test_masks_that_are_none_are_refused():
    with pytest.raises(SleightError, match="no finger"):
        FingerMask.of(FINGERS, ["toe"])
    with pytest.raises(SleightError, match="one flag for each"):
        FingerMask(FINGERS, (True,))
    with pytest.raises(SleightError, match="one flag for each"):
        FingerMask(("ff", "ff"), (True, False))


@settings(deadline=None)
@given(MASKS, st.integers(0, 200), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_a_release_moves_released_fingers_only_and_straight_to_the_open_pose(mask, step, ramp, seed):
    hold, pose = np.random.default_rng(seed).uniform(-1.0, 1.0, (2, ACTION.size))
    released = ACTION.mask(mask.released)
    action = release_action(hold[None], pose, released[None], step, ramp)[0]
    assert (action[~released] == hold[~released]).all()
    assert (action[:WRIST_SIZE] == hold[:WRIST_SIZE]).all()
    share = min((step + 1) / ramp, 1.0)
    assert action[released] == pytest.approx(((1 - share) * hold + share * pose)[released])
    if step + 1 >= ramp:
        assert action[released] == pytest.approx(pose[released])
