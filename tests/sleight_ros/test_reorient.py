"""Policies that see a tracked pose: the robot's path gives what the simulation gives, by name, and the graph turns."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("onnx")

from geometry_msgs.msg import PoseStamped
from sleight_core.bundle import load_bundle
from sleight_core.rotations import quat_multiply, quat_rotate, yaw_quat
from sleight_core.safety import SafetyConfig, SafetyFilter, SafetyState
from sleight_description import load_hand
from sleight_export.third_party.importer import import_policy
from sleight_ros import convert
from sleight_ros.policy_inputs import AgeLimits
from sleight_ros.policy_step import PolicyStep, needed_sources
from sleight_sim.tasks.reorient.config import ReorientConfig
from sleight_sim.tasks.reorient.env import ReorientTask

from ..sleight_export.third_party.builders import description, foreign, save, write
from .test_parity import through_dds

HAND = load_hand("leap")
FRAME = "world"
FOREVER = AgeLimits(*[1e6] * 5)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    content = description()
    # Seen and done in different public orders, neither of them ours.
    for i, order in ((0, "motor"), (1, "motor"), (4, "isaac_lab")):
        content["observation"][i]["joint_order"] = order
    content["action"][0]["joint_order"] = "isaac_lab"
    model = foreign(0.05 * np.random.default_rng(5).normal(size=(57, 16)))
    import_policy(save(folder, model), write(folder, content), folder / "bundle")
    return load_bundle(folder / "bundle", HAND)


class Messages:
    """Tells a policy's inputs in messages what environment 0 of a task is like, the robot turned by a yaw."""

    def __init__(self, bundle, task, yaw=0.0):
        self.task, self.yaw = task, yaw
        self.step = PolicyStep(bundle, HAND)
        self.inputs = self.step.make_inputs(None, FRAME, FOREVER)
        self.turn = yaw_quat(np.asarray(yaw))
        self.now = 0.0
        self.rng = np.random.default_rng(7)

    @property
    def stamp(self):
        return convert.stamp_from_ns(int(1e18 + self.now * 1e9))

    def pose(self, pos, quat):
        msg = PoseStamped(pose=convert.pose_to_msg(quat_rotate(self.turn, pos), quat_multiply(self.turn, quat)))
        msg.header.stamp, msg.header.frame_id = self.stamp, FRAME
        return through_dds(msg)

    def tell(self):
        self.now += 0.05
        task, order = self.task, self.rng.permutation(16)
        state, config = task.robot_state(), task.config
        names = np.array(HAND.joint_names)[order].tolist()
        joints = convert.joint_state_msg(names, state.joint_pos[0][order], state.joint_vel[0][order], self.stamp)
        wrist = quat_rotate(self.turn, np.array(config.root_pos)), quat_multiply(self.turn, np.array(config.wrist_quat))
        odometry = convert.odometry_msg(
            *wrist, np.zeros(3), np.zeros(3), frame=FRAME, child_frame="hand", stamp=self.stamp
        )
        self.inputs.take_goal(self.pose(state.goal_pos[0], state.goal_quat[0]), self.now)
        self.inputs.take_pose(self.pose(state.object_pos[0], state.object_quat[0]), self.now)
        self.inputs.take_wrist(through_dds(odometry), self.now)
        self.inputs.take_joints(through_dds(joints), self.now)

    def tell_sent(self):
        order = self.rng.permutation(16)
        names = np.array(HAND.actuated_joint_names)[order].tolist()
        sent = convert.command_msg(
            names,
            self.task.targets[0][order],
            np.zeros(6),
            frame=FRAME,
            stamp=self.stamp,
            state_stamp=self.stamp,
            sequence=1,
            bundle_id="b",
        )
        self.inputs.take_sent(through_dds(sent), self.now)


@pytest.mark.parametrize("yaw", [0.0, 1.9, -2.8])
def test_robot_and_simulator_observe_the_same_however_the_robot_stands(bundle, yaw):
    manifest = bundle.manifest
    # The simulation's first targets are the measured joints; so are the robot's, inside the bundle's margin of 0.
    task = ReorientTask(ReorientConfig(), manifest.observation, manifest.action, 1, seed=2, num_threads=1)
    obs = task.reset()
    robot = Messages(bundle, task, yaw)
    assert needed_sources(manifest) == {"pose"}
    robot.tell()
    robot.inputs.engage(robot.now)
    assert robot.inputs.canonical_yaw == pytest.approx(yaw, abs=1e-6)
    for _ in range(15):
        assert robot.inputs.complaint(robot.now) == ""
        seen = robot.step.observe(robot.inputs)
        for name, at in robot.step.observation.slices.items():
            assert seen[at] == pytest.approx(obs[0, at], abs=2e-6), name
        action = robot.step.act(seen).action
        command = robot.step.command(action, robot.inputs)
        obs = task.step(action[None]).obs
        assert np.abs(command.joint_targets[0] - task.targets[0]).max() < 0.1
        robot.tell_sent()
        robot.tell()


