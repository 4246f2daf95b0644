"""Driver nodes as processes of their own, and someone who talks to them over DDS."""

import os
import threading
import time
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from sleight_ros import convert
from sleight_ros.nodes.base import RELIABLE
from sleight_ros.processes import Processes
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

ALL = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2000, reliability=ReliabilityPolicy.RELIABLE)
#: Nothing here is measured: a loaded machine may take its time.
PATIENCE = 30.0


class Graph:
    """Processes and a node that listens and commands; a context manager.

    Args:
        folder: For logs and parameters.
    """

    def __init__(self, folder):
        self.processes = Processes(folder, int(os.environ["ROS_DOMAIN_ID"]))
        # Somebody else's graph may be in the same domain; and all names must bear a namespace anyway.
        self.namespace = f"/leap{os.getpid()}"
        self.states, self.diagnostics, self.official = [], [], []
        self.target = None
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = rclpy.create_node("someone", namespace=self.namespace, context=self.context)
        self._trajectories = self.node.create_publisher(JointTrajectory, "hand_controller/joint_trajectory", RELIABLE)
        self._commands = self.node.create_publisher(JointState, "hand_controller/joint_command", RELIABLE)
        self._direct = self.node.create_publisher(JointState, "cmd_leap", RELIABLE)
        for kind, topic, bucket in (
            (JointState, "joint_states", self.states),
            (DiagnosticArray, "/diagnostics", self.diagnostics),
            (JointState, "cmd_leap", self.official),
        ):
            self.node.create_subscription(kind, topic, bucket.append, ALL)
        self._ended = threading.Event()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._spin, self._drive)]

    def __enter__(self):
        self.processes.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        try:
            self.processes.__exit__()
        finally:
            for thread in self._threads:
                thread.join(timeout=3.0)
            self._executor.shutdown(timeout_sec=1.0)
            self.node.destroy_node()
            rclpy.try_shutdown(context=self.context)

    def _spin(self):
        while not self._ended.is_set() and self.context.ok():
            self._executor.spin_once(timeout_sec=0.1)

    def _drive(self):
        """Send the target, if there is one, at 60 Hz: names in another order every time."""
        rng = np.random.default_rng(0)
        while not self._ended.wait(1.0 / 60.0):
            target = self.target
            if target:
                names = list(rng.permutation(list(target)))
                self.trajectory(names, [target[name] for name in names])

    def start(self, name, module, parameters=None):
        """Start one of our nodes."""
        self.processes.node(name, module, parameters, namespace=self.namespace)

    # Talking ---------------------------------------------------------------------------------------------------

    def trajectory(self, names, positions):
        """Send a one-point trajectory."""
        self._trajectories.publish(convert.trajectory_msg(names, np.array(positions, dtype=float), 1.0 / 60.0))

    def two_points(self, names, positions):
        """Send a trajectory of two points."""
        msg = convert.trajectory_msg(names, np.array(positions, dtype=float), 1.0 / 60.0)
        msg.points = [*msg.points, *msg.points]
        self._trajectories.publish(msg)

    def joint_command(self, names, positions):
        """Send a named joint state."""
        self._commands.publish(JointState(name=list(names), position=[float(one) for one in positions]))

    def past_the_adapter(self, positions):
        """Send the official module a list directly."""
        self._direct.publish(JointState(position=[float(one) for one in positions]))

    def call(self, kind, name, request=None) -> Any:
        """Call a service, waiting for it to appear."""
        client = self.node.create_client(kind, name)
        try:
            self.wait(client.service_is_ready, f"service {name}")
            future = client.call_async(request or kind.Request())
            self.wait(future.done, f"an answer of {name}")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def trigger(self, name):
        """Call a Trigger service."""
        return self.call(Trigger, name)

    def transition(self, node, number):
        """Ask a node for a lifecycle transition; return whether it was made."""
        request = ChangeState.Request()
        request.transition.id = number
        return self.call(ChangeState, f"{node}/change_state", request).success

    def wait(self, condition, what, timeout=PATIENCE):
        """Wait for a condition."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"timed out waiting for {what}; {self.values('leap_driver')}"
            time.sleep(0.01)

    def fresh_states(self, count=3):
        """Wait for states that are published from now on; return them."""
        before = len(self.states)
        self.wait(lambda: len(self.states) >= before + count, f"{count} joint states")
        return self.states[before:]

    def values(self, node):
        """The values that a node reported last, with its level and message."""
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name == f"{self.namespace}/{node}":
                    return {"level": status.level, "message": status.message, **{v.key: v.value for v in status.values}}
        return {}

    def log(self, name):
        """What a node has printed."""
        return (self.processes.folder / f"{name}.log").read_text()
