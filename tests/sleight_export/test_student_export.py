"""A student as a bundle: a robot may run it, its parts add up, and it is scored in simulation like any other."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sleight_core.bundle import PolicySession, load_bundle
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_export.cli import app
from sleight_export.student import export_student
from sleight_training.base import prepare_run, train_base
from sleight_training.checkpoint import read_checkpoint
from sleight_training.evaluation.grasp import evaluate
from sleight_training.student.training import prepare_student, train_student
from typer.testing import CliRunner

OBJECT = "household:can:0"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A student of each head."""
    place = tmp_path_factory.mktemp("students")
    run = prepare_run(
        place / "base", objects=OBJECT, preset_name="smoke", seed=0, iterations=1, num_envs=4, resume=False
    )
    train_base(place / "base", run)
    for head in ("action", "mixture"):
        arguments = {"teacher": place / "base", "preset_name": "smoke", "seed": 0, "num_envs": 4, "iterations": 1}
        train_student(place / head, prepare_student(place / head, head=head, **arguments))
    return place


def test_a_direct_student_is_a_bundle_for_a_robot(runs, tmp_path):
    done = export_student(runs / "action", tmp_path / "bundle")
    assert done.parity.largest <= 1e-5
    bundle = load_bundle(tmp_path / "bundle", load_hand("shadow"))
    names = [term.name for term in bundle.manifest.observation]
    assert names[-1] == "object_cloud_64" and "object_pos" not in names
    assert bundle.manifest.composition.kind == "mlp" and bundle.manifest.policy.opset <= 17
    training = bundle.manifest.training
    assert training is not None and training.algorithm.startswith("DAgger, teacher base")
    score, _ = evaluate(tmp_path / "bundle", "own", 2, perception="exact")
    assert score.total.episodes == 2


def test_a_mixing_student_tells_its_parts_and_they_add_up(runs, tmp_path):
    result = CliRunner().invoke(app, [str(runs / "mixture"), "--out", str(tmp_path / "bundle"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parity"]["largest_difference"] <= 1e-5
    bundle = load_bundle(tmp_path / "bundle", load_hand("shadow"))
    composition = bundle.manifest.composition
    assert composition.kind == "moe_residual" and composition.expert_names == ("base",)
    session = PolicySession(bundle)
    for obs in bundle.golden["obs"][:8]:
        out = session.act(obs)
        assert out.expert_weights is not None and out.residual is not None and out.expert_actions is not None
        parts = np.clip(out.expert_weights @ out.expert_actions + out.residual, -1, 1)
        np.testing.assert_allclose(out.action, parts, atol=1e-5)


def test_refusals(runs, tmp_path):
    data = read_checkpoint(runs / "action" / "checkpoint.pt")
    data["actor_state_dict"]["mlp.0.bias"] = torch.full_like(data["actor_state_dict"]["mlp.0.bias"], float("nan"))
    torch.save(data, runs / "action" / "nan.pt")
    with pytest.raises(SleightError, match="not finite"):
        export_student(runs / "action", tmp_path / "a", checkpoint="nan.pt")
    other = read_checkpoint(runs / "mixture" / "checkpoint.pt")
    torch.save(other, runs / "action" / "other.pt")
    with pytest.raises(SleightError, match="another network"):
        export_student(runs / "action", tmp_path / "a", checkpoint="other.pt")
    with pytest.raises(SleightError, match="no config"):
        export_student(tmp_path, tmp_path / "a")
    assert not (tmp_path / "a").exists()
