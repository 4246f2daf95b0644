"""Hands on arms: the models made from the combined tables against each other, and how they stand and move in MuJoCo."""

import mujoco
import numpy as np
import pytest
from sleight_core.arm import ArmKinematics
from sleight_core.hand import FingertipKinematics
from sleight_core.hand.kinematics import center_of_mass
from sleight_core.hand.shapes import HandShapes
from sleight_core.rotations import quat_rotate, quat_to_matrix
from sleight_description import load_robot, robot_names
from sleight_description.mjcf import add_hand
from sleight_description.urdf import hand_urdf

from .chain import link_poses, load

TABLE_TOP = 0.6


@pytest.fixture(scope="module", params=robot_names())
def robot(request):
    return load_robot(request.param)


@pytest.fixture(scope="module")
def model(robot):
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = 1 / 180
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    spec.worldbody.add_geom(name="table", type=plane, pos=[0, 0, TABLE_TOP], size=[1, 1, 0.1], contype=2, conaffinity=2)
    add_hand(spec, robot.table)
    return spec.compile()


def addresses(model, names):
    return np.array([int(model.joint(name).qposadr[0]) for name in names])


def standing(robot, model):
    data = mujoco.MjData(model)
    posture = robot.table.posture("ready")
    data.qpos[addresses(model, robot.table.joint_names)] = posture
    for name, value in zip(robot.table.joint_names, posture, strict=True):
        data.ctrl[model.actuator(f"act_{name}").id] = value
    mujoco.mj_forward(model, data)
    return data


def test_there_is_no_floating_wrist(robot, model):
    assert model.nq == model.nv == model.nu == len(robot.table.joint_names)
    assert [model.actuator(i).name for i in range(model.nu)] == [f"act_{name}" for name in robot.table.joint_names]
    assert model.site("wrist").pos == pytest.approx(center_of_mass(robot.hand))


def test_all_kinematics_agree_at_a_thousand_postures(robot, model, tmp_path):
    table = robot.table
    urdf = load(tmp_path / f"{robot.name}.urdf", hand_urdf(table))
    assert urdf.base_link == "world"
    assert set(table.joint_names) == set(urdf.actuated_joint_names)
    postures = np.random.default_rng(0).uniform(table.lower, table.upper, (1000, len(table.joint_names)))
    wrist = ArmKinematics.of_wrist(table)
    pos, quat = wrist.pose(postures[:, table.arm_index])
    still = np.zeros((1000, 3))
    kinematics = FingertipKinematics(table)
    tips = kinematics.fingertips(postures, 0 * postures, pos, quat, still, still)
    ours = tips.pos + quat_rotate(tips.quat, np.broadcast_to(kinematics.tips, tips.pos.shape))
    data, index = mujoco.MjData(model), addresses(model, table.joint_names)
    expected, root, turn = np.empty_like(ours), np.empty((1000, 3)), np.empty((1000, 3, 3))
    for k, q in enumerate(postures):
        data.qpos[index] = q
        mujoco.mj_kinematics(model, data)
        expected[k] = [data.site(f"{finger}_tip").xpos for finger in table.fingers]
        root[k], turn[k] = data.body(table.root_body).xpos, data.body(table.root_body).xmat.reshape(3, 3)
    assert np.abs(pos - root).max() < 1e-6
    assert np.abs(quat_to_matrix(quat) - turn).max() < 1e-6
    assert np.abs(ours - expected).max() < 1e-6
    by_name = dict(zip(table.joint_names, postures.T, strict=True))
    for i, finger in enumerate(table.fingers):
        assert np.abs(link_poses(urdf, f"{finger}_tip", by_name)[0] - expected[:, i]).max() < 1e-6
    root_pos, root_turn = link_poses(urdf, table.root_body, by_name)
    assert np.abs(root_pos - root).max() < 1e-6 and np.abs(root_turn - turn).max() < 1e-6
    urdf.update_cfg({name: values[7] for name, values in by_name.items()})
    assert urdf.get_transform("th_tip", "world")[:3, 3] == pytest.approx(expected[7, 3], abs=1e-6)


def test_shapes_of_hand_and_arm_are_where_mujoco_has_them(robot, model):
    table, data = robot.table, mujoco.MjData(model)
    index = addresses(model, table.joint_names)
    shapes, wrist = HandShapes(table), ArmKinematics.of_wrist(table)
    for q in np.random.default_rng(1).uniform(table.lower, table.upper, (5, len(index))):
        data.qpos[index] = q
        mujoco.mj_kinematics(model, data)
        pos, quat = wrist.pose(q[None, table.arm_index])
        for placed in (shapes.place(q), shapes.place(q, pos[0], quat[0])):
            assert sum(len(group.names) for group in placed) == model.ngeom - 1
            for group in placed:
                for name, where in zip(group.names, group.pos, strict=True):
                    assert np.allclose(where, data.geom(name).xpos, atol=1e-8)


def test_ready_is_palm_down_over_the_table(robot, model):
    data = standing(robot, model)
    root = data.body(robot.table.root_body)
    fingers, up, thumb = root.xmat.reshape(3, 3)[:, 2], root.xmat.reshape(3, 3)[:, 1], root.xmat.reshape(3, 3)[:, 0]
    assert fingers == pytest.approx([0, -1, 0], abs=2e-3)
    assert up == pytest.approx([0, 0, 1], abs=2e-3)
    assert thumb == pytest.approx([1, 0, 0], abs=2e-3)
    centre = root.xpos + root.xmat.reshape(3, 3) @ np.array(robot.table.grasp_center.offset)
    assert centre == pytest.approx([0, 0, TABLE_TOP + 0.2], abs=1e-3)
    assert data.ncon == 0
    for first, second in robot.table.self_collisions:
        distance = mujoco.mj_geomDistance(model, data, model.geom(first).id, model.geom(second).id, 0.05, np.zeros(6))
        assert distance > 0.01, (first, second)


def test_it_stands_still_against_gravity(robot, model):
    data = standing(robot, model)
    start = data.qpos.copy()
    for _ in range(360):
        mujoco.mj_step(model, data)
    assert np.abs(data.qpos - start).max() < 1e-3
    assert np.abs(data.qvel).max() < 1e-3


def test_servos_follow_steps_and_come_to_rest(robot, model):
    """Random steps on every joint at once, 60 a second, some as fast as the joint may: no ringing, no blow-up."""
    table, data = robot.table, standing(robot, model)
    index = addresses(model, table.joint_names)
    target = table.posture("ready").copy()
    rng = np.random.default_rng(4)
    step = np.array([table.joint(name).velocity for name in table.joint_names]) / 60
    for _ in range(60):
        back = 0.3 * (table.posture("ready") - target)
        target = np.clip(target + back + rng.uniform(-step, step), table.lower, table.upper)
        for name, value in zip(table.joint_names, target, strict=True):
            data.ctrl[model.actuator(f"act_{name}").id] = value
        for _ in range(3):
            mujoco.mj_step(model, data)
        assert np.isfinite(data.qpos).all()
    for _ in range(180):
        mujoco.mj_step(model, data)
    arm = table.arm_index
    assert data.ncon == 0
    assert np.abs(data.qpos[index] - target)[arm].max() < 2e-3
    assert np.abs(data.qvel).max() < 0.02
