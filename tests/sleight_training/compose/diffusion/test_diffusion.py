"""Diffusion skills: windows, normalisation, the network, the sampler, and a training that survives a kill."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("diffusers", reason="the training extra is not installed")

import typer  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from sleight_core.errors import SleightError  # noqa: E402
from sleight_sim.tasks.compose.demonstrations import Demonstration, read  # noqa: E402
from sleight_sim.tasks.compose.variation import WorldDraw  # noqa: E402
from sleight_training.checkpoint import read_checkpoint  # noqa: E402
from sleight_training.cli.train_skill import skill as skill_command  # noqa: E402
from sleight_training.compose.diffusion.config import (  # noqa: E402
    SKILL_PRESETS,
    NoiseConfig,
    UnetConfig,
    is_skill,
    read_skill,
)
from sleight_training.compose.diffusion.dataset import make_windows, read_dataset  # noqa: E402
from sleight_training.compose.diffusion.network import ConditionalUnet  # noqa: E402
from sleight_training.compose.diffusion.page import read_results  # noqa: E402
from sleight_training.compose.diffusion.policy import DiffusionPolicy, Normaliser, Sampler  # noqa: E402
from sleight_training.compose.diffusion.skill import (  # noqa: E402
    POLICY,
    DiffusionSkill,
    read_policy,
    steps_table,
    write_policy,
)
from sleight_training.compose.diffusion.training import (  # noqa: E402
    CHECKPOINT,
    DEMONSTRATIONS,
    SkillTrainer,
    prepare_skill,
    train_skill,
)
from sleight_training.compose.skill import HORIZON, Skill  # noqa: E402
from sleight_training.run import read_metrics  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

SMALL = SKILL_PRESETS["smoke"].network


def counted(steps):
    """A demonstration whose numbers say which step they are of."""
    rows = np.arange(steps, dtype=float)
    obs = {"a": rows[:, None], "b": np.stack([rows, -rows], axis=1)}
    empty = np.zeros((steps, 0))
    return Demonstration(rows[:, None], empty, empty, rows >= steps - 1, obs, obs, WorldDraw(None, None))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_windows_never_leave_their_demonstration(lengths, random):
    windows = make_windows([counted(steps) for steps in lengths], ["b", "a"])
    assert windows.history.shape == (sum(lengths), 2, 3) and windows.actions.shape == (sum(lengths), HORIZON, 1)
    place = random.randrange(len(lengths))
    step = random.randrange(lengths[place])
    row = sum(lengths[:place]) + step
    assert windows.history[row, :, 0].tolist() == [max(step - 1, 0), step]
    assert (windows.history[row, :, 1] == -windows.history[row, :, 0]).all()
    assert windows.actions[row, :, 0].tolist() == [min(step + i, lengths[place] - 1) for i in range(HORIZON)]


def test_windows_refuse_what_does_not_fit():
    with pytest.raises(SleightError, match="demonstration 1 lacks observation terms"):
        make_windows([counted(3), dataclasses.replace(counted(3), obs={})], ["a"])
    broken = counted(3)
    broken.actions[1] = np.nan
    with pytest.raises(SleightError, match="not finite"):
        make_windows([broken], ["a"])
    wide = dataclasses.replace(counted(3), actions=np.zeros((3, 2)))
    with pytest.raises(SleightError, match="differ in their lengths"):
        make_windows([counted(3), wide], ["a"])


def test_normalisation_fills_the_range_and_comes_back():
    values = torch.tensor([[0.0, 5.0, 1.0], [4.0, 5.0, 1.0001], [2.0, 5.0, 1.0]])
    ends = Normaliser(3)
    ends.fit(values, 0.01)
    assert ends(values)[:, 0].tolist() == [-1.0, 1.0, 0.0]
    assert ends(values)[:, 1:].abs().max() < 0.02, "what hardly varies is not magnified"
    assert torch.allclose(ends.inverse(ends(values)), values)


def test_a_joint_that_hardly_moved_tells_nothing():
    """After it has held something, a hand's fingers do not lie where they lay in every demonstration."""
    moved, still = np.linspace(-1.0, 0.0, 40), -0.99 + 0.02 * np.sin(np.arange(40))
    obs = {
        "wrist_quat": np.zeros((40, 4)),
        "hand_joints": np.stack([moved, still], axis=-1),
        "handle_pos": still[:, None],
    }
    windows = make_windows([dataclasses.replace(counted(40), obs=obs)], list(obs))
    assert windows.joints == (4, 6)
    ends = Normaliser(7)
    ends.fit(torch.from_numpy(windows.history), 1e-3)
    ends.ignore(windows.joints, 0.1)
    seen = ends(torch.tensor([[0.0, 0.0, 0.0, 0.0, -1.0, -0.8, -0.97]]))[0]
    assert seen[4] == pytest.approx(-1.0) and abs(seen[5]) < 1e-3, "the still joint is off by ten times its range"
    assert seen[6] == pytest.approx(1.0, abs=0.1), "what is no joint is not touched"


