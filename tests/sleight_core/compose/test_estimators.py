"""Bundles that see estimates: a robot accepts them, and runs them, because nothing in them is privileged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sleight_core.bundle import BundleError, load_bundle
from sleight_core.cli.bundle import app
from sleight_core.compose.estimation import held_object, read_features
from sleight_core.errors import SleightError
from sleight_core.observation.estimated_terms import twins
from sleight_core.observation.residual_terms import residual_terms
from sleight_core.rotations import quat_multiply, quat_rotate, yaw_quat
from typer.testing import CliRunner

from .builders import (
    BALL,
    BUTTON,
    GRASP,
    HAND,
    PERIOD,
    PUSH,
    WATCHED,
    EstimatorSection,
    ResidualSection,
    composition,
    estimator,
    eyes,
    make,
    pair,
    seeing,
    skill,
)
from .robot import Robot
from .test_bundle import at, edit, refused
from .test_residual_terms import state

#: Elements that a toy estimator sees: the palm's place and two clouds of 64 points.
SEEN = 3 + 2 * 3 * 64
PLACE = (0.0, 0.22, 0.0)
#: The ball's skill sees its own frame.
SKILLS = (seeing("GraspBall", GRASP, BALL, place=PLACE), seeing("PushButton", PUSH, BUTTON))
STABILISED = {"object_pose": 7, "object_velocity": 6, "tip_distance_error": 5}


def last_point(outputs: int) -> np.ndarray:
    """Weights with which an estimator says the last point of the newest cloud, and 0 beyond."""
    weight = np.zeros((SEEN, outputs))
    weight[-3:, :3] = np.eye(3)
    return weight


def first_point(outputs: int) -> np.ndarray:
    """The same of the first point of the engagement's first cloud."""
    weight = np.zeros((SEEN, outputs))
    weight[3:6, :3] = np.eye(3)
    return weight


def residuals() -> tuple[ResidualSection, ResidualSection]:
    first = twins(HAND, residual_terms(HAND, STABILISED))
    second = twins(HAND, residual_terms(HAND, STABILISED | {"second_handle_pos": 3, "second_mechanism_joints": 1}))
    return (
        ResidualSection(graph="residual.first", observation=first),
        ResidualSection(graph="residual.second", observation=second),
    )


def vision(**changes):
    first, second = residuals()
    both = pair(residuals=(), first_residual=first, second_residual=second)
    return composition(**{"skills": SKILLS, "pairs": (both,), **changes})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    graphs: dict[str, Any] = {
        "features_GraspBall": estimator(SEEN, last_point(3), np.zeros(3)),
        "features_PushButton": estimator(SEEN, first_point(4), np.array([0.0, 0.0, 0.0, 0.007])),
    }
    # Written and verified as a robot does it: without leave to see what only a simulator knows.
    return make(tmp_path / "vision", vision(), simulation=False, **graphs)


def test_a_robot_accepts_what_it_refuses_when_it_comes_from_the_simulator(bundle, tmp_path):
    loaded = load_bundle(bundle, HAND, period=PERIOD)
    assert any("none privileged" in check and "estimated_palm_to_object" in check for check in loaded.checks)
    terms = [term for _, term in loaded.manifest.all_terms]
    assert {term.provenance for term in terms} <= {"proprioception", "perception", "memory", "command"}
    assert {"scene_cloud_64", "first_scene_cloud_64", "palm_pos"} <= {term.name for term in terms}
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    state_based = make(tmp_path / "state", composition(skills=skills), simulation=True)
    refused(state_based, "composition.skills.0.observation.2.provenance", "'privileged'")


