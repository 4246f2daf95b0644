"""Differential inverse kinematics with mink: a floating wrist's motion on each arm, and what limits it."""

import sys

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.arm import ArmKinematics, ArmStatus
from sleight_core.errors import MissingExtraError, SleightError
from sleight_core.hand.shapes import HandShapes
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate, yaw_quat
from sleight_description import load_robot, robot_names
from sleight_description.ik import IkConfig, MinkArmServo, arm_limits
from sleight_description.mjcf import add_hand

DT = 1 / 60
DOWN, CLOSE, LIFT = 2.0, 1.0, 2.5
DEPTH, HEIGHT = 0.13, 0.20


def minimum_jerk(t, duration):
    """Share of the way (0 to 1) at times t (s)."""
    s = np.clip(t / duration, 0.0, 1.0)
    return s**3 * (10 + s * (6 * s - 15))


def grasp_heights() -> np.ndarray:
    """Height of the wrist over its start at every control step of a grasp: down, close, lift by 20 cm."""
    t = np.arange(0.0, DOWN + CLOSE + LIFT + 0.5, DT)
    return -DEPTH * minimum_jerk(t, DOWN) + HEIGHT * minimum_jerk(t - DOWN - CLOSE, LIFT)


def angle_between(a, b) -> float:
    """Degrees."""
    q = quat_multiply(a, quat_conjugate(b))
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(q[1:]), abs(q[0]))))


@pytest.fixture(scope="module", params=robot_names())
def robot(request):
    return load_robot(request.param)


@pytest.fixture(scope="module")
def ur5e():
    return load_robot("leap_ur5e")


@pytest.mark.parametrize("yaw_rate", [0.0, 0.1])
def test_a_grasp_is_followed(robot, yaw_rate):
    servo = MinkArmServo(robot)
    joints = servo.reset(robot.arm_posture())
    start_pos, start_quat = servo.wrist_pose()
    heights = grasp_heights()
    worst, turned, yaw = 0.0, 0.0, 0.0
    for k in range(len(heights) - 1):
        rate = yaw_rate if k * DT < DOWN else 0.0
        twist = np.array([0, 0, (heights[k + 1] - heights[k]) / DT, 0, 0, rate])
        out = servo.step(twist, joints, DT)
        assert out.status is ArmStatus.OK, out
        joints, yaw = out.targets, yaw + rate * DT
        pos, quat = servo.wrist_pose()
        worst = max(worst, np.linalg.norm(pos - start_pos - [0, 0, heights[k + 1]]))
        turned = max(turned, angle_between(quat, quat_multiply(yaw_quat(np.asarray(yaw)), start_quat)))
    assert worst < 1e-3
    assert turned < 0.1


def test_a_grasp_is_followed_by_the_simulated_arm(robot):
    """With masses, servos and their lag, and the fingers closing meanwhile."""
    table = robot.table
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = DT / 3
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    add_hand(spec, table)
    model = spec.compile()
    data = mujoco.MjData(model)
    index = np.array([int(model.joint(name).qposadr[0]) for name in table.joint_names])
    motors = np.array([model.actuator(f"act_{name}").id for name in table.joint_names])
    data.qpos[index] = data.ctrl[motors] = table.posture("ready")
    mujoco.mj_forward(model, data)
    servo = MinkArmServo(robot)
    servo.reset(data.qpos[index][table.arm_index])
    start = data.site("wrist").xpos.copy()
    first = np.empty(4)
    mujoco.mju_mat2Quat(first, data.site("wrist").xmat)
    heights, fingers = grasp_heights(), robot.hand.posture("power_grasp")
    worst = turned = 0.0
    for k in range(len(heights) - 1):
        measured = data.qpos[index]
        twist = np.array([0, 0, (heights[k + 1] - heights[k]) / DT, 0, 0, 0])
        out = servo.step(twist, measured[table.arm_index], DT, finger_pos=measured[: len(fingers)])
        assert out.status is ArmStatus.OK, out
        data.ctrl[motors[table.arm_index]] = out.targets
        data.ctrl[motors[: len(fingers)]] = fingers * minimum_jerk(k * DT - DOWN, CLOSE)
        for _ in range(3):
            mujoco.mj_step(model, data)
        worst = max(worst, np.linalg.norm(data.site("wrist").xpos - start - [0, 0, heights[k + 1]]))
        now = np.empty(4)
        mujoco.mju_mat2Quat(now, data.site("wrist").xmat)
        turned = max(turned, angle_between(now, first))
    assert worst < 5e-3
    assert turned < 2.0
    assert abs(data.site("wrist").xpos[2] - start[2] - (HEIGHT - DEPTH)) < 1e-3


