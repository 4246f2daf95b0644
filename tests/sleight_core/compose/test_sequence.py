"""A third skill on board: what its bundle says, and who owns what when it acts."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.bundle import BundleError, load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.cli.bundle import app
from sleight_core.compose import Ownership
from sleight_core.compose.policy import owned_names
from sleight_core.errors import SleightError
from typer.testing import CliRunner

from .builders import (
    ACTION,
    HAND,
    HORIZON,
    OWNERSHIP,
    PERIOD,
    REST,
    composition,
    make,
    pair,
    residual,
    sampler,
    sequence,
    skill,
    three,
)
from .robot import Robot

GRIP, PUSH, TURN = REST.copy(), REST.copy(), REST.copy()
GRIP[6:] = ACTION.couple(np.clip(0.6, HAND.lower, HAND.upper))
PUSH[:3] += [0.1, -0.1, 0.05]
PUSH[6:] = np.clip(0.9, HAND.lower, HAND.upper)
TURN[:3] += [-0.1, 0.0, 0.1]
TURN[6:] = np.clip(0.4, HAND.lower, HAND.upper)
FIRST, KEPT = OWNERSHIP.first, Ownership(HAND, sequence().preserved).first
PARKED, THIRD = KEPT & ~FIRST, ~KEPT
#: Motors by owner while the third skill acts.
MOTORS = KEPT[6:][HAND.actuated_index]
#: Ticks until the second and the third skill act.
WAY, NEXT = 20, 2 * (2 + 4 + 6 + 2)
SAMPLERS: dict[str, Any] = {
    "skill_GraspBall": sampler(26, GRIP),
    "skill_PushButton": sampler(26, PUSH),
    "skill_TurnOnSwitch": sampler(26, TURN),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make(tmp_path_factory.mktemp("three") / "toys", three(), **SAMPLERS)


def brought_to_second(path, **options):
    """A hand that keeps the ball and pushes."""
    robot = Robot(path, **options)
    robot.policy.engage("GraspBall", 1)
    robot.run(60)
    robot.policy.engage("PushButton", 2)
    robot.run(WAY + 30)
    return robot


def test_a_bundle_says_what_follows_a_pair(bundle):
    loaded = load_bundle(bundle, HAND, period=PERIOD)
    composed = loaded.manifest.composition
    assert isinstance(composed, ComposedSkills) and composed == three()
    assert composed.sequence("GraspBall", "PushButton", "TurnOnSwitch") == sequence()
    assert composed.sequence("GraspBall", "TurnOnSwitch", "PushButton") is None
    assert "residual.third" in loaded.graphs
    shown = CliRunner().invoke(app, ["inspect", str(bundle)], env={"COLUMNS": "200"}).output
    assert "PushButton, then TurnOnSwitch" in shown and "2 + 4 + 6 + 2 actions" in shown


def test_bundles_without_sequences_load_as_they_did(tmp_path):
    path = make(tmp_path / "pairs")
    data = json.loads((path / "manifest.json").read_text())
    # As an older version wrote it.
    assert data["composition"].pop("sequences") == []
    for row in data["composition"]["pairs"]:
        del row["transition"]["leave"], row["transition"]["retreat"]
    (path / "manifest.json").write_text(json.dumps(data))
    assert load_bundle(path, HAND, period=PERIOD).manifest.composition == composition()


def test_the_third_skill_leaves_all_that_is_kept_as_it_was(bundle):
    robot = brought_to_second(bundle)
    hold = robot.targets.copy()
    robot.policy.engage("TurnOnSwitch", 3)
    stages, wrists = [], []
    for _ in range(NEXT + 40):
        out = robot.tick()
        stages.append(out.stage)
        wrists.append(out.action[:6])
        assert (out.command.joint_targets[0, MOTORS] == hold[MOTORS]).all()
        assert np.array_equal(out.mask, THIRD)
    assert stages == ["hold"] * 4 + ["transition"] * (NEXT - 4) + ["third"] * 40
    # It backs off before it goes to the third skill's start.
    start, off = wrists[3], wrists[4 + 2 * 4 - 1]
    assert off[:3] == pytest.approx(start[:3] + [0.0, 0.1, 0.05]) and off[3:] == pytest.approx(start[3:])
    assert wrists[NEXT - 1] == pytest.approx(REST[:6])
    assert out.action[THIRD] == pytest.approx(TURN[THIRD], abs=1e-6)
    owner = dict(zip(owned_names(HAND), out.owners, strict=True))
    assert (owner["THJ1"], owner["LFJ1"]) == ("GraspBall", "GraspBall")
    assert owner["RFJ1"] == "PushButton"
    assert (owner["FFJ1"], owner["MFJ1"], owner["wrist"]) == ("TurnOnSwitch",) * 3
    assert out.skill == "TurnOnSwitch" and out.counts.late == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(np.float32, (HORIZON, 28), elements=st.floats(-1e6, 1e6, width=32)))
def test_nothing_that_the_third_skill_plans_moves_a_kept_finger(bundle, plan):
    robot = Robot(bundle, samplers={"TurnOnSwitch": lambda history, noise: plan})
    robot.policy.engage("GraspBall", 1)
    robot.run(4)
    robot.policy.engage("PushButton", 2)
    robot.run(WAY + 6)
    hold = robot.targets.copy()
    robot.policy.engage("TurnOnSwitch", 3)
    for _ in range(NEXT + 6):
        assert (robot.tick().command.joint_targets[0, MOTORS] == hold[MOTORS]).all()


def test_residuals_reach_their_own_fingers_only(tmp_path):
    path = make(
        tmp_path / "toys",
        three(),
        residual_first=residual(22, 1.0),
        residual_second=residual(22, -50.0),
        residual_third=residual(22, 2.0),
        **SAMPLERS,
    )
    robot = brought_to_second(path)
    robot.policy.engage("TurnOnSwitch", 3)
    way = robot.run(NEXT)
    bounds = np.array(sequence().bounds)
    # On the way only the first skill's acts; what the second one said is over.
    assert way.residual[FIRST] == pytest.approx(bounds[FIRST] * np.tanh(1.0))
    assert not way.residual[~FIRST].any()
    out = robot.run(40)
    assert out.residual[FIRST] == pytest.approx(bounds[FIRST] * np.tanh(1.0))
    assert not out.residual[PARKED].any() and PARKED.any()
    assert out.residual[THIRD] == pytest.approx(bounds[THIRD] * np.tanh(2.0))


def test_the_object_is_remembered_from_the_first_skills_success(bundle):
    robot = brought_to_second(bundle)
    remembered = {name: value.copy() for name, value in robot.policy._remembered.items()}
    robot.joints = robot.joints + 0.05
    robot.policy.engage("TurnOnSwitch", 3)
    robot.run(2)
    for name, value in remembered.items():
        assert np.array_equal(robot.policy._remembered[name], value)


def test_a_third_skill_comes_when_the_second_acts_and_none_after_it(bundle):
    robot = Robot(bundle)
    policy = robot.policy
    policy.engage("GraspBall", 1)
    robot.run(4)
    policy.engage("PushButton", 2)
    for _ in range(2):
        with pytest.raises(SleightError, match="'PushButton' does not act yet"):
            policy.check("TurnOnSwitch")
        robot.run(2)
    with pytest.raises(SleightError, match="second skill of a composition already, and none goes on with 'GraspBall'"):
        policy.engage("GraspBall", 3)
    robot.run(WAY)
    policy.engage("TurnOnSwitch", 3)
    robot.run(2)
    with pytest.raises(SleightError, match="third skill of a composition already"):
        policy.engage("PushButton", 4)
    # The acting skill again: it begins anew, alone.
    policy.engage("TurnOnSwitch", 5)
    assert set(robot.tick().owners) == {"TurnOnSwitch"}


def test_sequences_that_do_not_follow_are_refused():
    with pytest.raises(ValueError, match="pair that is not there: GraspBall"):
        three(pairs=())
    with pytest.raises(ValueError, match=r"take fingers that GraspBall keeps: \['lf'\]"):
        three(sequences=(sequence(preserved=("th", "rf")),))
    with pytest.raises(ValueError, match="a sequence occurs twice"):
        three(sequences=(sequence(), sequence()))
    with pytest.raises(ValueError, match="skill that is not there: 'TurnOnSwitch'"):
        three(skills=(skill("GraspBall"), skill("PushButton")))
    with pytest.raises(ValueError, match="needs three skills"):
        sequence(between="TurnOnSwitch")
    with pytest.raises(ValueError, match="two skills"):
        sequence(second="GraspBall")


def test_a_mask_that_disagrees_is_refused(bundle, tmp_path):
    path = tmp_path / "edited"
    path.mkdir()
    for file in bundle.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    data = json.loads((path / "manifest.json").read_text())
    data["composition"]["sequences"][0]["mask"] = list(pair().mask)
    (path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match=r"composition\.sequences\.0\.mask: expected 'RFJ"):
        load_bundle(path, HAND, period=PERIOD)
