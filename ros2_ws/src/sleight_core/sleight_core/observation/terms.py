"""Observation terms: one pure function each, on batches, for training and robot alike.

A term sees a `Frame`: the state with its vectors turned into the episode's canonical frame, and the fingertips' states
computed once for all terms. Sizes, scales and layout follow the paper's state (resdex_facts 2.2), quaternions as wxyz.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from sleight_core.arrays import namespace
from sleight_core.errors import SleightError
from sleight_core.hand import FingertipKinematics, Fingertips, HandTable
from sleight_core.observation.state import RobotState
from sleight_core.rotations import (
    quat_conjugate,
    quat_multiply,
    quat_normalize,
    quat_to_euler_xyz,
    swapped_rotation_z,
    yaw_quat,
)

Array = Any
Provenance = Literal["proprioception", "perception", "command", "memory", "privileged"]
PROVENANCES: tuple[str, ...] = get_args(Provenance)

#: Elements of the code that stands for an object's shape and size (ResDex's PointNet feature).
OBJECT_CODE_SIZE = 64
#: Points of the object's cloud that a policy may ask for: 512 as in the paper, fewer for a small computer.
CLOUD_SIZES = (64, 128, 256, 512)


class Frame:
    """A batch of states in the canonical frame: the task frame turned by -canonical_yaw about z."""

    def __init__(self, state: RobotState, kinematics: FingertipKinematics) -> None:
        self.state = state
        self.kinematics = kinematics
        #: Results that several terms share, by a name of theirs.
        self.cache: dict[str, Any] = {}
        self._back = -state.canonical_yaw

    @cached_property
    def _turn(self) -> Array:
        return swapped_rotation_z(self._back)

    def rotate(self, vector: Array) -> Array:
        """Turn task-frame vectors (B, 3) or (B, N, 3) into the canonical frame."""
        return vector @ self._turn if vector.ndim == 3 else (vector[:, None] @ self._turn)[:, 0]

    @cached_property
    def wrist_pos(self) -> Array:
        """(B, 3) m."""
        return self.rotate(self.state.wrist_pos)

    @cached_property
    def wrist_quat(self) -> Array:
        """(B, 4), w >= 0."""
        return quat_normalize(quat_multiply(yaw_quat(self._back), self.state.wrist_quat))

    @cached_property
    def fingertips(self) -> Fingertips:
        """Distal bodies' poses and velocities."""
        return self.kinematics.fingertips(
            self.state.joint_pos,
            self.state.joint_vel,
            self.wrist_pos,
            self.wrist_quat,
            self.rotate(self.state.wrist_linvel),
            self.rotate(self.state.wrist_angvel),
        )

    @cached_property
    def grasp_center(self) -> Array:
        """(B, 3) m."""
        return self.kinematics.grasp_center(self.wrist_pos, self.wrist_quat)

    @cached_property
    def from_wrist(self) -> Array:
        """(B, 4): turns vectors of the task frame into the wrist's axes."""
        return quat_conjugate(self.state.wrist_quat)

    @cached_property
    def palm(self) -> Array:
        """(B, 3) m, the grasp centre in the task frame."""
        return self.kinematics.grasp_center(self.state.wrist_pos, self.state.wrist_quat)

    @cached_property
    def object_pos(self) -> Array:
        """(B, 3) m, as perceived."""
        return self.rotate(self.state.object_pos)

    @cached_property
    def object_cloud(self) -> Array:
        """(B, N, 3) m, as perceived."""
        return self.rotate(self.state.object_cloud)

    @cached_property
    def goal_pos(self) -> Array:
        """(B, 3) m."""
        return self.rotate(self.state.goal_pos)


@dataclass(frozen=True)
class Term:
    """A registered term.

    Attributes:
        function: Frame -> (B, size).
        size: Number of elements for a hand.
        unit: Units of the raw value, before the spec's scale.
        frame: "canonical", "joint", "sensor" or "none".
        provenance: Where the value comes from on a robot.
    """

    name: str
    function: Callable[[Frame], Array]
    size: Callable[[HandTable], int]
    unit: str
    frame: str
    provenance: Provenance


TERMS: dict[str, Term] = {}


def term(
    size: int | Callable[[HandTable], int], *, unit: str, frame: str, provenance: Provenance
) -> Callable[[Callable[[Frame], Array]], Callable[[Frame], Array]]:
    """Register a function as the term of the same name."""

    def register(function: Callable[[Frame], Array]) -> Callable[[Frame], Array]:
        count = _constant(size) if isinstance(size, int) else size
        TERMS[function.__name__] = Term(function.__name__, function, count, unit, frame, provenance)
        return function

    return register


def _constant(size: int) -> Callable[[HandTable], int]:
    return lambda table: size


def _flat(array: Array) -> Array:
    return array.reshape(array.shape[0], -1)


@term(lambda table: len(table.joint_names), unit="1", frame="joint", provenance="proprioception")
def joint_pos(f: Frame) -> Array:
    """Joint positions scaled by their limits to [-1, 1]."""
    lower, upper = f.kinematics.range.like(f.state.joint_pos)
    return (2.0 * f.state.joint_pos - upper - lower) / (upper - lower)


