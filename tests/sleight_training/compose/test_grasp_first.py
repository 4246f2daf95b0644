"""A grasp bundle's held states as Task A: release tests, both residuals, composed rollouts, in one small run each."""

import json

import pytest
from sleight_core.errors import SleightError
from sleight_training.cli.compose import app
from sleight_training.compose.masks.config import ReleaseConfig
from sleight_training.compose.masks.language import prompt_of
from sleight_training.compose.masks.mask import FingerMask
from sleight_training.compose.masks.page import write_release_page
from sleight_training.compose.masks.release import run_release_tests
from sleight_training.compose.masks.selection import SelectionRequest
from sleight_training.compose.residual import training
from sleight_training.compose.residual.evaluate import evaluate_pair
from sleight_training.compose.residual.methods import Method
from sleight_training.compose.residual.pair import first_config, make_holding_worlds, read_pair
from sleight_training.compose.residual.policy import ResidualPolicy
from sleight_training.compose.skills import scripted_skill
from typer.testing import CliRunner

FINGERS = ("ff", "mf", "rf", "lf", "th")
MASK = ("mf", "rf", "lf", "th")


def test_release_tests_say_what_is_held_and_how_far_it_turned(grasped, tmp_path):
    config = ReleaseConfig(rollouts=4, ramp=20, steps=45)
    report = run_release_tests(grasped, config, [FingerMask.of(FINGERS, MASK)], num_threads=1)
    assert report.task == "Grasp" and report.all_preserved.retained == 4 and report.none_preserved.retained == 0
    assert "can, " in report.about and "egg, " in report.about and "one of these 2" in report.about
    assert report.none_preserved.turned_mean is None
    kept = report.all_preserved
    assert kept.turned_mean is not None and kept.turned_p90 is not None
    assert 0.0 <= kept.turned_mean <= kept.turned_p90 < 0.3
    prompt = prompt_of(SelectionRequest(report, "PushButton"))
    assert report.about in prompt and "household" not in prompt
    write_release_page(tmp_path / "index.html", report, None)
    assert "<th>turned</th>" in (tmp_path / "index.html").read_text()


def test_worlds_of_a_pair_hold_the_grasped_objects(grasped_file):
    held, config = read_pair(grasped_file, "Grasp", "PushButton")
    task, worlds = make_holding_worlds(config, held, 4, num_threads=1)
    things = [world.draw.thing for world in task.engine.worlds]
    assert things == [held.draws[world] for world in worlds] and len(set(things)) == 2
    assert first_config(held) == held.task
    with pytest.raises(SleightError, match="held states of another task"):
        read_pair(grasped_file, "GraspBall", "PushButton")
    with pytest.raises(SleightError, match="held states of another task"):
        read_pair(grasped_file, "Grip", "PushButton")
    with pytest.raises(SleightError, match="must be of kind 'interaction'"):
        read_pair(grasped_file, "Grasp", "PickCan")


def test_a_composed_rollout_starts_from_a_grasp(grasped):
    score = evaluate_pair(
        "Grasp", "PushButton", Method.MASK_ONLY, held=grasped, skill=scripted_skill(), mask=MASK, seeds=(3,),
        rollouts=2, num_threads=1,
    )  # fmt: skip
    row = score.row()
    assert row["first"] == "Grasp" and row["episodes"] == 2
    assert row["done"] >= row["success"] and row["preserved_fingers"] == list(MASK)
    with pytest.raises(SleightError, match="no fixed mask for this task"):
        evaluate_pair("Grasp", "PushButton", Method.DECOMPOSED, held=grasped, skill=scripted_skill(), seeds=(3,))


def test_both_residuals_are_trained_for_a_grasp(tmp_path, grasped_file):
    first, second = tmp_path / "first", tmp_path / "second"
    run = training.prepare_stabiliser(first, "Grasp", held=grasped_file, masks=[MASK], preset="smoke")
    training.train_residual(first, run)
    assert ResidualPolicy.load(first).spec.tasks == ("Grasp",)
    options = {"held": grasped_file, "stabiliser": first, "mask": MASK, "preset": "smoke"}
    run = training.prepare_second(second, "Grasp", "PushButton", **options)
    training.train_residual(second, run)
    assert ResidualPolicy.load(second).spec.tasks == ("Grasp", "PushButton")


def test_the_commands_take_a_grasp(tmp_path, grasped_file):
    def run(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    results = tmp_path / "results.json"
    about = ("eval", "Grasp", "PushButton", "--held", grasped_file, "--alone", 0, "--seeds", 1, "--rollouts", 2)
    done = run(*about, "--mask", ",".join(MASK), "--method", "mask-only", "--json", results)
    assert done.exit_code == 0, done.output
    assert json.loads(results.read_text())[0]["first"] == "Grasp"
    refused = run("residual", "first", "Grasp", "--held", tmp_path / "none.npz", "--out", tmp_path / "run")
    assert "no held states here" in str(refused.exception) and not (tmp_path / "run").exists()