def test_a_tracker_that_cannot_be_trusted_keeps_the_policy_from_acting(bundle):
    task = ReorientTask(ReorientConfig(), bundle.manifest.observation, bundle.manifest.action, 1, num_threads=1)
    task.reset()
    robot = Messages(bundle, task)
    inputs = robot.inputs = robot.step.make_inputs(None, FRAME, AgeLimits())
    robot.tell()
    assert inputs.complaint(robot.now) == ""
    pos, quat = task.sim.cube_pos[0], task.sim.cube_quat[0]
    for change, said in (
        (lambda m: setattr(m.pose.orientation, "w", float("nan")), "not finite"),
        (lambda m: setattr(m.pose.orientation, "w", 3.0), "length"),
        (lambda m: setattr(m.header, "frame_id", "camera"), "in frame 'camera'"),
    ):
        msg = robot.pose(pos, quat)
        change(msg)
        inputs.take_pose(msg, robot.now)
        assert said in inputs.complaint(robot.now)
        inputs.take_goal(msg, robot.now)
        robot.tell()
        assert inputs.complaint(robot.now) == ""
    fresh = robot.step.make_inputs(None, FRAME, AgeLimits())
    robot.inputs = fresh
    robot.tell()
    assert "object/pose" in fresh.complaint(robot.now + 0.26) or "joint_states" in fresh.complaint(robot.now + 0.26)


def test_names_decide_on_the_way_from_message_to_motor(bundle):
    """Joint states and commands in any order of names move the right motor, and a missing or double name nothing."""
    task = ReorientTask(ReorientConfig(), bundle.manifest.observation, bundle.manifest.action, 1, num_threads=1)
    task.reset()
    robot = Messages(bundle, task)
    robot.tell()
    motor = HAND.joint_order("motor")
    rng = np.random.default_rng(0)
    measured = task.sim.joint_pos[0]
    for joint in HAND.actuated_joint_names:
        order = rng.permutation(16)
        names = [HAND.actuated_joint_names[i] for i in order]
        targets = measured[order].copy()
        targets[names.index(joint)] += 0.05
        msg = through_dds(
            convert.command_msg(
                names, targets, np.zeros(6), frame=FRAME, stamp=robot.stamp, state_stamp=robot.stamp, sequence=1,
                bundle_id="b",
            )
        )  # fmt: skip
        guard = SafetyFilter(HAND, SafetyConfig(period=0.05, watch_object=False, blend_time=0.0))
        guard.arm()
        for tick in range(2):
            now = 1.0 + 0.05 * tick
            shuffled = rng.permutation(16)
            state_names = [HAND.joint_names[i] for i in shuffled]
            guard.observe_joint_state(now, now, state_names, measured[shuffled], np.zeros(16))
            guard.observe_wrist(now, now, np.zeros(3), np.zeros(6))
            guard.observe_command(now, now, list(msg.joint_names), msg.positions, np.zeros(6), tick, bundle_id="b")
            sent = guard.tick(now)
        assert sent.state is SafetyState.ACTIVE and sent.positions is not None
        moved = motor.from_ours(sent.positions - measured)
        assert motor.theirs[int(np.argmax(np.abs(moved)))] == motor.their_name(joint)
        assert (np.abs(np.delete(moved, motor.ours.index(joint))) < 0.011).all(), "the others stay, inside the margin"
    for wrong in (HAND.joint_names[:-1], (*HAND.joint_names[:-1], "if_mcp"), motor.theirs):
        values = np.zeros(len(wrong))
        robot.inputs.take_joints(convert.joint_state_msg(list(wrong), values, values, robot.stamp), robot.now)
        assert "joint" in robot.inputs.complaint(robot.now)


@pytest.mark.serial
@pytest.mark.slow
def test_the_graph_turns_a_cube(bundle, tmp_path):
    """Simulated hand and tracker, policy and bridge as processes: the episode runs to its end."""
    from sleight_ros.demo.reorient import turn_cubes

    turned = turn_cubes(Path(bundle.path), 1, 2.0, tmp_path, domain=int(os.environ["ROS_DOMAIN_ID"]))
    assert len(turned) == 1 and not turned[0].note
    assert turned[0].seconds == pytest.approx(2.0, abs=0.11) and turned[0].rotations >= 0


def test_a_bundle_for_another_task_is_refused(tmp_path):
    from sleight_core.errors import SleightError
    from sleight_ros.demo.reorient import turn_cubes

    with pytest.raises(SleightError, match="cube_reorient"):
        turn_cubes(Path(__file__).parents[2] / "policies" / "shadow_base", 1, 1.0, tmp_path)
