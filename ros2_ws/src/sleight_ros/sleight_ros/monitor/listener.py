"""The monitor's node: listens to a graph, asks it for its limits, and disturbs nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from sleight_core.bundle import BundleError
from sleight_core.bundle.files import read_manifest
from sleight_core.bundle.manifest import parse_manifest
from sleight_msgs.msg import HandCommand, ObjectEstimate, PolicyTelemetry, SafetyStatus

from sleight_ros.monitor.model import LIMIT_PARAMETERS, Model, View
from sleight_ros.nodes.base import NEWEST

#: Every tick is wanted for rates, but none is asked for twice: a slow monitor must not slow the graph.
TICKS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
#: How often nodes are asked for what is not known yet, s.
ASK_PERIOD = 1.0
#: A snapshot takes at least so long, s: nodes complain on /diagnostics once a second.
LISTEN = 1.5


class Listener:
    """A node on a thread of its own; a context manager.

    Args:
        namespace: Of the graph.
        action_labels: Names of the action's elements, when the bundle is known.
    """

    def __init__(self, namespace: str = "", action_labels: tuple[str, ...] = ()) -> None:
        self.model = Model(action_labels)
        self._lock = threading.Lock()
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node(
            f"monitor_{os.getpid()}", namespace=namespace or None, context=self._context, start_parameter_services=False
        )
        model = self.model
        for kind, topic, take, qos in (
            (SafetyStatus, "bridge/status", model.take_status, NEWEST),
            (HandCommand, "bridge/sent", model.take_sent, NEWEST),
            (JointState, "joint_states", model.take_joints, NEWEST),
            (ObjectEstimate, "object/estimate", model.take_estimate, NEWEST),
            (PolicyTelemetry, "policy/telemetry", model.take_telemetry, TICKS),
            (DiagnosticArray, "/diagnostics", model.take_diagnostics, TICKS),
        ):
            self._node.create_subscription(kind, topic, self._taking(take), qos)
        self._parameters = {
            name: self._node.create_client(GetParameters, f"{name}/get_parameters")
            for name in ("hand_bridge", "policy_node")
        }
        self._asked: dict[str, Any] = {}
        self._known: set[str] = set()
        self._node.create_timer(ASK_PERIOD, self._ask)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._spin, name="monitor", daemon=True)

    def __enter__(self) -> Listener:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def view(self) -> View:
        """What there is to see now."""
        with self._lock:
            return self.model.view(time.monotonic())

    def complete(self) -> bool:
        """Whether every part of a graph that runs has spoken, and the limits are known."""
        view = self.view()
        if view.bridge is None or view.policy is None or "hand_bridge" not in self._known:
            return False
        if time.monotonic() - self._began < LISTEN:
            return False
        return view.policy.state != "ENGAGED" or (view.policy.rate is not None and bool(view.joints))

    def _taking(self, take: Callable[[Any, float], None]) -> Callable[[Any], None]:
        def callback(msg: Any) -> None:
            with self._lock:
                take(msg, time.monotonic())

        return callback

    def _spin(self) -> None:
        while not self._ended.is_set() and self._context.ok():
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return

    def _ask(self) -> None:
        """Ask nodes that have not answered yet for their parameters; again, when a request was lost."""
        for name, client in self._parameters.items():
            if name in self._known or not client.service_is_ready():
                continue
            if (before := self._asked.get(name)) is not None and not before.done():
                client.remove_pending_request(before)
            names: list[str] = [*LIMIT_PARAMETERS] if name == "hand_bridge" else ["bundle"]
            self._asked[name] = future = client.call_async(GetParameters.Request(names=names))
            future.add_done_callback(lambda done, name=name, names=names: self._learn(name, names, done))

    def _learn(self, name: str, names: list[str], future: Any) -> None:
        answer = future.result()
        if answer is None or len(answer.values) != len(names):
            return
        with self._lock:
            if name == "hand_bridge":
                self.model.take_limits({n: v.double_value for n, v in zip(names, answer.values, strict=True)})
            elif not self.model.action_labels:
                self.model.action_labels = labels_of(Path(answer.values[0].string_value))
        self._known.add(name)


def labels_of(bundle: Path) -> list[str]:
    """Names of the action's elements of a bundle; none when it does not lie on this machine."""
    try:
        return parse_manifest(read_manifest(bundle).decode("utf-8")).action_labels
    except (BundleError, OSError, UnicodeDecodeError):
        return []
