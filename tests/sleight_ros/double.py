"""A robot that does not exist: it publishes what its drivers would, follows what it is told, and can break."""

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState, PointCloud2
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate
from sleight_core.safety import ReasonCode, SafetyState
from sleight_description import load_hand
from sleight_msgs.msg import FingertipWrenches, HandCommand, ObjectEstimate, PolicyTelemetry, SafetyStatus
from sleight_ros import convert
from sleight_ros.clouds import cloud_msg
from sleight_ros.nodes.base import NEWEST, STATE
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from .faulty import FaultyJoints, cloud_points, wrist_state
from .monitor import SafetyMonitor
from .rogue import Rogue

HAND = load_hand("shadow")
#: Control period, s; RIG_PERIOD slows the graph down where the machine cannot keep 60 Hz, and all limits with it.
PERIOD = float(os.environ.get("RIG_PERIOD") or 1.0 / 60.0)
#: Nothing that the graph says may be lost, however slow this process is.
ALL = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2000, reliability=ReliabilityPolicy.RELIABLE)
FRAME = "world"
#: Where the double's camera is: 0.5 m beside the object, looking at it; x right, y down, z forward.
CAMERA_POS = np.array([0.5, 0.0, 0.75])
CAMERA_QUAT = np.array([0.5, -0.5, -0.5, 0.5])
OBJECT = np.array([0.0, 0.0, 0.64])
HOME = np.array([0.0, 0.0, 0.8])


@dataclass
class Heard:
    """What came back, with the monotonic time at which it was received."""

    trajectories: list = field(default_factory=list)
    twists: list = field(default_factory=list)
    sent: list = field(default_factory=list)
    status: list = field(default_factory=list)
    telemetry: list = field(default_factory=list)
    estimates: list = field(default_factory=list)
    commands: list = field(default_factory=list)
    diagnostics: list = field(default_factory=list)


