"""The robot's path (messages, names, frames) gives the policy what the simulator gave it in training."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from rclpy.serialization import deserialize_message, serialize_message
from sleight_msgs.msg import ObjectEstimate
from sleight_ros import convert
from sleight_ros.policy_inputs import AgeLimits, PolicyInputs
from sleight_sim.objects import household_object
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.hands import for_hand
from sleight_sim.tasks.grasp.make import make_grasp_task

FRAME = "world"
FOREVER = AgeLimits(*[1e6] * 5)


def through_dds(msg):
    """What arrives on the other side."""
    return deserialize_message(serialize_message(msg), type(msg))


class Robot:
    """Tells `PolicyInputs` in messages what a task's environment 0 is like."""

    def __init__(self, task):
        self.task = task
        self.inputs = PolicyInputs(task.table, task.action_spec, np.asarray(task.config.goal), FRAME, FOREVER)
        self.now = 0.0

    def tell(self, perceived, rng):
        """All of the robot's sensors, joints and fingers in an order of their own."""
        self.now += 1 / 60
        sim, table = self.task.sim, self.task.table
        stamp = convert.stamp_from_ns(int(1e18 + self.now * 1e9))
        order = rng.permutation(len(table.joint_names))
        names = np.array(table.joint_names)[order].tolist()
        joints = convert.joint_state_msg(names, sim.joint_pos[0][order], sim.joint_vel[0][order], stamp)
        self.inputs.take_joints(through_dds(joints), self.now)
        wrist = (sim.wrist_pos[0], sim.wrist_quat[0], sim.wrist_linvel[0], sim.wrist_angvel[0])
        self.inputs.take_wrist(
            through_dds(convert.odometry_msg(*wrist, frame=FRAME, child_frame="hand", stamp=stamp)), self.now
        )
        order = rng.permutation(len(table.finger_names))
        fingers = [table.finger_names[i] for i in order]
        wrenches = convert.wrenches_msg(fingers, sim.fingertip_wrench[0][order], stamp)
        self.inputs.take_wrenches(through_dds(wrenches), self.now)
        estimate = ObjectEstimate(position=convert.point_to_msg(perceived))
        estimate.header.stamp, estimate.header.frame_id = stamp, FRAME
        self.inputs.take_object(through_dds(estimate), self.now)

    def tell_sent(self, rng):
        """What the bridge sent."""
        task = self.task
        order = rng.permutation(len(task.table.actuated_joint_names))
        names = np.array(task.table.actuated_joint_names)[order].tolist()
        stamp = convert.stamp_from_ns(int(1e18 + self.now * 1e9))
        sent = convert.command_msg(
            names,
            task.sent_targets[0][order],
            task.sent_twist[0],
            frame=FRAME,
            stamp=stamp,
            state_stamp=stamp,
            sequence=1,
            bundle_id="b",
        )
        self.inputs.take_sent(through_dds(sent), self.now)


@pytest.mark.parametrize(
    ("seed", "hand", "arm_action"),
    [*((seed, "shadow", None) for seed in range(4)), (4, "leap_ur5e", "pose"), (5, "leap_ur5e", "joints")],
)
def test_robot_and_simulator_observe_the_same(seed, hand, arm_action):
    config = for_hand(GraspTaskConfig(), hand, arm_action)
    task = make_grasp_task(config, [household_object("cylinder", seed)], 1, seed=seed, num_threads=1)
    rng = np.random.default_rng(seed)
    obs, _ = task.reset()
    robot = Robot(task)
    robot.tell(task.perceived.current[0], rng)
    robot.inputs.engage(robot.now)
    assert robot.inputs.canonical_yaw == pytest.approx(task.yaw[0], abs=1e-9)
    worst = 0.0
    for _ in range(60):
        assert not robot.inputs.complaint(robot.now)
        seen = task.observation.compute(robot.inputs.state())
        worst = max(worst, float(np.abs(seen - obs).max()))
        for name, part in task.observation.slices.items():
            assert np.allclose(seen[:, part], obs[:, part], rtol=0, atol=1e-6), name
        result = task.step(rng.uniform(-1, 1, (1, task.num_actions)))
        obs = result.obs
        robot.tell_sent(rng)
        robot.tell(task.perceived.current[0], rng)
    assert worst < 1e-6


def test_inputs_say_what_keeps_the_policy_from_acting():
    task = make_grasp_task(GraspTaskConfig(), [household_object("box", 0)], 1, num_threads=1)
    task.reset()
    rng = np.random.default_rng(0)
    robot = Robot(task)
    robot.inputs = PolicyInputs(task.table, task.action_spec, np.zeros(3), FRAME, AgeLimits())
    assert "joint_states" in robot.inputs.complaint(0.0)
    robot.tell(np.zeros(3), rng)
    assert robot.inputs.complaint(robot.now) == ""
    assert "old" in robot.inputs.complaint(robot.now + 0.06)
    bad = ObjectEstimate(reason=ObjectEstimate.EMPTY)
    robot.inputs.take_object(bad, robot.now)
    assert robot.inputs.complaint(robot.now) == "", "the last good estimate counts until it is too old"
    robot.tell(np.array([np.nan, 0, 0]), rng)
    assert "not finite" in robot.inputs.complaint(robot.now)
    robot.tell(np.zeros(3), rng)
    assert robot.inputs.complaint(robot.now) == ""
    robot.tell_sent(rng)
    assert robot.inputs.complaint(robot.now) == ""
    for _ in range(10):
        robot.tell(np.zeros(3), rng)
    assert "bridge/sent" in robot.inputs.complaint(robot.now)
    assert robot.inputs.complaint(robot.now, engaged=False) == ""
