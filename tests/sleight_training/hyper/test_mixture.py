"""Experts and their mixture: loaded as they were, weighted as Eq. 4 says, and untouched at the start of training."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from rsl_rl.models import MLPModel  # noqa: E402
from sleight_core.errors import SleightError  # noqa: E402
from sleight_core.observation.spec import term_specs  # noqa: E402
from sleight_description import load_hand  # noqa: E402
from sleight_export.run import export_run  # noqa: E402
from sleight_training.hyper.actor import HyperActor, hyper_settings  # noqa: E402
from sleight_training.hyper.config import HYPER_TERMS, HyperConfig, hyper_preset, stage_reward  # noqa: E402
from sleight_training.hyper.experts import load_expert  # noqa: E402
from sleight_training.hyper.mixture import HyperPolicy, Mixture, expert_columns, normalise  # noqa: E402
from sleight_training.ppo.config import preset  # noqa: E402
from sleight_training.run import RunConfig  # noqa: E402
from sleight_training.weights import write_weights  # noqa: E402
from tensordict import TensorDict  # noqa: E402

HAND = load_hand("shadow")
SPECS = term_specs(HAND, HYPER_TERMS)
OBS = sum(spec.size for spec in SPECS)


def write_base_run(folder, seed=0, terms=None):
    """A base policy's run, untrained but with statistics of its own."""
    chosen = preset("smoke")
    task = chosen.task.model_copy(update={"terms": terms or chosen.task.terms})
    run = RunConfig(kind="base", preset="smoke", objects="household:can:0", seed=seed, ppo=chosen.ppo, task=task)
    run.write(folder)
    torch.manual_seed(seed)
    settings = {key: value for key, value in run.ppo.rsl_rl()["actor"].items() if key != "class_name"}
    obs = TensorDict({"policy": torch.randn(64, sum(s.size for s in term_specs(HAND, task.terms)))}, batch_size=[64])
    model = MLPModel(obs, {"actor": ["policy"]}, "actor", 24, **settings)
    model.train()
    model.update_normalization(obs)
    progress = {"iteration": 1, "steps": 1, "seconds": 1.0}
    torch.save({"actor_state_dict": model.state_dict(), "progress": progress}, folder / "checkpoint.pt")
    return model.eval()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("experts")
    return [(place / name, write_base_run(place / name, seed)) for seed, name in enumerate(("a", "b", "c"))]


def mixture_of(runs, **changes):
    loaded = [load_expert(folder) for folder, _ in runs]
    config = HyperConfig(experts=tuple(config for config, _ in loaded), **changes)
    return Mixture(config, SPECS, [expert for _, expert in loaded])


def actor_for(mixture):
    settings = hyper_settings(hyper_preset("smoke").ppo, mixture.config)["actor"]
    assert settings.pop("class_name") is HyperActor
    obs = TensorDict({"policy": torch.zeros(1, OBS)}, batch_size=[1])
    return HyperActor(obs, {"actor": ["policy"]}, "actor", mixture.output_size, **settings)


def observations(count=50):
    return torch.from_numpy(np.random.default_rng(3).normal(0, 1, (count, OBS)).astype(np.float32))


def test_an_expert_is_the_same_from_run_weights_and_bundle(runs, tmp_path):
    folder, model = runs[0]
    export_run(folder, tmp_path / "bundle")
    sources = [folder, write_weights(folder, tmp_path / "kept.safetensors"), tmp_path / "bundle"]
    loaded = [load_expert(source) for source in sources]
    obs = observations()[:, :153]
    expected = model(TensorDict({"policy": obs}, batch_size=[50])).detach()
    assert expected.abs().max() > 0.5
    for config, expert in loaded:
        torch.testing.assert_close(expert(obs), expected, atol=1e-6, rtol=1e-5)
        assert config.terms == preset("smoke").task.terms and config.hidden == (32, 32)
        assert config.objects == "household:can:0" and not any(p.requires_grad for p in expert.parameters())
    assert loaded[0][0].sha256 == loaded[1][0].sha256
    assert [config.name for config, _ in loaded] == ["a", "kept", "bundle"]


def test_what_is_no_base_policy_is_refused(runs, tmp_path):
    with pytest.raises(SleightError, match="no base policy"):
        load_expert(tmp_path)
    folder = tmp_path / "other"
    write_base_run(folder)
    text = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**text, "kind": "hyper"}))
    with pytest.raises(SleightError, match="an expert is a base policy"):
        load_expert(folder)
    (folder / "config.json").write_text(json.dumps(text))
    data = torch.load(folder / "checkpoint.pt", weights_only=True)
    data["actor_state_dict"]["mlp.0.weight"][0, 0] = float("nan")
    torch.save(data, folder / "checkpoint.pt")
    with pytest.raises(SleightError, match="not finite"):
        load_expert(folder)


