"""The number of DDIM steps is chosen by measured success, and the measured skill is used with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_training.cli.compose import app
from sleight_training.compose.diffusion.choose import choose_steps, measure_skill
from sleight_training.compose.diffusion.skill import POLICY, DiffusionSkill, read_policy
from sleight_training.compose.horizon import SkillResult
from typer.testing import CliRunner


def result(successes, episodes=100):
    return SkillResult("PushButton", episodes, successes, (0.0, 1.0), None, 0)


def test_the_fewest_steps_that_do_as_well():
    assert choose_steps({1: result(90), 2: result(96), 5: result(97), 10: result(97)}) == 2
    assert choose_steps({10: result(97), 1: result(95)}) == 10
    assert choose_steps({5: result(0), 1: result(0)}) == 1


@given(st.dictionaries(st.integers(1, 100), st.integers(0, 100), min_size=1), st.floats(0, 1))
def test_no_choice_gives_up_more_than_the_tolerance(counts, tolerance):
    results = {steps: result(successes) for steps, successes in counts.items()}
    chosen = choose_steps(results, tolerance)
    best = max(results[steps].rate for steps in results)
    assert results[chosen].rate >= best - tolerance
    assert all(results[steps].rate < best - tolerance for steps in results if steps < chosen)


def test_a_measured_skill_samples_with_the_chosen_steps(trained, tmp_path):
    out = tmp_path / "measured"
    chosen, results = measure_skill(trained, out, [2, 1, 2], 2)
    assert list(results) == [1, 2] and chosen in results
    run, _ = read_policy(out / POLICY)
    before, _ = read_policy(trained / POLICY)
    assert run.noise.sample_steps == chosen and run.task == before.task
    assert len(DiffusionSkill.load(out).sampler.scheduler.timesteps) == chosen
    data = json.loads((out / "results.json").read_text())
    assert (data["task"], data["steps"]) == ("PushButton", chosen)
    assert [(row["steps"], row["episodes"]) for row in data["rows"]] == [(1, 2), (2, 2)]


def test_what_is_measured_is_rounded_and_kept_to_the_bit(trained, tmp_path):
    out = tmp_path / "measured"
    measure_skill(trained, out, [1], 1)
    before, after = read_policy(trained / POLICY)[1].state_dict(), read_policy(out / POLICY)[1].state_dict()
    for name, value in before.items():
        wanted = value.half().float() if name.startswith("unet.") and name in dict(_weights(trained)) else value
        assert (after[name] == wanted).all(), name
    assert (out / POLICY).stat().st_size < 0.65 * (trained / POLICY).stat().st_size


def _weights(run):
    return [(f"unet.{name}", value) for name, value in read_policy(run / POLICY)[1].unet.named_parameters()]


def test_the_commands(trained, tmp_path):
    out, again = tmp_path / "measured", tmp_path / "again"
    done = CliRunner().invoke(app, ["skill", str(trained), "--out", str(out), "--sample-steps", "1", "--episodes", "1"])
    assert done.exit_code == 0 and "1 DDIM steps: " in done.output and "chosen" in done.output
    restored = CliRunner().invoke(app, ["restore", str(out / POLICY), "--out", str(again)])
    assert restored.exit_code == 0 and "skill PushButton" in restored.output
    assert (again / POLICY).read_bytes() == (out / POLICY).read_bytes()
    same = CliRunner().invoke(app, ["restore", str(out / POLICY), "--out", str(again)])
    assert same.exit_code == 0, "what is there already stays"
    for words, said in (
        (["restore", str(trained / POLICY), "--out", str(again)], "another policy"),
        (["restore", str(trained / "config.json"), "--out", str(tmp_path / "x")], "cannot be read"),
        (["restore", str(out / POLICY), "--out", str(tmp_path / "x"), "--sha256", "0"], "other weights"),
        (["skill", str(tmp_path), "--out", str(tmp_path / "x")], "no such skill"),
        (["skill", str(trained), "--out", str(tmp_path / "x"), "--sample-steps", "101"], "DDIM steps"),
    ):
        found = CliRunner().invoke(app, words)
        assert isinstance(found.exception, SleightError) and said in str(found.exception)
    assert not (tmp_path / "x").exists()


def test_a_kept_residual_comes_back(spec_file, tmp_path):
    done = CliRunner().invoke(app, ["restore", str(spec_file), "--out", str(tmp_path / "run")])
    assert done.exit_code == 0 and "first residual of GraspBall" in done.output


@pytest.fixture
def spec_file(tmp_path):
    from sleight_training.compose.residual.policy import ResidualPolicy, ResidualSpec

    spec = ResidualSpec(
        kind="first", tasks=("GraspBall",), masks=(("th",),), terms={"a": 2}, columns=(27,), bounds=(0.1,) * 28,
        hidden=(8,),
    )  # fmt: skip
    path = tmp_path / "hold_GraspBall.safetensors"
    ResidualPolicy.untrained(spec).save(path)
    return path
