"""From a training run to a bundle, and every way in which that is refused."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

import torch
from sleight_core.action import ActionSpec
from sleight_core.bundle import PolicySession, load_bundle
from sleight_core.bundle.manifest import (
    ControlSection,
    ObjectSection,
    StartPose,
    TaskSection,
    TrainingSection,
)
from sleight_core.errors import BundleError, SleightError
from sleight_core.observation.spec import term_specs
from sleight_description import load_hand
from sleight_export.bundle import ExportRequest, export_policy
from sleight_export.onnx_export import ClampedPolicy, check_parity, to_onnx, torch_actions
from sleight_export.run import GOLDEN_COUNT, build_actor, export_run, read_checkpoint
from sleight_training.ppo.config import preset
from sleight_training.run import RunConfig

HAND = load_hand("shadow")
SPECS = term_specs(HAND, ["joint_pos", "object_pos"])
OBS = sum(spec.size for spec in SPECS)
ACTION = ActionSpec.absolute(HAND)


class Normalised(torch.nn.Module):
    """A small actor with statistics of its own, whose output leaves [-1, 1]."""

    def __init__(self, obs: int = OBS, actions: int = ACTION.size) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("mean", torch.randn(obs, generator=generator))
        self.register_buffer("std", torch.rand(obs, generator=generator) + 0.1)
        self.layers = torch.nn.Sequential(torch.nn.Linear(obs, 64), torch.nn.ELU(), torch.nn.Linear(64, actions))
        with torch.no_grad():
            for parameter in self.layers.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.layers((obs - self.get_buffer("mean")) / self.get_buffer("std"))


def golden(count: int = 32, size: int = OBS) -> np.ndarray:
    return np.random.default_rng(0).uniform(-2, 2, (count, size)).astype(np.float32)


def request(**changes) -> ExportRequest:
    data = {
        "name": "toy",
        "actor": Normalised(),
        "table": HAND,
        "observation": SPECS,
        "action": ACTION,
        "control": ControlSection(period=1 / 60, position_margin=0.01),
        "task": TaskSection(
            name="grasp",
            goal=(0, 0, 0.8),
            success_radius=0.05,
            hold_time=0.5,
            episode_time=3.3,
            start=StartPose(wrist_position=(0, 0, 0.8), wrist_quat=(1, 0, 0, 0)),
            object=ObjectSection(set="household:cylinder:0"),
        ),
        "training": TrainingSection(
            algorithm="none", preset="toy", seed=0, steps=0, wall_time=0, git_commit="", command="a test", versions={}
        ),
        "golden": golden(),
    }
    return ExportRequest(**(data | changes))


def test_the_file_is_one_that_old_runtimes_read() -> None:
    data = to_onnx(ClampedPolicy(Normalised()), OBS)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model)
    assert [(op.domain, op.version) for op in model.opset_import] == [("", 17)]
    assert model.ir_version <= 10
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert str(Path.cwd()) not in repr(data) and "site-packages" not in repr(data)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_policy_and_its_bundle_answer_alike(tmp_path: Path) -> None:
    made = request()
    done = export_policy(made, tmp_path / "toy")
    assert (done.parity.samples, done.parity.golden) == (1000, 32) and done.parity.largest <= 1e-5
    session = PolicySession(load_bundle(tmp_path / "toy", HAND, period=1 / 60))
    obs = golden(200)
    expected = np.clip(torch_actions(made.actor, obs), -1, 1)
    assert (np.abs(expected) == 1).any(), "the clamp is not exercised"
    np.testing.assert_allclose(np.stack([session.act(row).action for row in obs]), expected, atol=1e-5)


def test_export_is_reproducible(tmp_path: Path) -> None:
    first = export_policy(request(), tmp_path / "a").bundle
    assert first.sha256 == export_policy(request(), tmp_path / "b").bundle.sha256


def test_a_difference_is_told_by_name() -> None:
    policy, other = ClampedPolicy(Normalised()), Normalised()
    with torch.no_grad():
        other.get_parameter("layers.2.bias")[6] += 0.01
    labels = [f"{part.name}.{name}" for part in ACTION.parts for name in part.joint_names or range(6)]
    with pytest.raises(BundleError) as caught:
        check_parity(policy, to_onnx(ClampedPolicy(other), OBS), golden(), labels)
    text = str(caught.value)
    assert "within 1e-05 on 1000 random observations" in text and "hand_joints.FFJ3 by 0.01" in text
    assert caught.value.remedy


class Unexportable(Normalised):
    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return torch.linalg.matrix_exp(obs[:, :4].reshape(-1, 2, 2)).reshape(-1, 4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"actor": Unexportable()}, ["cannot be exported", "matrix_exp"]),
        ({"actor": Normalised(obs=OBS + 1)}, ["cannot be exported"]),
        ({"actor": Normalised(actions=3)}, ["expected 3 elements as the network gives", "24 of the action parts"]),
        ({"golden": golden(3)}, ["golden.obs", "at least 8", "(3, "]),
        ({"golden": golden(size=OBS - 1)}, ["golden.obs", f"{OBS} elements", f"{OBS - 1})"]),
        ({"golden": np.full((8, OBS), np.nan, np.float32)}, ["golden.obs", "finite"]),
        ({"name": "../up"}, ["name", "pattern"]),
        (
            {"observation": term_specs(HAND, ["joint_pos", "true_object_offset"])},
            ["observation.1.provenance", "true_object_offset", "train a policy without"],
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict, words: list[str]) -> None:
    with pytest.raises(SleightError) as caught:
        export_policy(request(**changes), tmp_path / "toy")
    for word in words:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- training runs


def write_run(folder: Path, seed: int = 0) -> RunConfig:
    """A run as `sleight train base --preset smoke` leaves it, untrained."""
    from rsl_rl.models import MLPModel
    from tensordict import TensorDict

    chosen = preset("smoke")
    run = RunConfig(
        kind="base",
        preset="smoke",
        objects="household:cylinder:0",
        seed=seed,
        ppo=chosen.ppo,
        task=chosen.task,
        command="sleight train base --preset smoke",
        git_commit="0123456789ab",
        versions={"rsl-rl-lib": "5.5.1"},
    )
    run.write(folder)
    torch.manual_seed(seed)
    size = sum(spec.size for spec in term_specs(HAND, chosen.task.terms))
    settings = {key: value for key, value in run.ppo.rsl_rl()["actor"].items() if key != "class_name"}
    obs = TensorDict({"policy": torch.randn(64, size)}, batch_size=[64])
    model = MLPModel(obs, {"actor": ["policy"]}, "actor", ACTION.size, **settings)
    model.train()
    model.update_normalization(obs)
    progress = {"iteration": 4, "steps": 512, "seconds": 3.5}
    torch.save({"actor_state_dict": model.state_dict(), "progress": progress}, folder / "checkpoint.pt")
    return run


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("export")
    write_run(place / "run")
    export_run(place / "run", place / "policies" / "smoke")
    return place / "run", place / "policies" / "smoke"


def test_a_run_becomes_a_bundle(exported: tuple[Path, Path]) -> None:
    run, path = exported
    bundle = load_bundle(path, HAND, period=1 / 60)
    manifest = bundle.manifest
    assert manifest.name == "smoke" and manifest.golden.count == GOLDEN_COUNT
    assert manifest.task.object.set == "household:cylinder:0"
    assert manifest.task.episode_time == pytest.approx(40 / 60)
    assert (manifest.training.steps, manifest.training.wall_time) == (512, 3.5)
    assert manifest.training.git_commit == "0123456789ab" and "5.5.1" in manifest.training.algorithm
    assert not any(str(run.parent) in text for text in (manifest.to_json(), repr(bundle.graphs["policy"])))
    spread = bundle.golden["obs"].std(axis=0)
    assert (spread > 1e-4).sum() > 50, "the golden observations are all alike"
    assert np.abs(bundle.golden["action"]).max() <= 1.0


def test_the_bundle_answers_as_the_run_does(exported: tuple[Path, Path]) -> None:
    from sleight_training.run import read_run

    folder, path = exported
    run = read_run(folder)
    data = read_checkpoint(folder / "checkpoint.pt")
    bundle = load_bundle(path, HAND)
    actor = build_actor(run, data, bundle.manifest.observation_size, ACTION.size, folder)
    obs = np.random.default_rng(2).normal(0, 1, (100, bundle.manifest.observation_size)).astype(np.float32)
    expected = np.clip(torch_actions(actor, obs), -1, 1)
    np.testing.assert_allclose(PolicySession(bundle).act_batch(obs), expected, atol=1e-5)


def test_broken_runs_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    with pytest.raises(SleightError, match="not a training run"):
        export_run(tmp_path, out)
    run = write_run(tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    good = checkpoint.read_bytes()
    with pytest.raises(SleightError, match="no checkpoint.*other.pt"):
        export_run(tmp_path / "run", out, checkpoint="other.pt")
    for damaged in (b"", b"nonsense", good[:5000]):
        checkpoint.write_bytes(damaged)
        with pytest.raises(SleightError, match="checkpoint cannot be read"):
            export_run(tmp_path / "run", out)
    torch.save({"weights": 1}, checkpoint)
    with pytest.raises(SleightError, match="no 'actor_state_dict'"):
        export_run(tmp_path / "run", out)
    checkpoint.write_bytes(good)
    wider = run.model_copy(update={"ppo": run.ppo.model_copy(update={"hidden": (16, 16)})})
    wider.write(tmp_path / "run")
    with pytest.raises(SleightError, match="another network.*size mismatch"):
        export_run(tmp_path / "run", out)
    run.write(tmp_path / "run")
    data = torch.load(checkpoint, weights_only=True)
    data["actor_state_dict"]["mlp.0.weight"][0, 0] = float("nan")
    torch.save(data, checkpoint)
    with pytest.raises(SleightError, match="not finite"):
        export_run(tmp_path / "run", out)
    assert not out.exists()


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    write_run(tmp_path / "run")
    torch.save({"actor_state_dict": Evil()}, tmp_path / "run" / "checkpoint.pt")
    with pytest.raises(SleightError, match="checkpoint cannot be read"):
        export_run(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_the_command_line(exported: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sleight_core.cli import main

    run, _ = exported

    def call(*argv: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["export", *argv])
        out = capsys.readouterr()
        return caught.value.code, out.out, out.err

    out = str(tmp_path / "cli")
    status, text, _ = call(str(run), "--out", out)
    assert status == 0 and "1000 random and 64 golden inputs" in text and f"written to {out}" in text
    status, text, err = call(str(run), "--out", out)
    assert (status, text) == (2, "") and "exists already" in err and err.count("\n") == 1
    status, text, _ = call(str(run), "--out", out, "--force", "--name", "other", "--json")
    assert status == 0 and json.loads(text)["id"].startswith("other@")
    status, _, err = call(str(tmp_path), "--out", out)
    assert status == 2 and "not a training run" in err and "Traceback" not in err
