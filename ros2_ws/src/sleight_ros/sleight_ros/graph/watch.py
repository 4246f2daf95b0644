"""Looking at a running graph from outside: states of its nodes, what they report, which parameters they have."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import ListParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

#: How often each node is asked for its state, s.
ASK_PERIOD = 0.5
#: A request that fell into the gap of discovery is given up after this time, s.
ASK_AGAIN = 2.0
SPIN_PAUSE = 0.01


class GraphWatch:
    """A node in this process, spun on a thread of its own; a context manager.

    Args:
        environment: Domain and discovery range of the graph.
        names: Lifecycle nodes to ask.
        namespace: Of the graph.
        enclave: Security enclave of this node; "" for none.
    """

    def __init__(
        self, environment: Mapping[str, str], names: Sequence[str], namespace: str = "", enclave: str = ""
    ) -> None:
        for key in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOG_DIR"):
            if key in environment:
                os.environ[key] = environment[key]
        self._context = rclpy.Context()
        rclpy.init(args=["--ros-args", "--enclave", enclave] if enclave else [], context=self._context)
        self._node = rclpy.create_node("sleight_up", context=self._context, namespace=namespace or None)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._ended = threading.Event()
        self._prefix = f"{self._node.get_namespace().rstrip('/')}/"
        self._reports: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._parameters: dict[str, set[str]] = {}
        self._asking: dict[tuple[str, str], tuple[Any, float]] = {}
        self._askers = {name: self._node.create_client(GetState, f"{name}/get_state") for name in names}
        self._listers = {name: self._node.create_client(ListParameters, f"{name}/list_parameters") for name in names}
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_report, 10)
        self._thread = threading.Thread(target=self._spin, name="graph watch", daemon=True)

    def __enter__(self) -> GraphWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def state(self, name: str) -> str:
        """Lifecycle state of a node, such as "active"; "" before it has answered."""
        return self._states.get(name, "")

    def report(self, name: str) -> str:
        """What a node said last about itself on /diagnostics."""
        return self._reports.get(f"{self._prefix}{name}", "")

    def parameters(self, name: str) -> set[str] | None:
        """Names of a node's parameters; None before it has answered."""
        return self._parameters.get(name)

    def _on_report(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self._reports[status.name] = status.message

    def _spin(self) -> None:
        asked = -ASK_PERIOD
        while not self._ended.is_set() and self._context.ok():
            try:
                if time.monotonic() - asked > ASK_PERIOD:
                    asked = time.monotonic()
                    self._ask_all()
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return
            # What a person reads may come late; the cores belong to the graph.
            time.sleep(SPIN_PAUSE)

    def _ask_all(self) -> None:
        for name, client in self._askers.items():
            self._ask("state", name, client, GetState.Request(), self._take_state)
        for name, client in self._listers.items():
            if name not in self._parameters and self.state(name) == "active":
                self._ask("parameters", name, client, ListParameters.Request(), self._take_parameters)

    def _ask(self, what: str, name: str, client: Any, request: Any, take: Callable[[str, Any], None]) -> None:
        now = time.monotonic()
        future, since = self._asking.get((what, name), (None, 0.0))
        if future is not None and not future.done():
            if now - since < ASK_AGAIN:
                return
            client.remove_pending_request(future)
        if client.service_is_ready():
            future = client.call_async(request)
            future.add_done_callback(lambda done: take(name, done.result()))
            self._asking[what, name] = future, now

    def _take_state(self, name: str, answer: GetState.Response) -> None:
        self._states[name] = answer.current_state.label

    def _take_parameters(self, name: str, answer: ListParameters.Response) -> None:
        self._parameters[name] = set(answer.result.names)
