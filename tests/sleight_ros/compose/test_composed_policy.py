"""Composed skills in the running graph: real bridge, policy and skill server around a robot that does not exist."""

import subprocess
import sys

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from sleight_core.compose.policy import owned_names
from sleight_core.safety import SafetyState
from sleight_msgs.action import Compose
from sleight_msgs.msg import PolicyTelemetry
from sleight_msgs.srv import EngageSkill
from sleight_ros.skills.goals import Outcome, Phase
from std_srvs.srv import Trigger

from ...sleight_core.compose.builders import (
    GRASP,
    HAND,
    OWNERSHIP,
    PUSH,
    REST,
    TransitionSection,
    composition,
    make,
    pair,
    residual,
    sampler,
    sequence,
    skill,
    slow_sampler,
)
from ..double import OBJECT
from ..rig import PERIOD
from ..skills.test_skill_server import LIFTED, PATIENCE, Bench, Goal, PatientRig

pytestmark = pytest.mark.serial

#: Where the double's hand starts, with the fingers a little closed.
GRIP, AWAY = REST.copy(), REST.copy()
GRIP[:3], AWAY[:3] = [0.0, 0.0, 0.82], [0.03, 0.0, 0.85]
GRIP[6:], AWAY[6:] = (np.clip(v, HAND.lower, HAND.upper) for v in (0.3, 0.5))
KEPT = [i for i, name in enumerate(HAND.actuated_joint_names) if OWNERSHIP.joint_owners[name] == "first"]


