"""What perception itself says of the cameras' faults; tests/sleight_ros/faults has what the bridge makes of them."""

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

pytestmark = pytest.mark.graph


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with Rig(tmp_path_factory.mktemp("perception"), perception=True) as rig:
        yield rig
        assert_safe(rig.robot.heard)


def reasons_since(rig, count):
    return [msg.reason for _, msg in rig.robot.heard.estimates[count:]]


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
def test_a_lost_object_is_told_and_comes_back(rig, fault, told, hold):
    rig.follow()
    count = len(rig.robot.heard.estimates)
    rig.robot.faults.add(fault)
    rig.robot.wait(lambda: told in reasons_since(rig, count), what="perception's reason")
    rig.robot.wait(lambda: rig.robot.last_status()[0] == "HOLD", what="a hold")
    rig.robot.wait(lambda: rig.robot.last_status()[1] in hold, what="the bridge's reason")
    rig.follow()
    rig.robot.wait(lambda: rig.robot.heard.estimates[-1][1].reason == ObjectEstimate.OK, what="the object again")
    assert "Traceback" not in rig.log("perception_node")


def test_ten_times_the_points_are_no_fault(rig):
    rig.follow()
    count = len(rig.robot.heard.estimates)
    rig.robot.faults.add("cloud_tenfold")
    rig.robot.wait(lambda: reasons_since(rig, count).count(ObjectEstimate.OK) > 5, what="estimates")
