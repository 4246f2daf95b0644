"""`sim_node`: a MuJoCo tabletop in real time that speaks the drivers' dialects."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from sleight_core.errors import MissingExtraError
from sleight_description import load_hand
from sleight_msgs.msg import FingertipWrenches, ObjectEstimate, PrivilegedState, SimState, SkillRecord
from sleight_msgs.srv import ResetEpisode

from sleight_ros import convert
from sleight_ros.bridges.section import read_section
from sleight_ros.cameras import CameraSettings, declare_cameras, read_cameras
from sleight_ros.clouds import cloud_msg
from sleight_ros.nodes.base import ERROR, NEWEST, OK, RELIABLE, STATE, SleightNode, Throttle, run
from sleight_ros.privileged import TOPIC as PRIVILEGED
from sleight_ros.privileged import privileged_msg
from sleight_ros.timing import Recent, step_back

if TYPE_CHECKING:
    from sleight_ros.simulation.viewer import ViewerThread

try:
    from sleight_sim.objects import ObjectSpec, resolve_objects
    from sleight_sim.tasks.grasp.config import GraspTaskConfig
    from sleight_sim.worlds.tabletop import TABLE_HEIGHT

    from sleight_ros.simulation.composition import Composition, CompositionWorld
    from sleight_ros.simulation.dialects.base import DriverContext
    from sleight_ros.simulation.dialects.conduct import Conduct
    from sleight_ros.simulation.dialects.driver import Driver, parse_driver
    from sleight_ros.simulation.realtime import EpisodeState, RealtimeWorld
    from sleight_ros.simulation.world import RobotReading, TabletopWorld, World

    MISSING = ""
except ModuleNotFoundError as error:  # the run-time alone has no simulator
    MISSING = error.name or "mujoco"


#: True estimates come every so many control steps, about as often as a camera's.
ESTIMATE_EVERY = 4


class SimNode(SleightNode):
    """Physics on one thread, cameras on another, ROS callbacks on the executor's.

    The parameters under ``driver.`` say which dialects it speaks (`sleight_ros.simulation.dialects`); without them, it
    is a trajectory controller and a Cartesian velocity servo.
    """

    def __init__(self) -> None:
        super().__init__("sim_node")
        if MISSING:
            raise MissingExtraError(MISSING, "sim")
        # Python hands the interpreter over every 5 ms by default: a third of a control period.
        sys.setswitchinterval(2e-4)
        self.text("hand", "shadow", "Hand table.")
        self.text("task_frame", "world", "Name of the task frame.")
        self.texts("objects", ["household:demo"], "Objects or sets of objects that sim/reset can name.")
        self.texts(
            "composition", [], "Instead of objects: a DexCompose task of an object, and one or two of mechanisms."
        )
        self.numbers(
            "composition_places", [], "Where those tasks' own frames lie, m, three numbers each; as in training."
        )
        self.flag(
            "true_estimates", False, "Publish the object's true place as object/estimate: where no perception runs."
        )
        self.number("mesh_scale", 1.0, 1e-4, 1e3, "Metres per unit of mesh files.")
        self.integer("seed", 0, 0, 2**31 - 1, "Seed of the starts.")
        self.integer("episode_steps", 0, 0, 100000, "Control steps an episode; 0: as the task has it.")
        self.number("driver_timeout", 0.1, 0.01, 10.0, "Age at which the simulated driver drops a wrist twist, s.")
        self.number("camera_rate", 15.0, 0.1, 60.0, "Clouds a second.")
        self.integer("camera_width", 112, 8, 1280, "Pixels a row.")
        self.integer("camera_height", 84, 8, 960, "Rows.")
        self.number("camera_fovy", 42.0, 5.0, 120.0, "Vertical field of view, degrees.")
        self.flag("viewer", False, "Show the simulation in a window.")
        self.flag("publish_clock", False, "Stamp with simulated time, and publish it on /clock.")
        self.text("log_folder", "", "Where the true trajectories are written; empty: nowhere.")
        self.text("conduct_file", "", "Count what breaks a driver's interface, and write it here at the end.")
        declare_cameras(self)
        self._driver: Driver | None = None
        self._world: RealtimeWorld | None = None
        self._eyes: CameraThread | None = None
        self._window: ViewerThread | None = None
        self._warn = Throttle(self.get_logger().warning)

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Resolve the objects, compile the first world, create everything."""
        self._table = load_hand(self.value("hand"))
        self._frame = self.value("task_frame")
        self._config = GraspTaskConfig.model_validate({"hand": self.value("hand")})
        self._rng = np.random.default_rng(self.value("seed"))
        self._objects: dict[str, Any] = {}
        composed = self.value("composition") or []
        for thing in self._composition(composed) if composed else self._single_objects():
            self._objects[thing.name] = thing
        self._order = list(self._objects)
        self._next = 0
        self._cameras = read_cameras(self)
        self._wrench_pub = self.publish_on(FingertipWrenches, "fingertip_wrenches", STATE)
        self._state_pub = self.publish_on(SimState, "sim/state", RELIABLE)
        self._cloud_pubs = {camera.name: self.publish_on(PointCloud2, camera.topic, NEWEST) for camera in self._cameras}
        self._clock_pub = self.publish_on(Clock, "/clock", NEWEST) if self.value("publish_clock") else None
        self._set_up_driver()
        self.offer(ResetEpisode, "sim/reset", self._on_reset)
        if composed:
            self._privileged_pub = self.publish_on(PrivilegedState, PRIVILEGED, STATE)
        self._estimate_pub = (
            self.publish_on(ObjectEstimate, "object/estimate", STATE) if self.value("true_estimates") else None
        )
        world: World[Any]
        self._mechanism_joints: dict[str, tuple[str, ...]] = {}
        if composed:
            world = CompositionWorld(self._table, self._config, self._objects[self._order[0]])
            self._mechanism_joints = world.joint_names
        else:
            world = TabletopWorld(self._table, self._config, self._objects[self._order[0]])
        world.reset(self._rng)
        self._tabletop = world

    def _single_objects(self) -> list[ObjectSpec]:
        return list(resolve_objects(self.value("objects") or [], mesh_scale=self.value("mesh_scale")))

    def _composition(self, names: list[str]) -> list[Composition]:
        return [Composition.of(names, self.value("seed"), self.value("composition_places") or ())]

    def _set_up_driver(self) -> None:
        context = DriverContext(self, self._table, self._frame, lambda: self._world, self._warn, Conduct())
        driver = Driver(parse_driver(read_section(self, "driver")), context, strict=bool(self.value("conduct_file")))
        try:
            driver.setup()
        except Exception:
            driver.close()
            raise
        self._driver = driver

    def teardown(self) -> None:
        """Let go of the controllers' nodes, and write how the bridge behaved."""
        if self._driver is not None:
            self._driver.close()
            if path := self.value("conduct_file"):
                self._driver.write(Path(path))
            self._driver = None

    def start(self) -> None:
        """Start the threads."""
        folder = self.value("log_folder")
        self._world = RealtimeWorld(
            self._tabletop,
            self._publish,
            episode_steps=self.value("episode_steps") or self._config.episode_steps,
            driver_timeout=self.value("driver_timeout"),
            log_folder=Path(folder) if folder else None,
            sim_clock=self.value("publish_clock"),
        )
        self._world.start()
        if self._cameras:
            optics = {name: self.value(f"camera_{name}") for name in ("width", "height")}
            optics["fovy_deg"] = self.value("camera_fovy")
            self._eyes = CameraThread(self, self._world, self._cameras, 1.0 / self.value("camera_rate"), optics)
            self._eyes.start()
        if self.value("viewer"):
            from sleight_ros.simulation.viewer import ViewerThread

            self._window = ViewerThread(self._world)
            self._window.start()

    def halt(self) -> None:
        """Stop the threads."""
        if self._window is not None:
            self._window.stop()
            self._window = None
        if self._eyes is not None:
            self._eyes.stop()
            self._eyes = None
        if self._world is not None:
            self._world.stop()
            self._world = None

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """Timing of the physics and the cameras for /diagnostics."""
        world, eyes = self._world, self._eyes
        if world is None:
            return OK, "inactive", {}
        values = {
            "lateness p99 (ms)": f"{1e3 * world.lateness.percentile(99):.3f}",
            "period error p99 (ms)": f"{1e3 * world.period_errors.percentile(99):.3f}",
            "overruns": str(world.overruns),
            "stalls": str(world.stalls),
        }
        if eyes is not None:
            values["camera p99 (ms)"] = f"{1e3 * eyes.durations.percentile(99):.1f}"
        if self._driver is not None:
            values.update(self._driver.report())
        failure = world.failure or (eyes.failure if eyes is not None else "")
        if self._window is not None and self._window.failure:
            self._warn(self._window.failure)
        if failure:
            self._warn(f"simulation stopped: {failure}")
        return (ERROR, failure, values) if failure else (OK, "running", values)

    # Physics thread ------------------------------------------------------------------------------------------------

    def _publish(self, stamp_ns: int, reading: RobotReading, episode: EpisodeState) -> None:
        stamp = convert.stamp_from_ns(stamp_ns)
        if self._clock_pub is not None:
            self._clock_pub.publish(Clock(clock=stamp))
        assert self._driver is not None
        # Joint states last: the policy ticks on them, and by then the others of the same moment are there.
        self._driver.publish(stamp, reading, last=False)
        self._wrench_pub.publish(convert.wrenches_msg(self._table.finger_names, reading.wrenches, stamp))
        self._driver.publish(stamp, reading, last=True)
        if episode.privileged:
            told = privileged_msg(episode.privileged, self._mechanism_joints, frame=self._frame, stamp=stamp)
            self._privileged_pub.publish(told)
        if self._estimate_pub is not None and episode.step % ESTIMATE_EVERY == 0:
            estimate = ObjectEstimate(position=convert.point_to_msg(episode.object_pos), quality=1.0)
            estimate.header.stamp, estimate.header.frame_id = stamp, self._frame
            self._estimate_pub.publish(estimate)
        state = SimState()
        state.header.stamp = stamp
        state.header.frame_id = self._frame
        state.episode, state.step = episode.episode, episode.step
        state.object_pose = convert.pose_to_msg(episode.object_pos, episode.object_quat)
        state.goal = convert.point_to_msg(np.asarray(self._config.goal))
        state.object_height = float(episode.object_pos[2]) - TABLE_HEIGHT
        state.object_name, state.done, state.success = episode.name, episode.done, episode.success
        state.skills = [
            SkillRecord(skill=one.skill, kept=one.kept, succeeded=one.succeeded) for one in episode.verdicts
        ]
        self._state_pub.publish(state)

    def publish_cloud(self, camera: CameraSettings, points: np.ndarray, stamp_ns: int) -> None:
        """Publish one camera's points, in its optical frame; called on the cameras' thread."""
        self._cloud_pubs[camera.name].publish(cloud_msg(points, camera.frame, convert.stamp_from_ns(stamp_ns)))

    # Services ------------------------------------------------------------------------------------------------------

    def _on_reset(self, request: Any, response: Any) -> Any:
        if self._world is None:
            response.success, response.message = False, "the simulation is not active"
            return response
        name = request.object or self._order[self._next % len(self._order)]
        if name not in self._objects:
            known = ", ".join(self._order[:6]) + (" ..." if len(self._order) > 6 else "")
            response.success, response.message = False, f"no object '{name}' (there are {known})"
            return response
        if not request.object:
            self._next += 1
        rng = self._rng if request.seed < 0 else np.random.default_rng(request.seed)
        assert self._driver is not None
        self._driver.reset()
        self._world.reset(self._objects[name], rng)
        response.success, response.object_name = True, name
        return response


