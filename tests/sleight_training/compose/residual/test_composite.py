"""Composed rollouts in real physics: a ball is kept while a button is pressed."""

import numpy as np
import pytest
from sleight_core.compose import Ownership
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import task_config
from sleight_training.compose.residual.bank import TransitionBank, play_step
from sleight_training.compose.residual.composite import CompositeTask
from sleight_training.compose.residual.config import CompositionConfig
from sleight_training.compose.residual.evaluate import evaluate_pair
from sleight_training.compose.residual.methods import Method
from sleight_training.compose.residual.pair import make_holding_worlds
from sleight_training.compose.residual.policy import ResidualPolicy
from sleight_training.compose.scripted import ScriptedSkill
from sleight_training.compose.skills import scripted_skill

MASK = ("rf", "lf", "th")


def make(held, num_envs=2, **options) -> CompositeTask:
    task, worlds = make_holding_worlds(task_config("PushButton"), held, num_envs, seed=3, num_threads=1)
    return CompositeTask(
        task, ScriptedSkill(task), held, worlds, Ownership(task.table, MASK), CompositionConfig(), **options
    )


def test_a_ball_is_kept_while_a_button_is_pressed(held):
    score = evaluate_pair(
        "GraspBall",
        "PushButton",
        Method.MASK_ONLY,
        held=held,
        skill=scripted_skill(),
        mask=MASK,
        seeds=(3,),
        rollouts=2,
        num_threads=1,
        standalone=(None, 1.0),
    )
    row = score.row()
    assert (row["success"], row["retained"], row["preservation_second"]) == (1.0, 1.0, 1.0)
    assert row["preserved_fingers"] == list(MASK) and not sum(row["failures"].values())


def test_methods_need_the_residuals_that_they_are_made_of(held, spec):
    options = {"held": held, "skill": scripted_skill(), "mask": MASK, "seeds": (0,)}
    with pytest.raises(SleightError, match="has a first residual"):
        evaluate_pair("GraspBall", "PushButton", Method.OURS_ZS, **options)
    other = ResidualPolicy.untrained(spec.model_copy(update={"kind": "first", "tasks": ("PickCan",)}))
    with pytest.raises(SleightError, match="no first residual of GraspBall"):
        evaluate_pair("GraspBall", "PushButton", Method.OURS_ZS, stabiliser=other, **options)
    elsewhere = ResidualPolicy.untrained(
        spec.model_copy(update={"kind": "first", "tasks": ("GraspBall",), "masks": (("ff", "th"),)})
    )
    with pytest.raises(SleightError, match="not trained with these fingers"):
        evaluate_pair("GraspBall", "PushButton", Method.OURS_ZS, stabiliser=elsewhere, **options)


def test_the_transition_opens_what_is_released_and_keeps_the_rest(held):
    rollout = make(held)
    rollout.reset(np.arange(2))
    owned = rollout.owned
    for _ in range(rollout.length):
        assert not rollout.acting.any()
        play_step(rollout, None)
    assert rollout.acting.all() and rollout.alive.all()
    opened = rollout.task.table.posture("open")
    sent = rollout.nominal[:, 6:]
    assert np.allclose(sent[~owned[:, 6:]], np.tile(opened, (2, 1))[~owned[:, 6:]], atol=0.02)
    # The wrist is where an episode of the second task starts.
    assert np.linalg.norm(rollout.task.sim.wrist_pos - rollout.task.starts.wrist_pos, axis=-1).max() < 0.02


@pytest.mark.parametrize("others", ["intended", "measured"])
def test_what_the_second_skill_sees_of_fingers_that_hold(held, others):
    seen = []

    class Watched(ScriptedSkill):
        def plan(self, history, ids):
            seen.append(history[:, -1, :22])
            return super().plan(history, ids)

    task, worlds = make_holding_worlds(task_config("PushButton"), held, 2, seed=3, num_threads=1)
    mask, config = Ownership(task.table, MASK), CompositionConfig(others_joints=others)
    rollout = CompositeTask(task, Watched(task), held, worlds, mask, config)
    rollout.reset(np.arange(2))
    for _ in range(rollout.length + 1):
        play_step(rollout, None)
    kept = mask.first[6:]
    opened = task.table.posture("open")[kept]
    spread = 2 * (opened - np.array(task.table.lower)[kept]) / (np.array(task.table.upper) - task.table.lower)[kept] - 1
    assert np.allclose(seen[0][:, kept], spread, atol=1e-6) == (others == "intended")


def test_a_saved_rollout_goes_on_as_it_did(held):
    rollout = make(held)
    every = np.arange(2)
    bank = TransitionBank(rollout, None, 1)
    assert bank.held.all()
    ends = []
    for _ in range(2):
        assert not len(bank.restore(every))
        for _ in range(5):
            play_step(rollout, None)
        ends.append(np.concatenate([rollout.task.engine.positions(), rollout.nominal], axis=-1))
    assert np.array_equal(*ends)