@pytest.mark.parametrize("widths", [(8, 16), (8, 16, 24)])
def test_the_network_uses_all_that_it_is_given(widths):
    torch.manual_seed(0)
    net = ConditionalUnet(6, 5, UnetConfig(widths=widths, time_features=8))
    noisy, step, history = torch.randn(2, HORIZON, 5), torch.tensor([3.0, 90.0]), torch.randn(2, 6)
    out = net(noisy, step, history)
    assert out.shape == (2, HORIZON, 5)
    for other in (net(noisy + 1.0, step, history), net(noisy, step + 1.0, history), net(noisy, step, history + 1.0)):
        assert (out - other).abs().max() > 1e-4
    assert torch.allclose(net(noisy[:1], step[:1], history[:1]), out[:1], atol=1e-5), "rows do not mix"
    out.square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().any()] == []


def test_networks_that_cannot_be_are_refused():
    for wrong in ({"widths": (8, 12)}, {"kernel": 4}, {"time_features": 7}):
        with pytest.raises(ValueError, match="multiples|odd"):
            UnetConfig.model_validate(wrong)
    with pytest.raises(ValueError, match="are more than"):
        NoiseConfig(steps=5, sample_steps=6)


@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
@pytest.mark.parametrize("steps", [1, 5, 100])
def test_a_network_that_knows_the_chunk_samples_it(prediction, steps):
    """With the true noise, or the true chunk, at every step, DDIM ends at the chunk, whatever it started from."""
    policy = DiffusionPolicy(3, 4, SMALL, NoiseConfig(prediction=prediction))
    sampler = Sampler(policy, steps)
    wanted = torch.rand(2, HORIZON, 4) - 0.5
    alphas = sampler.scheduler.alphas_cumprod

    def knows(noisy, step, history):
        alpha = alphas[int(step[0])]
        return wanted if prediction == "sample" else (noisy - alpha.sqrt() * wanted) / (1.0 - alpha).sqrt()

    policy.unet.forward = knows
    policy.action.middle.fill_(7.0)
    policy.action.spread.fill_(0.5)
    chunk = sampler(torch.zeros(2, 2, 3), torch.randn(2, HORIZON, 4))
    assert torch.allclose(chunk, 7.0 + 0.5 * wanted, atol=1e-4)


def test_the_loss_is_that_of_the_noise_or_the_chunk():
    for prediction in ("epsilon", "sample"):
        policy = DiffusionPolicy(3, 4, SMALL, NoiseConfig(prediction=prediction))
        policy.unet.forward = lambda noisy, step, history: torch.zeros_like(noisy)
        actions, noise = torch.full((8, HORIZON, 4), 0.5), torch.full((8, HORIZON, 4), 2.0)
        loss = policy.loss(torch.zeros(8, 2, 3), actions, noise, torch.arange(8))
        assert float(loss.detach()) == pytest.approx(4.0 if prediction == "epsilon" else 0.25)


def test_a_run_writes_what_is_needed(trained, demonstrations):
    run = read_skill(trained)
    assert is_skill(trained) and (run.episodes, run.observation_size, run.action_size) == (2, 33, 28)
    assert [row["iteration"] for row in read_metrics(trained)] == [2, 4, 6]
    assert (trained / "index.html").stat().st_size > 10_000 and any((trained / "tensorboard").iterdir())
    checkpoint = read_checkpoint(trained / CHECKPOINT)
    _, policy = read_policy(trained / POLICY)
    kept = dict(policy.named_parameters())
    names = [name for name, _ in policy.named_parameters()]
    average = dict(zip(names, checkpoint["average"]["shadow_params"], strict=True))
    assert all(torch.equal(kept[name], average[name]) for name in names), "the file holds the average"
    assert not all(torch.equal(kept[name], checkpoint["policy"][name]) for name in names)
    windows = read_dataset(demonstrations).windows
    inside = policy.action(torch.from_numpy(windows.actions))
    assert inside.abs().max() <= 1.0 + 1e-5