class Double:
    """The robot; a context manager.

    Args:
        estimates: Publish object estimates itself (no perception node is running).
        clouds: Publish a camera's clouds.
        drives: Be a robot at all; else only listen and ask.
        table: The hand whose limits must be kept; its joints are the Shadow Hand's.

    Attributes:
        faults: Names of what is broken now; `faulty` knows them, and `_publish` and `_look`.
        clock_offset: How far the driver's clock is off, ns.
        rogue: A policy at hand, on the driver's period.
        object_pos: What the estimates say, m.
        monitor: Proves what is received.
        injected: System time (ns) at which the newest instantaneous fault happened.
    """

    def __init__(self, *, estimates=False, clouds=False, drives=True, table=HAND):
        self.faults: set[str] = set()
        self.heard = Heard()
        self.monitor = SafetyMonitor(table, PERIOD)
        self.rogue = Rogue(PERIOD)
        self.clock_offset = 0
        self.injected = 0
        self.object_pos = OBJECT.copy()
        self.lateness: list[float] = []
        #: When the last service was asked, ns.
        self.asked = 0
        self._estimates, self._clouds = estimates, clouds
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = rclpy.create_node("driver_double", context=self.context)
        node = self.node
        if drives:
            self._joints = node.create_publisher(JointState, "joint_states", STATE)
            self._wrist = node.create_publisher(Odometry, "wrist/odometry", STATE)
            self._wrenches = node.create_publisher(FingertipWrenches, "fingertip_wrenches", STATE)
        self._estimate = node.create_publisher(ObjectEstimate, "object/estimate", STATE) if estimates else None
        self._cloud = node.create_publisher(PointCloud2, "camera/side/points", NEWEST) if clouds else None
        self._command = node.create_publisher(HandCommand, "policy/command", STATE)
        for kind, topic, bucket in (
            (HandCommand, "bridge/sent", self.heard.sent),
            (SafetyStatus, "bridge/status", self.heard.status),
            (PolicyTelemetry, "policy/telemetry", self.heard.telemetry),
            (ObjectEstimate, "object/estimate", self.heard.estimates),
            (HandCommand, "policy/command", self.heard.commands),
            (DiagnosticArray, "/diagnostics", self.heard.diagnostics),
        ):
            node.create_subscription(kind, topic, self._keep(bucket), ALL)
        # Callbacks of two arguments get the publisher's numbers as well.
        on_trajectory: Any = self._on_trajectory
        on_twist: Any = self._on_twist
        node.create_subscription(JointTrajectory, "hand_controller/joint_trajectory", on_trajectory, ALL)
        node.create_subscription(TwistStamped, "wrist_controller/twist", on_twist, ALL)
        self.pos = HAND.lower * 0 + np.clip(0.0, HAND.lower, HAND.upper)
        self.vel = np.zeros_like(self.pos)
        self.targets = self.pos[HAND.actuated_index].copy()
        self.wrist_pos = HOME.copy()
        self.wrist_quat = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
        self._twist = np.zeros(6)
        self._joint_driver = FaultyJoints(PERIOD)
        self._frozen: dict = {}
        self._ended = threading.Event()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(node)
        loops = [self._spin] + ([self._drive] if drives else []) + ([self._look] if clouds else [])
        self._broken: list[Exception] = []
        self._threads = [threading.Thread(target=self._guard, args=(loop,), daemon=True) for loop in loops]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=3.0)
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    # Asking ------------------------------------------------------------------------------------------------------

    def call(self, kind, name, request=None, timeout=10.0) -> Any:
        """Call a service, waiting for it to appear."""
        client = self.node.create_client(kind, name)
        try:
            end = time.monotonic() + timeout
            while not client.service_is_ready():
                assert time.monotonic() < end, f"service {name} did not appear"
                time.sleep(0.02)
            while True:
                # A killed server stays discovered for a while and swallows requests: ask again.
                self.asked = time.time_ns()
                future = client.call_async(request or kind.Request())
                again = time.monotonic() + 2.0
                while not future.done() and time.monotonic() < again:
                    time.sleep(0.005)
                if future.done():
                    return future.result()
                assert time.monotonic() < end, f"service {name} did not answer"
        finally:
            self.node.destroy_client(client)

    def trigger(self, name, timeout=10.0):
        """Call a Trigger service until it says yes; return its last answer."""
        end = time.monotonic() + timeout
        while True:
            answer = self.call(Trigger, name, timeout=timeout)
            if answer.success or time.monotonic() > end:
                return answer
            time.sleep(0.1)

    def state_of(self, node):
        """Lifecycle state of a node."""
        return self.call(GetState, f"{node}/get_state").current_state.label

    def transition(self, node, number):
        """Ask a node for a transition."""
        request = ChangeState.Request()
        request.transition.id = number
        return self.call(ChangeState, f"{node}/change_state", request)

    def reach(self, node, number, label, timeout=60.0):
        """Ask a node for a transition until it is in a state: an answer may come too late on a slow machine."""
        end = time.monotonic() + timeout
        while not self.transition(node, number).success and self.state_of(node) != label:
            assert time.monotonic() < end, f"{node} is not {label}"
            time.sleep(0.1)

    def wait(self, condition, timeout=10.0, what="a condition"):
        """Wait for a condition; raises what broke a thread of the double, if anything did."""
        end = time.monotonic() + timeout
        while not condition():
            if self._broken:
                raise RuntimeError("the double itself broke") from self._broken[0]
            assert time.monotonic() < end, f"timed out waiting for {what}; last status {self.last_status()}"
            time.sleep(0.005)

    def last_status(self):
        """State, reason and detail that the bridge reported last."""
        if not self.heard.status:
            return "", "", ""
        msg = self.heard.status[-1][1]
        return SafetyState(msg.state).name, ReasonCode(msg.reason).name, msg.detail

    # Threads -----------------------------------------------------------------------------------------------------

    def _keep(self, bucket):
        return lambda msg: bucket.append((time.monotonic(), msg))

    def _guard(self, loop):
        try:
            loop()
        except Exception as error:
            self._broken.append(error)
            raise

    def _spin(self):
        while not self._ended.is_set() and self.context.ok():
            self._executor.spin_once(timeout_sec=0.1)

    def _on_twist(self, msg, info):
        self.heard.twists.append((time.monotonic(), msg))
        self.monitor.twist(msg, info)

    def _on_trajectory(self, msg, info):
        self.heard.trajectories.append((time.monotonic(), msg))
        self.monitor.trajectory(msg, info)
        wanted = convert.read_targets(msg.joint_names, msg.points[0].positions, HAND.actuated_joint_names)
        if wanted.complete:
            self.targets = wanted.positions

    def _drive(self):
        due = time.perf_counter()
        while not self._ended.is_set():
            due += PERIOD
            time.sleep(max(0.0, due - time.perf_counter()))
            self.lateness.append(time.perf_counter() - due)
            if self.lateness[-1] > 5 * PERIOD:
                due = time.perf_counter()
            self._move()
            self._publish(time.time_ns() + self.clock_offset)

    def _move(self):
        if self.heard.twists:
            received, msg = self.heard.twists[-1]
            self._twist = (
                convert.twist_from_msg(msg) if time.monotonic() - received < max(0.2, 3 * PERIOD) else np.zeros(6)
            )
        before = self.pos.copy()
        self.pos[HAND.actuated_index] += 0.3 * (self.targets - self.pos[HAND.actuated_index])
        self.vel = (self.pos - before) / PERIOD
        # Drawn back home, so that a policy may push in one direction for ever.
        self.wrist_pos = self.wrist_pos + self._twist[:3] * PERIOD + 0.01 * (HOME - self.wrist_pos)
        turn = np.concatenate([[1.0], 0.5 * self._twist[3:] * PERIOD])
        q = quat_multiply(turn, self.wrist_quat)
        self.wrist_quat = q / np.linalg.norm(q)

    def _publish(self, now):
        stamp = convert.stamp_from_ns(now)
        faults = self.faults
        pose, twist = (self.wrist_pos, self.wrist_quat), (self._twist[:3], self._twist[3:])
        msg = convert.odometry_msg(*pose, *twist, frame=FRAME, child_frame="hand", stamp=stamp)
        wrist = wrist_state(faults, now, msg, self._frozen, PERIOD)
        if wrist is not None:
            self._wrist.publish(wrist)
        if not {"wrench_stop", "driver_dies"} & faults:
            self._wrenches.publish(convert.wrenches_msg(HAND.finger_names, np.zeros((5, 6)), stamp))
        if self._estimate is not None and "estimate_stop" not in faults:
            self._estimate.publish(self._estimated(stamp))
        joints = self._joint_driver.make(faults, now, self.pos, self.vel)
        if joints is not None:
            self._joints.publish(joints)
        for command in self.rogue.commands(now):
            self._command.publish(command)

    def _estimated(self, stamp):
        msg = ObjectEstimate(quality=1.0, point_count=100)
        msg.header.stamp, msg.header.frame_id = stamp, FRAME
        msg.position = convert.point_to_msg(self.object_pos)
        if "estimate_lost" in self.faults:
            msg.reason = ObjectEstimate.NO_CLUSTER
        if "estimate_frame" in self.faults:
            msg.header.frame_id = "camera"
        if "estimate_nan" in self.faults:
            msg.position.x = float("nan")
        return msg

    def _look(self):
        rng = np.random.default_rng(0)
        table = rng.uniform([-0.3, -0.3, 0.6], [0.3, 0.3, 0.6], (4000, 3))
        box = rng.uniform(-1, 1, (1500, 3))
        face = rng.integers(0, 3, 1500)
        box[np.arange(1500), face] = np.sign(box[np.arange(1500), face])
        scene = np.concatenate([table, OBJECT + box * [0.03, 0.03, 0.04]])
        while not self._ended.wait(1.0 / 15.0):
            if "cloud_stop" in self.faults:
                continue
            now = time.time_ns() + self.clock_offset
            points = quat_rotate(np.tile(quat_conjugate(CAMERA_QUAT), (len(scene), 1)), scene - CAMERA_POS)
            points, frame = cloud_points(self.faults, points)
            msg = cloud_msg(points, frame, convert.stamp_from_ns(now))
            if "cloud_fields" in self.faults:
                msg.point_step = 7
            assert self._cloud is not None
            self._cloud.publish(msg)