def toys(folder):
    """Three quick skills that follow one another, and one whose chunks take a second and more."""
    way = TransitionSection(hold=2, steps=10, settle=2, target=tuple(AWAY.tolist()))
    next_way = way.model_copy(update={"leave": 4, "retreat": (0.0, 0.0, 0.02)})
    skills = tuple(skill(name) for name in ("GraspBall", "PushButton", "SlowPush", "TurnOnSwitch"))
    pairs = (pair(transition=way), pair(second="SlowPush", residuals=(), transition=way))
    return make(
        folder,
        composition(skills=skills, pairs=pairs, sequences=(sequence(transition=next_way),)),
        period=PERIOD,
        count=1,
        skill_GraspBall=sampler(26, GRIP),
        skill_PushButton=sampler(26, AWAY),
        skill_SlowPush=slow_sampler(26, AWAY, turns=int(200_000 * PERIOD)),
        residual_first=residual(22, 0.5),
        residual_second=residual(22, -0.5),
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composed")
    with PatientRig(folder, make_bundle=toys, hand="shadow_compose") as rig:
        bench = Bench(rig)
        bench.start(second_time=120.0 * PERIOD * 2, third_time=120.0 * PERIOD * 2, hold_time=5 * PERIOD)
        yield bench
        rig.robot.monitor.check()


@pytest.fixture(autouse=True)
def rest(bench):
    bench.rig.heal()
    yield
    assert bench.robot.trigger("policy/release", PATIENCE).success
    bench.rig.heal()


def telemetry(bench):
    return bench.robot.heard.telemetry[-1][1]


def engage(bench, name, seed=7):
    return bench.robot.call(
        EngageSkill, "policy/engage_skill", EngageSkill.Request(skill=name, noise_seed=seed), PATIENCE
    )


def test_compose_keeps_with_some_fingers_and_acts_with_the_others(bench):
    robot = bench.robot
    goal = Goal(robot, bench.compose, Compose.Goal(first="GraspBall", second="PushButton"))
    goal.reach(Phase.GRASPING)
    bench.rig.wait_for(SafetyState.ACTIVE, PATIENCE)
    robot.wait(lambda: telemetry(bench).chunks > 1, PATIENCE, "chunks")
    first = telemetry(bench)
    assert (first.stage, first.skill) == ("first", "GraspBall")
    assert list(first.owned) == list(owned_names(HAND)) and set(first.owners) == {"GraspBall"}
    assert not any(first.mask) and first.noise_seed != 0
    robot.object_pos = LIFTED.copy()
    goal.result(Outcome.SUCCEEDED, GoalStatus.STATUS_SUCCEEDED)
    assert goal.skills == [("GraspBall", True, True), ("PushButton", True, True)]
    phases = list(dict.fromkeys(state.phase for state in goal.states))
    assert {Phase.HOLDING, Phase.SECOND_SKILL} <= set(phases)
    told = [msg for _, msg in robot.heard.telemetry if msg.skill == "PushButton" and msg.action]
    assert list(dict.fromkeys(msg.stage for msg in told)) == ["hold", "transition", "second"]
    for msg in told:
        for name, owner in zip(msg.owned, msg.owners, strict=True):
            assert owner == ("GraspBall" if name in OWNERSHIP.joints("first") else "PushButton")
        assert list(msg.mask) == OWNERSHIP.second.tolist()
    # Residuals act within their bounds, each on its own elements.
    kept = np.array(told[-1].residual)[OWNERSHIP.first]
    assert kept == pytest.approx(0.1 * np.tanh(0.5), abs=1e-5)
    assert (np.array(told[-1].residual)[OWNERSHIP.second] < 0).all()
    # What was sent for preserved fingers is one constant from the composition's first command on.
    sent = [m.positions for _, m in robot.heard.commands if m.bundle_id][-len(told) :]
    kept = np.array([np.array(row)[KEPT] for row in sent[2:]])
    assert np.abs(kept - kept[0]).max() == 0.0
    bench.holds()


def test_a_goal_of_three_skills_runs_them_in_turn(bench):
    robot = bench.robot
    goal = Goal(robot, bench.compose, Compose.Goal(first="GraspBall", second="PushButton", third="TurnOnSwitch"))
    goal.reach(Phase.GRASPING)
    bench.rig.wait_for(SafetyState.ACTIVE, PATIENCE)
    robot.object_pos = LIFTED.copy()
    outcome = goal.result(Outcome.SUCCEEDED, GoalStatus.STATUS_SUCCEEDED)
    assert "'PushButton' and 'TurnOnSwitch'" in outcome.message
    assert goal.skills == [(name, True, True) for name in ("GraspBall", "PushButton", "TurnOnSwitch")]
    # Feedback names the skill that acts, and the policy's own stage.
    told = list(dict.fromkeys((state.phase, state.skill) for state in goal.states))
    later = [row for row in told if row[1] != "GraspBall" and row[0] not in (Phase.TRANSITION, Phase.RELEASING)]
    assert later == [(Phase.SECOND_SKILL, "PushButton"), (Phase.THIRD_SKILL, "TurnOnSwitch")]
    stages = {(state.skill, state.stage) for state in goal.states}
    assert {("GraspBall", "first"), ("PushButton", "second"), ("TurnOnSwitch", "third")} <= stages
    bench.holds()


def test_a_third_skill_that_drops_the_object_is_told_apart(bench):
    robot = bench.robot
    fields = {"first": "GraspBall", "second": "PushButton", "third": "TurnOnSwitch", "third_time": 100.0}
    goal = Goal(robot, bench.compose, Compose.Goal(**fields)).reach(Phase.GRASPING)
    robot.object_pos = LIFTED.copy()
    goal.reach(Phase.THIRD_SKILL)
    robot.object_pos = OBJECT.copy()
    outcome = goal.result(Outcome.OBJECT_LOST, GoalStatus.STATUS_ABORTED)
    assert "while 'TurnOnSwitch' acted" in outcome.message
    assert goal.skills == [("GraspBall", True, True), ("PushButton", True, True), ("TurnOnSwitch", False, False)]


def test_a_third_skill_takes_what_the_second_hands_over(bench):
    robot = bench.robot
    assert engage(bench, "GraspBall").success
    assert robot.trigger("bridge/rearm", PATIENCE).success
    bench.rig.wait_for(SafetyState.ACTIVE, PATIENCE)
    for name, stage in (("PushButton", "second"), ("TurnOnSwitch", "third")):
        answer = engage(bench, name)
        assert answer.success, answer.message
        robot.wait(lambda stage=stage: telemetry(bench).stage == stage, PATIENCE, f"the {stage} skill")
    told = telemetry(bench)
    owner = dict(zip(told.owned, told.owners, strict=True))
    of = {"THJ1": "GraspBall", "LFJ1": "GraspBall", "RFJ1": "PushButton", "FFJ1": "TurnOnSwitch"}
    assert {name: owner[name] for name in of} == of and owner["wrist"] == told.skill == "TurnOnSwitch"
    answer = engage(bench, "PushButton")
    assert not answer.success and "third skill of a composition already" in answer.message


def test_a_sampler_that_is_too_slow_ends_in_a_hold_with_its_reason(bench):
    robot = bench.robot
    assert engage(bench, "GraspBall").success
    assert robot.trigger("bridge/rearm", PATIENCE).success
    bench.rig.wait_for(SafetyState.ACTIVE, PATIENCE)
    answer = engage(bench, "SlowPush")
    assert answer.success and "noise seed 7" in answer.message, answer.message
    robot.wait(lambda: telemetry(bench).state == PolicyTelemetry.WAITING, PATIENCE, "the policy to wait")
    assert telemetry(bench).reason.startswith("LATE_CHUNK")
    assert "chunk of 'SlowPush'" in telemetry(bench).reason
    robot.wait(lambda: robot.last_status()[:2] == ("HOLD", "STALE_COMMAND"), PATIENCE, "the hold")
    bench.rig.assert_active_hold()


def test_what_cannot_be_engaged_is_refused_with_its_reason(bench):
    answer = bench.robot.call(EngageSkill, "policy/engage_skill", EngageSkill.Request(skill="Fly"), PATIENCE)
    assert (
        not answer.success and "no skill: Fly (it has GraspBall, PushButton, SlowPush, TurnOnSwitch)" in answer.message
    )
    answer = bench.robot.call(Trigger, "policy/engage", timeout=PATIENCE)
    assert not answer.success and "policy/engage_skill" in answer.message
    goal = Goal(bench.robot, bench.compose, Compose.Goal(first="PushButton", second="GraspBall"))
    outcome = goal.result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED)
    assert "no composition of 'PushButton' and 'GraspBall'" in outcome.message
    assert goal.skills == []
    for names, words in (
        (("GraspBall", "PushButton", "Fly"), "third: bundle 'toys' has no skill 'Fly'"),
        (
            ("GraspBall", "PushButton", "SlowPush"),
            "no sequence in which 'SlowPush' follows 'GraspBall' and 'PushButton'",
        ),
        (("GraspBall", "", "TurnOnSwitch"), "two or three different skills"),
    ):
        fields = dict(zip(("first", "second", "third"), names, strict=True))
        goal = Goal(bench.robot, bench.compose, Compose.Goal(**fields))
        outcome = goal.result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED)
        assert words in outcome.message and "(" in outcome.message, outcome.message


def test_a_bundle_that_sees_the_simulator_runs_only_where_that_is_said(tmp_path):
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    make(tmp_path / "state", composition(skills=skills), period=PERIOD, simulation=True)
    parameters = {"bundle": tmp_path / "state", "hand": "shadow_compose", "control_period": PERIOD, "autostart": "true"}
    command = [sys.executable, "-m", "sleight_ros.nodes.policy_node", "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as node:
        try:
            assert node.stdout is not None
            for line in node.stdout:
                if "privileged" in line:
                    break
        finally:
            node.kill()
    assert "composition.skills.0.observation.2.provenance" in line
