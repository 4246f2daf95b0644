"""Zero start, shape of the networks, and residuals as files."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.errors import SleightError
from sleight_training.compose.residual.config import STABILISER
from sleight_training.compose.residual.network import (
    FIRST,
    PRIVILEGED,
    SECOND,
    JointResiduals,
    ResidualModel,
    ppo_settings,
    prefix_norm_mlp,
)
from sleight_training.compose.residual.policy import ResidualPolicy
from tensordict import TensorDict
from torch import nn


def test_each_hidden_layer_has_its_norm_before_it_and_an_elu_after_it():
    kinds = [type(layer) for layer in prefix_norm_mlp(7, 3, (16, 8))]
    assert kinds == [nn.LayerNorm, nn.Linear, nn.ELU] * 2 + [nn.Linear]


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (2, 7), elements=st.floats(-100, 100, width=32)))
def test_untrained_residuals_correct_nothing_whatever_they_see(spec, seen):
    assert not ResidualPolicy.untrained(spec)(seen).any()


def observations(n=5) -> TensorDict:
    return TensorDict({FIRST: torch.randn(n, 6), SECOND: torch.randn(n, 9), PRIVILEGED: torch.randn(n, 2)}, [n])


def test_the_learner_starts_at_zero_too_and_explores_with_the_given_deviation():
    ppo = STABILISER["smoke"].ppo
    settings_ = ppo_settings(ppo, (FIRST,))
    options = {name: value for name, value in settings_["actor"].items() if name != "class_name"}
    obs = observations()
    actor = ResidualModel(obs, settings_["obs_groups"], "actor", 4, **options)
    assert not actor(obs).detach().any()
    actor(obs, stochastic_output=True)
    assert torch.allclose(actor.output_std, torch.full((5, 4), ppo.init_std))


def test_joint_residuals_see_and_write_their_own_parts_only():
    ppo = STABILISER["smoke"].ppo
    settings_ = ppo_settings(ppo, (FIRST, SECOND), 3)
    assert settings_["algorithm"]["schedule"] == "fixed"
    options = {name: value for name, value in settings_["actor"].items() if name != "class_name"}
    obs = observations()
    actor = JointResiduals(obs, settings_["obs_groups"], "actor", 5, **options)
    assert not actor(obs).detach().any()
    for parameter in actor.parameters():
        nn.init.normal_(parameter)
    before = actor(obs).detach()
    changed = obs.clone()
    changed[SECOND] = torch.randn(5, 9)
    after = actor(changed).detach()
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3:], after[:, 3:])


def test_a_residual_comes_back_from_its_file(tmp_path, spec):
    policy = ResidualPolicy.untrained(spec)
    for parameter in policy.network.parameters():
        nn.init.normal_(parameter)
    policy.save(tmp_path / "policy.safetensors")
    again = ResidualPolicy.load(tmp_path)
    seen = np.random.default_rng(0).normal(size=(4, 7))
    assert again.spec == spec
    assert np.array_equal(again(seen), policy(seen))
    inner = again.network(torch.from_numpy(seen).float()).detach().double().numpy()
    assert np.array_equal(again(seen)[:, spec.columns], inner)
    assert not np.delete(again(seen), spec.columns, axis=1).any()


@pytest.mark.parametrize("damage", ["missing", "garbage", "torn"])
def test_a_damaged_file_is_refused_with_a_line(tmp_path, spec, damage):
    path = tmp_path / "policy.safetensors"
    if damage != "missing":
        ResidualPolicy.untrained(spec).save(path)
        data = path.read_bytes()
        path.write_bytes(b"nonsense" if damage == "garbage" else data[: len(data) // 2])
    with pytest.raises(SleightError, match="cannot be read"):
        ResidualPolicy.load(path)