def test_the_tables_workspace_is_within_reach(robot):
    """Palm down, the grasp centre anywhere within 15 cm of the table's centre, 3 to 35 cm up, turned by 0.6 rad."""
    servo = MinkArmServo(robot)
    lever = servo.model.model.site("wrist").pos - np.array(robot.table.grasp_center.offset)
    ready = robot.arm_posture()
    servo.reset(ready)
    palm_down = servo.wrist_pose()[1]
    for x, y, z, yaw in [(-0.15, -0.15, 0.63, 0.6), (0.15, -0.15, 0.95, 0.0), (-0.15, 0.15, 0.95, -0.6),
                         (0.15, 0.15, 0.63, 0.6), (0.0, 0.0, 0.63, -0.6)]:  # fmt: skip
        quat = quat_multiply(yaw_quat(np.asarray(yaw)), palm_down)
        goal = np.array([x, y, z]) + quat_rotate(quat, lever)
        joints = servo.reset(ready)
        for _ in range(400):
            pos, now = servo.wrist_pose()
            turn = quat_multiply(quat, quat_conjugate(now))
            error = np.concatenate([goal - pos, 2 * np.sign(turn[0]) * turn[1:]])
            if np.linalg.norm(error[:3]) < 1e-3 and np.linalg.norm(error[3:]) < 5e-3:
                break
            joints = servo.step(5.0 * error, joints, DT).targets
        else:
            pytest.fail(f"{robot.name} does not reach {(x, y, z, yaw)}")


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-2, 2)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(numbers, min_size=6, max_size=6), st.floats(-0.3, 0.3), st.booleans(), st.booleans()),
        min_size=1,
        max_size=25,
    )
)
def test_targets_stay_inside_limits_and_speeds_whatever_is_asked(steps):
    robot = load_robot("leap_ur5e")
    servo = SERVOS.setdefault("ur5e", MinkArmServo(robot))
    limits = arm_limits(robot, servo.config)
    last = servo.reset(robot.arm_posture())
    for values, off, joints, broken in steps:
        measured = last + off
        if broken:
            measured[2] = np.nan
        out = (servo.step_joints if joints else servo.step)(np.array(values), measured, DT)
        assert np.isfinite(out.targets).all()
        assert (out.targets >= limits.lower).all() and (out.targets <= limits.upper).all()
        assert (np.abs(out.targets - last) <= limits.velocity * DT + 1e-12).all()
        if broken or not np.isfinite(values).all():
            assert out.status is ArmStatus.INVALID and np.array_equal(out.targets, last)
        last = out.targets


SERVOS: dict[str, MinkArmServo] = {}


def push(servo, twist, joints, steps=240):
    """Ask for one twist for a while; the last joints, and every status seen."""
    seen = []
    for _ in range(steps):
        out = servo.step(np.array(twist, dtype=float), joints, DT)
        joints = out.targets
        seen.append(out.status)
    return joints, seen, out


def lowest(robot, joints, bodies):
    """Height of the lowest point of the shapes on some links."""
    table = robot.table
    q = np.concatenate([np.zeros(len(robot.hand.joint_names)), joints])
    names = {shape.name for row in table.bodies if row.name in bodies for shape in row.collisions}
    low = np.inf
    for group in HandShapes(table).place(q):
        for name, pos, quat, size in zip(group.names, group.pos, group.quat, group.size, strict=True):
            if name in names:
                axes = quat_rotate(np.tile(quat, (3, 1)), np.eye(3))[:, 2]
                reach = np.abs(axes) @ size if group.kind == "box" else size[0]
                low = min(low, pos[2] - reach - (abs(axes[2]) * size[1] if group.kind == "capsule" else 0.0))
    return low


def test_the_palm_and_the_arm_keep_off_the_table(robot):
    servo = MinkArmServo(robot)
    joints, seen, out = push(servo, [0, 0, -0.3, 0, 0, 0], servo.reset(robot.arm_posture()))
    assert ArmStatus.UNREACHABLE in seen and "table" in out.detail
    bodies = {row.name for row in robot.arm.bodies if row.name != robot.arm.base_body} | {"palm"}
    assert lowest(robot, joints, bodies) > 0.6 + 0.009
    start = servo.wrist_pose()[0]
    # It still slides along the table, and comes off it.
    joints, _, _ = push(servo, [0.1, 0, -0.1, 0, 0, 0], joints, steps=30)
    assert servo.wrist_pose()[0][0] - start[0] > 0.04
    joints, seen, _ = push(servo, [0, 0, 0.1, 0, 0, 0], joints, steps=60)
    assert servo.wrist_pose()[0][2] - start[2] > 0.07
    assert seen[-1] is ArmStatus.OK


