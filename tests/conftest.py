"""Surroundings of all tests: graphs that no other process on this machine or network joins, and no display."""

from __future__ import annotations

import os
import sys
import tempfile

import pytest

# Set before rclpy or mujoco is imported anywhere. Processes get different domains, so that test runs, or two workers
# of one, do not hear each other; 1 to 100 is the range that is safe on every system.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_LOG_DIR", tempfile.mkdtemp(prefix="sleight_ros_log_"))
os.environ.setdefault("MUJOCO_GL", "egl")


@pytest.fixture(autouse=True)
def ordinary_numbers() -> None:
    """Take back what a training sets for the whole process: with denormals flushed, generated floats are refused."""
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)
