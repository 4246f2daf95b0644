"""Small motions of a hand on an arm, and where an episode starts: against forward kinematics."""

import numpy as np
import pytest
from sleight_core.arm import ArmKinematics, place_wrist
from sleight_core.arm.steps import PoseSteps
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate, yaw_quat
from sleight_description import load_hand, load_robot, robot_names

PALM_DOWN = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])


@pytest.fixture(scope="module", params=robot_names())
def robot(request):
    return load_robot(request.param)


def near_ready(robot, count, spread=0.3):
    ready = robot.arm_posture()
    joints = ready + np.random.default_rng(1).uniform(-spread, spread, (count, len(ready)))
    return np.clip(joints, robot.arm.lower, robot.arm.upper)


def centre(table, joints):
    pos, quat = ArmKinematics.of_wrist(table).pose(joints)
    return FingertipKinematics(table).grasp_center(pos, quat), quat


def test_a_step_moves_the_grasp_centre_as_asked(robot):
    joints, steps = near_ready(robot, 50), PoseSteps(robot.table)
    move = np.random.default_rng(2).uniform(-1e-4, 1e-4, (50, 6))
    step = steps.joint_step(joints, move)
    assert steps.pose_step(joints, step) == pytest.approx(move, abs=1e-9)
    before, turned = centre(robot.table, joints)
    after, turn = centre(robot.table, joints + step)
    assert after - before == pytest.approx(move[:, :3], abs=1e-6)
    assert 2 * quat_multiply(turn, quat_conjugate(turned))[:, 1:] == pytest.approx(move[:, 3:], abs=1e-6)


def test_steps_stay_small_at_a_singularity():
    """An outstretched arm cannot go further out."""
    robot = load_robot("leap_ur5e")
    joints = np.array([[0.0, -1.2, 0.0, 0.0, 0.0, 0.0]])  # elbow straight, and the wrist's axes in line
    for axis in np.eye(6):
        step = PoseSteps(robot.table).joint_step(joints, 0.005 * axis[None])
        assert np.abs(step).max() < 0.1


def test_torch_gives_the_same():
    torch = pytest.importorskip("torch")
    robot = load_robot("leap_ur5e")
    joints, steps = near_ready(robot, 8), PoseSteps(robot.table)
    move = np.random.default_rng(3).uniform(-0.005, 0.005, (8, 6))
    found = steps.joint_step(torch.from_numpy(joints), torch.from_numpy(move))
    assert found.numpy() == pytest.approx(steps.joint_step(joints, move), abs=1e-12)


def test_a_floating_wrist_has_no_steps():
    with pytest.raises(SleightError, match="on no arm"):
        PoseSteps(load_hand("leap"))


def test_the_wrist_is_placed_where_it_should_be(robot):
    rng, n = np.random.default_rng(4), 200
    quat = quat_multiply(yaw_quat(rng.uniform(-0.6, 0.6, n)), np.tile(PALM_DOWN, (n, 1)))
    target = np.stack([*rng.uniform(-0.1, 0.1, (2, n)), rng.uniform(0.65, 0.9, n)], axis=1)
    offset = FingertipKinematics(robot.table).grasp_offset
    pos = target - quat_rotate(quat, np.tile(offset, (n, 1)))
    kinematics = ArmKinematics.of_wrist(robot.table)
    joints, off = place_wrist(kinematics, np.tile(robot.arm_posture(), (n, 1)), pos, quat)
    assert off.max() < 1e-6
    assert kinematics.pose(joints)[0] == pytest.approx(pos, abs=1e-6)
    assert (joints > robot.arm.lower).all() and (joints < robot.arm.upper).all()


def test_a_pose_out_of_reach_is_told(robot):
    kinematics = ArmKinematics.of_wrist(robot.table)
    _, off = place_wrist(kinematics, robot.arm_posture()[None], np.array([[0.0, -3.0, 1.0]]), PALM_DOWN[None])
    assert off[0] > 0.1
