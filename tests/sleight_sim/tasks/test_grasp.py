"""The grasp task on the real engine: timing, limits, frames, counting, and independence of the hand's yaw."""

import numpy as np
import pytest
from sleight_core.observation import ObservationBuilder, RobotState
from sleight_core.observation.spec import term_specs
from sleight_core.rotations import quat_rotate
from sleight_sim.engines.mujoco_batch import MujocoBatchEngine
from sleight_sim.objects.household import household_object
from sleight_sim.tasks.grasp.config import (
    EXACT_PERCEPTION,
    ROBUST,
    GraspTaskConfig,
    PerceptionModel,
    RandomisationConfig,
    RewardConfig,
)
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.make import make_grasp_task, resize
from sleight_sim.tasks.grasp.metrics import GraspMetrics
from sleight_sim.tasks.grasp.perception_model import PerceivedPosition
from sleight_sim.tasks.grasp.rewards import RewardInputs, base_reward
from sleight_sim.tasks.grasp.start import aligned_yaw, minor_axis_yaw
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

CYLINDER = household_object("cylinder", 0)


def task(num_envs=4, objects=(CYLINDER,), **changes):
    return make_grasp_task(GraspTaskConfig(**changes), list(objects), num_envs, seed=3)


def test_the_papers_start():
    t = task(object_xy=0.0, start_yaw="random")
    t.reset()
    assert t.sim.wrist_pos == pytest.approx(np.tile([0, 0, TABLE_HEIGHT + 0.2], (4, 1)))
    assert (t.sim.joint_pos == 0).all()
    assert t.sim.object_pos[:, 2] == pytest.approx(TABLE_HEIGHT + 0.1)
    centre = t.observation.kinematics.grasp_center(np.array([[0, 0, 0.8]]), PALM_DOWN[None])
    assert centre[0] == pytest.approx((0, -0.080, 0.780), abs=1e-9)  # resdex_facts 1.2
    assert t.goal[0] == pytest.approx((0, 0, 0.8))


def test_episodes_last_200_steps_and_nothing_else_ends_them():
    t = task()
    t.reset()
    for step in range(400):
        result = t.step(np.zeros((4, 24)))
        assert result.done.all() == (step % 200 == 199)
        assert result.done.any() == result.done.all()


def test_what_is_sent_is_inside_limits_and_rates():
    t = task(8)
    t.reset()
    rng = np.random.default_rng(0)
    last, twist = t.sent_targets.copy(), t.sent_twist.copy()
    for _ in range(60):
        t.step(rng.normal(0, 5, (8, 24)))
        assert (t.sent_targets >= t.joint_limits.lower).all() and (t.sent_targets <= t.joint_limits.upper).all()
        assert (np.abs(t.sent_targets - last) <= t.joint_limits.velocity / 60 + 1e-12).all()
        assert (np.abs(t.sent_twist - twist) <= t.wrist_limits.acceleration / 60 + 1e-12).all()
        last, twist = t.sent_targets.copy(), t.sent_twist.copy()


def test_last_action_is_what_was_sent():
    t = task()
    t.reset()
    result = t.step(np.ones((4, 24)))
    at = t.observation.slices["last_action"]
    assert result.obs[:, at] == pytest.approx(t.last_action, abs=1e-6)
    assert (np.abs(t.last_action[:, 6:] - 1.0) > 0.1).any()  # the slew limit held most joints back
    wanted = t.action_spec.decode(t.last_action, t.yaw, t.sent_targets)
    assert wanted.joint_targets == pytest.approx(t.sent_targets, abs=1e-9)


def test_the_observation_is_the_robots():
    """The simulator's observation equals one that is built from what the drivers would report."""
    t = task(perception=EXACT_PERCEPTION)
    t.reset()
    rng = np.random.default_rng(1)
    for _ in range(30):
        result = t.step(rng.uniform(-1, 1, (4, 24)))
    s = t.sim
    state = RobotState(
        s.joint_pos, s.joint_vel, s.wrist_pos, s.wrist_quat, s.wrist_linvel, s.wrist_angvel, s.fingertip_wrench,
        t.yaw, t.last_action, s.object_pos, t.goal,
    )  # fmt: skip
    builder = ObservationBuilder(t.table, term_specs(t.table, t.config.terms))
    assert builder.compute(state) == pytest.approx(result.obs, abs=1e-6)


def test_wrist_servo_moves_the_hand_as_commanded():
    t = task()
    t.reset()
    action = np.tile(t.last_action[:1], (4, 1))
    action[:, :6] = 0.0
    action[:, 0] = 0.5  # along the canonical x axis
    for _ in range(30):
        t.step(action)
    speed = 0.5 * t.table.wrist.linear_speed
    along = np.stack([np.cos(t.yaw), np.sin(t.yaw), np.zeros(4)], axis=-1)
    assert t.sim.wrist_linvel == pytest.approx(speed * along, abs=0.02)


def test_mixed_objects_run_in_one_batch():
    families = ["box", "sphere", "bottle", "mug"]
    t = task(8, [household_object(family, 0) for family in families], randomisation=ROBUST)
    t.reset()
    for _ in range(60):
        result = t.step(np.zeros((8, 24)))
    assert np.isfinite(result.obs).all()
    assert [thing.family for thing in t.objects] == [f for f in families for _ in range(2)]
    assert (np.abs(t.sim.object_pos[:, 2] - t.rest_height) < 0.03).all()


