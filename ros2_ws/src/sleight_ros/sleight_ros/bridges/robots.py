"""Robots by name: those that are shipped as tables, and hands on arms of one's own as a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sleight_core.errors import SleightError

from sleight_ros.bridges.section import nearest
from sleight_ros.profiles import profile_folders

if TYPE_CHECKING:
    from sleight_core.arm import Robot


@cache
def find_robot(name: str) -> Robot:
    """A hand on an arm.

    Args:
        name: One of `sleight_description.robot_names()`, a file beside the profiles (``robots/<name>.yaml``), or a
            YAML file's path.

    Raises:
        SleightError: There is none, or its file is not valid.
    """
    from sleight_core.arm import RobotTable, combine
    from sleight_description import load_arm, load_hand, load_robot, robot_names

    if name in robot_names():
        return load_robot(name)
    path = Path(name) if name.endswith((".yaml", ".yml")) else None
    beside = {file.stem: file for folder in profile_folders() for file in (folder / "robots").glob("*.yaml")}
    path = path or beside.get(name)
    if path is None:
        known = sorted({*robot_names(), *beside})
        raise SleightError("no such robot", value=name, remedy=f"{nearest(name, known)}, or give a .yaml file")
    spec = RobotTable.from_yaml(path)
    return combine(spec, load_hand(spec.hand), load_arm(spec.arm))
