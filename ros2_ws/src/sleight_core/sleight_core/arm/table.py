"""The arm table: an arm's joints, limits, geometry and servos as data (contract 1)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from sleight_core.errors import SleightError
from sleight_core.hand.table import Body, Joint, JointDynamics, Quat, Vec3, check_bodies, read_table


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Pose(_Row):
    """A frame in another one: m, wxyz."""

    pos: Vec3
    quat: Quat = (1.0, 0.0, 0.0, 0.0)


class ToolFrame(Pose):
    """Where things are mounted: the flange's frame, z out of the flange, in one of the arm's links."""

    name: str
    body: str


class ArmTable(_Row):
    """An arm as data: a chain of links, each turning about one hinge, from a base that stands still to a flange.

    Attributes:
        joint_names: The joints from base to flange, named as the maker's ROS 2 driver names them.
        base_body: The link that stands still; its parent is "world".
        servos: Figures of the position servos, which the joints' `dynamics` repeat.
    """

    name: str
    title: str
    base_body: str
    tool: ToolFrame
    servos: dict[str, JointDynamics] = {}
    bodies: tuple[Body, ...]
    self_collisions: tuple[tuple[str, str], ...] = ()
    postures: dict[str, dict[str, float]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> ArmTable:
        check_bodies(self.bodies, self.self_collisions, self.postures)
        if not self.bodies or self.bodies[0].name != self.base_body or self.bodies[0].parent != "world":
            raise ValueError(f"the first body must be base_body '{self.base_body}' on 'world'")
        if self.bodies[0].joint:
            raise ValueError(f"base_body '{self.base_body}' must have no joint")
        for parent, body in zip(self.bodies, self.bodies[1:], strict=False):
            if body.parent != parent.name:
                raise ValueError(f"an arm is a chain: the parent of '{body.name}' must be '{parent.name}'")
            if body.joint and (body.joint.dynamics is None or not body.joint.actuated):
                raise ValueError(f"joint '{body.joint.name}' needs dynamics and a motor")
        if self.tool.body not in {body.name for body in self.bodies}:
            raise ValueError(f"tool is on an unknown body '{self.tool.body}'")
        if len(set(self.joint_names)) != len(self.joint_names) or not self.joint_names:
            raise ValueError("an arm needs joints with names of their own")
        return self

    @classmethod
    def from_yaml(cls, path: Path | str) -> ArmTable:
        """Read a table.

        Raises:
            SleightError: The file is missing, is no YAML, or does not satisfy the schema.
        """
        return read_table(cls, path, "arm table")

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """All joints, from base to flange."""
        return tuple(body.joint.name for body in self.bodies if body.joint)

    def joint(self, name: str) -> Joint:
        """Return one joint's row.

        Raises:
            SleightError: The arm has no such joint.
        """
        for body in self.bodies:
            if body.joint and body.joint.name == name:
                return body.joint
        raise SleightError(f"arm '{self.name}' has no joint", value=name, remedy=f"it has {list(self.joint_names)}")

    @cached_property
    def lower(self) -> np.ndarray:
        """Lower limits of `joint_names` (rad)."""
        return np.array([self.joint(name).lower for name in self.joint_names])

    @cached_property
    def upper(self) -> np.ndarray:
        """Upper limits of `joint_names` (rad)."""
        return np.array([self.joint(name).upper for name in self.joint_names])

    @cached_property
    def velocity(self) -> np.ndarray:
        """Velocity limits of `joint_names` (rad/s)."""
        return np.array([self.joint(name).velocity for name in self.joint_names])

    @cached_property
    def effort(self) -> np.ndarray:
        """Effort limits of `joint_names` (N m)."""
        return np.array([self.joint(name).effort for name in self.joint_names])

    def posture(self, name: str) -> np.ndarray:
        """Return a named posture over `joint_names` (rad); a joint that is not named is 0.

        Raises:
            SleightError: The arm has no such posture.
        """
        if name not in self.postures:
            raise SleightError(
                f"arm '{self.name}' has no posture", value=name, remedy=f"it has {sorted(self.postures)}"
            )
        return np.array([self.postures[name].get(joint, 0.0) for joint in self.joint_names])
