"""Trained parts become one bundle that the board runs: networks untrained, everything else as it will be."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the training extra is not installed")
pytest.importorskip("diffusers", reason="the training extra is not installed")
pytest.importorskip("onnx", reason="the training extra is not installed")

from sleight_core.bundle import load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.errors import BundleError, SleightError
from sleight_export.composed import PairRequest, SequenceRequest, export_composed
from sleight_sim.tasks.compose.config import COMPOSITION_PLACE, TASKS
from sleight_sim.tasks.compose.make import compose_hand

from ..sleight_core.compose.robot import Robot
from .composed_parts import GRASP, HAND, KEPT, PUSH, residual_file, skill_folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    skills = {
        "GraspBall": skill_folder(folder / "ball", "GraspBall", GRASP),
        "PushButton": skill_folder(folder / "button", "PushButton", PUSH),
    }
    first = residual_file(folder / "first.safetensors", "first", ("GraspBall",))
    second = residual_file(folder / "second.safetensors", "second", ("GraspBall", "PushButton"))
    return skills, PairRequest("GraspBall", "PushButton", ("th", "lf"), first, second)


@pytest.fixture(scope="module")
def bundle(parts, tmp_path_factory):
    skills, pair = parts
    return export_composed(tmp_path_factory.mktemp("bundles") / "shadow_compose", skills, [pair])


def test_the_bundle_says_what_was_trained(bundle):
    composition = bundle.manifest.composition
    ball, button = composition.skills
    assert (ball.execute, button.execute, ball.horizon, ball.lead) == (8, 16, 32, 2)
    assert ball.place == COMPOSITION_PLACE and button.place == (0.0, 0.0, 0.0)
    assert ball.goal == (0.0, 0.0, 0.8)
    (pair,) = composition.pairs
    assert pair.preserved == KEPT and composition.action_ticks == 2
    assert pair.first_residual.graph == "stabiliser.GraspBall.lf.th"
    assert bundle.manifest.control.period == pytest.approx(1 / 60)
    assert pair.transition.target[:3] == pytest.approx([0.0, 0.22, 0.8])
    with pytest.raises(BundleError, match="privileged"):
        load_bundle(bundle.path, HAND)


@pytest.mark.parametrize("task", list(TASKS))
def test_all_tasks_have_the_boards_hand(task):
    assert compose_hand(TASKS[task]).model_copy(update={"name": HAND.name}).digest() == HAND.digest()


def test_the_board_runs_it(bundle):
    robot = Robot(bundle.path, simulation=True)
    robot.privileged |= {"object_linvel": np.zeros((1, 3)), "object_angvel": np.zeros((1, 3))}
    robot.policy.engage("GraspBall", 1)
    robot.run(6)
    robot.policy.engage("PushButton", 1)
    out = robot.run(2 * (3 + 60 + 10) + 6)
    assert out.stage == "second" and out.late == "" and np.isfinite(out.action).all()
    assert np.abs(out.residual).max() > 0.0


def test_parts_that_do_not_belong_together_are_refused(parts, tmp_path):
    skills, pair = parts
    with pytest.raises(SleightError, match="not given"):
        export_composed(tmp_path / "a", {"GraspBall": skills["GraspBall"]}, [pair])
    with pytest.raises(SleightError, match="of another task"):
        export_composed(tmp_path / "a", {"PickCan": skills["GraspBall"]}, [])
    with pytest.raises(SleightError, match="no skill was given"):
        export_composed(tmp_path / "a", {}, [])
    other = residual_file(tmp_path / "r.safetensors", "first", ("PickCan",))
    wrong = PairRequest("GraspBall", "PushButton", KEPT, other)
    with pytest.raises(SleightError, match="first residual of GraspBall is something else"):
        export_composed(tmp_path / "a", skills, [wrong])
    with pytest.raises(SleightError, match="not trained on the pair's mask"):
        export_composed(tmp_path / "a", skills, [PairRequest("GraspBall", "PushButton", ("th",), pair.stabiliser)])
    free = residual_file(tmp_path / "u.safetensors", "second", ("GraspBall", "PushButton"), unmasked=True)
    with pytest.raises(SleightError, match="without a mask"):
        export_composed(tmp_path / "a", skills, [PairRequest("GraspBall", "PushButton", KEPT, None, free)])
    assert not (tmp_path / "a").exists()


def test_a_third_skill_is_put_after_its_pair(parts, tmp_path):
    skills, pair = parts
    skills = skills | {"TurnOnSwitch": skill_folder(tmp_path / "switch", "TurnOnSwitch", PUSH)}
    kept = ("mf", *KEPT)
    third = residual_file(tmp_path / "t.safetensors", "second", ("GraspBall", "TurnOnSwitch"), (kept,))
    sequence = SequenceRequest("GraspBall", "PushButton", "TurnOnSwitch", kept, third)
    places = {"PushButton": (-0.26, 0.0, 0.0), "TurnOnSwitch": (0.26, 0.0, 0.0)}
    made = export_composed(tmp_path / "three", skills, [pair], sequences=[sequence], places=places)
    composition = made.manifest.composition
    assert isinstance(composition, ComposedSkills)
    (row,) = composition.sequences
    assert row.skills == ("GraspBall", "PushButton", "TurnOnSwitch") and row.preserved == kept
    assert row.first_residual == composition.pairs[0].first_residual
    assert row.residuals["second_residual"].graph == "residual.GraspBall.PushButton.TurnOnSwitch"
    assert composition.pairs[0].transition.target[0] == pytest.approx(-0.26)
    assert row.transition.target[0] == pytest.approx(0.26) and row.transition.leave == 30
    # Nothing corrects what the second skill keeps.
    assert sum(bound == 0.0 for bound in row.bounds) == 4

    robot = Robot(made.path, simulation=True)
    robot.privileged |= {"object_linvel": np.zeros((1, 3)), "object_angvel": np.zeros((1, 3))}
    for skill, actions in (("GraspBall", 3), ("PushButton", 76), ("TurnOnSwitch", 106)):
        robot.policy.engage(skill, 1)
        out = robot.run(2 * actions)
    assert out.stage == "third" and np.isfinite(out.action).all()

    for wrong, message in (
        (SequenceRequest("GraspBall", "TurnOnSwitch", "PushButton"), "needs its pair"),
        (SequenceRequest("GraspBall", "PushButton", "OpenDoor"), "its third skill"),
        (SequenceRequest("GraspBall", "PushButton", "TurnOnSwitch", ("th",)), "cannot be handed over later"),
        (SequenceRequest("GraspBall", "PushButton", "TurnOnSwitch", None, third), "not trained on"),
    ):
        with pytest.raises(SleightError, match=message):
            export_composed(tmp_path / "b", skills, [pair], sequences=[wrong])
