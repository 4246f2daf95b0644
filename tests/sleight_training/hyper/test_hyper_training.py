"""The hyper-policy's training end to end at a tiny size: experts stay as they are, stages follow, kills do no harm."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from sleight_core.errors import SleightError  # noqa: E402
from sleight_training.base import prepare_run, train_base  # noqa: E402
from sleight_training.checkpoint import read_checkpoint  # noqa: E402
from sleight_training.codes.encoder import encode_with, object_codes, write_encoder  # noqa: E402
from sleight_training.codes.network import PointNet  # noqa: E402
from sleight_training.hyper.training import (  # noqa: E402
    FROZEN,
    MIXTURE_STATE,
    build_hyper_runner,
    prepare_hyper,
    rebuild,
    train_hyper,
)
from sleight_training.run import read_metrics, read_run  # noqa: E402
from sleight_training.states import read_states  # noqa: E402
from sleight_training.weights import read_weights, write_weights  # noqa: E402

OBJECTS = "household:all"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A trained base policy and an encoder that knows nothing."""
    place = tmp_path_factory.mktemp("material")
    arguments = {"objects": "household:can:0", "preset_name": "smoke", "seed": 0, "iterations": 1, "num_envs": 8}
    run = prepare_run(place / "base", **arguments, resume=False)
    train_base(place / "base", run)
    torch.manual_seed(0)
    write_encoder(place / "encoder.safetensors", PointNet(), "{}")
    return place


def new_run(folder, material, **changes):
    arguments = {
        "experts": [material / "base", material / "base"],
        "codes": material / "encoder.safetensors",
        "objects": OBJECTS,
        "preset_name": "smoke",
        "seed": 0,
    }
    return prepare_hyper(folder, **{**arguments, **changes})


