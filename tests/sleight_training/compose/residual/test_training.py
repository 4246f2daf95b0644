"""Both trainings end to end at a tiny size: checkpoints, resume, the trained file, and the tuned first residual."""

import numpy as np
import pytest
import torch
from sleight_core.errors import SleightError
from sleight_training.compose.residual import training
from sleight_training.compose.residual.methods import Method
from sleight_training.compose.residual.policy import ResidualPolicy
from sleight_training.run import read_metrics

MASK = ("rf", "lf", "th")


@pytest.fixture(scope="module")
def stabiliser(tmp_path_factory, pretended_file):
    folder = tmp_path_factory.mktemp("first")
    run = training.prepare_stabiliser(folder, "GraspBall", held=pretended_file, masks=[MASK], preset="smoke")
    training.train_residual(folder, run)
    return folder


def test_the_stabiliser_learns_on_its_own_motors(stabiliser):
    policy = ResidualPolicy.load(stabiliser)
    assert policy.spec.kind == "first" and policy.spec.masks == (MASK,)
    out = policy(np.random.default_rng(0).normal(size=(4, sum(policy.spec.terms.values()))))
    assert out.any()
    owned = training.Ownership(training.compose_hand(training.task_config("GraspBall")), MASK).first
    assert not out[:, ~owned].any()
    assert (stabiliser / "index.html").exists() and len(read_metrics(stabiliser)) == 2


@pytest.mark.parametrize("joint", [False, True])
def test_the_second_residual_trains_and_resumes(tmp_path, stabiliser, pretended_file, joint):
    options = {"held": pretended_file, "stabiliser": stabiliser, "mask": MASK, "preset": "smoke", "joint": joint}
    run = training.prepare_second(tmp_path, "GraspBall", "PushButton", iterations=2, **options)
    training.train_residual(tmp_path, run, report=lambda p: p.iteration == 1)
    again = training.prepare_second(
        tmp_path, "GraspBall", "PushButton", resume=True, held=pretended_file, stabiliser=None
    )
    assert again == run
    progress = training.train_residual(tmp_path, again, resume=True)
    assert progress.iteration == 2
    policy = ResidualPolicy.load(tmp_path)
    assert policy.spec.tasks == ("GraspBall", "PushButton")
    frozen = ResidualPolicy.load(tmp_path / training.STABILISER_FILE)
    before = ResidualPolicy.load(stabiliser)
    assert all(torch.equal(a, b) for a, b in zip(frozen.network.parameters(), before.network.parameters(), strict=True))
    assert (tmp_path / training.TUNED_FILE).exists() == joint


def test_a_mask_that_is_chosen_twice_is_trained_once(tmp_path, pretended_file):
    masks = [MASK, ("th", "lf", "rf"), ("ff", "th")]
    run = training.prepare_stabiliser(tmp_path, "GraspBall", held=pretended_file, masks=masks, preset="smoke")
    assert run.masks == (MASK, ("ff", "th"))


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, stabiliser, pretended_file):
    folder, held = tmp_path / "run", {"held": pretended_file}
    with pytest.raises(SleightError, match="has no second residual"):
        training.prepare_second(folder, "GraspBall", "PushButton", **held, stabiliser=stabiliser, method=Method.OURS_ZS)
    with pytest.raises(SleightError, match="has a first residual"):
        training.prepare_second(folder, "GraspBall", "PushButton", **held, stabiliser=None, mask=MASK)
    with pytest.raises(SleightError, match="not trained for GraspBall with"):
        training.prepare_second(folder, "GraspBall", "PushButton", **held, stabiliser=stabiliser, mask=("ff", "th"))
    with pytest.raises(SleightError, match="holds something"):
        training.prepare_stabiliser(folder, "PushButton", **held)
    with pytest.raises(SleightError, match="no finger"):
        training.prepare_stabiliser(folder, "GraspBall", **held, masks=[("toe",)])
    with pytest.raises(SleightError, match="held states of another task"):
        training.prepare_stabiliser(folder, "PickCan", **held)
    assert not folder.exists()
