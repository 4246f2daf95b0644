"""The commands `sleight compose residual` and `sleight compose eval`."""

import json

import pytest
from sleight_core.errors import SleightError
from sleight_training.cli.compose import app
from typer.testing import CliRunner


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)


def test_a_stabiliser_is_trained_and_measured(tmp_path, pretended_file):
    out, results = tmp_path / "first", tmp_path / "results.json"
    held = ("--held", pretended_file)
    mask = ("--mask", "th,rf,lf")
    done = call("residual", "first", "GraspBall", *held, *mask, "--preset", "smoke", "--iterations", 1, "--out", out)
    assert done.exit_code == 0, done.output
    done = call(
        *("eval", "GraspBall", "PushButton", *held, *mask, "--method", "ours-zs", "--stabiliser", out, "--alone", 0),
        *("--seeds", 1, "--rollouts", 2, "--json", results, "--minimum", 0.5),
    )
    assert done.exit_code == 1, done.output  # nothing is held in these states
    (row,) = json.loads(results.read_text())
    assert (row["method"], row["episodes"], row["success"]) == ("Ours-ZS", 2, 0.0)
    assert row["failures"]["dropped in transition"] == 2
    assert "Ours-ZS" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("eval", "GraspBall", "PushButton", "--method", "magic"), "unknown method"),
        (("eval", "PushButton", "GraspBall"), "must be of kind"),
        (("residual", "first", "GraspBall", "--preset", "huge"), "unknown preset"),
        (("residual", "second", "GraspBall", "PushButton", "--mask", "toe"), "no finger"),
        (
            ("eval", "GraspBall", "PushButton", "--mask", "th", "--others-joints", "felt"),
            "sees of others' joints: felt",
        ),
    ],
)
def test_wrong_use_is_refused_in_a_line(tmp_path, pretended_file, words, message):
    more = () if words[0] == "eval" else ("--out", tmp_path / "run")
    result = call(*words, "--held", pretended_file, *more)
    assert isinstance(result.exception, SleightError)
    assert message in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_a_bundle_brings_its_own_parts(tmp_path, pretended_file):
    words = ("eval", "GraspBall", "PushButton", "--held", pretended_file, "--bundle", tmp_path)
    for more in (("--mask", "th"), ("--others-joints", "measured")):
        result = call(*words, *more)
        assert isinstance(result.exception, SleightError) and "--bundle brings skill, mask" in str(result.exception)
    assert isinstance(call(*words).exception, SleightError), "there is no bundle"
