"""An estimator's training end to end at a tiny size, with a kill in between."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("mujoco.batch", reason="the simulation extra is not installed")

from sleight_core.errors import SleightError  # noqa: E402
from sleight_training.cli.train import app  # noqa: E402
from sleight_training.compose.skills import scripted_skill  # noqa: E402
from sleight_training.compose.vision.config import FEATURE_PRESETS, LearnerConfig  # noqa: E402
from sleight_training.compose.vision.estimator import ESTIMATOR, Estimator  # noqa: E402
from sleight_training.compose.vision.evaluate import evaluate_estimator, quantity_units, summary  # noqa: E402
from sleight_training.compose.vision.page import RESULTS, write_feature_results  # noqa: E402
from sleight_training.compose.vision.rollouts import Rollouts  # noqa: E402
from sleight_training.compose.vision.training import FeatureTrainer, prepare_features, train_features  # noqa: E402
from sleight_training.run import read_metrics  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

TASK = "PushButton"


def new(folder, **changes):
    return prepare_features(folder, **{"task": TASK, "preset_name": "smoke", "seed": 0, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "run"
    run = new(folder)
    train_features(folder, run, report=lambda p: p.iteration == 2, num_threads=1)
    assert Estimator.load(folder).run == run
    train_features(folder, prepare_features(folder, task=None, preset_name="", seed=9, resume=True), resume=True)
    return folder


def test_a_killed_run_goes_on(trained):
    rows = read_metrics(trained)
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert rows[-1]["steps"] == 3 * 4 * 2 and set(rows[-1]["errors"]) == {"handle_pos", "mechanism_joints"}
    assert Estimator.load(trained).run.company.tasks == ("GraspBall", "PourMug", "PickCan", "PickStick")
    assert rows[0]["beta"] == 1.0 and rows[-1]["beta"] == 0.0
    assert (trained / "index.html").stat().st_size > 10_000
    estimator = Estimator.load(trained / ESTIMATOR)
    assert estimator.run.quantities == {"handle_pos": 3, "mechanism_joints": 1}
    assert estimator.run.units[:3] == (0.01,) * 3 and 0.001 < estimator.run.units[3] < 0.003
    assert estimator(np.zeros((2, sum(estimator.network.sizes)))).shape == (2, 4)


def test_another_run_is_not_overwritten_and_wrong_wishes_write_nothing(trained, tmp_path):
    with pytest.raises(SleightError, match="holds a run already"):
        new(trained)
    for changes, words in (
        ({"task": "PushDoorbell"}, "no such DexCompose task"),
        ({"task": None}, "no task is named"),
        ({"preset_name": "huge"}, "unknown preset"),
        ({"skill": str(tmp_path / "none")}, "no such skill"),
        ({"beside": ["OpenDoor"]}, "no second thing of the kind"),
        ({"beside": ["Whistle"]}, "no such DexCompose task"),
    ):
        with pytest.raises(SleightError, match=words):
            new(tmp_path / "new", **changes)
    assert not (tmp_path / "new").exists()
    with pytest.raises(SleightError, match="no such estimator"):
        Estimator.load(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(SleightError, match="cannot be read"):
        Estimator.load(tmp_path / "bad.safetensors")


def test_the_schedule_goes_from_the_truth_to_estimates():
    learner = LearnerConfig(iterations=10, beta_share=0.5)
    assert [learner.beta_at(i) for i in (0, 2, 5, 9)] == pytest.approx([1.0, 0.6, 0.0, 0.0])
    assert learner.rate_at(10) == pytest.approx(learner.learning_rate * learner.final_rate)
    assert LearnerConfig(beta_share=0.0).beta_at(0) == 0.0


def test_the_memory_holds_what_was_seen_and_what_was_true(tmp_path):
    run = new(tmp_path / "run")
    run = run.model_copy(update={"learner": run.learner.model_copy(update={"keep": 1.0})})
    trainer = FeatureTrainer(tmp_path / "run", run, num_threads=1)
    trainer.iterate()
    assert len(trainer.buffer) == run.learner.num_envs * run.learner.num_steps
    seen, truth = trainer.buffer.sample(50)
    assert bool(torch.isfinite(seen).all()) and float(truth[:, 2].min()) > 0.6, "handles are over the table"


def test_a_skill_fed_with_the_truth_does_not_care_what_the_estimator_says(trained):
    run = Estimator.load(trained).run
    actions = []
    for wrong in (0.0, 0.5):
        said = np.full((2, 4), wrong)
        rollouts = Rollouts(run, scripted_skill(), lambda _, said=said: said, 2, seed=3, num_threads=1)
        rollouts.reset(np.arange(2), np.array([True, False]))
        for _ in range(30):
            moment = rollouts.step()
        actions.append(rollouts.watched.task.sim.wrist_pos)
        assert moment.trusted.tolist() == [True, False] and np.array_equal(moment.said, said)
    assert np.array_equal(actions[0][0], actions[1][0]) and not np.allclose(actions[0][1], actions[1][1], atol=0.01)


def test_it_is_measured_on_the_same_episodes(trained):
    estimator = Estimator.load(trained)
    short = estimator.run.model_copy(update={"task": estimator.run.task.model_copy(update={"episode_steps": 20})})
    told = []
    results = evaluate_estimator(
        Estimator(short, estimator.network), scripted_skill(), 3, 7, num_threads=1, report=lambda *row: told.append(row)
    )
    assert told == [("true", 3), ("estimated", 3)]
    assert results["success"]["true"]["episodes"] == 3 and 0.0 <= results["success"]["estimated"]["rate"] <= 1.0
    assert (
        results["errors"]["handle_pos"]["unit"] == "mm"
        and len(results["errors"]["handle_pos"]["elements"]["bias"]) == 3
    )
    assert quantity_units(short) == {"handle_pos": "m", "mechanism_joints": "m"}
    assert len(summary(results)) == 4
    page = write_feature_results(trained, results)
    assert json.loads((trained / RESULTS).read_text()) == results
    assert "error of handle_pos" in page.read_text()


def test_the_command_line(tmp_path):
    out = tmp_path / "run"
    options = ["--preset", "smoke", "--iterations", "1", "--episodes", "2", "--out", str(out)]
    done = CliRunner().invoke(app, ["features", "--task", "GraspBall", *options])
    assert done.exit_code == 0, done.output
    assert set(json.loads((out / RESULTS).read_text())["errors"]) == {"object_pos"}


def test_presets_are_of_growing_size():
    sizes = [FEATURE_PRESETS[name].learner.num_envs for name in ("smoke", "cpu", "full")]
    assert sizes == sorted(sizes)