@pytest.mark.parametrize(
    ("path", "value", "field", "words"),
    [
        # An estimate that nothing in the bundle makes.
        ("composition.skills.0.estimator", None, "composition.skills.0.observation.2", ["object_pos", "none"]),
        (
            "composition.skills.1.estimator.outputs.1.size",
            2,
            "composition.skills.1.observation.4",
            ["mechanism_joints", "mechanism_joints (2)"],
        ),
        # An estimator that sees what it should estimate, whatever the manifest says of it.
        (
            "composition.skills.0.estimator.observation.0",
            {"name": "handle_pos", "size": 3, "unit": "m", "frame": "task", "clip": None, "provenance": "privileged"},
            "composition.skills.0.estimator.observation.0.provenance",
            ["handle_pos", "privileged"],
        ),
        (
            "composition.skills.0.estimator.observation.0",
            {"name": "handle_pos", "size": 3, "unit": "m", "frame": "task", "clip": None, "provenance": "perception"},
            "composition.skills.0.estimator.observation",
            ["provenance is 'perception'", "'privileged'"],
        ),
        (
            "composition.skills.0.estimator.observation.0",
            {
                "name": "estimated_handle_pos",
                "size": 3,
                "unit": "m",
                "frame": "task",
                "clip": None,
                "provenance": "perception",
            },
            "composition.skills.0.estimator.observation.0.provenance",
            ["an estimate"],
        ),
        ("composition.skills.0.estimator.outputs.0.name", "mood", "", ["mood"]),
        ("composition.skills.0.estimator.outputs.0.size", 2, "", ["object_pos", "2"]),
        ("composition.skills.0.estimator.graph", "other", "composition.skills.0.estimator.graph", ["other"]),
        (
            "composition.skills.0.estimator.observation.2.name",
            "scene_cloud_128",
            "composition.skills.0.estimator.observation",
            ["scene_cloud_128", "384"],
        ),
    ],
)
def test_what_would_not_be_an_estimate_is_refused(bundle, path, value, field, words):
    edit(bundle, at(path, value))
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle, HAND, period=PERIOD)
    assert caught.value.field.startswith(field or "composition.composed_skills.skills.0.estimator"), caught.value
    assert all(word in str(caught.value) for word in words), caught.value
    if "privileged" in words:
        with pytest.raises(BundleError):
            load_bundle(bundle, HAND, simulation=True)


def test_a_residual_cannot_see_estimates_that_neither_skill_makes(tmp_path):
    skills = (seeing("GraspBall", GRASP, BALL), skill("PushButton"))
    with pytest.raises(BundleError, match=r"pairs\.0\.second_residual\.observation\.3.*handle_pos"):
        make(tmp_path / "vision", vision(skills=skills))


def test_a_quantity_twice_is_refused():
    row = eyes("x", BALL)
    with pytest.raises(ValueError, match="occurs twice"):
        EstimatorSection(graph="x", observation=row.observation, outputs=row.outputs * 2)


def test_it_can_be_looked_at(bundle):
    shown = CliRunner().invoke(app, ["inspect", str(bundle)], env={"COLUMNS": "250"})
    assert shown.exit_code == 0 and "features.GraspBall: object_pos" in shown.output, shown.output
    assert CliRunner().invoke(app, ["verify", str(bundle)]).exit_code == 0


@pytest.fixture
def robot(bundle):
    robot = Robot(bundle)
    robot.privileged = {}
    robot.scene_cloud = np.zeros((1, 64, 3))
    robot.scene_cloud[0, 0], robot.scene_cloud[0, -1] = [0.1, 0.2, 0.7], [0.0, 0.1, 0.75]
    return robot


def test_the_board_feeds_a_skill_with_estimates(robot):
    robot.policy.engage("PushButton", 1)
    robot.scene_cloud[0, 0] = [0.1, 0.2, 0.7]
    out = robot.tick()
    seen = dict(zip(PUSH, np.split(out.observation, np.cumsum(list(PUSH.values()))[:-1]), strict=True))
    assert seen["handle_pos"] == pytest.approx([0.1, 0.2, 0.7], abs=1e-6)
    assert seen["mechanism_joints"] == pytest.approx([0.007])
    # It says the first cloud's first point: that one stays, until the skill is engaged anew.
    robot.scene_cloud = robot.scene_cloud + 0.3
    assert robot.run(5).observation[29:32] == pytest.approx([0.1, 0.2, 0.7], abs=1e-6)
    robot.policy.engage("PushButton", 1)
    assert robot.tick().observation[29:32] == pytest.approx([0.4, 0.5, 1.0], abs=1e-6)


