"""The recorder's node: subscribes to what appears, and queues raw bytes for the writer."""

from __future__ import annotations

import fnmatch
import importlib
import queue
import time
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from sleight_ros.recording.topics import LARGE_TYPES, REPLAYED
from sleight_ros.recording.writer import BagWriter

#: A topic appears when its publisher does; look for new ones this often, s.
LOOK_PERIOD = 0.2
#: What a killed recorder loses at most, s.
FLUSH_PERIOD = 0.5
#: Messages that wait for a slow disk; beyond, new ones are dropped and counted: the graph's memory is not ours.
LONGEST_QUEUE = 20_000

Item = tuple[str, str, int, bytes]


class Recorder(Node):
    """Subscribes to the topics as they appear.

    Args:
        topics: Topic names or patterns such as ``camera/*/points``, in the node's namespace; with a leading slash, as
            they are.
        cloud_period: Shortest time between two recorded clouds or pictures of one topic, s. A replay needs all that the
            policy saw: what it reads (`REPLAYED`, the object's cloud among it) is recorded whole.

    Attributes:
        queue: What was heard: topic, type, time (ns), bytes; None at the end.
        dropped: Messages that were not queued because the disk is too slow.
    """

    def __init__(self, topics: Sequence[str], cloud_period: float) -> None:
        super().__init__("recorder")
        self.queue: queue.Queue[Item | None] = queue.Queue(LONGEST_QUEUE)
        self.dropped = 0
        namespace = self.get_namespace().rstrip("/")
        self._patterns = [topic if topic.startswith("/") else f"{namespace}/{topic}" for topic in topics]
        self._whole = {f"{namespace}/{topic}" for topic in REPLAYED}
        self._subscribed: set[str] = set()
        self._cloud_period = cloud_period
        self._last: dict[str, float] = {}
        self.create_timer(LOOK_PERIOD, self._look)
        self._look()

    def _look(self) -> None:
        for name, types in self.get_topic_names_and_types():
            wanted = any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)
            if wanted and types and name not in self._subscribed:
                self._subscribe(name, types[0])

    def _subscribe(self, name: str, kind: str) -> None:
        publishers = self.get_publishers_info_by_topic(name)
        if not publishers:
            return
        self._subscribed.add(name)
        package, _, message = kind.split("/")
        try:
            message_type = getattr(importlib.import_module(f"{package}.msg"), message)
        except (ImportError, AttributeError):
            self.get_logger().warning(f"{name} is not recorded: its type {kind} is not installed")
            return
        large = kind in LARGE_TYPES
        thinned = large and self._cloud_period > 0.0 and name not in self._whole
        # Best effort matches every publisher; reliable only where all publishers are. The same with latched ones.
        reliable = all(one.qos_profile.reliability == ReliabilityPolicy.RELIABLE for one in publishers)
        latched = all(one.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for one in publishers)
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=1 if thinned else 100,
            reliability=ReliabilityPolicy.RELIABLE if reliable and not large else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )

        def take(data: bytes) -> None:
            now = time.time_ns()
            if thinned:
                if now * 1e-9 - self._last.get(name, 0.0) < self._cloud_period:
                    return
                self._last[name] = now * 1e-9
            try:
                self.queue.put_nowait((name, kind, now, data))
            except queue.Full:
                self.dropped += 1

        self.create_subscription(message_type, name, take, qos, raw=True)


def write_all(writer: BagWriter, source: queue.Queue[Item | None]) -> None:
    """Write queued messages until None comes, and flush every `FLUSH_PERIOD`.

    Raises:
        RecordingStoppedError: The disk is full, or the bag cannot be written any more.
    """
    flushed = time.monotonic()
    while True:
        try:
            item = source.get(timeout=FLUSH_PERIOD)
        except queue.Empty:
            item = ()
        if item is None:
            break
        if item:
            writer.write(*item)
        if time.monotonic() - flushed >= FLUSH_PERIOD:
            writer.flush()
            flushed = time.monotonic()
    writer.close()