@term(lambda table: len(table.joint_names), unit="rad/s", frame="joint", provenance="proprioception")
def joint_vel(f: Frame) -> Array:
    """Joint velocities (not part of the paper's state)."""
    return f.state.joint_vel


@term(lambda table: 13 * len(table.fingers), unit="m, 1, m/s, rad/s", frame="canonical", provenance="proprioception")
def fingertip_state(f: Frame) -> Array:
    """The distal bodies' origins, each: position 3, quaternion wxyz (w >= 0) 4, linear 3 and angular velocity 3."""
    xp = namespace(f.state.joint_pos)
    tips = f.fingertips
    return _flat(xp.concat([tips.pos, quat_normalize(tips.quat), tips.linvel, tips.angvel], axis=-1))


@term(lambda table: 6 * len(table.fingers), unit="N, N m", frame="sensor", provenance="proprioception")
def fingertip_wrench(f: Frame) -> Array:
    """For each finger: force 3 and torque 3 in the distal body's frame."""
    return _flat(f.state.fingertip_wrench)


@term(3, unit="m", frame="canonical", provenance="proprioception")
def grasp_center_pos(f: Frame) -> Array:
    """Position of the grasp centre."""
    return f.grasp_center


@term(3, unit="rad", frame="canonical", provenance="proprioception")
def wrist_euler(f: Frame) -> Array:
    """Roll, pitch and yaw of the hand's root body."""
    return quat_to_euler_xyz(f.wrist_quat)


def _action_size(table: HandTable) -> int:
    """A twist and a target a motor; on an arm there is no twist beside the motors' targets."""
    return len(table.actuated_joint_names) + (6 if table.wrist_mode == "floating" else 0)


@term(_action_size, unit="1", frame="canonical", provenance="memory")
def last_action(f: Frame) -> Array:
    """The last action as it was sent, after safety, in policy units."""
    return f.state.last_action


@term(3, unit="m", frame="canonical", provenance="perception")
def object_pos(f: Frame) -> Array:
    """Perceived position of the object."""
    return f.object_pos


@term(3, unit="m", frame="canonical", provenance="perception")
def goal_offset(f: Frame) -> Array:
    """Goal position minus perceived object position."""
    return f.goal_pos - f.object_pos


def cloud_term(points: int) -> str:
    """Return the name of the term that holds the object's cloud with so many points.

    Raises:
        SleightError: There is no such term.
    """
    if points not in CLOUD_SIZES:
        raise SleightError(
            "no observation term holds a cloud of so many points", value=points, remedy=f"choose one of {CLOUD_SIZES}"
        )
    return f"object_cloud_{points}"


def cloud_points(names: Iterable[str]) -> int:
    """Return how many points of the object's cloud terms of these names need; 0 where none is a cloud."""
    asked = set(names)
    return max((size for size in CLOUD_SIZES if cloud_term(size) in asked), default=0)


def _register_cloud(points: int) -> None:
    def function(f: Frame) -> Array:
        """Points of the object's visible surface, each x, y, z (resdex_facts 2.4, there in the world's frame)."""
        if f.state.object_cloud is None:
            raise SleightError(
                "the state holds no cloud of the object, which the policy sees",
                remedy="feed the perception's object cloud",
            )
        return _flat(resized(f.object_cloud, points))

    function.__name__ = cloud_term(points)
    term(3 * points, unit="m", frame="canonical", provenance="perception")(function)


def resized(cloud: Array, points: int) -> Array:
    """Take points (B, points, 3) of a cloud (B, N, 3): evenly from a larger one, repeated from a smaller one."""
    have = cloud.shape[1]
    if have == points:
        return cloud
    if have == 0:
        raise SleightError("a cloud has no points")
    return cloud[:, [i * have // points for i in range(points)]]


for _points in CLOUD_SIZES:
    _register_cloud(_points)


@term(3, unit="m", frame="canonical", provenance="privileged")
def true_object_offset(f: Frame) -> Array:
    """True object position minus grasp centre."""
    return f.rotate(f.state.privileged["object_pos"]) - f.grasp_center


@term(4, unit="1", frame="canonical", provenance="privileged")
def true_object_quat(f: Frame) -> Array:
    """True orientation of the object, wxyz, w >= 0."""
    return quat_normalize(quat_multiply(yaw_quat(-f.state.canonical_yaw), f.state.privileged["object_quat"]))


@term(3, unit="m/s", frame="canonical", provenance="privileged")
def true_object_linvel(f: Frame) -> Array:
    """True linear velocity of the object."""
    return f.rotate(f.state.privileged["object_linvel"])


@term(3, unit="rad/s", frame="canonical", provenance="privileged")
def true_object_angvel(f: Frame) -> Array:
    """True angular velocity of the object."""
    return f.rotate(f.state.privileged["object_angvel"])


@term(OBJECT_CODE_SIZE, unit="1", frame="none", provenance="privileged")
def object_code(f: Frame) -> Array:
    """Code of the whole object's shape and size, as an encoder makes it of the object's surface."""
    return f.state.privileged["object_code"]


@term(1, unit="s", frame="none", provenance="privileged")
def time_left(f: Frame) -> Array:
    """Remaining time of the episode (a critic's input: value depends on it)."""
    return f.state.privileged["time_left"]