def test_estimates_are_in_the_skills_own_frame(robot):
    robot.policy.engage("GraspBall", 1)
    out = robot.tick()
    # The goal is at (0, 0, 0.8) in the skill's frame, the last point at (0, 0.1, 0.75) in the task's.
    assert out.observation[29:32] == pytest.approx([0.0, 0.0 - (0.1 - PLACE[1]), 0.05], abs=1e-6)


def test_residuals_see_both_skills_estimates(robot):
    policy = robot.policy
    policy.engage("GraspBall", 1)
    robot.run(10)
    policy.engage("PushButton", 1)
    out = robot.run(30)
    assert out.stage == "second"
    frame = policy._with_memory(policy._pair, robot.state(), robot.targets, robot.twist)
    assert frame.estimates["object_pos"] == pytest.approx(np.array([[0.0, 0.1, 0.75]]), abs=1e-6)
    assert frame.estimates["handle_pos"] == pytest.approx(np.array([[0.1, 0.2, 0.7]]), abs=1e-6)
    assert frame.estimates["object_quat"] == pytest.approx(np.array([[1.0, 0.0, 0.0, 0.0]]), abs=1e-6)
    assert frame.privileged == {}


def test_without_a_cloud_or_with_a_bad_one_it_does_not_act(robot):
    robot.policy.engage("GraspBall", 1)
    robot.scene_cloud[0, 5] = np.nan
    with pytest.raises(SleightError, match=r"'features.GraspBall' is not finite"):
        robot.tick()
    robot.scene_cloud = None
    robot.policy.engage("GraspBall", 1)
    with pytest.raises(SleightError, match="no cloud of the scene"):
        robot.tick()


def test_an_orientation_that_is_none_is_refused(tmp_path):
    can = {"hand_joints": 22, "wrist_quat": 4, "palm_to_object": 3, "object_quat": 4}
    skills = (seeing("GraspBall", can, {"object_pos": 3, "object_quat": 4}), seeing("PushButton", PUSH, BUTTON))
    robot = Robot(make(tmp_path / "vision", composition(skills=skills)))
    robot.scene_cloud = np.zeros((1, 64, 3))
    robot.policy.engage("GraspBall", 1)
    with pytest.raises(SleightError, match="tells no orientation"):
        robot.tick()


def test_an_answer_is_taken_apart():
    values = np.array([[1.0, 2.0, 3.0, -2.0, 0.0, 0.0, 0.0]])
    found = read_features({"object_pos": 3, "object_quat": 4}, values)
    assert found["object_pos"].tolist() == [[1.0, 2.0, 3.0]]
    assert found["object_quat"] == pytest.approx(np.array([[1.0, 0.0, 0.0, 0.0]]))


def test_what_is_held_moves_and_turns_with_the_hand():
    seen = state()
    place = {"object_pos": seen.wrist_pos + 0.1}
    held = held_object(seen, place, seen.wrist_quat)
    assert held["object_quat"] == pytest.approx(np.tile([1.0, 0.0, 0.0, 0.0], (3, 1)))
    step = 1e-6
    turn = yaw_quat(np.full(3, 0.5))
    turned = state()
    turned.wrist_quat = quat_multiply(turn, seen.wrist_quat)
    assert held_object(turned, place, seen.wrist_quat)["object_quat"] == pytest.approx(turn)
    # A point fixed to the hand has moved on by its velocity times a short time.
    spin = np.concatenate([np.ones((3, 1)), 0.5 * step * seen.wrist_angvel], axis=-1)
    later = seen.wrist_pos + step * seen.wrist_linvel + quat_rotate(spin, np.full((3, 3), 0.1))
    assert (later - place["object_pos"]) / step == pytest.approx(held["object_linvel"], abs=1e-4)
    told = {**place, "object_quat": turn}
    assert held_object(seen, told, seen.wrist_quat)["object_quat"] is turn


def test_toys_see_what_they_should():
    assert sum(term.size for term in eyes("x", BALL).observation) == SEEN
    assert WATCHED[-1] == "scene_cloud_64"
