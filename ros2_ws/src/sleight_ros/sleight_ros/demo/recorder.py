"""Records topics into an MCAP bag, in a process of its own.

``python -m sleight_ros.demo.recorder FOLDER SECONDS TOPIC...``: messages are taken as raw bytes and written as they
are, so recording costs next to nothing. Of clouds, one every SECONDS is kept. SIGINT or SIGTERM closes the bag.
"""

from __future__ import annotations

import fnmatch
import importlib
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosbags.rosbag2 import StoragePlugin, Writer

from sleight_ros.demo.typestore import sleight_typestore
from sleight_ros.nodes.base import SIGNAL_PATIENCE, ended_by_signal, make_executor

#: A topic appears when its publisher does; look for new ones this often, s.
LOOK_PERIOD = 0.2


class Recorder(Node):
    """Subscribes to the topics as they appear and queues their bytes for the writer.

    Args:
        topics: Topic names without a leading slash, or patterns such as ``camera/*/points``, in the node's namespace.
        cloud_period: Shortest time between two recorded clouds of one topic, s.
    """

    def __init__(self, topics: list[str], cloud_period: float) -> None:
        super().__init__("recorder")
        self.queue: queue.Queue[tuple[str, str, int, bytes] | None] = queue.Queue()
        namespace = self.get_namespace().rstrip("/")
        self._patterns = [f"{namespace}/{topic}" for topic in topics]
        self._subscribed: set[str] = set()
        self._cloud_period = cloud_period
        self._last: dict[str, float] = {}
        self.create_timer(LOOK_PERIOD, self._look)

    def _look(self) -> None:
        for name, types in self.get_topic_names_and_types():
            wanted = any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)
            if wanted and types and name not in self._subscribed:
                self._subscribed.add(name)
                self._subscribe(name, types[0])

    def _subscribe(self, name: str, kind: str) -> None:
        thin = name.endswith("points") or name.endswith("cloud")
        # Best effort matches every publisher; reliable only where the publisher is.
        reliable = all(
            info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            for info in self.get_publishers_info_by_topic(name)
        )
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=1 if thin else 100,
            reliability=ReliabilityPolicy.RELIABLE if reliable and not thin else ReliabilityPolicy.BEST_EFFORT,
        )

        def take(data: bytes) -> None:
            now = time.time_ns()
            if thin:
                if now * 1e-9 - self._last.get(name, 0.0) < self._cloud_period:
                    return
                self._last[name] = now * 1e-9
            self.queue.put((name, kind, now, data))

        package, _, message = kind.split("/")
        self.create_subscription(getattr(importlib.import_module(f"{package}.msg"), message), name, take, qos, raw=True)


def write(folder: Path, source: queue.Queue[tuple[str, str, int, bytes] | None]) -> None:
    """Write queued messages into a bag until None comes."""
    typestore = sleight_typestore()
    connections: dict[str, Any] = {}
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        while (item := source.get()) is not None:
            name, kind, stamp, data = item
            if name not in connections:
                connections[name] = writer.add_connection(name, kind, typestore=typestore)
            writer.write(connections[name], stamp, data)


def main(arguments: list[str]) -> int:
    """Record until a signal comes."""
    folder, period, *topics = arguments
    ended = ended_by_signal()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = Recorder(topics, float(period))
    thread = threading.Thread(target=write, args=(Path(folder), node.queue))
    thread.start()
    executor = make_executor()
    executor.add_node(node)
    while not ended.is_set() and thread.is_alive():
        executor.spin_once(timeout_sec=SIGNAL_PATIENCE)
    node.queue.put(None)
    thread.join()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1 : sys.argv.index("--ros-args")] if "--ros-args" in sys.argv else sys.argv[1:]
    sys.exit(main(arguments))
