"""Nodes as processes of their own, and somebody in the test's process who talks with them over DDS."""

import os
import threading
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sleight_ros.processes import Processes
from std_srvs.srv import Trigger

#: Nothing that is said may be lost, however slow this process is.
ALL = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2000, reliability=ReliabilityPolicy.RELIABLE)
PERIOD = 1.0 / 60.0
#: Nothing here is measured: a loaded machine may take its time.
PATIENCE = 60.0


class Outsider:
    """Processes, and a node that listens and speaks at 60 Hz; a context manager.

    Args:
        folder: For logs and parameters.
        name: Of the node.
    """

    def __init__(self, folder, name):
        self.processes = Processes(folder, int(os.environ["ROS_DOMAIN_ID"]))
        # Somebody else's graph may be in the same domain; and all names must bear a namespace anyway.
        self.namespace = f"/{name}{os.getpid()}"
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = rclpy.create_node(name, namespace=self.namespace, context=self.context)
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

    # What a subclass says ----------------------------------------------------------------------------------------

    def speak(self):
        """Publish what is said in one period."""

    def last(self) -> Any:
        """What the nodes said last, for the message of a wait that is over."""

    # Talking -----------------------------------------------------------------------------------------------------

    def start(self, name, module, parameters=None, *, profile=None):
        """Start one of our nodes."""
        self.processes.node(name, module, parameters, profile=profile, namespace=self.namespace)

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

    def trigger(self, name) -> Any:
        """Call a Trigger service."""
        return self.call(Trigger, name)

    def wait(self, condition, what):
        """Wait for a condition; no process may end meanwhile."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.processes.check()
            assert time.monotonic() < end, f"timed out waiting for {what}; last {self.last()}"
            time.sleep(0.005)

    def log(self, name):
        """What a node has printed."""
        return (self.processes.folder / f"{name}.log").read_text()

    # Threads -----------------------------------------------------------------------------------------------------

    def _spin(self):
        while not self._ended.is_set() and self.context.ok():
            self._executor.spin_once(timeout_sec=0.1)

    def _drive(self):
        while not self._ended.wait(PERIOD):
            self.speak()