def test_a_killed_run_ends_with_the_same_numbers(trained, demonstrations, tmp_path):
    folder = tmp_path / "run"
    run = prepare_skill(folder, task="PushButton", preset_name="smoke", seed=0, demonstrations=demonstrations)
    train_skill(folder, run, report=lambda p: p.iteration == 3, num_threads=1)
    assert read_checkpoint(folder / CHECKPOINT)["progress"]["iteration"] == 3
    train_skill(folder, read_skill(folder), resume=True, num_threads=1)
    one, two = (read_policy(place / POLICY)[1].state_dict() for place in (trained, folder))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_records_its_own_demonstrations(tmp_path):
    run = prepare_skill(tmp_path, task="PushButton", preset_name="smoke", seed=1)
    assert (run.demonstrations, run.episodes) == (DEMONSTRATIONS, 2)
    assert read_skill(tmp_path) == run and len(read(tmp_path / DEMONSTRATIONS)[1]) == 2


def test_it_learns(demonstrations, tmp_path):
    run = prepare_skill(tmp_path, task=None, preset_name="smoke", seed=0, demonstrations=demonstrations, steps=120)
    trainer = SkillTrainer(tmp_path, run, read_dataset(demonstrations).windows)
    losses = [trainer.step() for _ in range(120)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_a_skill_samples_within_what_was_shown_and_by_its_seed(trained, demonstrations):
    skill: Skill = DiffusionSkill.load(trained, seed=3)
    assert (skill.task, skill.execute) == ("PushButton", 16)
    history = make_windows(read(demonstrations)[1], skill.term_names).history[::40].astype(float)
    ids = np.arange(len(history))
    chunk = skill.plan(history, ids)
    assert chunk.shape == (len(history), HORIZON, 28)
    assert (chunk == DiffusionSkill.load(trained / POLICY, seed=3).plan(history, ids)).all()
    assert not np.isclose(chunk, skill.plan(history, ids)).all()
    actions = read_dataset(demonstrations).windows.actions
    room = 0.02 + 1e-5
    assert (chunk >= actions.min(axis=(0, 1)) - room).all() and (chunk <= actions.max(axis=(0, 1)) + room).all()
    far = skill.plan(1e6 * np.ones_like(history[:1]), ids[:1])
    assert np.isfinite(far).all()


def test_success_against_steps(trained):
    run, policy = read_policy(trained / POLICY)
    table = steps_table(run, policy, [1, 2], 2, 5, num_threads=1)
    assert list(table) == [1, 2] and all(result.episodes == 2 for result in table.values())


def test_refusals(trained, demonstrations, tmp_path):
    for arguments, words in (
        ({"folder": trained}, "holds a run already"),
        ({"demonstrations": None}, "no task is named"),
        ({"task": "OpenDoor"}, "of another task: PushButton"),
        ({"task": "PushDoorbell"}, "no such DexCompose task"),
        ({"preset_name": "gpu"}, "unknown preset"),
        ({"demonstrations": tmp_path / "none.hdf5"}, "cannot be read"),
        ({"resume": True}, "no config.json"),
    ):
        told = {"task": None, "preset_name": "smoke", "seed": 0, "demonstrations": demonstrations, **arguments}
        with pytest.raises(SleightError, match=words):
            prepare_skill(told.pop("folder", tmp_path / "new"), **told)
    run = read_skill(trained)
    with pytest.raises(SleightError, match="changed since the run began"):
        train_skill(trained, run.model_copy(update={"demonstrations_sha256": "0" * 64}), resume=True)
    with pytest.raises(SleightError, match="wrong number of DDIM steps: 101"):
        DiffusionSkill.load(trained, steps=101)


def test_files_that_are_no_skill_are_refused(trained, tmp_path):
    run, policy = read_policy(trained / POLICY)
    with pytest.raises(SleightError, match="no such skill"):
        read_policy(tmp_path / POLICY)
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(SleightError, match="cannot be read"):
        read_policy(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SleightError, match="no skill is in this file"):
        read_policy(tmp_path / "other.safetensors")
    wider = run.model_copy(update={"observation_size": 40})
    with pytest.raises(SleightError, match="cannot be read"):
        read_policy(write_policy(tmp_path / "wide.safetensors", wider, policy, {}))
    policy.action.middle[0] = torch.nan
    with pytest.raises(SleightError, match="not finite"):
        read_policy(write_policy(tmp_path / "nan.safetensors", run, policy, {}))


def test_the_command(demonstrations, tmp_path):
    app = typer.Typer()
    app.command()(skill_command)
    out = tmp_path / "run"
    arguments = ["--preset", "smoke", "--demonstrations", str(demonstrations), "--steps", "2", "--episodes", "1"]
    result = CliRunner().invoke(app, [*arguments, "--sample-steps", "1", "--sample-steps", "2", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "2 DDIM steps: 0 of 1" in " ".join(result.output.split())
    assert [row["steps"] for row in read_results(out)] == [1, 2]
    json.loads((out / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    again = CliRunner().invoke(app, ["--out", str(out), "--resume", "--episodes", "0"])
    assert again.exit_code == 0, again.output
