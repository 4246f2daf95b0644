"""Listens to a running graph from a process of its own: ``python -m sleight_ros.bench.probe OUT PRIORITY``.

It is scheduled as the control nodes are, for it stands for the driver that the commands are for: at an ordinary
priority it would measure for how long perception keeps it waiting.

Writes an ``.npz`` on SIGINT or SIGTERM. All times are of the system's clock, ns; arrivals are those that DDS noted, so
this process's own delays do not count.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from sleight_msgs.msg import HandCommand
from trajectory_msgs.msg import JointTrajectory

from sleight_ros.convert import stamp_to_ns
from sleight_ros.nodes.base import NEWEST, RELIABLE, SIGNAL_PATIENCE, ended_by_signal, make_executor
from sleight_ros.timing import request_realtime


class Probe:
    """Collects arrivals."""

    def __init__(self) -> None:
        self.states: list[tuple[int, int]] = []
        self.commands: list[int] = []
        self.sent: list[tuple[int, int, int]] = []
        self.node = rclpy.create_node("probe")
        self._listen(JointState, "joint_states", self._on_state, NEWEST)
        self._listen(JointTrajectory, "hand_controller/joint_trajectory", self._on_command, RELIABLE)
        self._listen(HandCommand, "bridge/sent", self._on_sent, RELIABLE)

    def _listen(self, kind: type, topic: str, callback: Any, qos: QoSProfile) -> None:
        # rclpy hands the arrival's time to callbacks of two arguments.
        self.node.create_subscription(kind, topic, callback, qos)

    def _on_state(self, msg: JointState, info: Any) -> None:
        self.states.append((stamp_to_ns(msg.header.stamp), info["received_timestamp"]))

    def _on_command(self, _msg: JointTrajectory, info: Any) -> None:
        self.commands.append(info["received_timestamp"])

    def _on_sent(self, msg: HandCommand, info: Any) -> None:
        # A hold has no bundle and no state behind it.
        stamp = stamp_to_ns(msg.state_stamp) if msg.bundle_id else 0
        self.sent.append((stamp, info["received_timestamp"], stamp_to_ns(msg.header.stamp)))


def main(arguments: list[str]) -> int:
    """Listen until a signal comes, then write."""
    ended = ended_by_signal()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    probe = Probe()
    # The event-driven executor cannot hand over the time of arrival.
    executor = make_executor("single")
    executor.add_node(probe.node)
    if priority := int(arguments[1]):
        # Once DDS has started its threads: they take the arrival's time.
        request_realtime(priority)
    while not ended.is_set():
        executor.spin_once(timeout_sec=SIGNAL_PATIENCE)
    np.savez(
        Path(arguments[0]),
        states=np.array(probe.states, dtype=np.int64).reshape(-1, 2),
        commands=np.array(probe.commands, dtype=np.int64),
        sent=np.array(probe.sent, dtype=np.int64).reshape(-1, 3),
    )
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
