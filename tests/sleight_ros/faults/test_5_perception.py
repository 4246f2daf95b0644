"""What cameras and perception can suffer."""

from __future__ import annotations

import signal

import pytest
from sleight_msgs.msg import ObjectEstimate

from ..rig import OBJECT_AGE, PATIENCE
from . import cases
from .cases import Case
from .matrix import Row
from .measure import goes_on, hold, react, row_of

pytestmark = pytest.mark.serial


@pytest.mark.parametrize("case", cases.CLOUDS, ids=str)
def test_bad_clouds_end_in_a_hold(seeing, matrix, case):
    hold(seeing, case, matrix, "camera", lambda: seeing.robot.faults.add(case.name))
    assert "Traceback" not in seeing.log("perception_node")


@pytest.mark.parametrize("case", cases.CLOUDS_TOLERATED, ids=str)
def test_clouds_that_are_no_fault(seeing, matrix, case):
    goes_on(seeing, case, matrix, "camera", lambda: seeing.robot.faults.add(case.name))


def test_a_hanging_perception_ends_in_a_hold(seeing, matrix):
    case = Case("perception_hangs", "perception hangs (SIGSTOP)", ("STALE_OBJECT",), OBJECT_AGE, "object")
    seeing.follow()
    try:
        found = react(seeing, lambda: seeing.send("perception_node", signal.SIGSTOP), case)
    finally:
        seeing.send("perception_node", signal.SIGCONT)
    matrix.add(row_of(case, "perception", "holds", found))
    seeing.follow()


def test_a_killed_perception_ends_in_a_hold_and_so_does_a_camera_without_a_pose(seeing, matrix):
    """Two faults in a row: the node dies, and the one that is started for it finds no transform to the camera."""
    robot = seeing.robot
    case = Case(
        "perception_killed", "perception is killed (SIGKILL)", ("STALE_OBJECT",), OBJECT_AGE, "object", "restart"
    )
    seeing.follow()
    found = react(seeing, lambda: seeing.processes.kill("perception_node"), case)
    matrix.add(row_of(case, "perception", "holds", found))
    seeing.start_perception(cameras=["side"])
    try:
        robot.wait(lambda: "refused" in seeing.log("perception_node"), PATIENCE, "a refusal")
        words = seeing.log("perception_node")
        assert "tf" in words and "side_optical" in words and "Traceback" not in words
        assert robot.state_of("perception_node") == "unconfigured"
        robot.wait(lambda: robot.last_status()[:2] == ("HOLD", "STALE_OBJECT"), PATIENCE, "a hold")
        title = "no transform to the camera (tf missing)"
        matrix.add(Row("tf_missing", title, "perception", "refused; holds", "STALE_OBJECT", ends="pose or tf, restart"))
    finally:
        seeing.processes.end("perception_node")
        seeing.start_perception()
    robot.wait(lambda: robot.heard.estimates[-1][1].reason == ObjectEstimate.OK, 2 * PATIENCE, "the object")
    seeing.follow()
