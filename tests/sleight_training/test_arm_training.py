"""A LEAP Hand on a UR5e from training to an evaluated bundle, small: paper B.2's joint targets, and the pose action."""

import numpy as np
import pytest

pytest.importorskip("rsl_rl")
pytest.importorskip("onnx")

from sleight_core.bundle import load_bundle
from sleight_description import load_hand
from sleight_export.run import export_run
from sleight_export.student import export_student
from sleight_training.base import prepare_run, train_base
from sleight_training.codes.encoder import write_encoder
from sleight_training.codes.network import PointNet
from sleight_training.evaluation.grasp import evaluate
from sleight_training.evaluation.result import result_dict
from sleight_training.hyper.experts import load_expert
from sleight_training.hyper.training import prepare_hyper, train_hyper
from sleight_training.student.training import prepare_student, train_student


def small(folder, action):
    options = {"preset_name": "smoke", "seed": 0, "iterations": 2, "num_envs": 8, "resume": False}
    run = prepare_run(folder, objects="household:box:0", hand="leap_ur5e", arm_action=action, **options)
    train_base(folder, run)
    return run


@pytest.mark.parametrize("action", ["pose", "joints"])
def test_from_training_to_an_evaluated_bundle(tmp_path, action):
    run = small(tmp_path / "run", action)
    assert run.task.hand == "leap_ur5e" and run.task.arm.action == action
    assert "fingertip_wrench" not in dict(run.task.terms)
    bundle = export_run(tmp_path / "run", tmp_path / "leap").bundle
    table = load_hand("leap_ur5e")
    manifest = load_bundle(tmp_path / "leap", table, period=1 / 60).manifest
    assert manifest.hand.wrist_mode == "arm"
    assert [part.rule for part in manifest.action] == [
        "delta_pose" if action == "pose" else "delta_target",
        "absolute_target",
    ]
    assert manifest.action[0].lead == run.task.arm.lead
    assert set(manifest.task.start.joints) == set(table.arm_joints)
    score, _ = evaluate(tmp_path / "leap", "own", 2, seed=0)
    result = result_dict(score, bundle)
    assert result["episodes"] == 2 and 0 <= result["arm_touched"] <= 2


def test_an_expert_of_an_arm_knows_how_it_acts(tmp_path):
    run = small(tmp_path / "run", "joints")
    export_run(tmp_path / "run", tmp_path / "leap")
    from_run, network = load_expert(tmp_path / "run")
    from_bundle, same = load_expert(tmp_path / "leap")
    assert from_run.arm == run.task.arm
    assert (from_bundle.arm.action, from_bundle.arm.joint_step) == ("joints", run.task.arm.joint_step)
    for ours, theirs in zip(network.state_dict().values(), same.state_dict().values(), strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy())


def test_hyper_policy_and_student_of_an_arm(tmp_path):
    """Mixture and vision student act on the arm as their experts do (ResDex B.2), and a student's bundle loads."""
    small(tmp_path / "base", "joints")
    write_encoder(tmp_path / "codes.safetensors", PointNet(), "a test")
    hyper = prepare_hyper(
        tmp_path / "hyper",
        experts=[tmp_path / "base"],
        codes=tmp_path / "codes.safetensors",
        objects="household:box:0",
        preset_name="smoke",
        seed=0,
        iterations=1,
        num_envs=4,
        proposals="none",
    )
    assert (hyper.task.hand, hyper.task.arm.action) == ("leap_ur5e", "joints")
    assert train_hyper(tmp_path / "hyper", hyper).iteration == 1
    options = {"preset_name": "smoke", "seed": 0, "num_envs": 4, "iterations": 1}
    student = prepare_student(tmp_path / "student", teacher=tmp_path / "hyper", head="mixture", **options)
    assert (student.task.hand, student.task.arm.action) == ("leap_ur5e", "joints")
    assert "fingertip_wrench" not in dict(student.task.terms)
    assert train_student(tmp_path / "student", student).iteration == 1
    bundle = export_student(tmp_path / "student", tmp_path / "seeing").bundle
    assert bundle.manifest.action[0].rule == "delta_target"
