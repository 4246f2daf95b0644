"""`leap_official`: an adapter to the LEAP Hand's official ROS 2 module, which is run unchanged beside it.

Polls that module's service and publishes stamped, named `joint_states`; takes named targets and publishes `cmd_leap`.
The interfaces of the service (`leap_hand.srv`) come with the module, and are imported when this node is configured.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Sequence
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from trajectory_msgs.msg import JointTrajectory

from sleight_ros import convert
from sleight_ros.drivers.config import load_config
from sleight_ros.drivers.official import OfficialHand, OfficialOptions, OfficialState
from sleight_ros.nodes.base import ERROR, NEWEST, OK, STATE, WARN, SleightNode, Throttle, run
from sleight_ros.timing import Recent

#: Service -> type, and which lists of its answer count.
SERVICES = {
    "leap_pos_vel_eff": ("LeapPosVelEff", ("position", "velocity", "effort")),
    "leap_pos_vel": ("LeapPosVelEff", ("position", "velocity")),
    "leap_position": ("LeapPosition", ("position",)),
}


def service_type(name: str) -> Any:
    """The type of one of the module's services.

    Raises:
        SleightError: The module's interfaces are not installed here.
    """
    try:
        import leap_hand.srv as interfaces  # type: ignore[import-not-found]

        return getattr(interfaces, SERVICES[name][0])
    except (ImportError, AttributeError) as error:
        raise SleightError(
            "the interfaces of the official LEAP module are not installed here",
            value=f"leap_hand.srv.{SERVICES[name][0]}",
            remedy="build its ros2_module with colcon and source the workspace, or use leap_driver instead",
        ) from error


class LeapOfficialNode(SleightNode):
    """Between our named topics and the official module's lists."""

    def __init__(self) -> None:
        super().__init__("leap_official")
        self.text("config", "", "YAML file that says which motor moves which joint; empty: the shipped right hand.")
        self.text("service", "leap_pos_vel_eff", f"Service that is polled: {', '.join(SERVICES)}.")
        self.number("poll_rate", 60.0, 1.0, 90.0, "States asked for a second; the module bears no more than 90.")
        self.number("service_timeout", 0.25, 0.01, 5.0, "An answer that takes longer is not waited for, s.")
        self.number("command_rate", 60.0, 1.0, 200.0, "Commands sent a second while the hand is on its way.")
        self.number("command_timeout", 0.1, 0.01, 2.0, "Age at which a command no longer counts, s.")
        self.number("state_timeout", 0.25, 0.02, 5.0, "Age at which a state no longer counts, s: nothing is sent then.")
        self.integer("repeats", 5, 2, 1000, "Identical states in a row that are suspicious while the hand must move.")
        self.text("states_topic", "joint_states", "The hand's joint states.")
        self.text("trajectory_topic", "hand_controller/joint_trajectory", "One-point trajectories.")
        self.text("command_topic", "hand_controller/joint_command", "Named joint states as targets.")
        self.text("official_topic", "cmd_leap", "Where the official module listens.")
        self._warn = Throttle(self.get_logger().warning)

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Find the module's interfaces and create everything."""
        service = self.value("service")
        if service not in SERVICES:
            raise SleightError("no such service", value=service, remedy=f"choose one of {', '.join(SERVICES)}")
        kind = service_type(service)
        options = OfficialOptions(
            command_timeout=self.value("command_timeout"),
            state_timeout=self.value("state_timeout"),
            repeats=self.value("repeats"),
        )
        self._hand = OfficialHand(load_config(self.value("config")), options)
        self._fields = SERVICES[service][1]
        self._names = self._hand.config.joint_names
        self._motor_names = self._hand.motor_names
        self._constant = self._hand.config.control.torque_constant
        self._states = self.publish_on(JointState, self.value("states_topic"), STATE)
        # As deep as the module's own queue.
        self._to_module = self.publish_on(JointState, self.value("official_topic"), QoSProfile(depth=10))
        self._request: Any = kind.Request
        self._client = self.create_client(kind, service)
        self._owned.append(lambda: self.destroy_client(self._client))
        self._pending: tuple[Any, float] | None = None
        self._timeouts = 0
        self._answers = Recent()
        self._held = ""
        self.listen(JointTrajectory, self.value("trajectory_topic"), self._on_trajectory, NEWEST)
        self.listen(JointState, self.value("command_topic"), self._on_joint_command, NEWEST)
        self.every(1.0 / self.value("poll_rate"), self._poll)
        self.every(1.0 / self.value("command_rate"), self._send)

    def halt(self) -> None:
        """Send nothing more: the motors keep what they were sent last."""
        self._forget()

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """What is believed, what is held back and why, for /diagnostics."""
        if not self.active:
            return OK, "inactive", {}
        hand = self._hand
        values = {
            "state problem": hand.problem,
            "held because": self._held,
            "identical states in a row": str(hand.repeated),
            "service timeouts": str(self._timeouts),
            "answer p99 (ms)": f"{1e3 * self._answers.percentile(99):.1f}",
            **{name: str(count) for name, count in sorted(hand.counts.items())},
        }
        if hand.problem:
            return ERROR, hand.problem, values
        quiet = self._held in ("", "no command")
        return (OK if quiet else WARN), f"holding: {self._held}" if self._held else "following", values

    # States --------------------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        if not self.active:
            return
        now = time.monotonic()
        if self._pending is not None:
            if now - self._pending[1] < self.value("service_timeout"):
                return
            self._timeouts += 1
            self._forget()
            self._warn("the official module does not answer")
        if not self._client.service_is_ready():
            self._hand.problem = "the official module's service is not there"
            return
        future = self._client.call_async(self._request())
        self._pending = future, now
        future.add_done_callback(self._on_answer)

    def _forget(self) -> None:
        """A late answer to a forgotten question must not pass for one to the next."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._client.remove_pending_request(pending[0])
            pending[0].cancel()

    def _on_answer(self, future: Any) -> None:
        pending = self._pending
        if pending is None or future is not pending[0] or not self.active:
            return
        self._pending = None
        answer, asked = future.result(), pending[1]
        self._answers.add(time.monotonic() - asked)
        lists: list[Sequence[float]] = [list(getattr(answer, field)) for field in self._fields]
        lists += [[]] * (3 - len(lists))
        state = self._hand.observe(asked, *lists)
        if state is None:
            self._warn(f"state refused: {self._hand.problem}")
        else:
            self._publish(state)

    def _publish(self, state: OfficialState) -> None:
        age = time.monotonic() - state.stamp
        stamp = convert.stamp_from_ns(self.get_clock().now().nanoseconds - int(1e9 * age))
        msg = convert.joint_state_msg(self._names, state.positions, state.velocities, stamp)
        if state.currents is not None:
            msg.effort = array("d", (self._constant * state.currents).tobytes())
        self._states.publish(msg)

    # Commands ------------------------------------------------------------------------------------------------------

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        points = list(msg.points)
        if len(points) != 1:
            self._warn(f"trajectory of {len(points)} points refused, needs one")
            return
        self._take(list(msg.joint_names), points[0].positions)

    def _on_joint_command(self, msg: JointState) -> None:
        self._take(list(msg.name), msg.position)

    def _take(self, names: Sequence[str], positions: Any) -> None:
        if not self.active:
            return
        targets = convert.read_targets(names, positions, self._names)
        refusal = targets.problem
        if not refusal and targets.missing:
            refusal = f"no target for {' '.join(targets.missing[:4])}"
        if not refusal and targets.unknown:
            refusal = f"unknown or twice: {' '.join(targets.unknown[:4])}"
        refusal = refusal or self._hand.command(targets.positions, time.monotonic())
        if refusal:
            self._warn(f"command refused: {refusal}")

    def _send(self) -> None:
        if not self.active:
            return
        now = time.monotonic()
        self._held = self._hand.hold(now)
        angles = self._hand.next(now)
        if angles is None:
            return
        msg = JointState(name=self._motor_names, position=angles)
        msg.header.stamp = self.get_clock().now().to_msg()
        self._to_module.publish(msg)


def main() -> int:
    """Run the node."""
    return run(LeapOfficialNode)


if __name__ == "__main__":
    sys.exit(main())
