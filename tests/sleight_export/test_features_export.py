"""An estimator becomes a graph, and with it a composed bundle that a robot accepts and runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("diffusers", reason="the training extra is not installed")
pytest.importorskip("onnx", reason="the training extra is not installed")

from sleight_core.bundle import load_bundle  # noqa: E402
from sleight_core.errors import BundleError, SleightError  # noqa: E402
from sleight_export.composed import export_composed  # noqa: E402
from sleight_export.features import check_features, export_features  # noqa: E402
from sleight_training.compose.vision.estimator import ESTIMATOR, Estimator, build_network  # noqa: E402
from sleight_training.compose.vision.training import prepare_features  # noqa: E402

from ..sleight_core.compose.robot import Robot  # noqa: E402
from .test_composed_export import HAND, parts  # noqa: E402, F401 - a fixture


def estimator_folder(folder, task):
    """An untrained estimator in a run's folder; it knows what it was told to know."""
    run = prepare_features(folder, task=task, preset_name="smoke", seed=0)
    short = run.model_copy(update={"task": run.task.model_copy(update={"episode_steps": 24})})
    torch.manual_seed(3)
    Estimator(short, build_network(short)).save(folder / ESTIMATOR, {})
    return folder


@pytest.fixture(scope="module")
def estimators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimators")
    return {task: estimator_folder(folder / task, task) for task in ("GraspBall", "PushButton")}


def test_the_graph_says_what_torch_says(estimators):
    graph = export_features(estimators["PushButton"])
    assert graph.parity.largest <= 1e-5 and graph.parity.golden == 32
    assert graph.golden["obs"].shape == (32, 50 + 2 * 192) and graph.golden["features"].shape == (32, 4)
    again = export_features(estimators["PushButton"] / ESTIMATOR)
    assert again.data == graph.data and np.array_equal(again.golden["obs"], graph.golden["obs"])
    section = graph.section(HAND, "features.PushButton")
    assert section.sizes == {"handle_pos": 3, "mechanism_joints": 1} and section.observation_size == 434
    assert all(term.provenance in ("proprioception", "perception") for term in section.observation)


def test_a_graph_of_another_estimator_is_noticed(estimators):
    graph = export_features(estimators["PushButton"])
    other = Estimator(graph.run, build_network(graph.run))
    with pytest.raises(BundleError, match="torch's features within"):
        check_features(other, graph.data, graph.golden)


def test_a_robot_accepts_and_runs_the_vision_version(parts, estimators, tmp_path):  # noqa: F811
    skills, pair = parts
    bundle = export_composed(tmp_path / "vision", skills, [pair], estimators=estimators)
    # As a robot does: `simulation` is not said. The same parts without estimators are refused there.
    loaded = load_bundle(bundle.path, HAND, period=1 / 60)
    assert loaded.sha256 == bundle.sha256
    assert all(term.provenance != "privileged" for _, term in loaded.manifest.all_terms)
    assert {"features.GraspBall", "features.PushButton"} <= set(loaded.graphs)
    names = {term.name for _, term in loaded.manifest.all_terms}
    assert {"estimated_object_pose", "estimated_palm_to_handle", "estimated_mechanism_joints_1"} <= names
    plain = export_composed(tmp_path / "state", skills, [pair])
    with pytest.raises(BundleError, match="privileged"):
        load_bundle(plain.path, HAND)

    robot = Robot(bundle.path)
    robot.privileged = {}
    robot.scene_cloud = np.random.default_rng(0).normal([0.0, 0.1, 0.7], 0.05, (1, 512, 3))
    robot.policy.engage("GraspBall", 1)
    robot.run(6)
    robot.policy.engage("PushButton", 1)
    out = robot.run(2 * (3 + 60 + 10) + 6)
    assert out.stage == "second" and out.late == "" and np.isfinite(out.action).all()
    assert np.abs(out.residual).max() > 0.0


def test_estimators_come_for_all_skills_or_for_none(parts, estimators, tmp_path):  # noqa: F811
    skills, pair = parts
    some = {"GraspBall": estimators["GraspBall"]}
    with pytest.raises(SleightError, match="each skill needs an estimator"):
        export_composed(tmp_path / "a", skills, [pair], estimators=some)
    swapped = {"GraspBall": estimators["PushButton"], "PushButton": estimators["GraspBall"]}
    with pytest.raises(SleightError, match="estimator of skill 'GraspBall' is of another task"):
        export_composed(tmp_path / "a", skills, [pair], estimators=swapped)
    assert not (tmp_path / "a").exists()
