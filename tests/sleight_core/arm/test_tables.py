"""Arm and robot tables: what is refused, and what the combined table is made of."""

from pathlib import Path

import numpy as np
import pytest
import sleight_description
from sleight_core.arm import ArmTable, Library, RobotTable, combine
from sleight_core.errors import SleightError
from sleight_description import load_arm, load_hand, load_robot, robot_names

ROOT = Path(sleight_description.__file__).parent


def test_limits_are_the_makers():
    ur5e, xarm6, franka = load_arm("ur5e"), load_arm("xarm6"), load_arm("franka")
    assert np.degrees(ur5e.velocity) == pytest.approx([180] * 6, abs=0.1)
    assert np.degrees(ur5e.upper) == pytest.approx([360, 360, 180, 360, 360, 360], abs=0.1)
    assert list(ur5e.effort) == [150, 150, 150, 28, 28, 28]
    assert np.degrees(xarm6.lower) == pytest.approx([-360, -118, -225, -360, -97, -360], abs=0.1)
    assert np.degrees(xarm6.upper) == pytest.approx([360, 120, 11, 360, 180, 360], abs=0.1)
    assert list(franka.effort) == [87, 87, 87, 87, 12, 12, 12]
    assert (ur5e.upper <= np.radians([360, 360, 180, 360, 360, 360])).all()


def test_joints_are_named_as_the_drivers_name_them():
    assert load_arm("ur5e").joint_names == (
        "shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint",
    )  # fmt: skip
    assert load_arm("xarm6").joint_names == tuple(f"joint{k}" for k in range(1, 7))
    assert load_arm("franka").joint_names == tuple(f"fr3_joint{k}" for k in range(1, 8))


@pytest.mark.parametrize("name", robot_names())
def test_the_one_table_has_finger_joints_then_the_arms(name):
    robot = load_robot(name)
    table = robot.table
    assert load_hand(name) is table
    assert table.wrist_mode == "arm" and robot.hand.wrist_mode == "floating"
    assert table.joint_names == robot.hand.joint_names + robot.arm.joint_names
    assert table.actuated_joint_names == table.joint_names
    assert [table.joint_names[i] for i in table.arm_index] == list(robot.arm.joint_names)
    assert len(robot.hand.arm_index) == 0
    assert np.array_equal(table.lower[table.arm_index], robot.arm.lower)
    assert np.array_equal(table.posture("power_grasp")[:16], robot.hand.posture("power_grasp"))
    assert np.array_equal(table.posture("power_grasp")[16:], robot.arm_posture())
    assert np.array_equal(table.posture("ready")[16:], robot.arm_posture("ready"))
    assert table.joint_order("motor").from_ours(np.arange(len(table.joint_names)))[0] == 1.0
    assert table.dynamics(robot.arm.joint_names[0]) == robot.arm.joint(robot.arm.joint_names[0]).dynamics
    assert table.dynamics("if_mcp") == robot.hand.joint_defaults


def test_digests_tell_robots_mounts_and_bases_apart():
    robots = [load_robot(name) for name in robot_names()]
    digests = [robot.table.digest() for robot in robots]
    assert len({*digests, load_hand("leap").digest()}) == len(digests) + 1
    robot = robots[0]
    for field in ("base", "mount"):
        moved = getattr(robot.spec, field).model_copy(update={"pos": (0.0, 0.0, 0.5)})
        other = combine(robot.spec.model_copy(update={field: moved}), robot.hand, robot.arm)
        assert other.table.digest() != robot.table.digest()


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(SleightError, match="ur5e"):
        load_arm("ur10")
    with pytest.raises(SleightError, match="leap_ur5e"):
        load_robot("leap")
    with pytest.raises(SleightError, match="leap_xarm6"):
        load_hand("leap_ur10")
    with pytest.raises(SleightError, match="elbow_joint"):
        load_arm("ur5e").joint("elbow")
    with pytest.raises(SleightError, match="ready"):
        load_robot("leap_ur5e").arm_posture("redy")
    with pytest.raises(SleightError, match="no posture"):
        load_arm("ur5e").posture("ready")
    with pytest.raises(SleightError, match="unknown hand"):
        Library(ROOT).hand("../arms/ur5e")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("base_body: base_link", "base_body: base", "first body"),
        ("parent: forearm_link", "parent: shoulder_link", "chain"),
        ("body: wrist_3_link", "body: tool", "unknown body"),
        ("[base, forearm]", "[base, fourarm]", "unknown shapes"),
        ("lower: -3.141,", "lower: 4.141,", "lower"),
        ("effort: 150,\n       dynamics: *elbow", "effort: 150", "needs dynamics"),
        ("name: wrist_3_joint", "name: wrist_2_joint", "names of their own"),
        ("title:", "titel:", "title"),
        ("bodies:", "bodies: [", "not valid YAML"),
    ],
)
def test_a_broken_arm_is_refused(tmp_path, old, new, said):
    text = (ROOT / "arms" / "ur5e" / "ur5e.yaml").read_text()
    assert old in text
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SleightError, match=said):
        ArmTable.from_yaml(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ready:", "stand:", "ready"),
        ("elbow_joint: 1.7411", "elbow: 1.7411", "elbow"),
        ("arm: ur5e", "arm: xarm6", "made of"),
        ("[base, palm_front]", "[base, plam]", "plam"),
    ],
)
def test_a_broken_robot_is_refused(tmp_path, old, new, said):
    text = (ROOT / "robots" / "leap_ur5e" / "leap_ur5e.yaml").read_text()
    assert old in text
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SleightError, match=said):
        combine(RobotTable.from_yaml(path), load_hand("leap"), load_arm("ur5e"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SleightError, match="cannot be read"):
        RobotTable.from_yaml(tmp_path / "none.yaml")
