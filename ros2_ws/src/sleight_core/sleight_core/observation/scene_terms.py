"""Terms that estimators of a task's features see (docs/compose_vision.md): the scene's cloud, and where the hand is.

All are in the task frame, as the composed skills are: their hand may face any way. None is anything but a sensor's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sleight_core.arrays import namespace
from sleight_core.errors import SleightError
from sleight_core.observation.terms import CLOUD_SIZES, Frame, resized, term

Array = Any

#: Name in the state's memory of the first cloud of the engagement: the hand is still away from what it will hide.
FIRST_CLOUD = "first_scene_cloud"
_NOW, _FIRST = "scene_cloud", FIRST_CLOUD


@term(3, unit="m", frame="task", provenance="proprioception")
def palm_pos(f: Frame) -> Array:
    """Position of the grasp centre."""
    return f.kinematics.grasp_center(f.state.wrist_pos, f.state.wrist_quat)


@term(6, unit="m/s, rad/s", frame="task", provenance="proprioception")
def wrist_velocity(f: Frame) -> Array:
    """Linear and angular velocity of the hand's root body: a cloud is late, and what is held has moved since."""
    xp = namespace(f.state.wrist_linvel)
    return xp.concat([f.state.wrist_linvel, f.state.wrist_angvel], axis=-1)


@term(lambda table: 3 * len(table.fingers), unit="m", frame="task", provenance="proprioception")
def tip_positions(f: Frame) -> Array:
    """Positions of the fingertips."""
    s = f.state
    tips = f.kinematics.fingertips(s.joint_pos, s.joint_vel, s.wrist_pos, s.wrist_quat, s.wrist_linvel, s.wrist_angvel)
    return f.kinematics.tip_points(tips).reshape(s.joint_pos.shape[0], -1)


def scene_term(points: int, *, first: bool = False) -> str:
    """Name of the term that holds the scene's cloud with so many points: the newest, or the engagement's first.

    Raises:
        SleightError: There is no such term.
    """
    if points not in CLOUD_SIZES:
        raise SleightError(
            "no observation term holds a cloud of so many points", value=points, remedy=f"choose one of {CLOUD_SIZES}"
        )
    return f"{_FIRST if first else _NOW}_{points}"


def sees_scene(names: Iterable[str]) -> bool:
    """Whether terms of these names hold a cloud of the scene."""
    clouds = {scene_term(points, first=first) for points in CLOUD_SIZES for first in (False, True)}
    return bool(clouds & set(names))


def _register(points: int, *, first: bool) -> None:
    def function(f: Frame) -> Array:
        """Points of all that lies over the table and is not the robot, each x, y, z."""
        cloud = f.state.memory.get(FIRST_CLOUD) if first else f.state.scene_cloud
        if cloud is None:
            raise SleightError(
                "the state holds no cloud of the scene, which an estimator sees", remedy="feed the scene's cloud"
            )
        return resized(cloud, points).reshape(cloud.shape[0], -1)

    function.__name__ = scene_term(points, first=first)
    term(3 * points, unit="m", frame="task", provenance="perception")(function)


for _points in CLOUD_SIZES:
    _register(_points, first=False)
    _register(_points, first=True)
