"""What the policy knows at a tick: the newest message of every source, checked, and put together as a RobotState."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState, PointCloud2
from sleight_core.action.spec import ActionSpec, Command
from sleight_core.arm import ArmKinematics
from sleight_core.hand import HandTable
from sleight_core.observation import RobotState
from sleight_core.rotations import quat_yaw_of_axis
from sleight_core.safety import JointLimits
from sleight_core.safety.limits import DEFAULT_MARGIN
from sleight_msgs.msg import FingertipWrenches, HandCommand, ObjectEstimate, PrivilegedState

from sleight_ros import convert
from sleight_ros.clouds import CloudError, cloud_xyz
from sleight_ros.privileged import TOPIC as PRIVILEGED
from sleight_ros.privileged import read_privileged


@dataclass
class Source:
    """Bookkeeping of one topic.

    Attributes:
        name: Topic, for messages.
        age_limit: Largest age of the newest usable message, and longest standstill of the stamp, s.
        stamp: Stamp of the newest message, ns; -1 before the first.
        received: When it came, s.
        changed: When the stamp last moved forward, s.
        problem: Why the newest message cannot be used, "" when it can.
    """

    name: str
    age_limit: float
    stamp: int = -1
    received: float = -np.inf
    changed: float = -np.inf
    problem: str = ""

    def note(self, stamp: int, now: float, problem: str) -> None:
        """Take note of a message; one older than the newest is a problem of its own."""
        if stamp < self.stamp:
            problem = problem or f"stamp went back by {(self.stamp - stamp) * 1e-9:.3f} s"
        if stamp != self.stamp:
            self.changed = now
        self.stamp, self.received, self.problem = stamp, now, problem

    def complaint(self, now: float) -> str:
        """Why this source cannot be used now, "" when it can."""
        if self.stamp < 0:
            return f"nothing on {self.name} yet"
        if self.problem:
            return f"{self.name}: {self.problem}"
        age = now - self.received
        if age > self.age_limit:
            return f"{self.name} is {age * 1e3:.0f} ms old (limit {self.age_limit * 1e3:.0f} ms)"
        if now - self.changed > self.age_limit:
            return f"{self.name} repeats the same stamp"
        return ""


@dataclass(frozen=True)
class AgeLimits:
    """Largest ages, s: two control periods or 50 ms for the robot's state, three camera periods for the object."""

    joints: float = 0.05
    wrist: float = 0.05
    wrenches: float = 0.05
    object: float = 0.25
    sent: float = 0.1