def test_fingers_keep_off_the_table_where_that_is_asked(ur5e):
    free = MinkArmServo(ur5e)
    careful = MinkArmServo(ur5e, IkConfig(finger_clearance=0.005))
    curled = ur5e.hand.posture("power_grasp")
    ends = []
    for servo in (free, careful):
        joints = servo.reset(ur5e.arm_posture())
        for _ in range(200):
            joints = servo.step(np.array([0, 0, -0.2, 0, 0, 0]), joints, DT, finger_pos=curled).targets
        ends.append(servo.wrist_pose()[0][2])
    assert ends[1] > ends[0] + 0.03


def test_the_edge_of_the_reach_is_reported_and_nothing_drifts(ur5e):
    servo = MinkArmServo(ur5e)
    joints = servo.reset(ur5e.arm_posture())
    start = servo.wrist_pose()[0]
    joints, seen, _ = push(servo, [0, -0.3, 0, 0, 0, 0], joints, steps=400)
    assert seen[0] is ArmStatus.OK
    assert ArmStatus.SINGULAR in seen and seen[-1] is ArmStatus.UNREACHABLE
    off = servo.wrist_pose()[0] - start
    assert off[1] < -0.2 and np.abs(off[[0, 2]]).max() < 0.01
    joints, seen, _ = push(servo, [0, 0.1, 0, 0, 0, 0], joints, steps=120)
    assert seen[-1] is ArmStatus.OK


def test_a_joint_at_its_end_is_reported(ur5e):
    servo = MinkArmServo(ur5e, IkConfig(table_height=None))
    _, seen, out = push(servo, [0, 0, 0, 0, 0.25, 0], servo.reset(ur5e.arm_posture()), steps=1800)
    assert out.status in (ArmStatus.AT_LIMIT, ArmStatus.UNREACHABLE), out
    assert "end of the joint's range" in out.detail
    assert ArmStatus.AT_LIMIT in seen


def test_a_twist_beyond_the_wrists_speed_is_slowed_and_keeps_its_direction(ur5e):
    servo = MinkArmServo(ur5e)
    joints = servo.reset(ur5e.arm_posture())
    before = servo.wrist_pose()[0]
    out = servo.step(np.array([3.0, 0.0, 1.5, 0, 0, 0]), joints, DT)
    moved = servo.wrist_pose()[0] - before
    assert out.status is ArmStatus.LIMITED
    assert np.linalg.norm(moved) <= np.sqrt(2) * ur5e.table.wrist.linear_speed * DT
    assert moved == pytest.approx(moved[0] * np.array([1.0, 0.0, 0.5]), abs=1e-4)


def test_wanted_joints_are_followed_but_not_into_the_robot_or_the_table(robot):
    servo = MinkArmServo(robot)
    ready = robot.arm_posture()
    joints = servo.reset(ready)
    near = ready + 0.1
    for _ in range(60):
        out = servo.step_joints(near, joints, DT)
        joints = out.targets
    assert out.status is ArmStatus.OK
    assert joints == pytest.approx(near, abs=1e-3)
    joints = servo.reset(ready)
    bodies = {row.name for row in robot.arm.bodies if row.name != robot.arm.base_body} | {"palm"}
    rng = np.random.default_rng(0)
    pairs = servo.model.pairs
    data = mujoco.MjData(servo.model.model)
    for _ in range(4):
        wanted = rng.uniform(robot.arm.lower, robot.arm.upper)
        for _ in range(90):
            joints = servo.step_joints(wanted, joints, DT).targets
        assert lowest(robot, joints, bodies) > 0.6 + 0.005
        data.qpos[:] = joints
        mujoco.mj_kinematics(servo.model.model, data)
        for first, second in pairs:
            a, b = servo.model.model.geom(first).id, servo.model.model.geom(second).id
            assert mujoco.mj_geomDistance(servo.model.model, data, a, b, 0.05, np.zeros(6)) > 0.004, (first, second)


def test_the_wrist_is_where_the_kinematics_have_it(robot):
    servo = MinkArmServo(robot)
    joints = servo.reset(robot.arm_posture())
    pos, quat = servo.wrist_pose()
    root, turn = (x[0] for x in ArmKinematics.of_wrist(robot.table).pose(joints[None]))
    assert pos == pytest.approx(root + quat_rotate(turn, servo.model.model.site("wrist").pos), abs=1e-9)
    assert angle_between(quat, turn) < 1e-4


def test_figures_out_of_range_are_refused(ur5e):
    for config in (IkConfig(speed_scale=0.0), IkConfig(approach=1.5), IkConfig(leash_pos=-1.0), IkConfig(lead=np.nan)):
        with pytest.raises(SleightError, match="out of range"):
            MinkArmServo(ur5e, config)
    with pytest.raises(SleightError, match="no range is left"):
        MinkArmServo(ur5e, IkConfig(position_margin=4.0))


def test_without_mink_it_says_how_to_get_it(ur5e, monkeypatch):
    monkeypatch.setitem(sys.modules, "mink", None)
    with pytest.raises(MissingExtraError, match=r"sleight\[arm\]"):
        MinkArmServo(ur5e)
