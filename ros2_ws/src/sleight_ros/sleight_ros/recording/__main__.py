"""Records the graph into MCAP bags, in a process of its own.

``python -m sleight_ros.recording FOLDER [--ros-args -r __ns:=/right]``: messages are taken as raw bytes and written as
they are, so recording costs next to nothing. SIGINT or SIGTERM ends the bag in order; a killed recorder loses what came
in the last half second.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from sleight_core.environment import refuse_mixed_ros
from sleight_core.errors import MissingExtraError, SleightError

from sleight_ros.nodes.base import SIGNAL_PATIENCE, ended_by_signal, make_executor
from sleight_ros.profiles import profile_path
from sleight_ros.recording.topics import DEFAULT_TOPICS, profile_topics

GIGABYTE = 1_000_000_000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise SleightError(message, remedy=f"see '{self.prog} --help'")


def _non_negative(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise ValueError
    return value


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line, without ROS arguments.

    Raises:
        SleightError: Wrong use.
    """
    parser = _Parser(prog="python -m sleight_ros.recording", description=__doc__)
    parser.add_argument("folder", type=Path, help="Gets one folder a bag, named by the time.")
    parser.add_argument("--topics", nargs="+", default=None, help="Names or patterns; default: those of the graph.")
    parser.add_argument("--profile", default="", help="Shipped profile or parameter file: record its topics as well.")
    parser.add_argument(
        "--cloud-period", type=_non_negative, default=1.0, help="Of clouds, one every so often, s; 0: all."
    )
    parser.add_argument("--name", default="", help="Name of the only bag, instead of bags named by the time.")
    parser.add_argument("--split", type=_non_negative, default=600.0, help="A new bag after so long, s; 0: never.")
    parser.add_argument("--keep", type=_non_negative, default=20.0, help="Remove old bags beyond so much, GB; 0: none.")
    parser.add_argument("--min-free", type=_non_negative, default=0.5, help="Stop when less is free on the disk, GB.")
    return parser.parse_args(list(arguments))


def record(arguments: Sequence[str], ros_arguments: Sequence[str]) -> int:
    """Record until a signal comes; returns 0, or 1 when recording had to stop before.

    Raises:
        SleightError: Wrong use, or a folder that cannot be written.
    """
    options = parse(arguments)
    refuse_mixed_ros()
    try:
        from sleight_ros.recording.recorder import Recorder, write_all
        from sleight_ros.recording.writer import BagWriter, RecordingStoppedError, Room
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "rosbags", "ros") from error
    more = profile_topics(profile_path(options.profile)) if options.profile else ()
    topics = [*(options.topics or DEFAULT_TOPICS), *more]
    room = Room(options.split, int(options.keep * GIGABYTE), int(options.min_free * GIGABYTE))
    writer = BagWriter(options.folder, options.name, room)
    try:
        rclpy.init(args=list(ros_arguments), signal_handler_options=SignalHandlerOptions.NO)
    except rclpy_implementation.RCLError as error:
        raise SleightError("ROS refuses its arguments", value=" ".join(str(error).split())) from error
    ended = ended_by_signal()
    node = Recorder(topics, options.cloud_period)
    stopped: list[RecordingStoppedError] = []

    def work() -> None:
        try:
            write_all(writer, node.queue)
        except RecordingStoppedError as error:
            stopped.append(error)

    thread = threading.Thread(target=work, name="writer")
    thread.start()
    executor = make_executor()
    executor.add_node(node)
    told: set[str] = set()
    while not ended.is_set() and thread.is_alive():
        executor.spin_once(timeout_sec=SIGNAL_PATIENCE)
        if new := writer.unknown - told:
            told |= new
            node.get_logger().warning(f"not recorded, no definition of {', '.join(sorted(new))}")
    if thread.is_alive():
        node.queue.put(None)
        thread.join()
    if node.dropped:
        print(f"sleight recording: the disk was too slow, {node.dropped} messages are not in the bag", file=sys.stderr)
    rclpy.try_shutdown()
    if stopped:
        print(f"sleight recording: {stopped[0]}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Run the recorder; returns the exit status."""
    arguments = remove_ros_args(sys.argv)[1:]
    try:
        return record(arguments, sys.argv[1:])
    except SleightError as error:
        print(f"sleight recording: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
