"""A composition tick by tick: stages, owners, references, residuals, late chunks."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.bundle import BundleError, load_bundle
from sleight_core.compose.policy import ComposedPolicy, owned_names
from sleight_core.errors import SleightError

from .builders import (
    ACTION,
    GRASP,
    HAND,
    HORIZON,
    OWNERSHIP,
    PERIOD,
    PUSH,
    REST,
    TransitionSection,
    composition,
    make,
    pair,
    residual,
    sampler,
    skill,
)
from .robot import Robot, Slow

FIRST, SECOND = OWNERSHIP.first, OWNERSHIP.second
GRIP = REST.copy()
GRIP[6:] = ACTION.couple(np.clip(0.6, HAND.lower, HAND.upper))
AWAY = REST.copy()
AWAY[:3] += [0.1, -0.1, 0.1]
AWAY[6:] = np.clip(0.9, HAND.lower, HAND.upper)
KEPT = [i for i, name in enumerate(HAND.actuated_joint_names) if OWNERSHIP.joint_owners[name] == "first"]
FREE = [i for i in range(18) if i not in KEPT]
#: Ticks until the second skill of the toy pair acts: 10 actions of two ticks.
WAY = 20


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("composed") / "toys"
    return make(path, skill_GraspBall=sampler(26, GRIP), skill_PushButton=sampler(26, AWAY))


@pytest.fixture
def robot(bundle):
    return Robot(bundle)


def test_one_skill_alone_has_the_whole_hand(robot):
    robot.policy.engage("GraspBall", 1)
    out = robot.run(60)
    assert (out.stage, out.skill, out.late) == ("first", "GraspBall", "")
    assert set(out.owners) == {"GraspBall"} and len(out.owners) == len(owned_names(HAND)) == 23
    assert not out.mask.any() and not out.residual.any()
    assert out.action == pytest.approx(GRIP, abs=1e-6)
    assert robot.pos == pytest.approx(REST[:3], abs=1e-3)
    assert out.counts.late == 0 and out.counts.planned > 5


def test_the_second_skill_takes_what_it_owns_and_nothing_else(robot):
    robot.policy.engage("GraspBall", 1)
    before = robot.run(60)
    hold = robot.targets.copy()
    robot.policy.engage("PushButton", 2)
    stages, owners = [], []
    for _ in range(WAY + 40):
        out = robot.tick()
        stages.append(out.stage)
        owners.append(out.owners)
        assert (out.command.joint_targets[0, KEPT] == hold[KEPT]).all()
        assert np.array_equal(out.mask, SECOND)
    assert stages == ["hold"] * 4 + ["transition"] * 16 + ["second"] * 40
    assert set(owners[0]) == {"GraspBall", "PushButton"}
    for name, owner in zip(owned_names(HAND), owners[0], strict=True):
        preserved = name in OWNERSHIP.joints("first")
        assert owner == ("GraspBall" if preserved else "PushButton")
    assert out.action[SECOND] == pytest.approx(AWAY[SECOND], abs=1e-6)
    assert out.action[6:][FIRST[6:]] == pytest.approx(before.action[6:][FIRST[6:]], abs=1e-6)
    assert out.counts.late == 0 and out.skill == "PushButton"


def test_the_transition_ends_at_its_target_at_rest(robot):
    robot.policy.engage("GraspBall", 1)
    robot.run(60)
    robot.policy.engage("PushButton", 2)
    seen = [robot.tick().action for _ in range(WAY)]
    assert seen[-1][SECOND] == pytest.approx(REST[SECOND], abs=1e-9)
    assert seen[-4] == pytest.approx(seen[-1], abs=1e-9)
    steps = np.abs(np.diff(np.array(seen)[::2], axis=0)).max(axis=1)
    assert steps.max() < 0.2


def test_residuals_act_within_their_bounds_on_their_own_elements(tmp_path):
    path = make(
        tmp_path / "toys",
        skill_GraspBall=sampler(26, GRIP),
        skill_PushButton=sampler(26, AWAY),
        residual_first=residual(22, 1.0),
        residual_second=residual(22, -50.0),
    )
    robot = Robot(path)
    robot.policy.engage("GraspBall", 1)
    robot.run(60)
    robot.policy.engage("PushButton", 2)
    way = robot.run(WAY)
    # The first skill's acts from the beginning, the second's only with its skill.
    bounds = np.array(pair().bounds)
    assert way.residual[FIRST] == pytest.approx(bounds[FIRST] * np.tanh(1.0))
    assert not way.residual[SECOND].any()
    out = robot.run(40)
    assert out.residual[FIRST] == pytest.approx(bounds[FIRST] * np.tanh(1.0))
    assert out.residual[SECOND] == pytest.approx(-bounds[SECOND])
    assert out.action == pytest.approx(ACTION.clip(np.where(FIRST, GRIP, AWAY) + out.residual), abs=1e-6)


@pytest.mark.parametrize("others", ["measured", "intended"])
def test_what_a_skill_sees_of_fingers_that_hold_for_another(tmp_path, others):
    seen: list[np.ndarray] = []

    def away(history, noise):
        seen.append(np.ravel(history)[-26:-4])
        return np.tile(AWAY, (HORIZON, 1)).astype(np.float32)

    path = make(tmp_path / "toys", composition(pairs=(pair(residuals=(), others_joints=others),)))
    robot = Robot(path, samplers={"GraspBall": lambda h, n: np.tile(GRIP, (HORIZON, 1)), "PushButton": away})
    robot.policy.engage("GraspBall", 1)
    robot.run(60)
    robot.policy.engage("PushButton", 2)
    robot.run(WAY + 60)

    def spread(joints):
        return 2 * (joints - HAND.lower) / (np.array(HAND.upper) - HAND.lower) - 1

    held = FIRST[6:]
    fingers = robot.joints if others == "measured" else AWAY[6:]
    assert seen[-1][held] == pytest.approx(spread(fingers)[held], abs=1e-3)
    # As it plans at first, the hand that it believes in has opened.
    assert (seen[0][held] == pytest.approx(spread(REST[6:])[held], abs=1e-3)) == (others == "intended")
    moved = [HAND.joint_names.index(HAND.actuated_joint_names[i]) for i in FREE]
    assert seen[-1][moved] == pytest.approx(spread(robot.joints)[moved], abs=1e-3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(np.float32, (HORIZON, 28), elements=st.floats(-1e6, 1e6, width=32)))
def test_nothing_that_the_second_skill_plans_moves_a_preserved_finger(bundle, plan):
    robot = Robot(bundle, samplers={"PushButton": lambda history, noise: plan})
    robot.policy.engage("GraspBall", 1)
    robot.run(10)
    hold = robot.targets.copy()
    robot.policy.engage("PushButton", 2)
    for _ in range(WAY + 6):
        out = robot.tick()
        assert (out.command.joint_targets[0, KEPT] == hold[KEPT]).all()
        assert np.isfinite(out.command.wrist_twist).all() and np.abs(out.command.wrist_twist).max() <= 2.0 + 1e-9


def test_what_is_not_finite_is_refused_and_not_sent(bundle, tmp_path):
    robot = Robot(bundle, samplers={"GraspBall": lambda history, noise: np.full((HORIZON, 28), np.nan)})
    robot.policy.engage("GraspBall", 1)
    with pytest.raises(SleightError, match="not finite"):
        robot.tick()
    huge = composition(pairs=(pair(residuals=("first",)),))
    path = make(tmp_path / "huge", huge, residual_first=residual(22, 3e38, gain=1.0))
    robot = Robot(path)
    robot.policy.engage("GraspBall", 1)
    robot.run(4)
    robot.policy.engage("PushButton", 1)
    robot.joints[:] = np.nan
    with pytest.raises(SleightError, match="observation of 'residual.first' is not finite"):
        robot.tick()


def test_a_late_chunk_leaves_the_hand_where_it_is_and_says_so(bundle):
    robot = Robot(bundle, Slow())
    robot.policy.engage("GraspBall", 1)
    out = robot.tick()
    assert out.late.startswith("LATE_CHUNK: the first chunk of 'GraspBall'")
    before = robot.pos.copy(), robot.targets.copy()
    out = robot.run(10)
    assert out.late_for == pytest.approx(11 * PERIOD) and out.counts.late == 0
    assert robot.pos == pytest.approx(before[0], abs=1e-9) and robot.targets == pytest.approx(before[1])
    robot.executor.finish()
    robot.run(2)
    ticks = []
    for _ in range(30):
        ticks.append(robot.tick())
        if not ticks[-1].late:
            continue
        break
    assert ticks[-1].late.startswith("LATE_CHUNK: a chunk of 'GraspBall'") and ticks[-1].counts.late == 1
    out = robot.run(16)
    # The wrist has come to the last action's place and rests there; targets stay.
    assert np.abs(out.command.wrist_twist).max() < 0.02
    assert np.array_equal(out.action, ticks[-1].action)
    robot.executor.finish()
    assert robot.run(2).late == ""


def test_a_late_second_skill_does_not_stop_the_stabiliser(tmp_path):
    path = make(tmp_path / "toys", residual_first=residual(22, 0.0, gain=3.0), residual_second=residual(22, 0.7))
    slow = Slow()
    robot = Robot(path, slow)
    robot.policy.engage("GraspBall", 1)
    for _ in range(20):
        robot.tick()
        slow.finish()
    robot.policy.engage("PushButton", 1)
    robot.run(WAY + 1)
    out = robot.tick()
    assert out.stage == "second" and out.late and out.counts.late == 1
    still = out.action.copy()
    robot.joints[HAND.joint_names.index("THJ4")] += 0.3
    robot.run(2)
    out = robot.run(2)
    assert not np.array_equal(out.action[FIRST], still[FIRST])
    assert np.array_equal(out.action[SECOND], still[SECOND])


def test_measured_joints_can_be_the_reference(tmp_path):
    path = make(
        tmp_path / "toys",
        composition(pairs=(pair(residuals=(), hold_reference="measured"),)),
        skill_GraspBall=sampler(26, GRIP),
    )
    robot = Robot(path)
    robot.policy.engage("GraspBall", 1)
    robot.run(4)
    robot.policy.engage("PushButton", 1)
    measured = robot.joints[HAND.actuated_index].copy()
    out = robot.tick()
    assert out.command.joint_targets[0, KEPT] == pytest.approx(measured[KEPT])


def test_without_a_transition_the_second_skill_follows_at_once(tmp_path):
    way = TransitionSection(steps=0, target=tuple(REST.tolist()))
    path = make(tmp_path / "toys", composition(pairs=(pair(residuals=(), transition=way),)))
    robot = Robot(path)
    robot.policy.engage("GraspBall", 1)
    robot.run(4)
    robot.policy.engage("PushButton", 1)
    assert robot.tick().stage == "second"


def test_the_same_seed_gives_the_same_actions(tmp_path):
    path = make(tmp_path / "toys", skill_GraspBall=sampler(26, REST, noise=0.05))
    runs = []
    for seed in (5, 5, 6):
        robot = Robot(path)
        robot.policy.engage("GraspBall", seed)
        runs.append(np.array([robot.tick().action for _ in range(30)]))
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


def test_skills_see_the_simulator_only_where_that_is_allowed(tmp_path):
    skills = (skill("GraspBall", GRASP), skill("PushButton", PUSH))
    path = make(tmp_path / "state", composition(skills=skills), simulation=True)
    robot = Robot(path, simulation=True)
    robot.policy.engage("GraspBall", 1)
    out = robot.tick()
    # object_to_target: the skill's own goal minus the object.
    assert out.observation[-3:] == pytest.approx([0.0, 0.0, 0.1], abs=1e-6)
    robot.policy.engage("PushButton", 1)
    assert len(robot.run(WAY + 2).observation) == 33


def test_a_skill_acts_at_another_place_as_at_its_own(tmp_path):
    """Moved by a place, it sees the same and does the same, there."""
    place = np.array([0.1, 0.2, 0.0])
    seen, actions = [], []
    for where in (np.zeros(3), place):
        skills = (skill("GraspBall", GRASP, place=tuple(where.tolist())), skill("PushButton", PUSH))
        path = make(
            tmp_path / str(len(seen)),
            composition(skills=skills),
            simulation=True,
            skill_GraspBall=sampler(32, GRIP, gain=0.1),
        )
        robot = Robot(path, simulation=True)
        robot.pos = robot.pos + where
        robot.privileged["object_pos"] = robot.privileged["object_pos"] + where
        robot.policy.engage("GraspBall", 1)
        out = robot.run(20)
        seen.append(out.observation)
        actions.append(out.action)
    assert seen[1] == pytest.approx(seen[0], abs=1e-6)
    assert actions[1][:3] == pytest.approx(actions[0][:3] + place, abs=1e-6)
    assert actions[1][3:] == pytest.approx(actions[0][3:], abs=1e-6)


def test_what_is_not_there_cannot_be_engaged(robot, tmp_path):
    policy = robot.policy
    with pytest.raises(SleightError, match="no skill is engaged"):
        robot.tick()
    with pytest.raises(SleightError, match=r"has no skill: OpenDoor \(it has GraspBall, PushButton\)"):
        policy.engage("OpenDoor", 0)
    policy.engage("PushButton", 0)
    with pytest.raises(SleightError, match=r"no composition of 'PushButton' and 'GraspBall' \(it has GraspBall \+"):
        policy.engage("GraspBall", 0)
    assert policy.skill == "PushButton"
    policy.release()
    policy.engage("GraspBall", 0)
    robot.run(2)
    policy.engage("PushButton", 0)
    robot.run(2)
    with pytest.raises(SleightError, match="second skill of a composition already"):
        policy.engage("GraspBall", 0)
    # The acting skill again: it begins anew, alone.
    policy.release()
    assert policy.skill == ""


def test_a_single_policy_is_not_composed(tmp_path):
    from ..bundle import builders as single

    bundle = load_bundle(single.make(tmp_path / "single"))
    with pytest.raises(BundleError, match=r"composition\.kind: expected composed_skills, found mlp"):
        ComposedPolicy(bundle, HAND)


def test_a_thread_of_its_own_plans_when_none_is_given(bundle):
    policy = ComposedPolicy(load_bundle(bundle, HAND), HAND)
    robot = Robot(bundle)
    robot.policy = policy
    policy.engage("GraspBall", 3)
    out = robot.tick()
    while out.late:
        time.sleep(0.005)
        out = robot.tick()
    assert out.late == "" and out.counts.planned >= 1
    policy.close()
