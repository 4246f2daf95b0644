"""The object's cloud on its way from perception's message into the policy's observation; no graph runs."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from sensor_msgs.msg import PointCloud2, PointField
from sleight_core.errors import SleightError
from sleight_ros import convert
from sleight_ros.clouds import cloud_msg
from sleight_ros.policy_inputs import AgeLimits, PolicyInputs
from sleight_ros.policy_step import PolicyStep, needed_sources
from sleight_sim.objects import household_object
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.make import make_grasp_task

from .bundles import HAND, tiny_bundle
from .test_parity import FRAME, Robot, through_dds

TERMS = (*GraspTaskConfig().terms, ("object_cloud_64", 1.0))


def stamp(seconds):
    return convert.stamp_from_ns(int(1e18 + seconds * 1e9))


@pytest.fixture
def robot():
    config = GraspTaskConfig(terms=TERMS)
    task = make_grasp_task(config, [household_object("can", 0)], 1, seed=2, num_threads=1)
    task.reset()
    robot = Robot(task)
    uses = frozenset({"wrenches", "object", "cloud"})
    robot.inputs = PolicyInputs(HAND, task.action_spec, np.asarray(config.goal), FRAME, AgeLimits(), uses=uses)
    robot.tell(task.perceived.current[0], np.random.default_rng(0))
    return robot


def tell_cloud(robot, points, frame=FRAME):
    robot.inputs.take_cloud(through_dds(cloud_msg(points, frame, stamp(robot.now))), robot.now)


def test_robot_and_simulator_observe_the_same_cloud(robot):
    task, rng = robot.task, np.random.default_rng(0)
    obs, _ = task.reset()
    robot.tell(task.perceived.current[0], rng)
    robot.inputs.engage(robot.now)
    for _ in range(12):
        tell_cloud(robot, task.clouds.current[0])
        assert not robot.inputs.complaint(robot.now)
        seen = task.observation.compute(robot.inputs.state())
        assert np.abs(seen - obs).max() < 1e-6
        obs = task.step(rng.uniform(-1, 1, (1, task.num_actions))).obs
        robot.tell_sent(rng)
        robot.tell(task.perceived.current[0], rng)


def test_a_missing_bad_or_old_cloud_keeps_the_policy_from_acting(robot):
    inputs, good = robot.inputs, np.random.default_rng(0).normal(size=(512, 3))
    assert "nothing on object/cloud" in inputs.complaint(robot.now)
    with pytest.raises(SleightError, match="no cloud of the object"):
        robot.task.observation.compute(inputs.state())
    tell_cloud(robot, good)
    assert inputs.complaint(robot.now) == ""
    for points, frame, words in (
        (good, "camera", "camera"),
        (good[:0], FRAME, "empty or not finite"),
        (np.full((4, 3), np.nan), FRAME, "empty or not finite"),
    ):
        tell_cloud(robot, points, frame)
        assert "object/cloud" in inputs.complaint(robot.now) and words in inputs.complaint(robot.now)
        assert inputs.state().object_cloud == pytest.approx(good[None], abs=1e-6), "the last good one stays"
    broken = PointCloud2(height=1, width=4, point_step=4, fields=[PointField(name="x", datatype=7, count=1)])
    broken.header.frame_id, broken.header.stamp = FRAME, stamp(robot.now)
    inputs.take_cloud(broken, robot.now)
    assert "object/cloud" in inputs.complaint(robot.now)
    tell_cloud(robot, good)
    assert inputs.complaint(robot.now) == ""
    robot.now += 0.3
    robot.tell(np.array([0.0, 0.0, 0.65]), np.random.default_rng(1))
    assert "object/cloud is" in inputs.complaint(robot.now) and "old" in inputs.complaint(robot.now)


def test_only_a_bundle_with_a_cloud_asks_for_it(tmp_path):
    seeing, other = tiny_bundle(tmp_path / "a", terms=TERMS), tiny_bundle(tmp_path / "b")
    assert needed_sources(seeing.manifest) == {"wrenches", "object", "cloud"}
    assert needed_sources(other.manifest) == {"wrenches", "object"}
    blind = PolicyStep(other, HAND).make_inputs(None, FRAME)
    assert blind.cloud not in blind._required
    assert PolicyStep(seeing, HAND).make_inputs(None, FRAME).cloud.name == "object/cloud"
