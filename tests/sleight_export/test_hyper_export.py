"""A hyper-policy as a bundle: its parts are told and add up, simulation evaluates it, and no robot runs it."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sleight_core.bundle import PolicySession, load_bundle
from sleight_core.errors import BundleError
from sleight_description import load_hand
from sleight_export.run import GOLDEN_COUNT, export_run
from sleight_training.base import prepare_run, train_base
from sleight_training.checkpoint import read_checkpoint
from sleight_training.codes.encoder import bundle_encode, encode_with, object_codes, write_encoder
from sleight_training.codes.network import PointNet
from sleight_training.evaluation.grasp import evaluate
from sleight_training.hyper.training import hyper_objects, prepare_hyper, rebuild, train_hyper
from sleight_training.weights import write_weights

HAND = load_hand("shadow")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    place = tmp_path_factory.mktemp("hyper")
    arguments = {"objects": "household:can:0", "preset_name": "smoke", "seed": 0, "iterations": 1, "num_envs": 8}
    run = prepare_run(place / "base", **arguments, resume=False)
    train_base(place / "base", run)
    torch.manual_seed(0)
    encoder = PointNet()
    encoder.set_statistics(3e-3 * torch.randn(100, 64))  # magnifies the last digits, as training can
    write_encoder(place / "encoder.safetensors", encoder, "{}")
    run = prepare_hyper(
        place / "run",
        experts=[place / "base"] * 2,
        codes=place / "encoder.safetensors",
        objects="household:all",
        preset_name="smoke",
        seed=0,
    )
    train_hyper(place / "run", run)
    return place, run, export_run(place / "run", place / "bundle")


def test_the_bundle_tells_its_parts_and_they_add_up(exported):
    _, _, done = exported
    bundle = done.bundle
    assert (done.parity.samples, done.parity.golden) == (1000, GOLDEN_COUNT) and done.parity.largest <= 1e-5
    composition = bundle.manifest.composition
    assert composition.kind == "moe_residual"
    assert (composition.k, composition.normalisation, composition.expert_names) == (2, "softmax", ("base", "base"))
    session = PolicySession(bundle)
    rng = np.random.default_rng(0)
    for obs in (*bundle.golden["obs"][:8], *rng.normal(0, 1, (8, session.observation_size)).astype(np.float32)):
        out = session.act(obs)
        assert out.expert_weights is not None and out.residual is not None and out.expert_actions is not None
        assert out.expert_actions.shape == (2, 24) and out.expert_weights.sum() == pytest.approx(1.0, abs=1e-5)
        parts = np.clip(out.expert_weights @ out.expert_actions + out.residual, -1, 1)
        np.testing.assert_allclose(out.action, parts, atol=1e-5)


def test_the_bundles_encoder_is_the_runs(exported):
    place, run, done = exported
    _, encoder = rebuild(run, read_checkpoint(place / "run" / "checkpoint.pt"))
    things = hyper_objects(run)[:3]
    expected = object_codes(things, encode_with(encoder))
    np.testing.assert_allclose(object_codes(things, bundle_encode(done.bundle)), expected, atol=1e-5)


def test_simulation_evaluates_what_a_robot_refuses(exported):
    place, _, done = exported
    score, bundle = evaluate(place / "bundle", "household:can:0+household:box:0", 4)
    assert score.total.episodes == 4 and bundle.sha256 == done.bundle.sha256
    assert any("for simulation only" in check for check in bundle.checks)
    with pytest.raises(BundleError, match=r"observation\.8\.provenance.*privileged.*true_object_quat"):
        load_bundle(place / "bundle", HAND)


def test_weights_make_the_same_bundle_as_their_run(exported, tmp_path):
    place, _, done = exported
    kept = write_weights(place / "run", tmp_path / "kept.safetensors")
    again = export_run(kept, tmp_path / "bundle", name=done.bundle.manifest.name)
    assert again.bundle.manifest.graphs == done.bundle.manifest.graphs
    assert again.bundle.manifest.golden == done.bundle.manifest.golden


def test_a_mixture_without_residual_is_exported_too(exported, tmp_path):
    place, _, _ = exported
    run = prepare_hyper(
        tmp_path / "run",
        experts=[place / "base"],
        codes=place / "encoder.safetensors",
        objects="household:all",
        preset_name="smoke",
        seed=0,
        residual=False,
        normalisation="l1",
        iterations=1,
    )
    train_hyper(tmp_path / "run", run)
    bundle = export_run(tmp_path / "run", tmp_path / "bundle").bundle
    out = PolicySession(bundle).act(bundle.golden["obs"][5])
    assert out.residual is not None and not out.residual.any()
    assert out.expert_actions is not None
    np.testing.assert_allclose(out.action, np.clip(out.expert_actions[0], -1, 1), atol=1e-5)
