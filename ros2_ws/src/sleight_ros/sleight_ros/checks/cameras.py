"""Whether a profile's cameras are there: extrinsics, clouds, their rate and frame."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import PointCloud2

from sleight_ros.checks.parameters import node_parameters
from sleight_ros.checks.row import Row
from sleight_ros.nodes.base import NEWEST

#: Longest wait for clouds, s: publishers must be discovered first.
PATIENCE = 6.0
#: Clouds of each camera that are enough for a rate.
ENOUGH = 10
#: Below, an object is lost between two clouds, Hz.
SLOW = 5.0


@dataclass
class Camera:
    """A camera of a profile, and what came from it."""

    name: str
    topic: str
    frame: str
    pose: list[float]
    frames: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    publishers: int = 0


def check(profile: Path) -> list[Row]:
    """The cameras of a profile."""
    cameras = profile_cameras(node_parameters(profile, "perception_node"))
    if not cameras:
        return [Row("cameras", "warn", "this profile names none", "fill in 'cameras' if the policy sees objects")]
    _listen(cameras)
    return [row for camera in cameras for row in (_extrinsics(camera), clouds(camera))]


def profile_cameras(parameters: dict[str, Any]) -> list[Camera]:
    """The cameras that perception's parameters name."""
    return [
        Camera(
            name,
            parameters.get(f"camera.{name}.topic", f"camera/{name}/points"),
            parameters.get(f"camera.{name}.frame", f"{name}_optical"),
            list(parameters.get(f"camera.{name}.pose") or []),
        )
        for name in parameters.get("cameras") or []
    ]


def _extrinsics(camera: Camera) -> Row:
    name = f"camera {camera.name}: pose"
    if not camera.pose:
        if importlib.util.find_spec("tf2_ros") is None:
            remedy = f"set 'camera.{camera.name}.pose' in the profile"
            return Row(name, "fail", "none is given, and tf is not installed", remedy)
        return Row(name, "ok", f"from tf, frame {camera.frame}")
    values = np.asarray(camera.pose, dtype=float)
    if values.shape != (7,) or not np.isfinite(values).all() or abs(np.linalg.norm(values[3:]) - 1.0) > 0.01:
        remedy = "x y z (m), then a unit quaternion w x y z"
        return Row(name, "fail", f"'camera.{camera.name}.pose' is no pose: {camera.pose}", remedy)
    return Row(name, "ok", f"at {values[0]:.3f} {values[1]:.3f} {values[2]:.3f} m")


def clouds(camera: Camera) -> Row:
    """What is to be said of what came from a camera."""
    name = f"camera {camera.name}: clouds"
    if len(camera.times) < 2:
        if not camera.publishers:
            return Row(name, "warn", f"nobody publishes {camera.topic}", "start the camera's driver, or the simulation")
        remedy = "look at its driver; large clouds need shared memory or a larger network buffer"
        return Row(name, "fail", f"{camera.topic} is published, but {len(camera.times)} clouds came", remedy)
    if camera.frames != {camera.frame}:
        remedy = f"set 'camera.{camera.name}.frame', and its pose for that frame"
        return Row(name, "fail", f"in frame {', '.join(sorted(camera.frames))} instead of {camera.frame}", remedy)
    rate = (len(camera.times) - 1) / (camera.times[-1] - camera.times[0])
    detail = f"{rate:.1f} Hz in frame {camera.frame}"
    if rate < SLOW:
        return Row(name, "warn", detail, f"perception wants at least {SLOW:g} Hz: fewer pixels, or a faster connection")
    return Row(name, "ok", detail)


def _listen(cameras: list[Camera]) -> None:
    """Listen until every camera has sent enough clouds, or the patience is over."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("doctor_cameras", context=context, start_parameter_services=False, enable_rosout=False)

    def hearing(camera: Camera) -> Callable[[PointCloud2], None]:
        def hear(msg: PointCloud2) -> None:
            camera.times.append(time.perf_counter())
            camera.frames.add(msg.header.frame_id)

        return hear

    for camera in cameras:
        node.create_subscription(PointCloud2, camera.topic, hearing(camera), NEWEST)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and any(len(camera.times) < ENOUGH for camera in cameras):
        executor.spin_once(timeout_sec=0.1)
        for camera in cameras:
            camera.publishers = max(camera.publishers, node.count_publishers(camera.topic))
    executor.shutdown(timeout_sec=1.0)
    node.destroy_node()
    rclpy.try_shutdown(context=context)
