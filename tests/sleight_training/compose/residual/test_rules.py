"""The pure parts: outcomes, methods, rewards, paths and masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sleight_core.compose.paths import between
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS, task_config
from sleight_sim.tasks.compose.grasped import grasp_as_task
from sleight_sim.tasks.compose.make import compose_hand
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_training.compose.residual.config import RewardConfig, residual_preset
from sleight_training.compose.residual.methods import FAMILY_MASKS, METHODS, Method, method_mask, read_method
from sleight_training.compose.residual.outcomes import Outcome, Tally, outcomes
from sleight_training.compose.residual.pair import check_pair
from sleight_training.compose.residual.rewards import hold_reward, second_reward
from sleight_training.compose.residual.training import useful_masks

HAND = compose_hand(task_config("GraspBall"))
FLAGS = st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=20)


@given(FLAGS)
def test_every_rollout_has_one_outcome_and_success_is_both(rows):
    done, alive, early, failed = (np.array(column) for column in zip(*rows, strict=True))
    tally = Tally.of(done, alive, early, failed)
    assert sum(tally.modes.values()) == tally.episodes == len(rows)
    assert tally.success == tally.modes[Outcome.SUCCESS] <= min(tally.retained, tally.done)
    row = tally.row((None, 1.0))
    low, high = row["ci95"]
    assert low - 1e-9 <= row["success"] <= high + 1e-9
    assert row["preservation_second"] == row["done"]


def test_outcomes_by_name():
    t, f = True, False
    flags = [(t, t, f, f), (f, f, t, f), (t, f, f, f), (f, t, f, f), (f, f, f, f), (t, t, f, t)]
    names = outcomes(*(np.array(column) for column in zip(*flags, strict=True)))
    assert names == [
        Outcome.SUCCESS, Outcome.DROPPED_IN_TRANSITION, Outcome.DROPPED_IN_INTERACTION, Outcome.NOT_DONE, Outcome.BOTH,
        Outcome.DIVERGED,
    ]  # fmt: skip


def test_every_method_is_there_and_says_where_it_differs():
    assert set(METHODS) == set(Method)
    assert METHODS[Method.DECOMPOSED].note and METHODS[Method.RESIDUAL].note
    assert read_method("ours-zs") is Method.OURS_ZS
    with pytest.raises(SleightError, match="unknown method"):
        read_method("ours-xl")


def test_masks_of_methods():
    assert method_mask(HAND, METHODS[Method.FROZEN], "GraspBall", None).released == ()
    assert method_mask(HAND, METHODS[Method.DECOMPOSED], "PickCan", ("th", "ff")).preserved == ("ff", "mf", "rf")
    assert method_mask(HAND, METHODS[Method.OURS], "PickCan", ("th", "ff")).preserved == ("ff", "th")
    with pytest.raises(SleightError, match="needs a finger mask"):
        method_mask(HAND, METHODS[Method.OURS], "PickCan", None)
    assert set(FAMILY_MASKS) == {name for name, task in TASKS.items() if task.role == "retention"}


def test_pairs_are_checked():
    assert [task.name for task in check_pair("GraspBall", "PushButton")] == ["GraspBall", "PushButton"]
    grasp = grasp_as_task(GraspTaskConfig())
    assert check_pair(grasp, "PushButton") == (grasp, TASKS["PushButton"])
    with pytest.raises(SleightError, match="interaction"):
        check_pair("GraspBall", "PickCan")
    with pytest.raises(SleightError, match="retention"):
        check_pair("PushButton", "OpenDoor")


def test_default_masks_keep_the_thumb_and_release_something():
    masks = useful_masks(HAND)
    assert len(masks) == len(set(masks)) == 14
    assert all("th" in mask and 2 <= len(mask) <= 4 for mask in masks)


def test_a_drop_costs_more_than_any_hold():
    """Else a policy would learn to end its episodes."""
    config, gamma, n = RewardConfig(), 0.99, 500
    discount = gamma ** np.arange(n)
    kept = hold_reward(config, np.full(n, config.far), np.zeros((n, 3)), np.zeros(n, dtype=bool), gamma)
    dropped = hold_reward(config, np.zeros(1), np.zeros((1, 3)), np.ones(1, dtype=bool), gamma)
    assert dropped["distance"][0] <= (discount * kept["distance"]).sum()


def test_progress_is_paid_once_and_success_only_with_the_object():
    config = RewardConfig()
    common = {"lost": np.zeros(2), "squashed": np.zeros((2, 3)), "gamma": 0.99}
    parts = second_reward(
        config,
        progress=np.array([1.0, 1.0]),
        before=np.array([0.4, 1.0]),
        done=np.array([True, True]),
        dropped=np.array([False, True]),
        **common,
    )
    assert np.allclose(parts["progress"], [0.6 * config.progress, 0.0])
    assert np.allclose(parts["success"], [config.success, 0.0])


def test_a_path_starts_and_ends_at_rest_and_turns_the_short_way():
    start, end = np.zeros((1, 28)), np.zeros((1, 28))
    start[0, 3], end[0, 3], end[0, 0] = 3.0, -3.0, 0.4
    way = np.concatenate([between(start, end, np.array([share])) for share in np.linspace(0.0, 1.0, 21)])
    assert np.ptp(way[:, 3]) < 0.3
    assert way[0, 0] == 0.0 and way[-1, 0] == pytest.approx(0.4)
    speed = np.diff(way[:, 0])
    assert speed[0] < 0.1 * speed.max() and speed[-1] < 0.1 * speed.max()
    assert np.allclose(between(start, end, np.array([7.0])), way[-1])


def test_presets():
    assert residual_preset("stabiliser", "full").ppo.num_envs == 1024
    assert residual_preset("second", "full").ppo.num_steps == 200
    with pytest.raises(SleightError, match="unknown preset"):
        residual_preset("second", "huge")
