"""The hand table: the one place that states a hand's joints, their order, limits and geometry (contract 1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sleight_core.errors import SleightError
from sleight_core.hand.orders import JointOrder

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Positive = Annotated[float, Field(gt=0)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Inertial(_Row):
    """Mass (kg), centre of mass (m), principal axes (wxyz) and principal moments (kg m2) of a body."""

    mass: Positive
    com: Vec3
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    diag: Vec3


class JointDynamics(_Row):
    """Passive and servo figures of a joint: N m s/rad, kg m2, N m, N m/rad, N m s/rad."""

    damping: float
    armature: float
    frictionloss: float
    kp: float
    kv: float = 0.0


class Joint(_Row):
    """A hinge at its body's origin; limits in rad, rad/s and N m; `dynamics` None: the table's `joint_defaults`."""

    name: str
    axis: Vec3
    lower: float
    upper: float
    velocity: Positive
    effort: Positive
    actuated: bool = True
    dynamics: JointDynamics | None = None


class Collision(_Row):
    """A primitive in body coordinates: box (half extents) or capsule (radius, half length along local z), m."""

    name: str
    type: Literal["box", "capsule", "sphere"]
    pos: Vec3 = (0.0, 0.0, 0.0)
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    size: tuple[float, ...]


class Body(_Row):
    """A link: its frame in the parent's, its inertial, its hinge (None: rigidly attached) and its collision shapes."""

    name: str
    parent: str
    pos: Vec3
    quat: Quat = (1.0, 0.0, 0.0, 0.0)
    inertial: Inertial
    joint: Joint | None = None
    collisions: tuple[Collision, ...] = ()


class Coupling(_Row):
    """A tendon: |coefficient q_joint - driver_coefficient q_driver| <= slack (m)."""

    joint: str
    driver: str
    coefficient: float
    driver_coefficient: float
    slack: float
    stiffness: float
    damping: float


class Finger(_Row):
    """A finger: its joints from palm to tip, its last body, the tip and the reward's finger point in that body (m)."""

    joints: tuple[str, ...]
    distal_body: str
    tip: Vec3
    point: Vec3


class GraspCenter(_Row):
    """The point between fingers and palm that should meet the object (m, in the body's frame)."""

    body: str
    offset: Vec3


class Wrist(_Row):
    """Bounds of the wrist's velocity servo: m/s, rad/s, N, N m, m/s2, rad/s2 (per axis)."""

    linear_speed: Positive
    angular_speed: Positive
    force: Positive
    torque: Positive
    linear_acceleration: Positive
    angular_acceleration: Positive


Table = TypeVar("Table", bound=BaseModel)