def test_an_expert_finds_its_terms_among_the_hyper_policys(runs, tmp_path):
    config, _ = load_expert(runs[0][0])
    assert expert_columns(config, SPECS) == list(range(153)), "the paper's layout: the base policy reads a prefix"
    backwards = (("goal_offset", 1.0), ("object_pos", 1.0))
    write_base_run(tmp_path / "few", terms=backwards)
    few, _ = load_expert(tmp_path / "few")
    assert expert_columns(few, SPECS) == [150, 151, 152, 147, 148, 149]
    for wrong in ((("joint_vel", 1.0),), (("object_pos", 2.0),)):
        with pytest.raises(SleightError, match="the hyper-policy"):
            expert_columns(config.model_copy(update={"terms": wrong}), SPECS)


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=6), st.sampled_from(["softmax", "l1", "l2"]))
def test_weights_are_normalised(raw, kind):
    weights = normalise(torch.tensor([raw], dtype=torch.float32), kind)[0].numpy()
    assert np.isfinite(weights).all()
    if kind == "softmax":
        assert (weights >= 0).all() and weights.sum() == pytest.approx(1.0, abs=1e-5)
    elif np.abs(raw).max() > 1e-3:
        norm = np.abs(weights).sum() if kind == "l1" else np.linalg.norm(weights)
        assert norm == pytest.approx(1.0, abs=1e-4)
        # A weight may vanish beside a large one, but never changes its sign.
        assert (np.sign(weights) * np.sign(np.asarray(raw, np.float32)) >= 0).all()


@pytest.mark.parametrize("kind", ["softmax", "l1", "l2"])
@pytest.mark.parametrize("residual", [True, False])
def test_training_starts_from_the_mixture_of_the_experts(runs, kind, residual):
    mixture = mixture_of(runs, normalisation=kind, residual=residual)
    policy = HyperPolicy(actor_for(mixture).as_onnx(verbose=False), mixture).eval()
    obs = observations()
    action, weights, added, experts = policy(obs)
    single = torch.stack(
        [model(TensorDict({"policy": obs[:, :153]}, batch_size=[50])).detach() for _, model in runs], 1
    )
    equal = 3**-0.5 if kind == "l2" else 1 / 3
    torch.testing.assert_close(experts, single, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights, torch.full((50, 3), equal), atol=1e-6, rtol=0)
    torch.testing.assert_close(action, equal * single.sum(dim=1), atol=1e-5, rtol=1e-5)
    assert (added == 0).all() and mixture.output_size == (27 if residual else 3)


def test_the_action_is_the_weighted_sum_and_the_residual(runs):
    mixture = mixture_of(runs)
    output, experts = torch.randn(5, 27), torch.randn(5, 3, 24)
    action, weights, residual = mixture.compose(output, experts)
    expected = torch.einsum("bk,bka->ba", torch.softmax(output[:, :3], -1), experts) + output[:, 3:]
    torch.testing.assert_close(action, expected)
    torch.testing.assert_close(residual, output[:, 3:])
    torch.testing.assert_close(weights.sum(-1), torch.ones(5))


@pytest.mark.parametrize(("kind", "first"), [("softmax", 0.909), ("l1", 0.667), ("l2", 0.943)])
def test_an_expert_that_leads_starts_with_the_largest_weight(runs, kind, first):
    mixture = mixture_of(runs, normalisation=kind, lead=3.0)
    policy = HyperPolicy(actor_for(mixture).as_onnx(verbose=False), mixture).eval()
    _, weights, _, _ = policy(observations())
    torch.testing.assert_close(weights[:, 0], torch.full((50,), first), atol=1e-3, rtol=0)
    torch.testing.assert_close(weights[:, 1], weights[:, 2])


def test_weights_and_residual_have_noise_of_their_own(runs):
    std = {
        name: value
        for name, value in actor_for(mixture_of(runs, weight_std=0.5)).named_parameters()
        if "log_std" in name
    }
    values = next(iter(std.values())).exp()
    torch.testing.assert_close(values[:3], torch.full((3,), 0.5))
    torch.testing.assert_close(values[3:], torch.full((24,), 0.3))


def test_the_papers_sizes_and_rewards_are_kept_in_full():
    full = hyper_preset("full")
    assert OBS == 227 and full.task.terms == HYPER_TERMS
    assert (full.ppo.num_envs, full.ppo.num_steps, full.ppo.iterations) == (11000, 8, 20000)
    assert full.ppo.hidden == (1024, 1024, 512, 512) and full.ppo.gamma == 0.96
    reward = stage_reward(full.task.reward, 2)
    assert stage_reward(full.task.reward, 1) == full.task.reward
    assert (reward.pose, reward.reach_hand, reward.reach_fingers) == (0, 0, 0)
    assert (reward.lift, reward.lift_force, reward.move, reward.bonus) == (0.1, 0.1, 0.9, 1.0)
    with pytest.raises(SleightError, match="cpu"):
        hyper_preset("gpu")
