"""Between ROS messages and the arrays of `sleight_core`.

This is the only place that swaps quaternion orders (messages xyzw, Sleight wxyz) and that turns a child-frame twist
into the task frame. Joints are matched by name. Nothing here raises on the *content* of a message: a reading says what
is wrong with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, TwistStamped, Vector3
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from sleight_core.rotations import quat_conjugate, quat_rotate
from sleight_msgs.msg import FingertipWrenches, HandCommand
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

NANOSECONDS = 1_000_000_000
#: How far a quaternion's length may be from 1 before the message is not believed.
QUATERNION_TOLERANCE = 0.02


def to_xyzw(quat: np.ndarray) -> np.ndarray:
    """Reorder quaternions (..., 4) from wxyz to xyzw."""
    return np.asarray(quat)[..., [1, 2, 3, 0]]


def to_wxyz(quat: np.ndarray) -> np.ndarray:
    """Reorder quaternions (..., 4) from xyzw to wxyz."""
    return np.asarray(quat)[..., [3, 0, 1, 2]]


def quaternion_from_msg(msg: Quaternion) -> np.ndarray:
    """Return (4,) wxyz, as it is in the message (not normalised)."""
    return to_wxyz(np.array([msg.x, msg.y, msg.z, msg.w]))


def quaternion_to_msg(quat: np.ndarray) -> Quaternion:
    """Turn (4,) wxyz into a message."""
    x, y, z, w = to_xyzw(quat).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def point_to_msg(vector: np.ndarray) -> Point:
    """Turn (3,) into a Point."""
    x, y, z = (float(v) for v in vector)
    return Point(x=x, y=y, z=z)


def vector_to_msg(vector: np.ndarray) -> Vector3:
    """Turn (3,) into a Vector3."""
    x, y, z = (float(v) for v in vector)
    return Vector3(x=x, y=y, z=z)


def vector_from_msg(msg: Point | Vector3) -> np.ndarray:
    """Return (3,)."""
    return np.array([msg.x, msg.y, msg.z])


def pose_to_msg(pos: np.ndarray, quat: np.ndarray) -> Pose:
    """Turn a position (3,) and a quaternion (4,) wxyz into a Pose."""
    return Pose(position=point_to_msg(pos), orientation=quaternion_to_msg(quat))


def pose_from_msg(msg: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Return position (3,) and quaternion (4,) wxyz."""
    return vector_from_msg(msg.position), quaternion_from_msg(msg.orientation)


def pose_problem(msg: Pose) -> str:
    """Why a pose cannot be used, "" when it can."""
    pos, quat = pose_from_msg(msg)
    if not np.isfinite(np.concatenate([pos, quat])).all():
        return "pose is not finite"
    norm = float(np.linalg.norm(quat))
    return f"orientation has length {norm:.3g}" if abs(norm - 1.0) > QUATERNION_TOLERANCE else ""


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds of a stamp."""
    return stamp.sec * NANOSECONDS + stamp.nanosec


def stamp_to_seconds(stamp: Time) -> float:
    """Seconds of a stamp; exact to about 0.2 microseconds for today's dates."""
    return stamp_to_ns(stamp) * 1e-9


