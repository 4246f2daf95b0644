"""`leap_driver`: a LEAP Hand on its Dynamixel bus, without anybody's driver in between.

Publishes `joint_states` and takes one-point `JointTrajectory` or `JointState` targets, all by joint name. Nothing moves
until `driver/enable` is called. No safety is left after it, so it keeps limits, speed and age by itself.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import TimeoutError as NotDoneError
from typing import TYPE_CHECKING, Any

import numpy as np
from sensor_msgs.msg import JointState
from sleight_core.errors import MissingExtraError, SleightError
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from sleight_ros import convert
from sleight_ros.drivers.config import LeapConfig, load_config
from sleight_ros.nodes.base import ERROR, NEWEST, OK, STATE, WARN, SleightNode, Throttle, run

if TYPE_CHECKING:
    from sleight_ros.drivers.loop import DriverLoop
    from sleight_ros.drivers.reader import Reading

try:
    from sleight_ros.drivers.dynamixel import DynamixelBus
    from sleight_ros.drivers.leap import DriverOptions, DriverState, LeapDriver
    from sleight_ros.drivers.reasons import Reason

    MISSING = ""
except ModuleNotFoundError as error:  # the run-time without the extra 'ros'
    MISSING = error.name or "dynamixel_sdk"

#: A service answers at the latest after this, s.
SERVICE_PATIENCE = 10.0
#: How often the driver's state is looked at for the log, s.
WATCH_PERIOD = 0.1


class LeapDriverNode(SleightNode):
    """The bus on a thread of its own, ROS callbacks on the executor's."""

    def __init__(self) -> None:
        super().__init__("leap_driver")
        if MISSING:
            raise MissingExtraError(MISSING, "ros")
        # Python hands the interpreter over every 5 ms by default: half a cycle.
        sys.setswitchinterval(2e-4)
        self.text("port", "/dev/ttyUSB0", "Serial port; better its name under /dev/serial/by-id.")
        self.integer("baud", 4_000_000, 9600, 4_500_000, "Bits a second, as the motors are set.")
        self.text("config", "", "YAML file that says which motor moves which joint; empty: the shipped right hand.")
        self.number("rate", 100.0, 20.0, 250.0, "Cycles a second.")
        self.number("reply_timeout", 0.006, 0.001, 0.1, "How long motors and adapter may take to answer, s.")
        self.flag("fast_read", True, "Read all motors in one reply where their firmware can.")
        self.number("command_timeout", 0.1, 0.01, 2.0, "Age at which a command no longer counts, s.")
        self.number("release_after", 0.0, 0.0, 3600.0, "Let go of torque after holding so long, s; 0: never.")
        self.integer("max_failures", 5, 1, 100, "Failed cycles in a row that are a fault.")
        self.flag("hold_on_fault", False, "Keep torque on in faults of the bus (not in faults of motors).")
        self.number("reconnect_period", 1.0, 0.1, 60.0, "Between attempts to connect, s.")
        self.flag("enable_on_activate", False, "Turn torque on without waiting for driver/enable.")
        self.number("current_limit", 0.0, 0.0, 1.5, "Goal current of every motor, A; 0: as the config has it.")
        self.text("effort", "torque", "What joint_states.effort is: 'torque' (N m, a rough guess) or 'current' (A).")
        self.text("states_topic", "joint_states", "The hand's joint states.")
        self.text("trajectory_topic", "hand_controller/joint_trajectory", "One-point trajectories.")
        self.text("command_topic", "hand_controller/joint_command", "Named joint states as targets.")
        self._warn = Throttle(self.get_logger().warning)
        self._loop: DriverLoop | None = None
        self._driver: LeapDriver | None = None

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Read the hand's file and create what ROS needs; the port is opened on activation."""
        config = load_config(self.value("config"))
        if self.value("current_limit"):
            control = config.control.model_copy(update={"current_limit": self.value("current_limit")})
            config = config.model_copy(update={"control": control})
        if self.value("effort") not in ("torque", "current"):
            raise SleightError("parameter 'effort' is 'torque' or 'current'", value=self.value("effort"))
        self._config: LeapConfig = config
        self._names = config.joint_names
        self._effort_scale = config.control.torque_constant if self.value("effort") == "torque" else 1.0
        self._states = self.publish_on(JointState, self.value("states_topic"), STATE)
        self.listen(JointTrajectory, self.value("trajectory_topic"), self._on_trajectory, NEWEST)
        self.listen(JointState, self.value("command_topic"), self._on_joint_command, NEWEST)
        self.offer(Trigger, "driver/enable", self._on_enable)
        self.offer(Trigger, "driver/disable", self._on_disable)
        self.every(WATCH_PERIOD, self._watch)
        self._said: tuple[Any, ...] = ()

    def start(self) -> None:
        """Start the cycle; it connects as soon as it can."""
        from sleight_ros.drivers.loop import DriverLoop

        bus = DynamixelBus(
            self.value("port"),
            self._config.ids,
            baud=self.value("baud"),
            reply_timeout=self.value("reply_timeout"),
            fast=self.value("fast_read"),
        )
        options = DriverOptions(
            period=1.0 / self.value("rate"),
            command_timeout=self.value("command_timeout"),
            release_after=self.value("release_after"),
            max_failures=self.value("max_failures"),
            hold_on_fault=self.value("hold_on_fault"),
            reconnect_period=self.value("reconnect_period"),
        )
        self._driver = LeapDriver(self._config, bus, options)
        self._to_enable = self.value("enable_on_activate")
        self._last_stamp = time.monotonic()
        self._reading: Reading | None = None
        self._loop = DriverLoop(self._driver, self._publish)
        self._loop.start()

    def halt(self) -> None:
        """Turn torque off and close the port."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """What the driver does and why, how the motors are, and the timing, for /diagnostics."""
        loop, driver = self._loop, self._driver
        if loop is None or driver is None:
            return OK, "inactive", {}
        reading = self._reading
        values = {
            "state": driver.state.value,
            "reason": driver.reason.value,
            "detail": driver.detail,
            "torque": driver.torque.value,
            "age of state (s)": f"{time.monotonic() - self._last_stamp:.3f}",
            "cycle work p50 (ms)": f"{1e3 * loop.work.percentile(50):.2f}",
            "cycle work p99 (ms)": f"{1e3 * loop.work.percentile(99):.2f}",
            "state period p99 (ms)": f"{1e3 * loop.periods.percentile(99):.2f}",
            "overruns": str(loop.overruns),
        }
        level = {DriverState.FAULT: ERROR, DriverState.DISCONNECTED: ERROR}.get(driver.state, OK)
        if reading is not None:
            rules = self._config.protection
            hottest, lowest = int(np.argmax(reading.temperatures)), int(np.argmin(reading.voltages))
            busiest = int(np.argmax(driver.guard.mean))
            values["hottest"] = f"{self._names[hottest]} {reading.temperatures[hottest]:.0f} C"
            values["lowest supply"] = f"{self._names[lowest]} {reading.voltages[lowest]:.1f} V"
            values["highest mean current"] = f"{self._names[busiest]} {driver.guard.mean[busiest]:.3f} A"
            values["current reduced"] = " ".join(driver.guard.derated)
            values["hardware errors"] = " ".join(str(motor) for motor in driver.alerts)
            weak = reading.voltages[lowest] < rules.low_voltage
            if level == OK and (weak or driver.guard.derated or driver.alerts or driver.reason == Reason.COMMAND_STALE):
                level = WARN
        values.update({name: str(count) for name, count in sorted(driver.counts.items())})
        words = f"{driver.state.value}: {driver.reason.value}"
        if loop.failure:
            level, words = ERROR, f"{words}; {loop.failure}"
        return level, words, values

    # Messages ------------------------------------------------------------------------------------------------------

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        points = list(msg.points)
        if len(points) != 1:
            self._warn(f"trajectory of {len(points)} points refused, needs one")
            return
        self._take(list(msg.joint_names), points[0].positions)

    def _on_joint_command(self, msg: JointState) -> None:
        self._take(list(msg.name), msg.position)

    def _take(self, names: Sequence[str], positions: Any) -> None:
        driver = self._driver
        if not self.active or driver is None:
            return
        targets = convert.read_targets(names, positions, self._names)
        if targets.problem or targets.missing or targets.unknown:
            words = targets.problem or (
                f"no target for {' '.join(targets.missing[:4])}"
                if targets.missing
                else f"unknown or twice: {' '.join(targets.unknown[:4])}"
            )
            driver.counts["commands refused"] += 1
            self._warn(f"command refused: {words}")
        elif refusal := driver.command(targets.positions):
            self._warn(f"command refused: {refusal}")

    def _publish(self, reading: Reading) -> None:
        """Called on the bus's thread."""
        self._reading, self._last_stamp = reading, reading.stamp
        age = time.monotonic() - reading.stamp
        stamp = convert.stamp_from_ns(self.get_clock().now().nanoseconds - int(1e9 * age))
        msg = convert.joint_state_msg(self._names, reading.positions, reading.velocities, stamp)
        msg.effort = array("d", (self._effort_scale * reading.currents).tobytes())
        self._states.publish(msg)

    # Torque --------------------------------------------------------------------------------------------------------

    def _on_enable(self, _request: Any, response: Any) -> Any:
        return self._ask("enable", response, "torque is on; following commands")

    def _on_disable(self, _request: Any, response: Any) -> Any:
        self._to_enable = False
        return self._ask("disable", response, "torque is off")

    def _ask(self, what: str, response: Any, done: str) -> Any:
        loop, driver = self._loop, self._driver
        if loop is None or driver is None or not self.active:
            response.success, response.message = False, "the driver is not active"
            return response
        try:
            refusal = loop.ask(getattr(driver, what)).result(timeout=SERVICE_PATIENCE)
        except NotDoneError:
            refusal = f"not done within {SERVICE_PATIENCE:g} s"
        response.success, response.message = not refusal, refusal or done
        return response

    def _watch(self) -> None:
        """Log changes, and enable by itself if asked to."""
        loop, driver = self._loop, self._driver
        if loop is None or driver is None:
            return
        said = (driver.state, driver.reason)
        if said != self._said:
            self._said = said
            words = f"{driver.state.value}: {driver.reason.value} {driver.detail}".rstrip()
            if driver.state in (DriverState.FAULT, DriverState.DISCONNECTED):
                self.get_logger().error(words)
            else:
                self.get_logger().info(words)
        if self._to_enable and driver.state == DriverState.DISABLED:
            self._to_enable = False
            loop.ask(driver.enable)


def main() -> int:
    """Run the node."""
    return run(LeapDriverNode)


if __name__ == "__main__":
    sys.exit(main())
