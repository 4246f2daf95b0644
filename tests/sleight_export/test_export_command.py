"""`sleight export`: a run by default, and composed skills out of what the trainings left."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("diffusers", reason="the training extra is not installed")
pytest.importorskip("onnx", reason="the training extra is not installed")

from sleight_core.bundle import load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.errors import SleightError
from sleight_export.cli import app
from sleight_export.composed_runs import read_pairs
from sleight_sim.tasks.compose.make import make_compose_task
from sleight_training.compose.diffusion.skill import DiffusionSkill
from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.residual.bundled import read_bundled_pair
from sleight_training.compose.residual.config import CompositionConfig
from sleight_training.compose.residual.policy import ResidualPolicy
from typer.testing import CliRunner

from .composed_parts import GRASP, HAND, KEPT, PUSH, residual_file, skill_folder

PAIR = ("GraspBall", "PushButton")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders as the trainings leave them, and the choice of a mask."""
    folder = tmp_path_factory.mktemp("runs")
    skill_folder(folder / "ball", "GraspBall", GRASP)
    skill_folder(folder / "button", "PushButton", PUSH)
    for name, kind, tasks in (("hold", "first", PAIR[:1]), ("pair", "second", PAIR)):
        (folder / name).mkdir()
        residual_file(folder / name / "policy.safetensors", kind, tasks)
    choice = {"first": PAIR[0], "second": PAIR[1], "preserved": ["th", "lf"]}
    (folder / "mask.json").write_text(json.dumps(choice | {"preserved": list(KEPT)}))
    return folder


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_skills_and_residuals_become_a_bundle(runs, tmp_path):
    out = tmp_path / "bundle"
    skills = ("--skill", runs / "ball", "--skill", runs / "button" / "policy.safetensors")
    done = call("compose", *skills, "--pair", runs / "pair", "--stabiliser", runs / "hold", "--out", out)
    assert done.exit_code == 0, done.output
    assert "pair  GraspBall + PushButton: keeps lf th; stabiliser and residual" in done.output
    composition = load_bundle(out, HAND, simulation=True).manifest.composition
    assert isinstance(composition, ComposedSkills)
    (pair,) = composition.pairs
    assert (pair.first, pair.second, pair.preserved) == (*PAIR, KEPT)
    assert pair.first_residual is not None and pair.second_residual is not None
    assert pair.first_residual.graph == "stabiliser.GraspBall.lf.th"
    again = call("compose", *skills, "--out", out)
    assert again.exit_code != 0, "a bundle that is there is not replaced"


def test_where_a_pair_gets_its_stabiliser(runs, tmp_path):
    (request,) = read_pairs([runs / "pair"])
    assert request.stabiliser is None and request.residual == runs / "pair"
    (request,) = read_pairs([runs / "mask.json"], [runs / "hold"])
    assert (request.preserved, request.stabiliser, request.residual) == (KEPT, runs / "hold", None)
    own = tmp_path / "own"
    own.mkdir()
    residual_file(own / "policy.safetensors", "second", PAIR)
    for name in ("stabiliser.safetensors", "stabiliser_tuned.safetensors"):
        residual_file(own / name, "first", PAIR[:1])
        (request,) = read_pairs([own], [runs / "hold"])
        assert request.stabiliser == own / name, "its own, and the tuned one where there is one"
    other = residual_file(tmp_path / "other.safetensors", "first", PAIR[:1], masks=(("th",),))
    with pytest.raises(SleightError, match="no stabiliser of GraspBall was trained with these"):
        read_pairs([runs / "pair"], [other])
    with pytest.raises(SleightError, match="no second residual"):
        read_pairs([runs / "hold"])
    with pytest.raises(SleightError, match="given twice"):
        read_pairs([runs / "pair", runs / "mask.json"])


def test_a_run_needs_no_name_of_the_command(tmp_path):
    for words in (
        (tmp_path, "--out", tmp_path / "x"),
        ("--out", tmp_path / "x", tmp_path),
        ("run", tmp_path, "-o", "x"),
    ):
        found = call(*words)
        assert isinstance(found.exception, SleightError) and "not a training run" in str(found.exception)
    listed = call("--help")
    assert listed.exit_code == 0 and "compose" in listed.output and "run" in listed.output
    twice = call("compose", "--skill", tmp_path / "none", "--out", tmp_path / "x")
    assert isinstance(twice.exception, SleightError) and "no such skill" in str(twice.exception)


def test_a_bundle_is_played_as_what_it_was_made_of(runs, tmp_path):
    skills = ("--skill", runs / "ball", "--skill", runs / "button")
    done = call("compose", *skills, "--pair", runs / "pair", "--stabiliser", runs / "hold", "--out", tmp_path / "b")
    assert done.exit_code == 0, done.output
    pair = read_bundled_pair(tmp_path / "b", *PAIR)
    assert pair.mask == KEPT and pair.config == CompositionConfig()
    rng = np.random.default_rng(0)
    for played, name in ((pair.stabiliser, "hold"), (pair.residual, "pair")):
        policy = ResidualPolicy.load(runs / name)
        seen = rng.normal(size=(5, sum(policy.spec.terms.values())))
        assert played is not None and played.spec.tasks == policy.spec.tasks
        assert played(seen) == pytest.approx(policy(seen), abs=1e-5)
    task = make_compose_task("PushButton", 2, num_threads=1)
    skill, trained = pair.skill.make(task, 3), DiffusionSkill.load(runs / "button", seed=3)
    assert (skill.task, skill.term_names, skill.execute) == (trained.task, trained.term_names, trained.execute)
    history = np.repeat(RecedingHorizon(skill, 2).observation(task.reset())[:, None], 2, axis=1)
    assert skill.plan(history, np.arange(2)) == pytest.approx(trained.plan(history, np.arange(2)), abs=1e-5)
    with pytest.raises(SleightError, match=r"no pair PickCan \+ PushButton: .*it has GraspBall \+ PushButton"):
        read_bundled_pair(tmp_path / "b", "PickCan", "PushButton")
