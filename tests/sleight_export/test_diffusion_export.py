"""A skill's sampler as an ONNX graph: what torch samples from the same history and noise, whatever the batch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("diffusers", reason="the training extra is not installed")
pytest.importorskip("onnx", reason="the training extra is not installed")

from sleight_core.bundle.manifest import MAX_IR, MAX_OPSET  # noqa: E402
from sleight_core.bundle.onnx_check import summarise  # noqa: E402
from sleight_core.bundle.policy import make_session  # noqa: E402
from sleight_core.errors import BundleError, SleightError  # noqa: E402
from sleight_export.diffusion import ACTIONS, HISTORY, NOISE, check_sampler, export_skill, sampler_to_onnx  # noqa: E402
from sleight_export.onnx_export import store_halves, trace_onnx  # noqa: E402
from sleight_sim.tasks.compose.config import TASKS  # noqa: E402
from sleight_training.compose.diffusion.config import SKILL_PRESETS, NoiseConfig, SkillRun  # noqa: E402
from sleight_training.compose.diffusion.policy import DiffusionPolicy, Sampler  # noqa: E402
from sleight_training.compose.diffusion.skill import POLICY, DiffusionSkill, round_weights, write_policy  # noqa: E402
from sleight_training.compose.skill import HORIZON  # noqa: E402

SMOKE = SKILL_PRESETS["smoke"]
TERMS = ("hand_joints", "wrist_quat", "palm_to_handle", "handle_pos", "mechanism_joints")


def untrained(observation, action, noise):
    """A policy that, like a trained one, says nothing far outside the range: rounding is not magnified."""
    torch.manual_seed(0)
    policy = DiffusionPolicy(observation, action, SMOKE.network, noise)
    dict(policy.unet.out.named_parameters())["1.weight"].data.mul_(0.1)
    policy.action.spread.fill_(0.3)
    return policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder with an untrained policy of PushButton, whose ranges are those of real actions."""
    folder = tmp_path_factory.mktemp("skill")
    run = SkillRun(
        preset="smoke",
        seed=0,
        task=TASKS["PushButton"].model_copy(update={"episode_steps": 40}),
        term_names=TERMS,
        observation_size=33,
        action_size=28,
        demonstrations="none",
        demonstrations_sha256="0" * 64,
        episodes=1,
        network=SMOKE.network,
        noise=NoiseConfig(prediction="sample", sample_steps=3),
        learner=SMOKE.learner,
    )
    policy = untrained(33, 28, run.noise)
    policy.action.middle[2] = 0.8
    write_policy(folder / POLICY, run, policy, {})
    return folder


@pytest.fixture(scope="module")
def graph(folder):
    return export_skill(folder)


def test_the_graph_repeats_torch_on_random_and_golden_inputs(graph):
    summary = summarise(graph.data)
    assert summary.opsets == {"": MAX_OPSET} and summary.ir_version <= MAX_IR and not summary.external
    assert graph.parity.largest < 1e-5 and graph.parity.samples == 256 and graph.parity.golden == 32
    assert graph.steps == 3 and graph.golden[ACTIONS].shape == (32, HORIZON, 28)
    session = make_session(graph.data, "graphs.skill")
    assert [i.name for i in session.get_inputs()] == [HISTORY, NOISE]
    assert [o.name for o in session.get_outputs()] == [ACTIONS]
    for count in (1, 5):
        inputs = {name: graph.golden[name][:count] for name in (HISTORY, NOISE)}
        assert session.run(None, inputs)[0] == pytest.approx(graph.golden[ACTIONS][:count], abs=1e-5)
    # The history counts, and so does the noise.
    one = {name: graph.golden[name][:1] for name in (HISTORY, NOISE)}
    for name in (HISTORY, NOISE):
        assert np.abs(session.run(None, {**one, name: one[name] + 0.5})[0] - graph.golden[ACTIONS][:1]).max() > 1e-4


def test_a_skill_acts_as_its_graph_and_golden_vectors_are_the_same_each_time(folder, graph):
    again = export_skill(folder / POLICY, steps=3)
    assert graph.data == again.data and all((graph.golden[k] == again.golden[k]).all() for k in graph.golden)
    skill = DiffusionSkill.load(folder)
    acted = skill.sample(graph.golden[HISTORY], graph.golden[NOISE])
    assert acted == pytest.approx(graph.golden[ACTIONS], abs=1e-6)


def test_a_graph_of_another_network_is_refused(folder, graph):
    torch.manual_seed(1)
    other = Sampler(DiffusionPolicy(33, 28, SMOKE.network, NoiseConfig(prediction="sample")), 3)
    with pytest.raises(BundleError, match="torch's actions within 1e-05 on 4 random inputs"):
        check_sampler(other, graph.data, graph.golden, samples=4)
    with pytest.raises(SleightError, match="no such skill"):
        export_skill(folder / "nothing.safetensors")


@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
def test_both_predictions_are_exported(prediction):
    sampler = Sampler(untrained(5, 4, NoiseConfig(prediction=prediction)), 3)
    rng = np.random.default_rng(0)
    golden = {
        HISTORY: rng.standard_normal((8, 2, 5)).astype(np.float32),
        NOISE: rng.standard_normal((8, HORIZON, 4)).astype(np.float32),
    }
    assert check_sampler(sampler, sampler_to_onnx(sampler), golden, samples=16).largest < 1e-5


def test_rounded_weights_take_half_the_room_and_compute_the_same_to_the_bit():
    policy = untrained(33, 28, NoiseConfig(prediction="sample", sample_steps=2))
    inputs = {HISTORY: torch.zeros(1, 2, 33), NOISE: torch.zeros(1, HORIZON, 28)}
    exact = trace_onnx(Sampler(policy), inputs, [ACTIONS])
    assert len(store_halves(exact)) == pytest.approx(len(exact), rel=0.01), "what was not rounded stays"
    rounded = trace_onnx(Sampler(round_weights(policy)), inputs, [ACTIONS])
    small = store_halves(rounded)
    assert len(small) < 0.9 * len(rounded) and summarise(small).opsets == {"": MAX_OPSET}
    rng = np.random.default_rng(0)
    asked = {name: rng.normal(size=(3, *value.shape[1:])).astype(np.float32) for name, value in inputs.items()}
    wide, narrow = (np.asarray(make_session(data, "graphs.skill").run(None, asked)[0]) for data in (rounded, small))
    assert np.array_equal(wide, narrow)
