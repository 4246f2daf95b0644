"""`perception_node`: merges the cameras' clouds and says where the object is."""

from __future__ import annotations

import os

# One thread: the others would take the cores from the control nodes. Before Open3D is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import PointCloud2
from sleight_core.errors import SleightError
from sleight_core.perception import (
    CameraView,
    ObjectObservation,
    PerceptionConfig,
    PerceptionPipeline,
    PerceptionReason,
)
from sleight_core.rotations import quat_to_matrix
from sleight_msgs.msg import ObjectEstimate
from std_srvs.srv import Trigger

from sleight_ros import convert
from sleight_ros.body import RobotBody
from sleight_ros.cameras import CameraSettings, declare_cameras, read_cameras
from sleight_ros.clouds import CloudError, cloud_msg, cloud_xyz
from sleight_ros.nodes.base import NEWEST, OK, STATE, WARN, SleightNode, Throttle, run
from sleight_ros.timing import Recent

REASON_NAMES = {int(reason): reason.name for reason in PerceptionReason}


@dataclass
class View:
    """The newest cloud of one camera: its stamp (ns), when it came (monotonic s) and its points."""

    stamp: int
    received: float
    points: CameraView


@dataclass
class Job:
    """A set of clouds to work on: its stamp (ns), one view a camera, when its first cloud came (s)."""

    stamp: int
    views: list[CameraView]
    received: float


