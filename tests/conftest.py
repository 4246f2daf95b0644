"""Surroundings of all tests: graphs that no other process on this machine or network joins, and no display."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

# Set before rclpy or mujoco is imported anywhere. Processes get different domains, so that test runs, or two workers
# of one, do not hear each other: 81 to 100, which are safe on every system and which no demo chooses for itself.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_RUN = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
os.environ["ROS_DOMAIN_ID"] = str(81 + (_RUN + _WORKER) % 20)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_LOG_DIR", tempfile.mkdtemp(prefix="sleight_ros_log_"))
os.environ.setdefault("MUJOCO_GL", "egl")


@pytest.fixture(autouse=True)
def ordinary_numbers() -> None:
    """Take back what a training sets for the whole process: with denormals flushed, generated floats are refused."""
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile` one worker runs all whole graphs: a single one keeps more than a core busy."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "whole graphs" if _has_whole_graphs(config.rootpath / file) else file

    return Scheduling(config, log)


@cache
def _has_whole_graphs(file: Path) -> bool:
    return "mark.whole_graph" in file.read_text(encoding="utf-8")
