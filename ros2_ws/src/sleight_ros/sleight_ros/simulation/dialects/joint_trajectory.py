"""A fake `joint_trajectory_controller`: accepts and refuses what the real one does (its `validate_trajectory_msg`)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field
from sleight_core.errors import SleightError
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from sleight_ros.bridges.joint_map import MapSection
from sleight_ros.bridges.section import nearest
from sleight_ros.convert import stamp_to_ns
from sleight_ros.nodes.base import NEWEST
from sleight_ros.simulation.dialects.base import JointDialect, serve_parameters

EPSILON = float(np.finfo(np.float32).eps)


class JointTrajectoryDriver(MapSection):
    """Section of a fake trajectory controller.

    Attributes:
        controller: Its node.
        joints: Its joints, by the robot's names; empty: those of all actuated joints, and `extra`.
        extra: More joints of it that the simulated hand has not; their targets are checked and dropped.
        allow_partial_joints_goal: As the real parameter.
        interpolate_from_desired_state: As the real parameter (the fake goes to the point at once).
        serve_parameters: Have a node of its own whose parameters can be read.
    """

    dialect: Literal["joint_trajectory"] = "joint_trajectory"
    controller: str = Field(default="hand_controller", min_length=1)
    joints: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    allow_partial_joints_goal: bool = False
    interpolate_from_desired_state: bool = True
    serve_parameters: bool = True


class JointTrajectoryDialect(JointDialect[JointTrajectoryDriver]):
    """The fake."""

    def setup(self) -> None:
        """Listen on ``<controller>/joint_trajectory``."""
        config, node = self.config, self.context.node
        self.learn(config.joints)
        known = (*self.commands.theirs, *config.extra)
        self.joints = config.joints or known
        for name in self.joints:
            if name not in known:
                what = f"parameter 'driver.{self.name}.joints': no such joint"
                raise SleightError(what, value=name, remedy=nearest(name, known))
        if config.serve_parameters:
            parameters: dict[str, Any] = {
                "joints": list(self.joints),
                "command_interfaces": ["position"],
                "state_interfaces": ["position", "velocity"],
                "allow_partial_joints_goal": config.allow_partial_joints_goal,
                "interpolate_from_desired_state": config.interpolate_from_desired_state,
            }
            serve_parameters(self.context, config.controller, parameters)
        node.listen(JointTrajectory, f"{config.controller}/joint_trajectory", self._on_trajectory, NEWEST)

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        self.heard()
        points: list[JointTrajectoryPoint] = list(msg.points)
        if problem := self.complaint(msg, points):
            self.refuse(f"trajectory refused: {problem}")
            return
        names = list(msg.joint_names)
        # What the real one lets through, but nobody should send.
        if len(set(names)) != len(names):
            self.refuse(f"a joint is named twice: {sorted({n for n in names if names.count(n) > 1})}")
            return
        if len(points) != 1:
            self.refuse(f"{len(points)} points; a policy's command has one")
            return
        values = dict(zip(names, points[0].positions, strict=True))
        for name in self.config.extra:
            if not np.isfinite(values.pop(name, 0.0)):
                self.refuse(f"the target of '{name}' is not finite")
                return
        self.take(values)

    def complaint(self, msg: JointTrajectory, points: list[JointTrajectoryPoint]) -> str:
        """Why the real controller would refuse, "" when it would not; in its order of checks."""
        names = list(msg.joint_names)
        if not self.config.allow_partial_joints_goal and len(names) != len(self.joints):
            return f"{len(names)} joints for a controller of {len(self.joints)}"
        if not names:
            return "empty joint names"
        if not points:
            return "empty trajectory"
        if unknown := [name for name in names if name not in self.joints]:
            return f"joint {unknown[0]} doesn't match the controller's joints"
        if any(abs(value) > EPSILON for value in points[-1].velocities):
            return "velocity of last trajectory point is not zero"
        if start := stamp_to_ns(msg.header.stamp):
            end = start + points[-1].time_from_start.sec * 10**9 + points[-1].time_from_start.nanosec
            if end < self.context.node.get_clock().now().nanoseconds:
                return "trajectory with non-zero start time that ends in the past"
        before = 0.0
        for i, point in enumerate(points):
            after = point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec
            if i and after <= before:
                return f"time between points {i - 1} and {i} is not strictly increasing"
            before = after
            if len(point.positions) != len(names):
                return f"{len(names)} joint names and {len(point.positions)} positions"
            for what in ("velocities", "accelerations"):
                if len(getattr(point, what)) not in (0, len(names)):
                    return f"{len(names)} joint names and {len(getattr(point, what))} {what}"
            if len(point.effort):
                return "effort without an effort interface"
        return ""