def read_table(cls: type[Table], path: Path | str, what: str) -> Table:
    """Read a table of any kind from a YAML file.

    Args:
        cls: The table's model.
        path: The file.
        what: What an error calls it.

    Raises:
        SleightError: The file is missing, is no YAML, or does not satisfy the schema.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SleightError(f"{what} cannot be read", value=path, remedy=str(error.strerror)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SleightError(f"{what} is not valid YAML", value=path, remedy=" ".join(str(error).split())) from error
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "table"
        raise SleightError(f"{what} {path.name}: {where}: {first['msg']}", value=first.get("input")) from error


def check_bodies(
    bodies: tuple[Body, ...], self_collisions: tuple[tuple[str, str], ...], postures: dict[str, dict[str, float]]
) -> set[str]:
    """Check what hands and arms have in common: order of links, limits, names of shapes and of postures' joints.

    Returns:
        The names of all joints.

    Raises:
        ValueError: Something does not fit.
    """
    seen = {"world"}
    shapes: set[str] = set()
    for body in bodies:
        if body.parent not in seen:
            raise ValueError(f"body '{body.name}' comes before its parent '{body.parent}'")
        if body.name in seen:
            raise ValueError(f"two bodies are called '{body.name}'")
        seen.add(body.name)
        for shape in body.collisions:
            if shape.name in shapes:
                raise ValueError(f"two shapes are called '{shape.name}'")
            shapes.add(shape.name)
        if body.joint and body.joint.lower >= body.joint.upper:
            raise ValueError(f"joint '{body.joint.name}': lower {body.joint.lower} >= upper {body.joint.upper}")
    joints = {body.joint.name for body in bodies if body.joint}
    if unknown := {name for pair in self_collisions for name in pair} - shapes:
        raise ValueError(f"self_collisions names unknown shapes: {sorted(unknown)}")
    for posture, values in postures.items():
        if set(values) - joints:
            raise ValueError(f"posture '{posture}' names unknown joints: {sorted(set(values) - joints)}")
    return joints


class HandVariant(_Row):
    """Another hand's table with another wrist.

    Attributes:
        name: Name of the variant.
        title: For people.
        base: Name of the hand that it is a variant of.
        wrist: Its wrist.
    """

    name: str
    title: str
    base: str
    wrist: Wrist


class HandTable(_Row):
    """A hand as data, alone (`wrist_mode` "floating") or with the arm that carries it ("arm").

    Attributes:
        joint_names: All joints in observation order: fingers as listed, each from palm to tip, then the arm's.
        actuated_joint_names: The joints that have a motor, in the same order; this is the action order.
        arm_joints: The carrying arm's joints from base to flange; empty for a floating wrist. Tables with an arm are
            not written by hand but put together by `sleight_core.arm.robot.combine`.
        joint_orders: Orders and names that other public code has for the finger joints: a mapping from our name to
            theirs, written in their order. `joint_order` gives the conversions.
    """

    name: str
    title: str
    wrist_mode: Literal["floating", "arm"]
    root_body: str
    joint_defaults: JointDynamics
    friction: float
    bodies: tuple[Body, ...]
    couplings: tuple[Coupling, ...] = ()
    fingers: dict[str, Finger]
    grasp_center: GraspCenter
    wrist: Wrist
    self_collisions: tuple[tuple[str, str], ...] = ()
    postures: dict[str, dict[str, float]] = {}
    arm_joints: tuple[str, ...] = ()
    joint_orders: dict[str, dict[str, str]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> HandTable:
        in_bodies = check_bodies(self.bodies, self.self_collisions, self.postures)
        in_fingers = [name for finger in self.fingers.values() for name in finger.joints]
        named = [*in_fingers, *self.arm_joints]
        if len(set(named)) != len(named) or set(named) != in_bodies:
            raise ValueError(f"fingers and bodies disagree on the joints: {sorted(set(named) ^ in_bodies)}")
        if (self.wrist_mode == "arm") != bool(self.arm_joints):
            raise ValueError("arm_joints are those of the arm in wrist_mode 'arm', and of no other")
        for coupling in self.couplings:
            if {coupling.joint, coupling.driver} - in_bodies:
                raise ValueError(f"coupling names an unknown joint: {coupling.joint}, {coupling.driver}")
        motors = {name for name in in_fingers if self._joints[name].actuated}
        for order, names in self.joint_orders.items():
            if set(names) != motors or len(set(names.values())) != len(names):
                raise ValueError(f"joint order '{order}' must name every actuated finger joint once")
        return self

    @classmethod
    def from_yaml(cls, path: Path | str) -> HandTable:
        """Read a table.

        Raises:
            SleightError: The file is missing, is no YAML, or does not satisfy the schema.
        """
        return read_table(cls, path, "hand table")

    @classmethod
    def read(cls, path: Path | str, find: Callable[[str], HandTable]) -> HandTable:
        """Read a table, or a variant of another one (see `HandVariant`).

        Args:
            path: The YAML file.
            find: Returns the base of a variant by name.

        Raises:
            SleightError: As `from_yaml`; or the base is unknown.
        """
        try:
            is_variant = "base" in (yaml.safe_load(Path(path).read_text(encoding="utf-8")) or ())
        except (OSError, yaml.YAMLError, UnicodeDecodeError, TypeError):
            is_variant = False  # `from_yaml` says what is wrong.
        if not is_variant:
            return cls.from_yaml(path)
        variant = read_table(HandVariant, path, "hand variant")
        changes = {"name": variant.name, "title": variant.title, "wrist": variant.wrist}
        return find(variant.base).model_copy(update=changes)

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """All joints, observation order: fingers, then arm."""
        return tuple(name for finger in self.fingers.values() for name in finger.joints) + self.arm_joints

    @cached_property
    def arm_index(self) -> np.ndarray:
        """Index of each of `arm_joints` in `joint_names`, (0,) for a floating wrist."""
        return np.array([self.joint_names.index(name) for name in self.arm_joints], dtype=int)

    @cached_property
    def _joints(self) -> dict[str, Joint]:
        return {body.joint.name: body.joint for body in self.bodies if body.joint}

    @cached_property
    def actuated_joint_names(self) -> tuple[str, ...]:
        """The joints with a motor, action order."""
        return tuple(name for name in self.joint_names if self._joints[name].actuated)

    @cached_property
    def actuated_index(self) -> np.ndarray:
        """Index of each actuated joint in `joint_names`, (18,) for Shadow."""
        return np.array([self.joint_names.index(name) for name in self.actuated_joint_names])

    @cached_property
    def finger_names(self) -> tuple[str, ...]:
        """The fingers, in the order of every per-finger array."""
        return tuple(self.fingers)

    def joint(self, name: str) -> Joint:
        """Return one joint's row.

        Raises:
            SleightError: The hand has no such joint.
        """
        if name not in self._joints:
            raise SleightError(
                f"hand '{self.name}' has no joint", value=name, remedy=f"it has {list(self.joint_names)}"
            )
        return self._joints[name]

    def dynamics(self, name: str) -> JointDynamics:
        """Return a joint's passive and servo figures.

        Raises:
            SleightError: The hand has no such joint.
        """
        return self.joint(name).dynamics or self.joint_defaults

    def joint_order(self, name: str) -> JointOrder:
        """Return a public order of the finger joints.

        Raises:
            SleightError: The table has no such order.
        """
        if name not in self.joint_orders:
            raise SleightError(
                f"hand '{self.name}' has no joint order", value=name, remedy=f"it has {sorted(self.joint_orders)}"
            )
        pairs = self.joint_orders[name]
        return JointOrder(name, tuple(pairs), tuple(pairs.values()), self.joint_names)

    def body(self, name: str) -> Body:
        """Return one body's row.

        Raises:
            SleightError: The hand has no such body.
        """
        for body in self.bodies:
            if body.name == name:
                return body
        raise SleightError(f"hand '{self.name}' has no body", value=name)

    @cached_property
    def lower(self) -> np.ndarray:
        """Lower limits of `joint_names` (rad)."""
        return np.array([self._joints[name].lower for name in self.joint_names])

    @cached_property
    def upper(self) -> np.ndarray:
        """Upper limits of `joint_names` (rad)."""
        return np.array([self._joints[name].upper for name in self.joint_names])

    @property
    def actuated_lower(self) -> np.ndarray:
        """Lower limits of `actuated_joint_names` (rad)."""
        return self.lower[self.actuated_index]

    @property
    def actuated_upper(self) -> np.ndarray:
        """Upper limits of `actuated_joint_names` (rad)."""
        return self.upper[self.actuated_index]

    @cached_property
    def actuated_velocity(self) -> np.ndarray:
        """Velocity limits of `actuated_joint_names` (rad/s)."""
        return np.array([self._joints[name].velocity for name in self.actuated_joint_names])

    def posture(self, name: str) -> np.ndarray:
        """Return a named posture over `joint_names` (rad).

        Raises:
            SleightError: The hand has no such posture.
        """
        if name not in self.postures:
            raise SleightError(
                f"hand '{self.name}' has no posture", value=name, remedy=f"it has {sorted(self.postures)}"
            )
        return np.array([self.postures[name].get(joint, 0.0) for joint in self.joint_names])

    def digest(self) -> str:
        """SHA-256 of everything a policy depends on (not the title, postures or servo gains of a simulator)."""
        unused = {"title", "postures", "joint_defaults", "friction", "joint_orders"}
        if not self.arm_joints:  # Digests of tables from before there were arms stay what they are.
            unused.add("arm_joints")
        data = self.model_dump(mode="json", exclude=unused)
        for body in data["bodies"]:
            if body["joint"]:
                del body["joint"]["dynamics"]
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
