"""Release tests and finger use, in MuJoCo; the page and the commands."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sleight_core.errors import SleightError
from sleight_core.statistics import wilson_interval
from sleight_sim.tasks.compose.config import TASKS
from sleight_training.cli.compose import app
from sleight_training.compose.masks.config import ReleaseConfig, UseConfig
from sleight_training.compose.masks.diagnostics import ReleaseReport, UseReport
from sleight_training.compose.masks.mask import FingerMask
from sleight_training.compose.masks.page import write_release_page
from sleight_training.compose.masks.release import run_release_tests
from sleight_training.compose.masks.use import measure_use
from typer.testing import CliRunner

from .chat_server import answer, serving
from .reports import FINGERS, release_report, use_report

MASKS = [FingerMask.of(FINGERS, preserved) for preserved in (("ff", "mf", "rf"), ("mf",), ("lf",))]
CONFIG = ReleaseConfig(rollouts=6, ramp=20, steps=45, num_envs=64)


@pytest.fixture(scope="module")
def report(held):
    seen = []
    report = run_release_tests(
        held, CONFIG, MASKS, report=lambda done, total: seen.append((done, total)), num_threads=1
    )
    assert seen == [(30, 30)]
    return report


def test_what_holds_is_retained_and_what_does_not_falls(report):
    three, middle, little = report.candidates
    assert report.all_preserved.retained == three.retained == CONFIG.rollouts
    assert report.none_preserved.retained == 0 and report.none_preserved.clean == CONFIG.rollouts
    assert little.retained < middle.retained
    assert three.released == ("lf", "th") and three.rollouts == CONFIG.rollouts
    assert all(row.both <= min(row.retained, row.clean) for row in report.candidates)
    assert three.retention_ci == wilson_interval(three.retained, three.rollouts)


def test_the_batches_make_no_difference(held, report):
    again = run_release_tests(held, CONFIG.model_copy(update={"num_envs": 7}), MASKS, num_threads=2)
    assert again.candidates == report.candidates
    assert (again.all_preserved, again.none_preserved) == (report.all_preserved, report.none_preserved)


def test_a_release_that_is_still_going_on_is_not_clean(held):
    """At the end of a ramp that is far from over, the middle finger still carries the ball."""
    config = CONFIG.model_copy(update={"ramp": 2000, "rollouts": 3})
    mask = FingerMask.of(FINGERS, ("ff", "rf", "lf", "th"))
    row = run_release_tests(held, config, [mask], num_threads=1).candidates[0]
    assert row.retained == 3 and row.clean == row.both == 0


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 30))
def test_a_rollout_has_the_steps_that_are_looked_at(steps, clean):
    if steps < clean:
        with pytest.raises(ValidationError):
            ReleaseConfig(steps=steps, clean_steps=clean)
    else:
        assert ReleaseConfig(steps=steps, clean_steps=clean).steps == steps


def test_the_page_has_every_mask_and_pictures(held, report, tmp_path):
    write_release_page(tmp_path / "page" / "index.html", report, held)
    text = (tmp_path / "page" / "index.html").read_text()
    assert "Release tests of GraspBall" in text and "<td>ff mf rf</td><td>lf th</td>" in text
    assert text.count("control") >= 2 and "data:image/png" in text
    write_release_page(tmp_path / "bare.html", report, None)
    assert "Held states</h2>" not in (tmp_path / "bare.html").read_text()


def test_a_button_is_pushed_with_the_first_finger():
    use = measure_use(TASKS["PushButton"], UseConfig(episodes=4), num_threads=1)
    assert use.succeeded >= 3 and [row.finger for row in use.fingers] == list(FINGERS)
    assert use.fingers[0].force > 0.95 and use.fingers[0].touched == 1.0
    weights = use.weights(0.2)
    assert max(weights, key=lambda name: weights[name]) == "ff" and sum(weights.values()) == pytest.approx(1.0)
    with pytest.raises(SleightError, match="only interaction tasks"):
        measure_use(TASKS["GraspBall"], UseConfig(episodes=1), num_threads=1)
    with pytest.raises(SleightError, match="no episode succeeds"):
        short = TASKS["PushButton"].model_copy(update={"episode_steps": 2})
        measure_use(short, UseConfig(episodes=1), num_threads=1)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_commands(held_file, tmp_path):
    shown = run("held", "show", held_file)
    assert shown.exit_code == 0 and "GraspBall" in shown.output and "8 of 8" in shown.output
    made = run("held", "collect", "--task", "GraspBall", "--count", 1, "--out", tmp_path / "one.npz", "--threads", 1)
    assert made.exit_code == 0 and (tmp_path / "one.npz").exists()
    done = run("release", "test", "--held", tmp_path / "one.npz", "--rollouts", 1, "--out", tmp_path, "--threads", 1)
    assert done.exit_code == 0, done.output
    found = ReleaseReport.read(tmp_path / "results.json")
    assert len(found.candidates) == 30 and found.command and (tmp_path / "index.html").exists()
    used = run(
        "release", "use", "--task", "PushButton", "--episodes", 2, "--out", tmp_path / "use.json", "--threads", 1
    )
    assert used.exit_code == 0 and UseReport.read(tmp_path / "use.json").task == "PushButton"


def test_the_selection_command(tmp_path):
    release_report({"rf+lf+th": (90, 95), "ff+th": (97, 60)}).write(tmp_path / "results.json")
    use_report((1.0, 0.0, 0.0, 0.0, 0.0)).write(tmp_path / "use.json")
    about = ("release", "select", "--release", tmp_path, "--second", "PushButton", "--use", tmp_path / "use.json")
    default = run(*about, "--json", tmp_path / "choice.json")
    assert default.exit_code == 0 and "task-aware: preserve rf+lf+th" in default.output
    assert json.loads((tmp_path / "choice.json").read_text())["preserved"] == ["rf", "lf", "th"]
    assert "heuristic: preserve ff+th" in run(*about, "--selector", "heuristic").output


def test_the_selection_command_asks_a_model(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SLEIGHT_LLM_KEY", "sk-secret")
    release_report({}).write(tmp_path / "results.json")
    use_report((1.0, 0.0, 0.0, 0.0, 0.0)).write(tmp_path / "use.json")
    about = ("release", "select", "--release", tmp_path, "--second", "PushButton", "--use", tmp_path / "use.json")
    with serving(answer('{"index": 4, "reason": "why not"}')) as server:
        asked = run(*about, "--selector", "llm", "--base-url", server.url, "--model", "m")
    assert "language-model: preserve mf+rf+lf+th (index 4)" in asked.output and "why not" in asked.output
    for wrong, message in (
        (("--selector", "llm", "--base-url", "https://user:sk-secret@host/v1", "--model", "m"), "--base-url"),
        (("--selector", "llm", "--base-url", "https://host/v1"), "--model"),
        (
            ("--selector", "llm", "--base-url", "https://host/v1", "--model", "m", "--key-variable", "sk-x"),
            "--key-variable",
        ),
        (("--selector", "oracle"), "no such selector"),
    ):
        refused = run(*about, *wrong)
        assert isinstance(refused.exception, SleightError) and message in str(refused.exception)
        assert "sk-secret" not in str(refused.exception)


def test_the_contact_sheet(held, tmp_path):
    pytest.importorskip("PIL.Image", reason="pictures need pillow")
    from PIL import Image
    from sleight_training.compose.masks.picture import write_contact_sheet

    file = tmp_path / "deeper" / "sheet.png"
    write_contact_sheet(file, {"GraspBall": held}, {"GraspBall": FingerMask.of(FINGERS, ("mf",))})
    assert Image.open(file).size == (300, 556)