class PerceptionNode(SleightNode):
    """One estimate for each set of clouds; a reason at a low rate while none come."""

    def __init__(self) -> None:
        super().__init__("perception_node")
        self.text("hand", "shadow", "Hand table, for taking the hand out of the clouds.")
        self.text("task_frame", "world", "Name of the task frame.")
        declare_cameras(self)
        self.number("merge_window", 0.03, 0.0, 1.0, "Clouds whose stamps differ by at most this belong together, s.")
        self.number("merge_patience", 0.05, 0.0, 1.0, "How long a cloud waits for those of the other cameras, s.")
        self.number("cloud_max_age", 0.25, 0.01, 10.0, "Age from which clouds count as stale, s.")
        self.number("state_max_age", 0.1, 0.01, 10.0, "Largest distance in time of hand state and cloud, s.")
        defaults = PerceptionConfig()
        self.numbers("workspace_low", defaults.workspace_low, "Lowest corner of the box that is looked at, m.")
        self.numbers("workspace_high", defaults.workspace_high, "Highest corner.")
        self.numbers("object_hint", [], "Where the object is first looked for, m; empty: the largest thing is it.")
        self.number("table_height", defaults.table_height, -1.0, 3.0, "Height of the table's top, m.")
        self.number("hand_margin", defaults.hand_margin, 0.0, 0.1, "Points nearer to the hand than this are hand, m.")
        self.integer("min_points", defaults.min_points, 4, 100_000, "Fewest points of an object.")
        self.integer("cloud_points", defaults.cloud_points, 16, 100_000, "Size of the object cloud.")
        self.integer("scene_points", 0, 0, 512, "Size of scene/cloud: all over the table but the robot; 0: none.")
        self._warn = Throttle(self.get_logger().warning)
        self._last: ObjectObservation | None = None
        self._times, self._ages = Recent(150), Recent(150)
        self._bell = threading.Condition()
        self._job: Job | None = None
        self._forget = False
        self._working = False
        self._worker: threading.Thread | None = None
        # Python hands the interpreter over every 5 ms by default.
        sys.setswitchinterval(5e-4)

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Load Open3D and create everything."""
        self._frame = self.value("task_frame")
        self._cameras = {camera.name: camera for camera in read_cameras(self)}
        if not self._cameras:
            raise SleightError("parameter 'cameras' names no camera")
        self._turns = {name: quat_to_matrix(camera.quat) for name, camera in self._cameras.items()}
        hint = _corner(self.vector("object_hint", 3)) if self.value("object_hint") else None
        self._pipeline = PerceptionPipeline(
            PerceptionConfig(
                workspace_low=_corner(self.vector("workspace_low", 3)),
                workspace_high=_corner(self.vector("workspace_high", 3)),
                table_height=self.value("table_height"),
                expected=hint,
                hand_margin=self.value("hand_margin"),
                min_points=self.value("min_points"),
                cloud_points=self.value("cloud_points"),
            )
        )
        self._window = int(self.value("merge_window") * 1e9)
        self._patience = self.value("merge_patience")
        self._max_age = self.value("cloud_max_age")
        self._state_age = self.value("state_max_age")
        self._views: dict[str, View] = {}
        self._problem: tuple[PerceptionReason, float] | None = None
        self._done = -1
        self._told_moved: tuple[str, ...] = ()
        self._estimates = self.publish_on(ObjectEstimate, "object/estimate", STATE)
        self._clouds = self.publish_on(PointCloud2, "object/cloud", NEWEST)
        self._scene_points = self.value("scene_points")
        if self._scene_points:
            self._scenes = self.publish_on(PointCloud2, "scene/cloud", NEWEST)
        self._body = RobotBody(self)
        for camera in self._cameras.values():
            self.listen(PointCloud2, camera.topic, lambda msg, camera=camera: self._on_cloud(camera, msg))
        self.offer(Trigger, "perception/reset", self._on_reset)
        self.every(0.02, self._on_timer)
        self._spoke = time.monotonic()

    def start(self) -> None:
        """Start the worker."""
        self._working = True
        self._worker = threading.Thread(target=self._run_worker, name="perception", daemon=True)
        self._worker.start()

    def halt(self) -> None:
        """Stop the worker."""
        with self._bell:
            self._working = False
            self._bell.notify()
        if self._worker is not None:
            self._worker.join(timeout=2.0)
            self._worker = None

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """What is seen and how long it takes, for /diagnostics."""
        last = self._last
        if not self.active or last is None:
            return OK, "no cloud yet" if self.active else "inactive", {}
        values = {
            "processing p99 (ms)": f"{1e3 * self._times.percentile(99):.1f}",
            "cloud age p99 (ms)": f"{1e3 * self._ages.percentile(99):.1f}",
            "points": str(last.point_count),
            "quality": f"{last.quality:.2f}",
            "moved cameras": ", ".join(last.moved) or "none",
        }
        good = last.reason == PerceptionReason.OK and not last.moved
        return (OK if good else WARN), last.reason.name, values

    # Messages ------------------------------------------------------------------------------------------------------

    def _on_cloud(self, camera: CameraSettings, msg: PointCloud2) -> None:
        if not self.active:
            return
        now = time.monotonic()
        if msg.header.frame_id != camera.frame:
            self._warn(f"cloud of camera '{camera.name}' is in '{msg.header.frame_id}', not in '{camera.frame}'")
            self._problem = (PerceptionReason.WRONG_FRAME, now)
            return
        try:
            points = cloud_xyz(msg)
        except CloudError as error:
            self._warn(f"camera '{camera.name}': {error}")
            self._problem = (PerceptionReason.BAD_CLOUD, now)
            return
        self._problem = None
        view = CameraView(camera.name, points, self._turns[camera.name], camera.pos)
        self._views[camera.name] = View(convert.stamp_to_ns(msg.header.stamp), now, view)
        self._work_if_complete(now)

    def _on_timer(self) -> None:
        """Give up waiting for a camera, and say why there is no estimate."""
        if not self.active:
            return
        now = time.monotonic()
        self._work_if_complete(now)
        if now - self._spoke > 0.5 * self._max_age:
            if self._problem is not None and now - self._problem[1] < self._max_age:
                reason = self._problem[0]
            else:
                reason = PerceptionReason.STALE_CLOUD if self._views else PerceptionReason.NO_CLOUD
            self._say(ObjectObservation(reason), self.get_clock().now().nanoseconds, 0.0)

    def _on_reset(self, _request: Any, response: Any) -> Any:
        self._views.clear()
        with self._bell:
            self._job, self._forget = None, True
            self._bell.notify()
        response.success, response.message = True, "the object is forgotten"
        return response

    # Work ----------------------------------------------------------------------------------------------------------

    def _work_if_complete(self, now: float) -> None:
        """Work once every camera has contributed to the newest moment, or the first of them has waited long enough."""
        if not self._views:
            return
        newest = max(view.stamp for view in self._views.values())
        if newest <= self._done and newest + 10**9 > self._done:
            return
        together = [view for view in self._views.values() if newest - view.stamp <= self._window]
        received = min(view.received for view in together)
        if len(together) == len(self._cameras) or now - received > self._patience:
            self._done = newest
            # Only the newest set counts: one that the worker has not begun yet is replaced.
            with self._bell:
                self._job = Job(newest, [view.points for view in together], received)
                self._bell.notify()

    def _run_worker(self) -> None:
        """Work on clouds while the executor's thread goes on taking joint states: a backlog of them would be stale."""
        while True:
            with self._bell:
                self._bell.wait_for(lambda: self._job is not None or self._forget or not self._working)
                if not self._working:
                    return
                job, self._job = self._job, None
                forget, self._forget = self._forget, False
            if forget:
                self._pipeline.reset()
            if job is not None and self.active:
                self._work(job)

    def _work(self, job: Job) -> None:
        begin = time.monotonic()
        body = self._body.at(job.stamp, self._state_age)
        if body is None:
            found = ObjectObservation(PerceptionReason.NO_HAND_STATE)
        else:
            try:
                found = self._pipeline.update(job.views, body, job.stamp * 1e-9)
                self._show_scene(job.stamp)
            except Exception as error:  # Open3D raises RuntimeError for degenerate clouds
                self._warn(f"pipeline failed: {type(error).__name__}: {error}")
                self._pipeline.reset()
                found = ObjectObservation(PerceptionReason.INTERNAL_ERROR)
            self._tell_moved(found.moved)
        end = time.monotonic()
        self._times.add(end - begin)
        self._ages.add((self.get_clock().now().nanoseconds - job.stamp) * 1e-9)
        self._say(found, job.stamp, end - job.received)

    def _show_scene(self, stamp_ns: int) -> None:
        """Publish all that lies over the table, whether or not one object is followed in it."""
        if self._scene_points and len(points := self._pipeline.scene_cloud(self._scene_points)):
            self._scenes.publish(cloud_msg(points, self._frame, convert.stamp_from_ns(stamp_ns)))

    def _tell_moved(self, moved: tuple[str, ...]) -> None:
        """Log it when a camera has moved, or is back."""
        if moved != self._told_moved:
            self._told_moved = moved
            if moved:
                names = ", ".join(moved)
                self.get_logger().warning(f"camera moved: {names} sees the table elsewhere; calibrate its pose anew")
            else:
                self.get_logger().info("all cameras see the table where it is")

    def _say(self, found: ObjectObservation, stamp_ns: int, took: float) -> None:
        self._spoke = time.monotonic()
        before, self._last = self._last, found
        stamp = convert.stamp_from_ns(stamp_ns)
        msg = ObjectEstimate()
        msg.header.stamp = stamp
        msg.header.frame_id = self._frame
        msg.reason = int(found.reason)
        msg.point_count, msg.quality, msg.processing_time = found.point_count, found.quality, took
        if found.reason == PerceptionReason.OK:
            msg.position = convert.point_to_msg(found.position)
            msg.extents = convert.vector_to_msg(found.extents)
            self._clouds.publish(cloud_msg(found.cloud, self._frame, stamp))
        self._estimates.publish(msg)
        if before is None or before.reason != found.reason:
            self.get_logger().info(f"object: {REASON_NAMES.get(int(found.reason), found.reason)}")


def _corner(values: list[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


def main() -> int:
    """Run the node."""
    return run(PerceptionNode)


if __name__ == "__main__":
    sys.exit(main())
