"""Faults of the cameras against the running perception, policy and bridge."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnx")
pytest.importorskip("open3d")

from sleight_msgs.msg import ObjectEstimate
from sleight_ros import convert

from .checker import assert_safe
from .double import OBJECT
from .rig import Rig

pytestmark = pytest.mark.serial
#: The bridge's age limit of the object.
OBJECT_AGE = 0.25


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with Rig(tmp_path_factory.mktemp("perception"), perception=True) as rig:
        yield rig
        assert_safe(rig.robot.heard)


def reasons(rig, count=5):
    return {msg.reason for _, msg in rig.robot.heard.estimates[-count:]}


def last_estimate(rig):
    """When (ns of the system's clock) the last good estimate came: the bridge's age limit counts from there."""
    received = [received for received, msg in rig.robot.heard.estimates if msg.reason == ObjectEstimate.OK][-1]
    return time.time_ns() - int((time.monotonic() - received) * 1e9)


def test_the_object_is_found_where_it_is(rig):
    rig.follow()
    good = [msg for _, msg in rig.robot.heard.estimates if msg.reason == ObjectEstimate.OK][-1]
    assert np.linalg.norm(convert.vector_from_msg(good.position) - OBJECT) < 0.01
    assert good.header.frame_id == "world" and good.point_count > 25 and 0 < good.quality <= 1


@pytest.mark.parametrize(
    ("fault", "told", "hold"),
    [
        ("cloud_stop", ObjectEstimate.STALE_CLOUD, {"STALE_OBJECT"}),
        ("cloud_empty", ObjectEstimate.EMPTY, {"NO_OBJECT", "STALE_OBJECT"}),
        ("cloud_nan", ObjectEstimate.EMPTY, {"NO_OBJECT", "STALE_OBJECT"}),
        ("cloud_frame", ObjectEstimate.WRONG_FRAME, {"WRONG_FRAME", "STALE_OBJECT"}),
    ],
)
def test_a_lost_object_ends_in_a_hold(rig, fault, told, hold):
    """The policy falls silent at the same age as the bridge gives up, so its silence may be told first."""
    rig.expect_hold(fault, hold | {"STALE_COMMAND"}, OBJECT_AGE, lambda: last_estimate(rig))
    rig.robot.wait(lambda: told in reasons(rig), what="perception's reason")
    rig.robot.wait(lambda: rig.robot.last_status()[1] in hold, what="the bridge's reason")
    assert "Traceback" not in rig.log("perception_node")


def test_ten_times_the_points_are_no_fault(rig):
    rig.follow()
    rig.robot.faults.add("cloud_tenfold")
    time.sleep(1.0)
    assert ObjectEstimate.OK in reasons(rig)


def test_the_cloud_recovers_after_a_camera_comes_back(rig):
    rig.robot.faults.add("cloud_stop")
    time.sleep(0.6)
    rig.follow()
    assert reasons(rig, 1) == {ObjectEstimate.OK}