def test_held_means_the_whole_last_half_second():
    metrics = GraspMetrics(3, 0.05, 3)
    for near in ([1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 1, 1]):
        metrics.update(np.where(near, 0.01, 0.2), np.zeros(3))
    assert metrics.held.tolist() == [True, False, True]
    assert metrics.ever.tolist() == [True, True, True]
    metrics.reset(np.array([0]))
    assert metrics.held.tolist() == [False, False, True]


def test_perception_is_late_held_and_biased_within_its_figures():
    config = PerceptionModel(bias=0.0, noise=0.0, period=4, latency=3)
    seen = PerceivedPosition(config, 1, np.random.default_rng(0))
    seen.reset(np.array([0]), np.zeros((1, 3)))
    moved = [float(seen.update(np.full((1, 3), k / 60.0))[0, 0]) for k in range(1, 61)]
    ages = [k - round(value * 60) for k, value in enumerate(moved, start=1)][8:]
    assert min(ages) >= 1 and max(ages) <= 3 + 3
    assert len(set(moved)) == pytest.approx(15, abs=1)

    exact = PerceivedPosition(EXACT_PERCEPTION, 2, np.random.default_rng(0))
    exact.reset(np.arange(2), np.zeros((2, 3)))
    assert (exact.update(np.ones((2, 3))) == 1.0).all()


def test_the_papers_reward():
    """Hand-computed values of A.2 for a hand 10 cm from an object that is 4 cm from its goal."""
    paper = RewardConfig(lift_force=0.1, height=0, enclose=0, settle=0, overshoot=0, action_rate=0, saturation=0)
    x = RewardInputs(
        object_pos=np.array([[0.0, 0.0, 0.76]]),
        grasp_center=np.array([[0.1, 0.0, 0.76]]),
        finger_points=np.tile([0.0, 0.1, 0.76], (1, 5, 1)),
        joint_pos=np.full((1, 22), 0.1),
        goal_pos=np.array([[0.0, 0.0, 0.8]]),
        vertical_command=np.array([0.5]),
        action_change=np.zeros(1),
        excess=np.zeros(1),
        rest_height=np.array([0.65]),
    )
    terms = base_reward(x, paper, np.zeros(22))
    assert terms["pose"][0] == pytest.approx(-0.05 * 2.2)
    assert terms["reach"][0] == pytest.approx(-0.1 - 0.5 * 0.5)
    assert terms["lift"][0] == pytest.approx(0.1 + 0.1 * 0.5)
    assert terms["move"][0] == pytest.approx(0.9 - 2 * 0.04)
    assert terms["bonus"][0] == pytest.approx(1 / 1.4)
    assert set(terms) == {"pose", "reach", "lift", "move", "bonus"}
    x.grasp_center[0, 0] = 0.13  # beyond 12 cm: not enclosed
    far = base_reward(x, paper, np.zeros(22))
    assert far["lift"][0] == far["move"][0] == 0.0


def test_hand_starts_across_the_short_axis():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (500, 3)) * [0.02, 0.08, 0.03]  # long along y, so short along x
    assert abs(minor_axis_yaw(points)) < 0.1
    yaw = aligned_yaw(np.zeros(200), 0.2, rng)
    heading = (yaw + np.pi / 2) % np.pi  # the canonical y axis
    assert (np.minimum(heading, np.pi - heading) <= 0.2 + 1e-9).all()
    assert np.isnan(minor_axis_yaw(rng.normal(size=(2000, 3))))
    assert np.isfinite(aligned_yaw(np.array([np.nan]), 0.2, rng)).all()


def test_randomised_proportions_keep_density_and_rest_on_the_table():
    varied = RandomisationConfig(size=(0.8, 1.25), stretch=(0.8, 1.3))
    rng = np.random.default_rng(0)
    extents = []
    for _ in range(20):
        thing = resize(CYLINDER, varied, rng)
        extents.append(thing.extents / CYLINDER.extents)
        assert thing.mass / thing.volume == pytest.approx(CYLINDER.mass / CYLINDER.volume, rel=1e-6)
        corners = quat_rotate(np.tile(thing.stable_poses.quats[0], (len(thing.pieces[0]), 1)), thing.pieces[0])
        assert -corners[:, 2].min() == pytest.approx(thing.stable_poses.heights[0], abs=1e-6)
    ratios = np.array(extents)
    assert (ratios > 0.8 * 0.8 - 1e-9).all() and (ratios < 1.25 * 1.3 + 1e-9).all()
    assert np.ptp(ratios / ratios[:, :1], axis=0)[1:].min() > 0.1, "the axes differ"
    assert resize(CYLINDER, RandomisationConfig(), rng) is CYLINDER


def test_a_force_pulls_at_lifted_objects_only():
    t = task(num_envs=8, randomisation=RandomisationConfig(push=2.0))
    t.reset()
    assert isinstance(t.engine, MujocoBatchEngine)
    applied, at = t.engine.batch.bind("qfrc_applied"), t.engine._object_qvel
    pulled = np.zeros((8, 3))
    for _ in range(60):
        lifted = t.sim.object_pos[:, 2] > t.rest_height + 0.03
        before = t.sim.object_linvel.copy()
        t.step(np.zeros((8, t.num_actions)))
        force = applied[:, at : at + 3]
        assert (force[~lifted] == 0).all()
        assert (np.linalg.norm(force, axis=-1) <= 2.0 * 9.81 * CYLINDER.mass + 1e-9).all()
        pulled = np.maximum(pulled, abs(t.sim.object_linvel - before))
    assert (pulled[:, :2].max(axis=-1) > 0.01).any(), "objects that fall are pulled aside"