class CameraThread(threading.Thread):
    """Looks at the newest snapshot with every camera, at a fixed rate, on data of its own.

    Args:
        node: Publishes the clouds.
        world: Where the snapshots come from.
        settings: The cameras.
        period: s.
        optics: Width and height (pixels) and vertical field of view (degrees).
    """

    def __init__(
        self, node: SimNode, world: RealtimeWorld, settings: list[CameraSettings], period: float, optics: dict[str, Any]
    ) -> None:
        super().__init__(name="cameras", daemon=True)
        self.failure = ""
        self.durations = Recent()
        self._node = node
        self._world = world
        self._settings = settings
        self._optics = optics
        self._period = period
        self._ended = threading.Event()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join(timeout=2.0)

    def run(self) -> None:
        """Look until `stop`."""
        step_back()
        try:
            self._loop()
        except Exception as error:  # the node reports it
            self.failure = f"{type(error).__name__}: {error}"

    def _loop(self) -> None:
        import mujoco
        from sleight_sim.sensors.depth import DepthCamera, DepthNoise

        rng = np.random.default_rng(0)
        cameras = [
            DepthCamera(one.name, one.pos, quat=one.quat, noise=DepthNoise(), **self._optics) for one in self._settings
        ]
        model, data = None, None
        due = time.perf_counter()
        while not self._ended.wait(max(0.0, due - time.perf_counter())):
            due = max(due + self._period, time.perf_counter())
            snapshot = self._world.snapshot
            if snapshot is None:
                continue
            begin = time.perf_counter()
            if snapshot.model is not model:
                model = snapshot.model
                data = mujoco.MjData(model)
            assert data is not None
            data.qpos[:] = snapshot.qpos
            mujoco.mj_kinematics(model, data)
            for one, camera in zip(self._settings, cameras, strict=True):
                points = camera.points_optical(camera.render(model, data, rng))
                self._node.publish_cloud(one, points, snapshot.stamp)
            self.durations.add(time.perf_counter() - begin)


def main() -> int:
    """Run the node."""
    return run(SimNode)


if __name__ == "__main__":
    sys.exit(main())
