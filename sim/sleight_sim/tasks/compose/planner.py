"""Collects an expert's waypoints: a wrist pose and finger targets each, as 28-D actions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sleight_core.hand import FingertipKinematics
from sleight_core.rotations import quat_rotate

from sleight_sim.tasks.compose.action import euler_to_quat
from sleight_sim.tasks.compose.env import ComposeTask

Array = NDArray[np.float64]


class Planner:
    """Collects the waypoints of all environments of a task whose episodes have just started.

    Args:
        task: The task.

    Attributes:
        actions: Waypoints (B, 28); the first is where the hand is.
        seconds: Time from each waypoint to the next.
    """

    def __init__(self, task: ComposeTask) -> None:
        self.task = task
        self.kinematics = FingertipKinematics(task.table)
        self.count = task.num_envs
        self.actions: list[Array] = [task.hold()]
        self.seconds: list[float] = []

    def posture(self, values: Mapping[str, float]) -> Array:
        """Joints (22,) rad of a posture given by joint; the others are 0, the coupled ones follow."""
        joints = np.array([values.get(joint, 0.0) for joint in self.task.table.joint_names])
        return self.task.action.couple(joints)

    def fingertip(self, finger: str, joints: Array) -> Array:
        """Tip (3,) m of a finger in the wrist's frame with joints (22,) rad."""
        zero, unit = np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0, 0.0]])
        tips = self.kinematics.fingertips(joints[None], np.zeros_like(joints[None]), zero, unit, zero, zero)
        i = self.task.table.finger_names.index(finger)
        return (tips.pos + quat_rotate(tips.quat, np.broadcast_to(self.kinematics.tips, tips.pos.shape)))[0, i]

    def move(self, seconds: float, point: Array, euler: Array, joints: Array, local: Array) -> None:
        """Add a waypoint: a point fixed to the wrist comes to a place.

        Args:
            seconds: Duration at pace 1.
            point: (B, 3) m, task frame.
            euler: (B, 3) or (3,) wrist rotation: turn, pitch, roll (rad).
            joints: (22,) rad.
            local: (3,) m, the point in the wrist's frame.
        """
        euler = np.broadcast_to(euler, (self.count, 3))
        wrist = point - quat_rotate(euler_to_quat(euler), np.broadcast_to(local, point.shape))
        joints = np.broadcast_to(joints, (self.count, joints.shape[-1]))
        self.actions.append(np.concatenate([wrist, euler, joints], axis=-1))
        self.seconds.append(seconds)
