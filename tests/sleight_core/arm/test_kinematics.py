"""The arms' forward kinematics against the makers' DH parameters, and the Jacobian against differences."""

import numpy as np
import pytest
from sleight_core.arm import ArmKinematics
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_multiply, quat_to_matrix
from sleight_description import arm_names, load_arm, load_hand, load_robot, robot_names

HALF = 0.5 * np.pi
#: Universal Robots, "DH parameters for calculations of kinematics and dynamics", UR5e: a, d (m), alpha (rad).
UR5E = ((0, 0.1625, HALF), (-0.425, 0, 0), (-0.3922, 0, 0), (0, 0.1333, HALF), (0, 0.0997, -HALF), (0, 0.0996, 0))
#: UFACTORY, "Kinematic and dynamic parameters of xArm 6", modified DH: alpha, a, d, offset of theta.
OFFSET = np.arctan(284.5 / 53.5)
XARM6 = (
    (0, 0, 0.267, 0),
    (-HALF, 0, 0, -OFFSET),
    (0, np.hypot(0.2845, 0.0535), 0, OFFSET),
    (-HALF, 0.0775, 0.3425, 0),
    (HALF, 0, 0, 0),
    (-HALF, 0.076, 0.097, 0),
)
#: Franka Robotics, kinematics of its ROS 2 description (the same for all its arms) as modified DH; last the flange.
FRANKA = (
    (0, 0, 0.333, 0),
    (-HALF, 0, 0, 0),
    (HALF, 0, 0.316, 0),
    (HALF, 0.0825, 0, 0),
    (-HALF, -0.0825, 0.384, 0),
    (HALF, 0, 0, 0),
    (HALF, 0.088, 0, 0),
    (0, 0, 0.107, None),
)
TURN_Z = np.diag([-1.0, -1.0, 1.0])


def rotation(axis: int, angle: np.ndarray | float) -> np.ndarray:
    angle = np.atleast_1d(angle)
    out = np.zeros((len(angle), 4, 4))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = out[:, 3, 3] = 1.0
    out[:, i, i] = out[:, j, j] = np.cos(angle)
    out[:, j, i], out[:, i, j] = np.sin(angle), -np.sin(angle)
    return out


def shift(x: float, z: float) -> np.ndarray:
    out = np.eye(4)
    out[0, 3], out[2, 3] = x, z
    return out


def standard(q: np.ndarray) -> np.ndarray:
    """UR5e's flange in its base_link (B, 4, 4); base_link is the DH base turned by half a turn about z."""
    out = rotation(2, np.full(len(q), np.pi))
    for k, (a, d, alpha) in enumerate(UR5E):
        out = out @ rotation(2, q[:, k]) @ shift(a, d) @ rotation(0, alpha)
    return out


def modified(rows, q: np.ndarray) -> np.ndarray:
    out = np.tile(np.eye(4), (len(q), 1, 1))
    for k, (alpha, a, d, offset) in enumerate(rows):
        turn = np.eye(4) if offset is None else rotation(2, q[:, k] + offset)
        out = out @ rotation(0, alpha) @ shift(a, 0) @ turn @ shift(0, d)
    return out


REFERENCE = {
    "ur5e": standard,
    "xarm6": lambda q: modified(XARM6, q),
    "franka": lambda q: modified(FRANKA, q),
}


def postures(table, count=1000, seed=0):
    return np.random.default_rng(seed).uniform(table.lower, table.upper, (count, len(table.joint_names)))


def test_every_arm_is_checked():
    assert set(REFERENCE) == set(arm_names())


@pytest.mark.parametrize("name", REFERENCE)
def test_flange_is_where_the_makers_dh_parameters_have_it(name):
    table = load_arm(name)
    q = postures(table)
    pos, quat = ArmKinematics.of_tool(table).pose(q)
    expected = REFERENCE[name](q)
    assert np.abs(pos - expected[:, :3, 3]).max() < 1e-7
    assert np.abs(quat_to_matrix(quat) - expected[:, :3, :3]).max() < 1e-6


@pytest.mark.parametrize("name", arm_names())
def test_jacobian_and_velocity_are_the_derivatives(name):
    table = load_arm(name)
    kinematics = ArmKinematics.of_tool(table)
    q = postures(table, 50, seed=1)
    speed = np.random.default_rng(2).normal(size=q.shape)
    state, jacobian, h = kinematics.state(q, speed), kinematics.jacobian(q), 1e-6
    ahead, back = kinematics.pose(q + h * speed), kinematics.pose(q - h * speed)
    assert np.allclose(state.linvel, (ahead[0] - back[0]) / (2 * h), atol=1e-7)
    turn = quat_multiply(ahead[1], back[1] * [1, -1, -1, -1])
    turn = np.where(turn[:, :1] < 0, -turn, turn)
    assert np.allclose(state.angvel, turn[:, 1:] / h, atol=1e-7)
    assert np.allclose(np.einsum("bij,bj->bi", jacobian, speed), np.hstack([state.linvel, state.angvel]), atol=1e-12)


def test_torch_gives_the_same():
    torch = pytest.importorskip("torch")
    kinematics = ArmKinematics.of_wrist(load_robot("leap_ur5e").table)
    q = postures(load_arm("ur5e"), 20)
    pos, quat = kinematics.pose(q)
    pos_t, quat_t = kinematics.pose(torch.as_tensor(q))
    assert np.allclose(pos, pos_t.numpy(), atol=1e-12)
    assert np.allclose(quat, quat_t.numpy(), atol=1e-12)


@pytest.mark.parametrize("name", robot_names())
def test_the_wrist_is_the_tool_on_its_base_with_the_mount(name):
    robot = load_robot(name)
    q = postures(robot.arm, 20, seed=3)
    tool_pos, tool_quat = ArmKinematics.of_tool(robot.arm).pose(q)
    pos, quat = ArmKinematics.of_wrist(robot.table).pose(q)
    base = quat_to_matrix(np.array(robot.spec.base.quat)), np.array(robot.spec.base.pos)
    turn = quat_to_matrix(tool_quat)
    expected = (base[0] @ (tool_pos + turn @ np.array(robot.spec.mount.pos))[..., None])[..., 0] + base[1]
    assert np.allclose(pos, expected, atol=1e-9)
    mounted = base[0] @ turn @ quat_to_matrix(np.array(robot.spec.mount.quat))
    assert np.allclose(quat_to_matrix(quat), mounted, atol=1e-9)


def test_a_floating_hand_has_no_arm():
    with pytest.raises(SleightError, match="no arm"):
        ArmKinematics.of_wrist(load_hand("leap"))
    table = load_robot("leap_ur5e").table
    with pytest.raises(SleightError, match="joints between"):
        ArmKinematics(table.bodies, table.arm_joints, "wrist_2_link")
    with pytest.raises(SleightError, match="no such link"):
        ArmKinematics(table.bodies, table.arm_joints, "flange")
