"""A node between the simulator, the policy and the bridge that spoils what passes, and proves what the bridge sends."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from sleight_core.safety import ReasonCode, SafetyState
from sleight_description import load_hand
from sleight_msgs.msg import HandCommand, SafetyStatus
from sleight_ros.nodes.base import NEWEST, STATE
from trajectory_msgs.msg import JointTrajectory

from ..double import ALL
from ..monitor import SafetyMonitor

HAND = load_hand("shadow")
#: What stands between: topic, type, and the faults of its messages.
JOINT_FAULTS = ("drop", "lossy", "nan", "missing", "twice", "shuffled", "frozen", "backward", "outside", "late")
WRIST_FAULTS = ("drop", "lossy", "nan", "frozen", "frame")
COMMAND_FAULTS = ("drop", "lossy", "nan", "thousandfold", "short", "unknown", "frame", "rival", "repeat")
FAULTS = (
    *(f"joints/{name}" for name in JOINT_FAULTS),
    *(f"wrist/{name}" for name in WRIST_FAULTS),
    *(f"command/{name}" for name in COMMAND_FAULTS),
)


class Relay:
    """Passes `raw/...` topics on; a context manager.

    Args:
        seed: Of what is random in a fault.

    Attributes:
        fault: Name of the fault in force, one of FAULTS, or "".
        monitor: Proves what the bridge sends.
        reasons: How often each reason was told.
        status: What the bridge told last.
    """

    def __init__(self, seed: int) -> None:
        self.fault = ""
        self.monitor = SafetyMonitor(HAND, 1.0 / 60.0)
        self.reasons: collections.Counter[str] = collections.Counter()
        self.states: collections.Counter[str] = collections.Counter()
        self.status: SafetyStatus | None = None
        self._rng = np.random.default_rng(seed)
        self._kept: dict[str, Any] = {}
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("relay", context=self._context)
        for kind, topic, spoil in (
            (JointState, "joint_states", self._joints),
            (Odometry, "wrist/odometry", self._wrist),
            (HandCommand, "policy/command", self._command),
        ):
            publisher = self._node.create_publisher(kind, topic, STATE)
            self._node.create_subscription(kind, f"raw/{topic}", self._passer(publisher, spoil), NEWEST)
        on_trajectory: Any = self.monitor.trajectory
        on_twist: Any = self.monitor.twist
        self._node.create_subscription(JointTrajectory, "hand_controller/joint_trajectory", on_trajectory, ALL)
        self._node.create_subscription(TwistStamped, "wrist_controller/twist", on_twist, ALL)
        self._node.create_subscription(SafetyStatus, "bridge/status", self._on_status, ALL)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=3.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    @property
    def state(self) -> str:
        """State that the bridge told last."""
        return "" if self.status is None else SafetyState(self.status.state).name

    def _spin(self) -> None:
        while not self._ended.is_set() and self._context.ok():
            self._executor.spin_once(timeout_sec=0.1)

    def _on_status(self, msg: SafetyStatus) -> None:
        self.status = msg
        self.states[SafetyState(msg.state).name] += 1
        if msg.state not in (SafetyState.ACTIVE, SafetyState.BLENDING):
            self.reasons[ReasonCode(msg.reason).name] += 1

    def _passer(self, publisher: Any, spoil: Callable[[str, Any], list[Any]]) -> Callable[[Any], None]:
        def callback(msg: Any) -> None:
            for passed in spoil(self.fault, msg):
                publisher.publish(passed)

        return callback

    def _lost(self, fault: str, topic: str) -> bool:
        return fault == f"{topic}/drop" or (fault == f"{topic}/lossy" and self._rng.random() < 0.3)

    def _joints(self, fault: str, msg: JointState) -> list[Any]:
        if self._lost(fault, "joints"):
            return []
        kind = fault.removeprefix("joints/")
        if kind == "late":
            # The message before this one, as from a driver that lags behind.
            before = self._kept.get("joints", msg)
            self._kept["joints"] = msg
            return [before]
        if kind == "frozen":
            msg.header.stamp = self._kept.setdefault("joint stamp", msg.header.stamp)
            return [msg]
        self._kept.pop("joint stamp", None)
        self._kept.pop("joints", None)
        if kind == "nan":
            msg.position[self._rng.integers(len(msg.position))] = float("nan")
        elif kind == "missing":
            msg.name, msg.position, msg.velocity = list(msg.name)[1:], msg.position[1:], msg.velocity[1:]
        elif kind == "twice":
            names = list(msg.name)
            msg.name = [names[1], *names[1:]]
        elif kind == "outside":
            msg.position[3] = 9.0
        elif kind == "backward":
            msg.header.stamp.sec -= int(self._rng.integers(1, 100))
        elif kind == "shuffled":
            names = list(msg.name)
            order = self._rng.permutation(len(names))
            msg.name = [names[i] for i in order]
            msg.position = [msg.position[i] for i in order]
            msg.velocity = [msg.velocity[i] for i in order]
        return [msg]

    def _wrist(self, fault: str, msg: Odometry) -> list[Any]:
        if self._lost(fault, "wrist"):
            return []
        if fault == "wrist/frozen":
            msg.header.stamp = self._kept.setdefault("wrist stamp", msg.header.stamp)
            return [msg]
        self._kept.pop("wrist stamp", None)
        if fault == "wrist/nan":
            msg.pose.pose.position.z = float("nan")
        elif fault == "wrist/frame":
            msg.header.frame_id = "camera"
        return [msg]

    def _command(self, fault: str, msg: HandCommand) -> list[Any]:
        if self._lost(fault, "command"):
            return []
        kind = fault.removeprefix("command/")
        if not msg.joint_names or kind == fault:
            return [msg]
        if kind == "nan":
            msg.positions[2] = float("nan")
        elif kind == "thousandfold":
            msg.positions = [1000.0 * value for value in msg.positions]
            msg.wrist_twist.linear.z *= 1000.0
        elif kind == "short":
            msg.positions = msg.positions[1:]
        elif kind == "unknown":
            msg.joint_names = ["elbow", *list(msg.joint_names)[1:]]
        elif kind == "frame":
            msg.header.frame_id = "palm"
        elif kind == "repeat":
            return [self._kept.setdefault("command", msg)]
        elif kind == "rival":
            rival = HandCommand(header=msg.header, bundle_id="rival@0", sequence=msg.sequence)
            rival.joint_names, rival.positions = msg.joint_names, msg.positions[::-1]
            return [msg, rival]
        self._kept.pop("command", None)
        return [msg]


def resident_kib(pid: int) -> int:
    """Resident memory of a process, KiB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
