"""What the recorder keeps of clouds: everything that a replay needs, now and then one of what it does not."""

import time

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import PointCloud2
from sleight_ros.nodes.base import NEWEST
from sleight_ros.recording.recorder import Recorder

pytestmark = pytest.mark.graph
PATIENCE = 20.0


def test_the_objects_cloud_is_recorded_whole_and_a_cameras_now_and_then():
    rclpy.init()
    try:
        talker = rclpy.create_node("talker")
        topics = ("object/cloud", "camera/front/points")
        publishers = [talker.create_publisher(PointCloud2, topic, NEWEST) for topic in topics]
        recorder = Recorder(topics, cloud_period=600.0)
        executor = SingleThreadedExecutor()
        executor.add_node(talker)
        executor.add_node(recorder)
        kept: dict[str, int] = dict.fromkeys(topics, 0)

        def spin_until(done):
            until = time.monotonic() + PATIENCE
            while not done():
                assert time.monotonic() < until, kept
                executor.spin_once(timeout_sec=0.05)
                while not recorder.queue.empty():
                    item = recorder.queue.get()
                    assert item is not None
                    kept[item[0].lstrip("/")] += 1

        spin_until(lambda: all(publisher.get_subscription_count() for publisher in publishers))
        for count in range(1, 21):
            for publisher in publishers:
                publisher.publish(PointCloud2(data=bytes(6144)))
            spin_until(lambda: kept["object/cloud"] == count)  # noqa: B023 - called at once
        assert kept == {"object/cloud": 20, "camera/front/points": 1}
    finally:
        rclpy.try_shutdown()