class PolicyInputs:
    """Collects the policy's sources.

    Args:
        table: The hand.
        action: The bundle's action, for turning what was sent into `last_action`.
        goal: Where the object should go in the task frame (3,), m.
        frame: Name of the task frame.
        limits: Largest ages.
        uses: Names of the sources that the bundle's observation needs: any of "object", "cloud", "scene" (what lies
            over the table), "pose" (a tracked pose of the object, and a goal for it), "wrenches" and, in simulation,
            "privileged".
        margin: Distance to the joint limits that was kept in training, rad.
        heading: Heading of the hand at canonical yaw 0, rad: of its start in the bundle.
    """

    def __init__(
        self,
        table: HandTable,
        action: ActionSpec,
        goal: np.ndarray,
        frame: str,
        limits: AgeLimits | None = None,
        *,
        uses: frozenset[str] = frozenset({"object", "wrenches"}),
        margin: float = DEFAULT_MARGIN,
        heading: float = 0.0,
    ) -> None:
        limits = limits or AgeLimits()
        self.table = table
        self.action = action
        self.goal = np.asarray(goal, dtype=float)
        self._limits = JointLimits.from_table(table, margin=margin)
        self.frame = frame
        self.joints = Source("joint_states", limits.joints)
        self.wrist = Source("wrist/odometry", limits.wrist)
        self.wrenches = Source("fingertip_wrenches", limits.wrenches)
        self.object = Source("object/estimate", limits.object)
        self.cloud = Source("object/cloud", limits.object)
        self.scene = Source("scene/cloud", limits.object)
        self.pose = Source("object/pose", limits.object)
        # A command: it holds until the next one.
        self.goal_pose = Source("object/goal", math.inf)
        self.sent = Source("bridge/sent", limits.sent)
        self.privileged = Source(PRIVILEGED, limits.wrenches)
        self._heading = heading
        self._required = [self.joints, self.wrist]
        optional = (
            ("wrenches", self.wrenches),
            ("object", self.object),
            ("cloud", self.cloud),
            ("scene", self.scene),
            ("privileged", self.privileged),
            ("pose", self.pose),
            ("pose", self.goal_pose),
        )
        self._required += [source for key, source in optional if key in uses]
        self._reader = convert.JointReader(table.joint_names)
        count, fingers = len(table.joint_names), len(table.finger_names)
        self._joint_pos, self._joint_vel = np.zeros(count), np.zeros(count)
        self._wrist = convert.WristReading(np.zeros(3), np.array([1.0, 0, 0, 0]), np.zeros(3), np.zeros(3), frame)
        self._wrenches = np.zeros((fingers, 6))
        self._object_pos = np.zeros(3)
        self._object_cloud: np.ndarray | None = None
        self._scene_cloud: np.ndarray | None = None
        self._object_quat: np.ndarray | None = None
        self._goal_quat: np.ndarray | None = None
        # An arm's joints say where the hand is, as in simulation.
        self._arm = ArmKinematics.of_wrist(table) if table.arm_joints else None
        self._canonical_yaw = 0.0
        self._last_output = np.zeros(len(table.actuated_joint_names))
        self._last_action = np.zeros(action.size)
        self._sent_targets: np.ndarray | None = None
        self._sent_twist = np.zeros(6)
        self._privileged: dict[str, np.ndarray] = {}
        self._rest: np.ndarray | None = None

    def take_joints(self, msg: JointState, now: float) -> None:
        """Take a joint state; `now` is the monotonic clock, s, here and below."""
        reading = self._reader.read(msg)
        problem = reading.describe(self.table.joint_names)
        self.joints.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
        if not problem:
            self._joint_pos, self._joint_vel = reading.position, reading.velocity
        if self._arm is not None:
            self.wrist.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
            if not problem:
                arm = self.table.arm_index
                at = self._arm.state(reading.position[None, arm], reading.velocity[None, arm])
                self._wrist = convert.WristReading(at.pos[0], at.quat[0], at.linvel[0], at.angvel[0], self.frame)

    def take_wrist(self, msg: Odometry, now: float) -> None:
        """Take a wrist state; of a hand on an arm, the joint states say it."""
        if self._arm is not None:
            return
        reading = convert.read_odometry(msg)
        problem = reading.problem
        if not problem and reading.frame != self.frame:
            problem = f"in frame '{reading.frame}' instead of '{self.frame}'"
        self.wrist.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
        if not problem:
            self._wrist = reading

    def take_wrenches(self, msg: FingertipWrenches, now: float) -> None:
        """Take fingertip wrenches."""
        reading = convert.read_wrenches(msg, self.table.finger_names)
        self.wrenches.note(convert.stamp_to_ns(msg.header.stamp), now, reading.problem)
        if not reading.problem:
            self._wrenches = reading.wrenches

    def take_object(self, msg: ObjectEstimate, now: float) -> None:
        """Take an estimate; one without an object does not replace the last good one, whose age then runs out."""
        if msg.reason != ObjectEstimate.OK:
            if self.object.stamp < 0 or self.object.problem:
                self.object.note(convert.stamp_to_ns(msg.header.stamp), now, f"perception gives reason {msg.reason}")
            return
        pos = convert.vector_from_msg(msg.position)
        problem = "" if np.isfinite(pos).all() else "position is not finite"
        if not problem and msg.header.frame_id != self.frame:
            problem = f"in frame '{msg.header.frame_id}' instead of '{self.frame}'"
        # After a time without the object the stamp may have been noted by a refusal already.
        self.object.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
        if not problem:
            self._object_pos = pos

    def take_cloud(self, msg: PointCloud2, now: float) -> None:
        """Take the object's cloud; perception sends one only while it sees the object."""
        points = self._note_cloud(self.cloud, msg, now)
        if points is not None:
            self._object_cloud = points

    def take_scene(self, msg: PointCloud2, now: float) -> None:
        """Take the cloud of all that lies over the table and is not the robot."""
        points = self._note_cloud(self.scene, msg, now)
        if points is not None:
            self._scene_cloud = points

    def _note_cloud(self, source: Source, msg: PointCloud2, now: float) -> np.ndarray | None:
        """The points (N, 3) m of a cloud that can be used."""
        problem = "" if msg.header.frame_id == self.frame else f"in frame '{msg.header.frame_id}', not '{self.frame}'"
        points = np.zeros((0, 3))
        try:
            points = cloud_xyz(msg)
        except CloudError as error:
            problem = problem or str(error)
        if not problem and not (len(points) and np.isfinite(points).all()):
            problem = "it is empty or not finite"
        source.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
        return None if problem else np.array(points, dtype=float)

    def take_privileged(self, msg: PrivilegedState, now: float) -> None:
        """Take what only a simulator knows."""
        values = read_privileged(msg)
        problem = "" if all(np.isfinite(value).all() for value in values.values()) else "not finite"
        if not problem and msg.header.frame_id != self.frame:
            problem = f"in frame '{msg.header.frame_id}' instead of '{self.frame}'"
        self.privileged.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
        if not problem:
            self._privileged = {name: value[None] for name, value in values.items()}

    def take_pose(self, msg: PoseStamped, now: float) -> None:
        """Take a tracked pose of the object; it says where the object is, too."""
        problem = self._note_pose(self.pose, msg, now)
        if not problem:
            self._object_pos, self._object_quat = convert.pose_from_msg(msg.pose)

    def take_goal(self, msg: PoseStamped, now: float) -> None:
        """Take the pose that the object should have."""
        problem = self._note_pose(self.goal_pose, msg, now)
        if not problem:
            self.goal, self._goal_quat = convert.pose_from_msg(msg.pose)

    def _note_pose(self, source: Source, msg: PoseStamped, now: float) -> str:
        problem = convert.pose_problem(msg.pose)
        if not problem and msg.header.frame_id != self.frame:
            problem = f"in frame '{msg.header.frame_id}' instead of '{self.frame}'"
        source.note(convert.stamp_to_ns(msg.header.stamp), now, problem)
        return problem

    def note_output(self, action: np.ndarray) -> None:
        """Remember what the policy gave (A,), for policies that see their own last output."""
        self._last_output = self.action.joint_outputs(np.asarray(action, dtype=float)[None])[0]

    def take_sent(self, msg: HandCommand, now: float) -> None:
        """Take what the bridge sent: after safety, it is the policy's last action."""
        targets = convert.read_targets(list(msg.joint_names), msg.positions, self.table.actuated_joint_names)
        twist = convert.twist_from_msg(msg)
        good = targets.complete and bool(np.isfinite(twist).all())
        self.sent.note(convert.stamp_to_ns(msg.header.stamp), now, "" if good else "not a complete, finite command")
        if not good:
            return
        before = self._rest if self._sent_targets is None else self._sent_targets
        before = targets.positions if before is None else before
        command = Command(targets.positions[None], twist[None])
        yaw = np.array([self._canonical_yaw])
        self._last_action = self.action.encode(command, yaw, before[None])[0]
        self._sent_targets, self._sent_twist = targets.positions, twist

    def engage(self, now: float) -> None:
        """Begin an engagement: the canonical frame is the hand's heading now, and nothing was sent yet.

        The first `last_action` is, as in simulation, the measured pose inside the limits with a resting wrist.
        """
        heading = float(quat_yaw_of_axis(self._wrist.quat, 0))
        self._canonical_yaw = math.remainder(heading - self._heading, math.tau)
        rest = self._limits.clip(self._joint_pos[self.table.actuated_index])[None]
        yaw = np.array([self._canonical_yaw])
        self._last_action = self.action.encode(Command(rest, np.zeros((1, 6))), yaw, rest)[0]
        self._last_output = np.zeros_like(self._last_output)
        self._sent_targets, self._sent_twist, self._rest = None, np.zeros(6), rest[0]
        self.sent = Source(self.sent.name, self.sent.age_limit)

    @property
    def canonical_yaw(self) -> float:
        """Heading of the hand at engagement less that of the bundle's start, rad."""
        return self._canonical_yaw

    @property
    def joint_pos(self) -> np.ndarray:
        """Measured joints (J,), rad."""
        return self._joint_pos

    @property
    def last_targets(self) -> np.ndarray:
        """Joint targets last sent, or the measured joints before anything was sent, (A,) rad."""
        if self._sent_targets is not None:
            return self._sent_targets
        return self._limits.clip(self._joint_pos[self.table.actuated_index])

    @property
    def last_twist(self) -> np.ndarray:
        """Wrist twist last sent (6,), m/s and rad/s, task frame; 0 before anything was sent."""
        return self._sent_twist

    def complaint(self, now: float, *, engaged: bool = True) -> str:
        """Why the policy cannot act now, "" when it can.

        Args:
            now: Monotonic clock, s.
            engaged: Whether an engagement is running; before it, nothing need have been sent.
        """
        for source in self._required:
            reason = source.complaint(now)
            if reason:
                return reason
        if not engaged:
            return ""
        # Before the bridge is armed nothing is sent; once it has sent, it must go on, or last_action is a lie.
        if self.sent.stamp >= 0:
            return self.sent.complaint(now)
        return ""

    def in_step(self, slop: int) -> bool:
        """Whether wrist and wrenches are at most `slop` ns older than the joint state: a tick can use them together."""
        oldest = self.joints.stamp - slop
        return self.wrist.stamp >= oldest and (self.wrenches not in self._required or self.wrenches.stamp >= oldest)

    def state(self) -> RobotState:
        """The state of the newest messages, a batch of one, in the task frame."""
        wrist = self._wrist
        return RobotState(
            joint_pos=self._joint_pos[None],
            joint_vel=self._joint_vel[None],
            wrist_pos=wrist.pos[None],
            wrist_quat=wrist.quat[None],
            wrist_linvel=wrist.linvel[None],
            wrist_angvel=wrist.angvel[None],
            fingertip_wrench=self._wrenches[None],
            canonical_yaw=np.array([self._canonical_yaw]),
            last_action=self._last_action[None],
            object_pos=self._object_pos[None],
            goal_pos=self.goal[None],
            object_cloud=None if self._object_cloud is None else self._object_cloud[None],
            scene_cloud=None if self._scene_cloud is None else self._scene_cloud[None],
            object_quat=None if self._object_quat is None else self._object_quat[None],
            goal_quat=None if self._goal_quat is None else self._goal_quat[None],
            joint_targets=self.last_targets[None],
            last_output=self._last_output[None],
            privileged=self._privileged,
        )
