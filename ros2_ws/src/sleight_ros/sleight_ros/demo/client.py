"""The operator of the graph: calls its services and watches what it says."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sleight_msgs.msg import ObjectEstimate, PolicyTelemetry, SafetyStatus, SimState
from sleight_msgs.srv import ResetEpisode
from std_srvs.srv import Trigger

from sleight_ros.convert import stamp_to_ns
from sleight_ros.nodes.base import NEWEST
from sleight_ros.processes import GraphError

#: A service request may fall into the gap in which client and server have not both discovered each other: ask again, s.
ASK_AGAIN = 2.0
SPIN_PAUSE = 0.01

OneClient = TypeVar("OneClient", bound="DemoClient")


class DemoClient:
    """A node in this process, spun on a thread of its own; a context manager.

    Args:
        environment: Domain and discovery range of the graph.
        check: Called while waiting; raises when a node has died.
    """

    def __init__(self, environment: dict[str, str], check: Callable[[], None]) -> None:
        for key in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOG_DIR"):
            os.environ[key] = environment[key]
        self._check = check
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("demo", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._ended = threading.Event()
        self._clients: dict[str, Any] = {}
        self.sim: SimState | None = None
        self.status: SafetyStatus | None = None
        self.telemetry: PolicyTelemetry | None = None
        self.estimate: ObjectEstimate | None = None
        for kind, topic, name in (
            (SimState, "sim/state", "sim"),
            (SafetyStatus, "bridge/status", "status"),
            (PolicyTelemetry, "policy/telemetry", "telemetry"),
            (ObjectEstimate, "object/estimate", "estimate"),
        ):
            self._node.create_subscription(kind, topic, self._keeper(name), NEWEST)
        self._thread = threading.Thread(target=self._spin, name="demo client", daemon=True)

    def __enter__(self: OneClient) -> OneClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _keeper(self, name: str) -> Callable[[Any], None]:
        return lambda msg: setattr(self, name, msg)

    def _spin(self) -> None:
        while not self._ended.is_set() and self._context.ok():
            try:
                self._executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return
            # The newest of each topic is enough, and the cores belong to the graph.
            time.sleep(SPIN_PAUSE)

    def wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait for a condition while all nodes live.

        Raises:
            GraphError: The time is over.
        """
        end = time.monotonic() + timeout
        while not condition():
            self._check()
            if time.monotonic() > end:
                raise GraphError(f"timed out after {timeout:.0f} s waiting for {what}")
            time.sleep(0.01)

    def call(self, kind: Any, name: str, request: Any = None, timeout: float = 10.0) -> Any:
        """Call a service, waiting for it to appear.

        Raises:
            GraphError: No answer in time.
        """
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        client = self._clients[name]
        self.wait(client.service_is_ready, f"service '{name}'", timeout)
        end = time.monotonic() + timeout
        while True:
            future = client.call_async(request or kind.Request())
            again = min(end, time.monotonic() + ASK_AGAIN)
            while not future.done() and time.monotonic() < again:
                self._check()
                time.sleep(0.002)
            if future.done():
                return future.result()
            if time.monotonic() >= end:
                raise GraphError(f"service '{name}' did not answer within {timeout:.0f} s")

    def trigger(self, name: str, *, patience: float = 0.0) -> str:
        """Call a Trigger service, again while it says no.

        Args:
            name: The service.
            patience: How long a "no" is asked again, s.

        Returns:
            The answer.

        Raises:
            GraphError: It says no.
        """
        end = time.monotonic() + patience
        while True:
            answer = self.call(Trigger, name)
            if answer.success:
                return answer.message
            if time.monotonic() >= end:
                raise GraphError(f"'{name}' was refused: {answer.message}")
            time.sleep(0.05)

    def activate_bridge(self, active: bool) -> None:
        """Activate or deactivate the bridge: between the two nothing is sent, and the hand may be put elsewhere."""
        number = Transition.TRANSITION_ACTIVATE if active else Transition.TRANSITION_DEACTIVATE
        request = ChangeState.Request(transition=Transition(id=number))
        # A "no" means that it is there already (a repeated request).
        self.call(ChangeState, "hand_bridge/change_state", request)

    def reset(self, name: str, seed: int) -> str:
        """Start a new episode; return the object's name.

        Raises:
            GraphError: The simulation refuses.
        """
        answer = self.call(ResetEpisode, "sim/reset", ResetEpisode.Request(object=name, seed=seed), timeout=20.0)
        if not answer.success:
            raise GraphError(f"the simulation refused the reset: {answer.message}")
        return answer.object_name

    def serves(self, name: str) -> bool:
        """Whether a service is there."""
        full = self._node.resolve_service_name(name)
        return any(found == full for found, _ in self._node.get_service_names_and_types())

    def finished(self, episode: int) -> bool:
        """Whether an episode has come to its end."""
        return self.sim is not None and self.sim.episode == episode and self.sim.done

    def object_seen_since(self, stamp_ns: int) -> bool:
        """Whether perception has seen the object in a cloud newer than a stamp."""
        estimate = self.estimate
        return (
            estimate is not None
            and estimate.reason == ObjectEstimate.OK
            and stamp_to_ns(estimate.header.stamp) > stamp_ns
        )