@pytest.fixture(scope="module")
def stage_1(material, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage_1")
    run = new_run(folder, material)
    return folder, run, train_hyper(folder, run)


def test_a_smoke_run_learns_and_leaves_its_experts_alone(stage_1, material):
    folder, run, progress = stage_1
    assert progress.iteration == 3 and progress.steps == 3 * 8 * 12
    assert read_run(folder) == run and (folder / "index.html").stat().st_size > 10_000
    rows = read_metrics(folder)
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert {"Reward/move", "Hyper/weight_0", "Hyper/weight_1", "Hyper/residual"} <= set(rows[0]["rewards"])
    data = read_checkpoint(folder / "checkpoint.pt")
    before = read_states(folder / FROZEN)[MIXTURE_STATE]
    assert before and all(torch.equal(data[MIXTURE_STATE][name], value) for name, value in before.items())
    assert data["actor_state_dict"]["mlp.4.bias"].abs().max() > 0, "the residual learns"


def test_while_the_critic_burns_in_the_actor_rests(material, tmp_path):
    run = new_run(tmp_path, material, iterations=1)
    assert run.ppo.burn_in == 1
    train_hyper(tmp_path, run)
    data = read_checkpoint(tmp_path / "checkpoint.pt")
    last = [name for name in data["actor_state_dict"] if name.startswith("mlp.4.")]
    assert last and all((data["actor_state_dict"][name] == 0).all() for name in last)
    assert data["optimizer_state_dict"]["state"], "the critic did learn"


def test_every_environment_has_an_object_a_model_and_a_code_of_its_own(stage_1, tmp_path):
    folder, run, _ = stage_1
    runner = build_hyper_runner(folder, run)
    task = runner.env.task
    names = [thing.name for thing in task.objects]
    assert len(set(names)) == run.ppo.num_envs == 12
    where = task.observation.slices["object_code"]
    seen = runner.env.get_observations()["policy"][:, where].numpy()
    _, encoder = rebuild(run, read_states(folder / FROZEN))
    np.testing.assert_allclose(seen, np.clip(object_codes(task.objects, encode_with(encoder)), -5, 5), atol=1e-5)
    assert len(np.unique(seen.round(6), axis=0)) == 12
    obs, _, _, _ = runner.env.step(torch.zeros(12, runner.env.num_actions))
    np.testing.assert_array_equal(obs["policy"][:, where].numpy(), seen)


def test_a_killed_run_goes_on_from_its_last_checkpoint(material, tmp_path):
    run = new_run(tmp_path, material)

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.iteration == 2:
            raise Killed

    with pytest.raises(Killed):
        train_hyper(tmp_path, run, report=kill)
    seen = []
    again = new_run(tmp_path, material, experts=[], resume=True)
    assert again == run
    train_hyper(tmp_path, again, resume=True, report=lambda p: seen.append(p.iteration))
    assert seen == [3]


def test_stage_2_goes_on_from_stage_1(stage_1, material, tmp_path):
    folder, before, _ = stage_1
    kept = write_weights(folder, tmp_path / "stage_1.safetensors")
    read, data = read_weights(kept)
    assert read == before and MIXTURE_STATE in data
    for name, start in (("run", folder), ("kept", kept)):
        run = new_run(tmp_path / name, material, experts=[], stage=2, start=start, iterations=1)
        assert run.hyper is not None and before.hyper is not None
        assert run.hyper.stage == 2 and run.hyper.experts == before.hyper.experts
        assert (run.task.reward.pose, run.task.reward.reach_hand, run.task.reward.enclose) == (0, 0, 0)
        runner = build_hyper_runner(tmp_path / name, run)
        learned = read_checkpoint(folder / "checkpoint.pt")
        state = runner.algorithm.save()
        for key in ("actor_state_dict", "critic_state_dict"):
            assert all(torch.equal(state[key][k], value) for k, value in learned[key].items())
        assert not state["optimizer_state_dict"]["state"], "the optimiser starts anew"
    train_hyper(tmp_path / "run", read_run(tmp_path / "run"))


def test_the_ablation_learns_weights_alone(material, tmp_path):
    run = new_run(tmp_path, material, residual=False, normalisation="l2", iterations=1)
    runner = build_hyper_runner(tmp_path, run)
    assert runner.env.num_actions == 2
    assert runner.learn().iteration == 1


def test_wrong_requests_are_refused_in_one_line(stage_1, material, tmp_path):
    cases = [
        ({"preset_name": "gpu"}, "cpu"),
        ({"objects": "household:unicorn"}, "household"),
        ({"experts": []}, "--experts"),
        ({"experts": [tmp_path]}, "no base policy"),
        ({"codes": tmp_path / "none.safetensors"}, "no such encoder"),
        ({"normalisation": "l3"}, "hyper-policy"),
        ({"stage": 2}, "--start"),
        ({"start": stage_1[0]}, "--experts"),
        ({"stage": 2, "experts": [], "start": material / "base"}, "no hyper-policy"),
        ({"resume": True}, "not a training run"),
    ]
    for changes, words in cases:
        with pytest.raises(SleightError, match=words):
            new_run(tmp_path / "new", material, **changes)
        assert not (tmp_path / "new").exists(), words
    with pytest.raises(SleightError, match="--resume"):
        new_run(stage_1[0], material)
    copy = tmp_path / "copy"
    shutil.copytree(stage_1[0], copy)
    (copy / FROZEN).write_bytes(b"")
    with pytest.raises(SleightError, match="cannot be read"):
        train_hyper(copy, read_run(copy))


def test_the_command_takes_several_experts(material, tmp_path, capsys):
    from sleight_core.cli import main

    def call(*argv: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as caught:
            main(["train", "hyper", *argv])
        return caught.value.code, capsys.readouterr().err

    base, out = str(material / "base"), str(tmp_path / "run")
    fixed = ("--codes", str(material / "encoder.safetensors"), "--preset", "smoke", "--objects", OBJECTS)
    status, err = call("--experts", base, base, base, *fixed, "--iterations", "1", "--out", out)
    assert status == 0, err
    config = json.loads((Path(out) / "config.json").read_text())
    assert [expert["name"] for expert in config["hyper"]["experts"]] == ["base"] * 3
    status, err = call("--experts", base, *fixed, "--out", out)
    assert status == 2 and err.count("\n") == 1 and "--resume" in err
