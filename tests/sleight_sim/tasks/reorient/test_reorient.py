"""The cube reorientation task: its figures, its goals, its counting, and that the hand's limits hold."""

import mujoco
import numpy as np
import pytest
from sleight_core.action import ActionPart
from sleight_core.errors import SleightError
from sleight_core.observation.spec import term_specs
from sleight_core.rotations import quat_multiply, quat_rotate
from sleight_description import load_hand
from sleight_sim.tasks.reorient.config import TRAINED_SIGHT, GoalConfig, ReorientConfig
from sleight_sim.tasks.reorient.env import ReorientTask
from sleight_sim.tasks.reorient.goals import Goals, angle_between, random_quats
from sleight_sim.tasks.reorient.world import build_world

HAND = load_hand("leap")
NAMES = ("joint_angles", "joint_target_error", "palm_object_offset", "object_goal_turn", "last_output")
SPECS = [spec.model_copy(update={"clip": None}) for spec in term_specs(HAND, NAMES)]


def part(scale=0.5):
    names = HAND.actuated_joint_names
    lower, upper = tuple(map(float, HAND.actuated_lower)), tuple(map(float, HAND.actuated_upper))
    kind = {"rule": "delta_target", "scale": (scale,) * 16}
    return ActionPart(name="joints", joint_names=names, lower=lower, upper=upper, **kind)


def task(count=2, seed=0, **changes):
    return ReorientTask(ReorientConfig(**changes), SPECS, [part()], count, seed=seed, num_threads=1)


@pytest.fixture(scope="module")
def model():
    return build_world(HAND, ReorientConfig(), visuals=True)


def test_the_world_has_the_published_figures(model):
    body = model.body("object")
    assert body.mass[0] == pytest.approx(0.108) and model.geom("cube").size == pytest.approx([0.035] * 3)
    assert body.inertia == pytest.approx([0.108 * 0.07**2 / 6] * 3)
    for name in HAND.actuated_joint_names:
        actuator, dof = model.actuator(f"act_{name}"), model.joint(name).dofadr[0]
        assert actuator.gainprm[0] == 3.0 and list(actuator.forcerange) == [-0.2196, 0.2196]
        assert model.dof_damping[dof] == 0.2 and model.dof_frictionloss[dof] == 0.02
    assert model.geom("if_tip").friction[0] == 0.7 and model.geom("palm_front").friction[0] == 0.2
    assert not model.body_gravcomp[model.body("if_ds").id]


def test_the_hand_is_fixed_palm_up_as_published(model):
    """The published palm, its mount and the point from which the cube's offset is measured."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mount = np.array(ReorientConfig().mount)
    assert data.body("palm").xpos - mount == pytest.approx([0.124, -0.0305, -0.06045], abs=2e-6)
    quat = np.array([0, 1, 0, -0.175]) / np.hypot(1, 0.175)
    assert abs(data.body("palm").xquat @ quat) == pytest.approx(1, abs=1e-6)
    config = ReorientConfig()
    palm = np.array(config.root_pos) + quat_rotate(np.array(config.wrist_quat), np.array(HAND.point("palm").offset))
    assert palm - mount == pytest.approx([0.11, 0.0, 0.03], abs=1e-5)
    assert [model.joint(i).name for i in range(model.njnt)] == [*HAND.joint_names, "object"]


def test_a_goal_spins_away_after_success_and_comes_to_rest():
    rng = np.random.default_rng(0)
    goals = Goals(GoalConfig(), 64, rng)
    before = goals.quat.copy()
    goals.advance(np.ones(64, dtype=bool), 0.05)
    first = angle_between(goals.quat, before)
    # A mean spin of 3 rad/s about each axis for 2 periods.
    assert 0.1 * np.sqrt(3) < first.min() and first.max() < 0.5 * np.sqrt(3)
    for _ in range(60):
        goals.advance(np.zeros(64, dtype=bool), 0.05)
    still = goals.quat.copy()
    goals.advance(np.zeros(64, dtype=bool), 0.05)
    assert angle_between(goals.quat, still).max() < 1e-5
    assert angle_between(goals.quat, before).max() > 1.5
    assert np.linalg.norm(goals.quat, axis=-1) == pytest.approx(1)


def test_angles():
    quats = random_quats(10, np.random.default_rng(1))
    assert angle_between(quats, -quats) == pytest.approx(0, abs=1e-7)
    turn = np.tile([np.cos(0.2), 0, np.sin(0.2), 0], (10, 1))
    assert angle_between(quat_multiply(turn, quats), quats) == pytest.approx(0.4)


def test_reached_goals_are_counted_until_the_cube_falls():
    run = task(4)
    run.reset()
    run.goals.quat[:2] = run.sim.cube_quat[:2]
    run.fallen[1] = True
    step = run.step(np.zeros((4, 16)))
    assert list(step.reached) == [True, False, False, False] and list(run.rotations) == [1, 0, 0, 0]
    assert list(run.steps) == [1, 0, 1, 1]
    assert angle_between(run.goals.quat[:1], run.sim.cube_quat[:1])[0] > 0.1, "the next goal is on its way"


def test_a_cube_that_misses_the_hand_has_fallen():
    run = task(1, cube={"start": (0.6, 0.0, 0.05)})
    run.reset()
    for _ in range(10):
        step = run.step(np.zeros((1, 16)))
    assert step.fallen.all() and run.steps[0] < 10


def test_targets_obey_the_safety_filters_limits():
    run = task(3)
    run.reset()
    rng = np.random.default_rng(0)
    before = run.targets.copy()
    for _ in range(20):
        action = rng.uniform(-3, 3, (3, 16))
        run.step(action)
        assert np.abs(run.targets - before).max() <= 8.48 * 0.05 + 1e-9
        assert (run.targets >= HAND.actuated_lower + 0.01 - 1e-9).all()
        assert (run.targets <= HAND.actuated_upper - 0.01 + 1e-9).all()
        assert run.last_output == pytest.approx(np.clip(action, -1, 1))
        before = run.targets.copy()


def test_the_same_seed_is_the_same_episode():
    first, second, other = (task(2, seed=seed, sight=TRAINED_SIGHT) for seed in (3, 3, 4))
    seen = first.reset()
    assert np.array_equal(seen, second.reset()) and not np.array_equal(seen, other.reset())
    action = np.random.default_rng(0).uniform(-1, 1, (2, 16))
    a, b = first.step(action), second.step(action)
    assert np.array_equal(a.obs, b.obs) and np.array_equal(a.angle, b.angle)


def test_a_policy_that_moves_the_wrist_is_refused():
    twist = ActionPart(name="wrist", rule="twist", scale=(1.0,) * 6)
    with pytest.raises(SleightError, match="the hand is fixed"):
        ReorientTask(ReorientConfig(), SPECS, [twist, part()], 1)


def test_a_hand_without_the_joints_is_refused():
    run = task(1, joints={"FFJ3": 0.1})
    with pytest.raises(SleightError, match="FFJ3"):
        run.reset()