def stamp_from_ns(nanoseconds: int) -> Time:
    """Make a stamp; a stamp cannot be negative, so earlier times become zero."""
    sec, nanosec = divmod(max(0, int(nanoseconds)), NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def duration_to_msg(seconds: float) -> Duration:
    """Make a Duration message."""
    sec, nanosec = divmod(round(seconds * NANOSECONDS), NANOSECONDS)
    return Duration(sec=sec, nanosec=nanosec)


@dataclass(frozen=True)
class JointReading:
    """A JointState, by name.

    Attributes:
        position: In the reader's order, rad; NaN for a joint that the message lacks.
        velocity: In the same order, rad/s; NaN where the message has none.
        missing: Wanted joints that are absent from the message.
        problem: What is wrong with the message as a whole, "" when nothing is.
    """

    position: np.ndarray
    velocity: np.ndarray
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def complete(self) -> bool:
        """All joints are there, with finite positions and velocities."""
        return (
            not self.problem
            and not self.missing
            and bool(np.isfinite(self.position).all() and np.isfinite(self.velocity).all())
        )

    def describe(self, names: Sequence[str]) -> str:
        """Say in one clause why the reading is not complete; names are the reader's."""
        if self.problem:
            return self.problem
        if self.missing:
            return f"joint missing: {', '.join(self.missing[:4])}{' ...' if len(self.missing) > 4 else ''}"
        for what, values in (("position", self.position), ("velocity", self.velocity)):
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                return f"{what} of joint {names[bad[0]]} is {values[bad[0]]}"
        return ""


class JointReader:
    """Reads joints by name out of JointState messages; the order is looked up once and kept while the names stay.

    Args:
        names: Wanted joints, in the wanted order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._cached: list[str] | None = None
        self._source = np.zeros(0, dtype=np.intp)
        self._target = np.zeros(0, dtype=np.intp)
        self._missing: tuple[str, ...] = ()
        self._problem = ""

    def read(self, msg: JointState) -> JointReading:
        """Read one message; joints that nobody asked for are ignored."""
        names = list(msg.name)
        if names != self._cached:
            self._learn(names)
        count = len(self.names)
        position, velocity = np.full(count, np.nan), np.full(count, np.nan)
        if len(msg.position) != len(names):
            problem = f"joint state has {len(names)} names and {len(msg.position)} positions"
            return JointReading(position, velocity, self._missing, problem)
        if len(msg.velocity) not in (0, len(names)):
            problem = f"joint state has {len(names)} names and {len(msg.velocity)} velocities"
            return JointReading(position, velocity, self._missing, problem)
        position[self._target] = np.asarray(msg.position, dtype=float)[self._source]
        if len(msg.velocity):
            velocity[self._target] = np.asarray(msg.velocity, dtype=float)[self._source]
        return JointReading(position, velocity, self._missing, self._problem)

    def _learn(self, names: list[str]) -> None:
        place = {name: i for i, name in enumerate(names)}
        twice = sorted({name for name in names if names.count(name) > 1} & set(self.names))
        self._problem = f"joint named twice: {', '.join(twice)}" if twice else ""
        found = [(place[name], i) for i, name in enumerate(self.names) if name in place]
        self._source = np.array([source for source, _ in found], dtype=np.intp)
        self._target = np.array([target for _, target in found], dtype=np.intp)
        self._missing = tuple(name for name in self.names if name not in place)
        self._cached = names


def joint_state_msg(names: Sequence[str], position: np.ndarray, velocity: np.ndarray, stamp: Time) -> JointState:
    """Make a named JointState."""
    msg = JointState()
    msg.header.stamp = stamp
    msg.name = list(names)
    msg.position = array("d", np.asarray(position, dtype=float).tobytes())
    msg.velocity = array("d", np.asarray(velocity, dtype=float).tobytes())
    return msg


@dataclass(frozen=True)
class WristReading:
    """A wrist state in the frame of the odometry's header.

    Attributes:
        pos: (3,) m.
        quat: (4,) wxyz, unit.
        linvel: (3,) m/s.
        angvel: (3,) rad/s.
        frame: The frame of all of them.
        problem: Why the reading cannot be used, "" when it can.
    """

    pos: np.ndarray
    quat: np.ndarray
    linvel: np.ndarray
    angvel: np.ndarray
    frame: str
    problem: str = ""


def read_odometry(msg: Odometry) -> WristReading:
    """Read an Odometry; its twist, given in the child frame, is turned into the header's frame."""
    pos, quat = pose_from_msg(msg.pose.pose)
    linear, angular = vector_from_msg(msg.twist.twist.linear), vector_from_msg(msg.twist.twist.angular)
    problem = ""
    norm = float(np.linalg.norm(quat))
    if not np.isfinite(np.concatenate([pos, quat, linear, angular])).all():
        problem = "wrist state is not finite"
    elif abs(norm - 1.0) > QUATERNION_TOLERANCE:
        problem = f"wrist orientation has length {norm:.3g}"
    else:
        quat = quat / norm
    return WristReading(pos, quat, quat_rotate(quat, linear), quat_rotate(quat, angular), msg.header.frame_id, problem)


def odometry_msg(
    pos: np.ndarray,
    quat: np.ndarray,
    linvel: np.ndarray,
    angvel: np.ndarray,
    *,
    frame: str,
    child_frame: str,
    stamp: Time,
) -> Odometry:
    """Make an Odometry from a wrist state whose velocities are in `frame`."""
    msg = Odometry()
    msg.header.stamp = stamp
    msg.header.frame_id = frame
    msg.child_frame_id = child_frame
    msg.pose.pose = pose_to_msg(pos, quat)
    back = quat_conjugate(np.asarray(quat))
    msg.twist.twist.linear = vector_to_msg(quat_rotate(back, np.asarray(linvel)))
    msg.twist.twist.angular = vector_to_msg(quat_rotate(back, np.asarray(angvel)))
    return msg


@dataclass(frozen=True)
class WrenchReading:
    """Fingertip wrenches (F, 6) in the order of the wanted fingers; missing names as in JointReading."""

    wrenches: np.ndarray
    missing: tuple[str, ...] = ()
    problem: str = ""


def read_wrenches(msg: FingertipWrenches, fingers: Sequence[str]) -> WrenchReading:
    """Read wrenches by finger name, N and N m."""
    wrenches = np.full((len(fingers), 6), np.nan)
    if len(msg.finger_names) != len(msg.wrenches):
        return WrenchReading(wrenches, problem=f"{len(msg.finger_names)} finger names and {len(msg.wrenches)} wrenches")
    named = dict(zip(msg.finger_names, msg.wrenches, strict=True))
    missing = tuple(name for name in fingers if name not in named)
    for i, name in enumerate(fingers):
        if name in named:
            force, torque = named[name].force, named[name].torque
            wrenches[i] = (force.x, force.y, force.z, torque.x, torque.y, torque.z)
    problem = f"fingertip wrench missing: {', '.join(missing)}" if missing else ""
    if not problem and not np.isfinite(wrenches).all():
        problem = "fingertip wrench is not finite"
    return WrenchReading(wrenches, missing, problem)


def wrenches_msg(fingers: Sequence[str], wrenches: np.ndarray, stamp: Time) -> FingertipWrenches:
    """Make FingertipWrenches from (F, 6); each wrench is in its own distal body's frame."""
    from geometry_msgs.msg import Wrench

    msg = FingertipWrenches()
    msg.header.stamp = stamp
    msg.finger_names = list(fingers)
    msg.wrenches = [Wrench(force=vector_to_msg(row[:3]), torque=vector_to_msg(row[3:])) for row in wrenches]
    return msg


def twist_from_msg(msg: TwistStamped | HandCommand) -> np.ndarray:
    """Return (6,): linear m/s and angular rad/s."""
    twist = msg.twist if isinstance(msg, TwistStamped) else msg.wrist_twist
    return np.concatenate([vector_from_msg(twist.linear), vector_from_msg(twist.angular)])


def twist_msg(twist: np.ndarray, frame: str, stamp: Time) -> TwistStamped:
    """Make a TwistStamped from (6,)."""
    msg = TwistStamped()
    msg.header.stamp = stamp
    msg.header.frame_id = frame
    msg.twist.linear = vector_to_msg(twist[:3])
    msg.twist.angular = vector_to_msg(twist[3:])
    return msg


def trajectory_msg(names: Sequence[str], positions: np.ndarray, time_from_start: float) -> JointTrajectory:
    """Make a one-point trajectory that starts on arrival.

    The stamp stays zero, which joint_trajectory_controller reads as "now": a real stamp would be past on arrival.
    """
    point = JointTrajectoryPoint()
    point.positions = array("d", np.asarray(positions, dtype=float).tobytes())
    point.time_from_start = duration_to_msg(time_from_start)
    return JointTrajectory(joint_names=list(names), points=[point])


def command_msg(
    names: Sequence[str],
    positions: np.ndarray,
    twist: np.ndarray,
    *,
    frame: str,
    stamp: Time,
    state_stamp: Time,
    sequence: int,
    bundle_id: str,
) -> HandCommand:
    """Make a HandCommand."""
    msg = HandCommand()
    msg.header.stamp = stamp
    msg.header.frame_id = frame
    msg.bundle_id = bundle_id
    msg.sequence = sequence
    msg.joint_names = list(names)
    msg.positions = array("d", np.asarray(positions, dtype=float).tobytes())
    msg.wrist_twist.linear = vector_to_msg(twist[:3])
    msg.wrist_twist.angular = vector_to_msg(twist[3:])
    msg.state_stamp = state_stamp
    return msg


@dataclass
class NamedTargets:
    """Joint targets by name, as a command or a trajectory carries them.

    Attributes:
        positions: In the wanted order, rad; NaN where the message has none.
        missing: Wanted joints that are absent.
        unknown: Names that are not wanted, or that come twice.
        problem: What is wrong with the message as a whole, "" when nothing is.
    """

    positions: np.ndarray
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Every wanted joint has a finite target and nothing else is named."""
        return not (self.problem or self.missing or self.unknown) and bool(np.isfinite(self.positions).all())


def read_targets(names: Sequence[str], positions: Iterable[float], wanted: Sequence[str]) -> NamedTargets:
    """Match targets to the wanted joints by name.

    Args:
        names: Names in the message.
        positions: Targets in the message, rad.
        wanted: Names in the order of the result.
    """
    values = np.asarray(positions, dtype=float)
    result = NamedTargets(np.full(len(wanted), np.nan))
    if len(names) != len(values):
        result.problem = f"{len(names)} joint names and {len(values)} positions"
        return result
    place = {name: i for i, name in enumerate(wanted)}
    seen: set[str] = set()
    for name, value in zip(names, values, strict=True):
        if name not in place or name in seen:
            result.unknown.append(name)
            continue
        seen.add(name)
        result.positions[place[name]] = value
    result.missing = [name for name in wanted if name not in seen]
    return result
