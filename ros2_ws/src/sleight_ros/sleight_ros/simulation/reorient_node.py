"""`reorient_node`: the cube reorientation task in real time: a hand's driver, a tracker, and the goals' source."""

from __future__ import annotations

import sys

import numpy as np
from geometry_msgs.msg import PoseStamped
from rosgraph_msgs.msg import Clock
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_msgs.msg import SimState
from sleight_msgs.srv import ResetEpisode
from sleight_sim.tasks.reorient.config import GoalConfig, ReorientConfig
from std_msgs.msg import UInt32

from sleight_ros import convert
from sleight_ros.bridges.section import read_section
from sleight_ros.nodes.base import ERROR, OK, RELIABLE, STATE, SleightNode, Throttle, run
from sleight_ros.simulation.dialects.base import DriverContext
from sleight_ros.simulation.dialects.conduct import Conduct
from sleight_ros.simulation.dialects.driver import Driver, parse_driver
from sleight_ros.simulation.realtime import EpisodeState, RealtimeWorld
from sleight_ros.simulation.reorient_world import ReorientWorld
from sleight_ros.simulation.world import RobotReading


class ReorientNode(SleightNode):
    """Physics on one thread, ROS callbacks on the executor's.

    Publishes the cube's pose on ``object/pose`` and its goal on ``object/goal`` before the joint states of the same
    moment, and the goals reached so far on ``sim/rotations``.
    """

    def __init__(self) -> None:
        super().__init__("sim_node")
        # Python hands the interpreter over every 5 ms by default.
        sys.setswitchinterval(2e-4)
        default = ReorientConfig()
        self.text("hand", default.hand, "Hand table.")
        self.text("task_frame", "world", "Name of the task frame.")
        self.integer("seed", 0, 0, 2**31 - 1, "Seed of the starts.")
        self.number("control_period", default.control_period, 0.002, 0.2, "Control period, s.")
        self.number("episode_time", default.episode_time, 1.0, 3600.0, "Length of an episode, s.")
        self.number("threshold", default.goal.threshold, 0.001, 3.2, "Angle to the goal that counts as reached, rad.")
        self.number("driver_timeout", 0.2, 0.01, 10.0, "Age at which the simulated driver drops a twist, s.")
        self.flag("publish_clock", False, "Stamp with simulated time, and publish it on /clock.")
        self._warn = Throttle(self.get_logger().warning)
        self._driver: Driver | None = None
        self._world: RealtimeWorld | None = None

    def setup(self) -> None:
        """Compile the world and create everything."""
        self._table = load_hand(self.value("hand"))
        self._frame = self.value("task_frame")
        config = ReorientConfig()
        period = self.value("control_period")
        self._config = config.model_copy(
            update={
                "hand": self.value("hand"),
                "control_period": period,
                "substeps": max(1, round(period / config.timestep)),
                "episode_time": self.value("episode_time"),
                "goal": GoalConfig(threshold=self.value("threshold")),
            }
        )
        self._rng = np.random.default_rng(self.value("seed"))
        self._cube = ReorientWorld(self._table, self._config)
        self._cube.reset(self._rng)
        self._pose_pub = self.publish_on(PoseStamped, "object/pose", STATE)
        self._goal_pub = self.publish_on(PoseStamped, "object/goal", STATE)
        self._state_pub = self.publish_on(SimState, "sim/state", RELIABLE)
        self._count_pub = self.publish_on(UInt32, "sim/rotations", RELIABLE)
        self._clock_pub = self.publish_on(Clock, "/clock", STATE) if self.value("publish_clock") else None
        context = DriverContext(self, self._table, self._frame, lambda: self._world, self._warn, Conduct())
        self._driver = Driver(parse_driver(read_section(self, "driver")), context)
        try:
            self._driver.setup()
        except SleightError:
            self._driver.close()
            raise
        self.offer(ResetEpisode, "sim/reset", self._on_reset)

    def teardown(self) -> None:
        """Let go of the controllers' nodes."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def start(self) -> None:
        """Start the physics."""
        self._world = RealtimeWorld(
            self._cube,
            self._publish,
            episode_steps=self._config.episode_steps,
            driver_timeout=self.value("driver_timeout"),
            sim_clock=self.value("publish_clock"),
        )
        self._world.start()

    def halt(self) -> None:
        """Stop the physics."""
        if self._world is not None:
            self._world.stop()
            self._world = None

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """Timing of the physics for /diagnostics."""
        world = self._world
        if world is None:
            return OK, "inactive", {}
        if world.failure:
            self._warn(f"simulation stopped: {world.failure}")
            return ERROR, world.failure, {}
        values = {"period error p99 (ms)": f"{1e3 * world.period_errors.percentile(99):.3f}"}
        values |= {"rotations": str(self._cube.rotations), "stalls": str(world.stalls)}
        return OK, "running", values

    def _publish(self, stamp_ns: int, reading: RobotReading, episode: EpisodeState) -> None:
        stamp = convert.stamp_from_ns(stamp_ns)
        if self._clock_pub is not None:
            self._clock_pub.publish(Clock(clock=stamp))
        assert self._driver is not None
        # Joint states last: the policy ticks on them, and by then the others of the same moment are there.
        place = np.add(self._config.mount, self._config.cube.start)
        goal = convert.pose_to_msg(place, self._cube.goals.quat[0])
        pose = convert.pose_to_msg(episode.object_pos, episode.object_quat)
        for publisher, content in ((self._goal_pub, goal), (self._pose_pub, pose)):
            msg = PoseStamped(pose=content)
            msg.header.stamp, msg.header.frame_id = stamp, self._frame
            publisher.publish(msg)
        self._driver.publish(stamp, reading, last=False)
        self._driver.publish(stamp, reading, last=True)
        state = SimState(object_pose=pose, goal=goal.position, object_name=episode.name)
        state.header.stamp, state.header.frame_id = stamp, self._frame
        state.episode, state.step = episode.episode, episode.step
        state.object_height = float(episode.object_pos[2]) - self._config.mount[2]
        state.done, state.success = episode.done, episode.success
        self._state_pub.publish(state)
        self._count_pub.publish(UInt32(data=int(self._cube.rotations)))

    def _on_reset(self, request: ResetEpisode.Request, response: ResetEpisode.Response) -> ResetEpisode.Response:
        if self._world is None or self._driver is None:
            response.success, response.message = False, "the simulation is not active"
            return response
        if request.object not in ("", name := self._cube.thing.name):
            response.success, response.message = False, f"no object '{request.object}' (there is a {name})"
            return response
        rng = self._rng if request.seed < 0 else np.random.default_rng(request.seed)
        self._driver.reset()
        self._world.reset(self._cube.thing, rng)
        response.success, response.object_name = True, name
        return response


def main() -> int:
    """Run the node."""
    return run(ReorientNode)


if __name__ == "__main__":
    sys.exit(main())
