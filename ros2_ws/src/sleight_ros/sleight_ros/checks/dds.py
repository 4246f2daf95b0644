"""Whether two processes on this machine hear each other: discovery, a round trip, and what the middleware needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.utilities import get_rmw_implementation_identifier
from std_msgs.msg import String

from sleight_ros.checks.row import Row
from sleight_ros.processes import SHM, SHM_PREFIXES

#: Longest wait for the other process's answer, s: it must start and be discovered.
PATIENCE = 30.0
#: Round trips that are timed after the first.
TRIPS = 20
#: Shared memory that a graph with three cameras should find free, bytes.
ROOM = 64_000_000
#: Files of dead processes beyond which something goes wrong on this machine.
LEFTOVERS = 400
_LOCAL = "SUBNET"


def check() -> list[Row]:
    """Settings, a round trip between two processes, and shared memory."""
    return [_settings(), _round_trip(), _shared_memory()]


def _settings() -> Row:
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", _LOCAL)
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    detail = f"{get_rmw_implementation_identifier()}, ROS_DOMAIN_ID {domain}, discovery {reach}"
    if "ROS_LOCALHOST_ONLY" in os.environ:
        remedy = "unset it, and set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST instead"
        return Row("DDS settings", "warn", f"{detail}; ROS_LOCALHOST_ONLY is out of use and overrides it", remedy)
    if reach == "OFF":
        return Row("DDS settings", "fail", detail, "unset ROS_AUTOMATIC_DISCOVERY_RANGE, or set it to LOCALHOST")
    if domain == "0" and reach == _LOCAL:
        words = "shared with every ROS machine of this network"
        remedy = "set a ROS_DOMAIN_ID of your own (1 to 100), or ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
        return Row("DDS settings", "warn", f"{detail}: {words}", remedy)
    return Row("DDS settings", "ok", detail)


def _round_trip() -> Row:
    topic = f"sleight_doctor_{uuid.uuid4().hex[:12]}"
    child = subprocess.Popen(
        [sys.executable, "-m", "sleight_ros.checks.dds", topic], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        times = _ping(topic)
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=5.0)
        if child.poll() is None:
            child.kill()
            child.wait()
    if not times:
        remedy = "look at firewall, loopback interface and ROS_AUTOMATIC_DISCOVERY_RANGE; remove /dev/shm/fastrtps_*"
        return Row("DDS round trip", "fail", f"no answer from another process within {PATIENCE:.0f} s", remedy)
    middle = sorted(times)[len(times) // 2]
    return Row("DDS round trip", "ok", f"two processes hear each other, {1e3 * middle:.1f} ms at the median")


def _ping(topic: str) -> list[float]:
    """Times of round trips, s; empty when there is no answer."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node(f"{topic}_asking", context=context, start_parameter_services=False, enable_rosout=False)
    answers: list[str] = []
    publisher = node.create_publisher(String, topic, 10)

    def hear(msg: String) -> None:
        answers.append(msg.data)

    node.create_subscription(String, f"{topic}_back", hear, 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    times: list[float] = []
    end = time.monotonic() + PATIENCE
    number = 0
    while time.monotonic() < end and len(times) < TRIPS + 1:
        number += 1
        sent = time.perf_counter()
        publisher.publish(String(data=str(number)))
        again = time.monotonic() + 0.5
        while str(number) not in answers and time.monotonic() < again:
            executor.spin_once(timeout_sec=0.05)
        if str(number) in answers:
            times.append(time.perf_counter() - sent)
    executor.shutdown(timeout_sec=1.0)
    node.destroy_node()
    rclpy.try_shutdown(context=context)
    return times[1:] or times


def echo(topic: str) -> int:
    """Send back what comes, until the asking process ends us or is gone."""
    rclpy.init(args=[])
    node = rclpy.create_node(f"{topic}_answering", start_parameter_services=False, enable_rosout=False)
    publisher = node.create_publisher(String, f"{topic}_back", 10)
    node.create_subscription(String, topic, publisher.publish, 10)
    end = time.monotonic() + 2 * PATIENCE
    parent = os.getppid()
    while time.monotonic() < end and os.getppid() == parent:
        rclpy.spin_once(node, timeout_sec=0.2)
    return 0


def _shared_memory() -> Row:
    if not os.access(SHM, os.W_OK):
        return Row("shared memory", "fail", f"{SHM} cannot be written", "mount it writable for this user")
    free = shutil.disk_usage(SHM).free
    files = [path for path in SHM.iterdir() if path.name.startswith(SHM_PREFIXES)]
    detail = f"{free / 1e6:.0f} MB free in {SHM}, {len(files)} files of DDS"
    if free < ROOM:
        remedy = f"make it {ROOM / 1e6:.0f} MB or more (containers: --shm-size 256m), or remove files of dead processes"
        return Row("shared memory", "warn", detail, remedy)
    if len(files) > LEFTOVERS:
        return Row("shared memory", "warn", detail, "end all ROS processes, then remove /dev/shm/*fastrtps_*")
    return Row("shared memory", "ok", detail)


if __name__ == "__main__":
    sys.exit(echo(sys.argv[1]))
