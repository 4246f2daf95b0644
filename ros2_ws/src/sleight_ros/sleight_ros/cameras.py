"""Depth cameras as parameters: the same rows tell the simulator where to look from, and perception whence it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rclpy
from sleight_core.errors import SleightError

from sleight_ros.convert import quaternion_from_msg, vector_from_msg

if TYPE_CHECKING:
    from sleight_ros.nodes.base import SleightNode


@dataclass(frozen=True)
class CameraSettings:
    """A calibrated camera.

    Attributes:
        name: Name.
        topic: Where its clouds are.
        frame: Name of its optical frame, which its clouds must carry.
        pos: (3,) m in the task frame.
        quat: (4,) wxyz of the optical frame (z forward, x right, y down) in the task frame.
    """

    name: str
    topic: str
    frame: str
    pos: np.ndarray
    quat: np.ndarray


def declare_cameras(node: SleightNode) -> None:
    """Declare ``cameras``, and for each camera in it ``camera.<name>.pose``, ``.topic`` and ``.frame``."""
    node.texts("cameras", [], "Names of the cameras.")
    for name in node.value("cameras") or []:
        text = "Optical frame in the task frame: x y z (m), qw qx qy qz; empty: ask tf."
        node.numbers(f"camera.{name}.pose", [], text)
        node.text(f"camera.{name}.topic", f"camera/{name}/points", "Topic of its clouds.")
        node.text(f"camera.{name}.frame", f"{name}_optical", "Frame that its clouds carry.")


def read_cameras(node: SleightNode) -> list[CameraSettings]:
    """Read the cameras.

    Raises:
        SleightError: A pose is missing or is none.
    """
    found = []
    for name in node.value("cameras") or []:
        topic, frame = node.value(f"camera.{name}.topic"), node.value(f"camera.{name}.frame")
        given = node.value(f"camera.{name}.pose")
        values = np.array(node.vector(f"camera.{name}.pose", 7) if given else pose_from_tf(node, frame))
        norm = float(np.linalg.norm(values[3:]))
        if not np.isfinite(values).all() or abs(norm - 1.0) > 0.01:
            raise SleightError(
                f"parameter 'camera.{name}.pose' is no pose",
                value=values.tolist(),
                remedy="x y z, then a unit quaternion",
            )
        found.append(CameraSettings(name, topic, frame, values[:3], values[3:] / norm))
    return found


def pose_from_tf(node: SleightNode, frame: str, timeout: float = 5.0) -> list[float]:
    """Ask tf, where ROS has it (the wheels do not), for a camera's pose in the task frame: x y z qw qx qy qz.

    Raises:
        SleightError: There is no tf, or no such transform.
    """
    task_frame = node.value("task_frame")
    remedy = "set the camera's pose in the parameter file"
    try:
        import tf2_ros  # type: ignore[import-not-found]
        from rclpy.duration import Duration
        from rclpy.time import Time
    except ImportError as error:
        raise SleightError(
            f"no pose of frame '{frame}' is given, and tf2_ros is not installed", remedy=remedy
        ) from error
    # A node of its own: tf's listener takes the node that it gets from its executor.
    helper = rclpy.create_node(f"{node.get_name()}_tf", context=node.context, namespace=node.get_namespace())
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, helper, spin_thread=True)
    try:
        wait = Duration(seconds=timeout)
        found = buffer.lookup_transform(task_frame, frame, Time(), wait).transform
    except Exception as error:  # tf2 raises its own types
        raise SleightError(
            f"tf knows no transform from '{frame}' to '{task_frame}'", value=error, remedy=remedy
        ) from error
    finally:
        listener.unregister()
        if (executor := getattr(listener, "executor", None)) is not None:
            executor.shutdown(timeout_sec=1.0)
        helper.destroy_node()
    return [*vector_from_msg(found.translation), *quaternion_from_msg(found.rotation)]
