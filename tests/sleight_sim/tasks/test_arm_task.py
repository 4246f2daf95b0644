"""The grasp task with a LEAP Hand on a UR5e: where it starts, how it moves, and what it must not touch."""

import numpy as np
import pytest
from sleight_core.arm import ArmKinematics
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics
from sleight_core.observation import ObservationBuilder, RobotState
from sleight_core.rotations import quat_rotate
from sleight_description import load_hand
from sleight_sim.engines import InitialState
from sleight_sim.grasps.proposal import NO_CONTACTS, GraspProposals
from sleight_sim.grasps.task import make_proposal_task
from sleight_sim.objects.household import household_object
from sleight_sim.tasks.grasp.config import EXACT_PERCEPTION, ROBUST, STAGE_1_REWARD, ArmConfig, GraspTaskConfig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.hands import for_hand
from sleight_sim.tasks.grasp.make import make_grasp_task
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

BOX = household_object("box", 0)


def task(num_envs=4, action="pose", **changes):
    config = for_hand(GraspTaskConfig(perception=EXACT_PERCEPTION, **changes), "leap_ur5e", action)
    return make_grasp_task(config, [BOX], num_envs, seed=3, num_threads=1)


def centre(t):
    return t.observation.kinematics.grasp_center(t.sim.wrist_pos, t.sim.wrist_quat)


def still(t):
    """Keep the fingers where they are, and the arm."""
    action = np.zeros((t.num_envs, t.num_actions))
    action[:, 6:] = t.last_action[:, 6:]
    return action


def test_it_starts_palm_down_over_the_table_and_touches_nothing():
    t = task(16, near_start=0.5, randomisation=ROBUST)
    t.reset()
    height = t.sim.wrist_pos[:, 2] - TABLE_HEIGHT
    assert height[t.counted] == pytest.approx(0.2, abs=1e-6)
    assert np.abs(t.yaw).max() <= t.config.arm.max_yaw
    assert (t.last_action[:, :6] == 0).all()
    assert t.sim.touching is not None and not t.sim.touching.any()


def test_it_stays_where_it_is_told_to():
    t = task()
    t.reset()
    before = centre(t)
    for _ in range(30):
        t.step(still(t))
    assert centre(t) == pytest.approx(before, abs=2e-3)
    assert np.abs(t.vertical).max() < 1e-9


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_pose_action_moves_the_hand_as_a_floating_wrist(axis):
    """Along an axis of the canonical frame, with the wrist's speed."""
    t = task()
    t.reset()
    before, action = centre(t), still(t)
    action[:, axis] = 0.5
    for _ in range(30):
        t.step(action)
    moved = t.observation.frame(t._robot_state(t.perceived.current)).rotate(centre(t) - before)
    expected = np.zeros(3)
    expected[axis] = 0.5 * t.table.wrist.linear_speed * 30 / 60
    assert moved == pytest.approx(np.tile(expected, (4, 1)), abs=6e-3)  # the servos lag by 25 ms
    assert t.last_action[:, :6] == pytest.approx(action[:, :6], abs=1e-6)
    assert t.vertical == pytest.approx(np.full(4, 0.5 * (axis == 2)), abs=1e-6)


def test_a_joint_action_moves_the_joints():
    t = task(action="joints")
    t.reset()
    before, action = t.sim.joint_pos.copy(), still(t)
    action[:, 0] = -0.5
    for _ in range(30):
        t.step(action)
    moved = t.sim.joint_pos - before
    arm = t.table.arm_index
    assert moved[:, arm[0]] == pytest.approx(np.full(4, -0.5 * 0.02 * 30), abs=0.02)
    assert np.abs(moved[:, arm[1:]]).max() < 2e-3


def test_the_wrist_is_where_the_arms_joints_have_it():
    """The observation equals one that is built from what the drivers of hand and arm would report."""
    t = task()
    t.reset()
    rng = np.random.default_rng(0)
    for _ in range(10):
        result = t.step(rng.uniform(-1, 1, (4, 22)))
    assert "fingertip_wrench" not in t.observation.slices
    sim, arm = t.sim, t.table.arm_index
    at = ArmKinematics.of_wrist(t.table).state(sim.joint_pos[:, arm], sim.joint_vel[:, arm])
    state = RobotState(
        joint_pos=sim.joint_pos,
        joint_vel=sim.joint_vel,
        wrist_pos=at.pos,
        wrist_quat=at.quat,
        wrist_linvel=at.linvel,
        wrist_angvel=at.angvel,
        fingertip_wrench=np.zeros((4, 4, 6)),
        canonical_yaw=t.yaw,
        last_action=t.last_action,
        object_pos=sim.object_pos,
        goal_pos=t.goal,
    )
    assert ObservationBuilder(t.table, t.observation.specs).compute(state) == pytest.approx(result.obs, abs=1e-6)


def test_an_arm_that_presses_on_the_table_pays_and_does_not_wind_up():
    t = task(2)
    t.reset()
    action = still(t)
    action[0, 2], action[1, 2] = -1.0, 1.0
    paid = 0.0
    for _ in range(120):
        result = t.step(action)
        paid = min(paid, result.terms["touching"])
        arm = [t.table.actuated_joint_names.index(name) for name in t.table.arm_joints]
        lead = np.abs(t.sent_targets[:, arm] - t.sim.joint_pos[:, t.table.arm_index])
        assert lead.max() < t.config.arm.lead + 0.06  # what the joints move in a step comes on top
    assert t.touched.tolist() == [True, False]
    assert paid == pytest.approx(-0.5 * t.config.reward.touching)


def test_the_arm_touching_the_robot_is_seen():
    t = task(1)
    t.reset()
    folded = t.sim.joint_pos.copy()
    folded[:, t.table.arm_index] = [0.0, -1.57, 3.1, 0.0, 1.57, 0.0]  # the forearm back on the upper arm
    sim = t.sim
    start = InitialState(folded, sim.wrist_pos, sim.wrist_quat, sim.object_pos, sim.object_quat)
    t.engine.reset(np.array([0]), start)
    touching = t.engine.state().touching
    assert touching is not None and touching.all()


def test_a_start_out_of_reach_is_refused():
    t = task(arm=ArmConfig(max_yaw=0.6), wrist_xy=2.0)
    with pytest.raises(SleightError, match="does not reach"):
        t.reset()


def test_proposals_of_the_hand_alone_are_followed_on_an_arm():
    """The reward compares the fingers with the proposal's, and the wrist with its pose, whatever carries it."""
    hand = load_hand("leap")
    quats = PALM_DOWN[None]
    offset = quat_rotate(quats, FingertipKinematics(hand).grasp_offset[None])
    joints = hand.posture("power_grasp")[None]
    motors, plane = joints[:, hand.actuated_index], np.full((1, 4), np.nan)
    pose = (np.array([[0.0, 0.0, 0.05]]) - offset, quats)
    grasps = GraspProposals(BOX.name, hand, *pose, joints, motors, np.ones(1), plane, (NO_CONTACTS,))
    config = for_hand(GraspTaskConfig(reward=STAGE_1_REWARD), "leap_ur5e")
    t = make_proposal_task(config, [BOX], 2, {BOX.name: grasps}, num_threads=1)
    t.reset()
    result = t.step(still(t))
    assert result.terms["proposal"] < 0 and np.isfinite(result.reward).all()
    assert t.targets.goal()[2] == pytest.approx(np.tile(joints, (2, 1)))
