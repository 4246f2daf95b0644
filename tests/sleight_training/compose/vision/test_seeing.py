"""A script that sees where things are, in composed rollouts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("mujoco.batch", reason="the simulation extra is not installed")

from sleight_core.errors import SleightError  # noqa: E402
from sleight_sim.tasks.compose.config import task_config  # noqa: E402
from sleight_training.compose.residual.evaluate import evaluate_pair  # noqa: E402
from sleight_training.compose.residual.methods import Method  # noqa: E402
from sleight_training.compose.residual.pair import make_holding_worlds  # noqa: E402
from sleight_training.compose.skills import SkillSource, scripted_skill  # noqa: E402
from sleight_training.compose.vision.estimator import Estimator, build_network  # noqa: E402
from sleight_training.compose.vision.seeing import SeeingScript, seeing_source  # noqa: E402
from sleight_training.compose.vision.training import prepare_features  # noqa: E402

MASK = ("rf", "lf", "th")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    run = prepare_features(tmp_path_factory.mktemp("features"), task="PushButton", preset_name="smoke", seed=0)
    torch.manual_seed(0)
    return Estimator(run, build_network(run))


def telling_the_truth(untrained, task):
    """An estimator that knows what it cannot see."""
    told = []

    class Oracle(Estimator):
        def __call__(self, seen):
            told.append(seen)
            mechanism = task.mechanism
            return np.concatenate([mechanism.handle_pos, mechanism.joint_pos], axis=-1)

    return Oracle(untrained.run, untrained.network), told


def test_it_looks_once_an_episode_and_goes_where_it_saw_the_thing(held, untrained):
    task, _ = make_holding_worlds(task_config("PushButton"), held, 3, seed=3, num_threads=1)
    task.reset()
    oracle, told = telling_the_truth(untrained, task)
    seeing = SeeingScript(task, scripted_skill(), oracle, seed=1)
    plain = scripted_skill().make(task, 1)
    ids, history = np.arange(3), np.zeros((3, 2, task.observation.size))
    for _ in range(3):
        assert seeing.plan(history, ids) == pytest.approx(plain.plan(history, ids), abs=1e-9)
    assert len(told) == 1 and np.isfinite(told[0]).all()
    seeing.reset(np.array([1]))
    seeing.plan(history[:2], np.array([0, 1]))
    assert len(told) == 2 and np.array_equal(told[0][0], told[1][0]) and not np.array_equal(told[0][1], told[1][1])
    assert (seeing.task, seeing.execute) == (plain.task, plain.execute)


def test_a_composed_rollout_fails_where_it_is_told_nonsense(held, untrained):
    source = seeing_source(scripted_skill(), untrained, "PushButton")
    options = {"held": held, "mask": MASK, "seeds": (3,), "rollouts": 2, "num_threads": 1, "standalone": (None, 1.0)}
    row = evaluate_pair("GraspBall", "PushButton", Method.MASK_ONLY, skill=source, **options).row()
    assert row["success"] <= 0.5 and row["retained"] >= 0.5


def test_only_scripts_of_the_same_task_see(untrained):
    other = SkillSource("policy.safetensors", scripted_skill().make)
    with pytest.raises(SleightError, match="only a script"):
        seeing_source(other, untrained, "PushButton")
    with pytest.raises(SleightError, match="estimator is of another task"):
        seeing_source(scripted_skill(), untrained, "OpenDoor")
