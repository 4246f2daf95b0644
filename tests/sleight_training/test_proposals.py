"""Grasp proposals in trainings: stage 1 follows them, the base policy their joints, and a resumed run has the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from sleight_core.errors import SleightError  # noqa: E402
from sleight_description import load_hand  # noqa: E402
from sleight_export.run import export_run  # noqa: E402
from sleight_sim.grasps.proposal import NO_CONTACTS, GraspProposals  # noqa: E402
from sleight_sim.grasps.run import file_stem  # noqa: E402
from sleight_sim.grasps.task import ProposalGraspTask  # noqa: E402
from sleight_sim.tasks.grasp.config import ProposalReward  # noqa: E402
from sleight_sim.tasks.grasp.env import PALM_DOWN  # noqa: E402
from sleight_training.base import build_runner, prepare_run, train_base  # noqa: E402
from sleight_training.codes.encoder import write_encoder  # noqa: E402
from sleight_training.codes.network import PointNet  # noqa: E402
from sleight_training.evaluation.grasp import evaluate  # noqa: E402
from sleight_training.evaluation.result import result_dict  # noqa: E402
from sleight_training.hyper.training import build_hyper_runner, prepare_hyper, train_hyper  # noqa: E402
from sleight_training.proposals import POSE_ONLY  # noqa: E402
from sleight_training.run import read_metrics, read_run  # noqa: E402

CYLINDER = "household:cylinder:0"
OBJECTS = f"{CYLINDER}+household:box:0"
SHADOW = load_hand("shadow")


def keep(folder: Path, count: int = 3) -> Path:
    """Write straight hands over the cylinder."""
    joints = np.zeros((count, len(SHADOW.joint_names)))
    motors, plane = joints[:, SHADOW.actuated_index], np.full((count, 4), np.nan)
    place = np.tile([0.0, 0.08, 0.1], (count, 1)), np.tile(PALM_DOWN, (count, 1))
    grasps = GraspProposals(CYLINDER, SHADOW, *place, joints, motors, np.ones(count), plane, (NO_CONTACTS,) * count)
    grasps.save(folder / f"{file_stem(CYLINDER)}.npz")
    return folder


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Proposals of the cylinder, a base policy that follows them, and an encoder that knows nothing."""
    place = tmp_path_factory.mktemp("material")
    keep(place / "proposals")
    run = prepare_run(
        place / "base",
        objects=CYLINDER,
        preset_name="smoke",
        seed=0,
        iterations=1,
        num_envs=4,
        resume=False,
        proposals=str(place / "proposals"),
    )
    train_base(place / "base", run)
    torch.manual_seed(0)
    write_encoder(place / "encoder.safetensors", PointNet(), "{}")
    return place


def new_hyper(folder: Path, material: Path, **changes):
    arguments = {
        "experts": [material / "base"],
        "codes": material / "encoder.safetensors",
        "objects": OBJECTS,
        "preset_name": "smoke",
        "seed": 0,
        "iterations": 1,
        "num_envs": 4,
        "proposals": str(material / "proposals"),
    }
    return prepare_hyper(folder, **{**arguments, **changes})


def test_the_base_policy_follows_the_joints_alone(material: Path) -> None:
    run = read_run(material / "base")
    assert run.task.reward.proposal == POSE_ONLY and run.task.reward.pose == 0
    assert run.task.randomisation.size == run.task.randomisation.stretch == (1.0, 1.0)
    assert run.task.randomisation.mass != (1.0, 1.0)
    assert run.proposals is not None and (run.proposals.objects, run.proposals.lacking) == (1, 0)
    task = build_runner(material / "base", run).env.task
    assert isinstance(task, ProposalGraspTask)
    task.reset()
    task.step(np.zeros((4, task.num_actions)))
    off = np.abs(task.engine.state().joint_pos).sum(axis=1)  # straight hands: what the joints are is how far they are
    np.testing.assert_allclose(task.proposal_reward, -0.05 * off, rtol=0.2, atol=1e-3)
    assert {"Reward/proposal"} <= set(read_metrics(material / "base")[0]["rewards"])


def test_stage_1_follows_them_and_stage_2_does_not(material: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run = new_hyper(tmp_path / "one", material, notice=said.append)
    assert run.task.reward.proposal == ProposalReward() and run.task.reward.pose == 0
    assert run.task.reward.reach_hand > 0, "the paper's stage 1 keeps the reach terms"
    assert run.proposals is not None and (run.proposals.objects, run.proposals.lacking) == (1, 1)
    assert said and "1 objects, 1 without" in said[0]
    train_hyper(tmp_path / "one", run)
    assert read_metrics(tmp_path / "one")[0]["rewards"]["Reward/proposal"] < 0
    bundle = export_run(tmp_path / "one", tmp_path / "bundle").bundle
    assert bundle.manifest.composition.kind == "moe_residual"

    two = new_hyper(tmp_path / "two", material, experts=[], stage=2, start=tmp_path / "one", proposals="auto")
    assert two.proposals is None and two.task.reward.proposal is None and two.task.reward.reach_hand == 0
    with pytest.raises(SleightError, match="stage 2 follows no grasp proposals"):
        new_hyper(tmp_path / "three", material, experts=[], stage=2, start=tmp_path / "one")

    score, loaded = evaluate(tmp_path / "bundle", OBJECTS, 2, proposals=str(material / "proposals"))
    result = result_dict(score, loaded)
    assert result["grasp_distance"]["episodes"] == 1 and result["grasp_distance"]["D"] > 1.0
    weights = result["expert_weights"]
    assert weights["mean"] == pytest.approx([1.0]) and set(weights["traces"]) == set(result["per_object"])
    assert all(len(trace) == 40 for trace in weights["traces"].values())
    plain, _ = evaluate(tmp_path / "bundle", OBJECTS, 2)
    assert plain.per_object == score.per_object, "measuring changes nothing"


def test_without_any_the_posture_stands_for_them(material: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said: list[str] = []
    run = new_hyper(tmp_path / "run", material, proposals="auto", notice=said.append)
    assert run.proposals is None and run.task.reward.proposal is None and run.task.reward.pose > 0
    assert "no grasp proposals" in said[0]


def test_a_resumed_run_has_the_same_ones_or_is_refused(material: Path, tmp_path: Path) -> None:
    files = keep(tmp_path / "proposals")
    run = new_hyper(tmp_path / "run", material, proposals=str(files))
    assert read_run(tmp_path / "run") == run
    build_hyper_runner(tmp_path / "run", run)
    keep(files, count=2)
    with pytest.raises(SleightError, match="others than when the run started"):
        build_hyper_runner(tmp_path / "run", run)


def test_the_full_pose_and_the_full_observation(material: Path, tmp_path: Path) -> None:
    arguments = {"objects": CYLINDER, "preset_name": "smoke", "seed": 0, "iterations": 1, "num_envs": 4}
    given = str(material / "proposals")
    run = prepare_run(tmp_path / "pose", **arguments, resume=False, proposals=given, full_pose=True)
    assert run.task.reward.proposal == ProposalReward()
    with pytest.raises(SleightError, match="full pose is that of a grasp proposal"):
        prepare_run(tmp_path / "none", **arguments, resume=False, full_pose=True)
    seeing = prepare_run(tmp_path / "seeing", **arguments, resume=False, full_observation=True)
    assert ("true_object_quat", 1.0) in seeing.task.terms and seeing.proposals is None
    train_base(tmp_path / "seeing", seeing)
    export_run(tmp_path / "seeing", tmp_path / "bundle")
    score, _ = evaluate(tmp_path / "bundle", CYLINDER, 1)
    assert score.total.episodes == 1
