"""`hand_bridge`: the safety filter, and the only node that writes to the controllers (contract 4)."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.safety import (
    JointLimits,
    ReasonCode,
    SafetyConfig,
    SafetyFilter,
    SafetyOutput,
    SafetyState,
    WristLimits,
)
from sleight_description import load_hand
from sleight_msgs.msg import HandCommand, ObjectEstimate, SafetyStatus
from std_srvs.srv import Trigger

from sleight_ros import convert
from sleight_ros.bridges.base import BridgeCommand
from sleight_ros.bridges.robot import RobotSide
from sleight_ros.equal_latency import EqualLatency
from sleight_ros.nodes.base import ERROR, OK, RELIABLE, STATE, WARN, SleightNode, Throttle, run
from sleight_ros.timing import Recent

#: What perception's own reasons mean to the filter; the others are "no object".
OBJECT_REASONS = {
    ObjectEstimate.OK: ReasonCode.OK,
    ObjectEstimate.STALE_CLOUD: ReasonCode.STALE_OBJECT,
    ObjectEstimate.WRONG_FRAME: ReasonCode.WRONG_FRAME,
    ObjectEstimate.INTERNAL_ERROR: ReasonCode.INTERNAL_ERROR,
}
OBJECT_WORDS = {
    value: name.lower().replace("_", " ") for name, value in vars(ObjectEstimate).items() if isinstance(value, int)
}
FOLLOWING = (SafetyState.ACTIVE, SafetyState.BLENDING)
#: A filter tick is forced when none came for this many periods, so the controllers always hear from us.
WATCHDOG_PERIODS = 1.5
#: Ticks come this long after a source has passed its age limit (s): a timer must not be early.
DEADLINE_SLACK = 5e-4
#: The last part of the wait until a command is due is slept to the point, s: a timer may be this late.
TIMER_SLACK = 4e-4
#: Longest time that a bridge takes to bring the hand to rest before it falls silent, s.
LONGEST_BRAKE = 2.0
LIMIT_PARAMETERS = ("max_velocity", "max_acceleration")


class BridgeNode(SleightNode):
    """Sends every accepted policy command, and a hold when none comes.

    With `command_latency` a command waits until it is that old, so that the spread of what came before it does not
    reach the controllers; without, it leaves at once.

    Ages count from the arrival on this process's monotonic clock; stamps only reveal frozen and backward-running
    sources. So a wrong clock on another machine can stop the hand but never let it run on old data.
    """

    def __init__(self, name: str = "hand_bridge") -> None:
        super().__init__(name)
        self.text("hand", "shadow", "Hand table.")
        self.text("task_frame", "world", "Frame of the wrist twist and of the object.")
        self.number("control_period", 1.0 / 60.0, 0.002, 0.2, "Period of the policy's commands, s.")
        self.number(
            "command_latency", 0.0, 0.0, 0.1, "Time from a joint state to its command, s: earlier ones wait; 0: none."
        )
        self.number("command_max_age", 0.0, 0.0, 1.0, "Age limit of commands, s; 0: 3 periods, at least 50 ms.")
        self.number("joint_state_max_age", 0.0, 0.0, 1.0, "Age limit of joint states, s; 0: 2 periods, at least 50 ms.")
        self.number("wrist_max_age", 0.0, 0.0, 1.0, "Age limit of wrist states, s; 0: as for joint states.")
        self.number("object_max_age", 0.25, 0.01, 10.0, "Age limit of the object estimate, s; 3 camera periods.")
        self.flag("wrist", True, "Command the wrist as well (off for a hand on a stand).")
        self.flag("watch_object", True, "Hold when the object is lost (off for policies that see no object).")
        self.number("blend_time", 1.5, 0.0, 10.0, "Time of the blend from the measured pose, s.")
        self.number("blend_threshold", 0.1, 0.0, 3.2, "Joint difference that needs no blend, rad.")
        self.number("start_limit", 0.0, 0.0, 3.2, "Refuse a first target farther than this, rad; 0: only blend.")
        self.integer("recovery_ticks", 5, 1, 1000, "Fresh ticks in a row before a hold ends by itself.")
        self.number("state_tolerance", 0.15, 0.0, 3.2, "How far a measured joint may be beyond its limits, rad.")
        self.number("target_tolerance", 1.0, 0.0, 6.3, "Refuse targets farther beyond the limits than this, rad.")
        self.number("repeat_motion", 0.1, 0.0, 3.2, "Sent motion that a repeated state may cover, rad; 0: any.")
        self.number("margin", 0.01, 0.0, 0.5, "Distance kept from the joint limits, rad.")
        self.number("velocity_scale", 1.0, 0.01, 1.0, "Factor on the joints' velocity limits.")
        self.number("joint_acceleration", 0.0, 0.0, 1e5, "Acceleration limit of all joints, rad/s2; 0: none.")
        self.number("wrist_speed_scale", 1.0, 0.01, 1.0, "Factor on the wrist's speed limits.")
        self.numbers("workspace_lower", [], "Lowest corner of the wrist's box in the task frame, m; empty: no box.")
        self.numbers("workspace_upper", [], "Highest corner.")
        self.flag("arm_on_activate", False, "Arm without waiting for bridge/rearm.")
        self.text("joint_topic", "hand_controller/joint_trajectory", "Joint targets, without a section 'bridge'.")
        self.text("twist_topic", "wrist_controller/twist", "Wrist twist, without a section 'bridge'.")
        self._warn = Throttle(self.get_logger().warning)
        self._filter: SafetyFilter | None = None
        self._robot: RobotSide | None = None
        self._status: SafetyStatus | None = None

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Build the filter and everything it hears and says."""
        self._table = load_hand(self.value("hand"))
        self._frame = self.value("task_frame")
        self._period = self.value("control_period")
        limits = self._read_joint_limits()
        self._latency = EqualLatency(self.value("command_latency"), self._period)
        self._filter = SafetyFilter(
            self._table,
            self._read_config(),
            joint_limits=limits,
            wrist_limits=self._read_wrist_limits(),
        )
        self._origin: HandCommand | None = None
        self._sent_count = self._limited_count = self._overruns = 0
        self._holds: Counter[str] = Counter()
        self._due: float | None = None
        self._send_at = 0.0
        self._tick_times, self._intervals = Recent(), Recent()
        self._last_tick = 0.0

        self._sent = self.publish_on(HandCommand, "bridge/sent", RELIABLE)
        self._to_status = self.publish_on(SafetyStatus, "bridge/status", RELIABLE)
        # States first: when several messages are waiting, the executor serves them in this order.
        hear = (self._on_joints, self._on_wrist)
        self._robot = RobotSide(self, self._table, limits, self._frame, self._period, *hear, wrist=self.value("wrist"))
        self.listen_for_commands()
        self.offer(Trigger, "bridge/stop", self._on_stop)
        self.offer(Trigger, "bridge/rearm", self._on_rearm)
        self._watchdog = self.every(WATCHDOG_PERIODS * self._period, self._on_silence)
        self._due_timer = self.every(self._period, self._on_due)
        self._due_timer.cancel()

    def listen_for_commands(self) -> None:
        """Subscribe to whoever commands the hand."""
        self.listen(ObjectEstimate, "object/estimate", self._on_object)
        self.listen(HandCommand, "policy/command", self._on_command, STATE)

    def _read_config(self) -> SafetyConfig:
        return SafetyConfig(
            period=self._period,
            command_max_age=self.value("command_max_age") or None,
            joint_state_max_age=self.value("joint_state_max_age") or None,
            wrist_max_age=self.value("wrist_max_age") or None,
            object_max_age=self.value("object_max_age"),
            watch_object=self.value("watch_object"),
            watch_wrist=None if self.value("wrist") else False,
            blend_time=self.value("blend_time"),
            blend_threshold=self.value("blend_threshold"),
            start_limit=self.value("start_limit") or math.inf,
            recovery_ticks=self.value("recovery_ticks"),
            state_tolerance=self.value("state_tolerance"),
            target_tolerance=self.value("target_tolerance"),
            repeat_motion=self.value("repeat_motion") or math.inf,
            trust_stamps=False,
            task_frame=self._frame,
        )

    def _read_joint_limits(self) -> JointLimits:
        """The table's limits, tightened by ``joint_limits.<joint>.max_velocity`` and ``.max_acceleration``."""
        names = self._table.actuated_joint_names
        wanted = {f"joint_limits.{name}.{kind}": (name, kind) for name in names for kind in LIMIT_PARAMETERS}
        # A limit for a joint that is misspelt would be no limit at all.
        given = [key for key in self._parameter_overrides if key.startswith("joint_limits.")]
        if unknown := [key for key in given if key not in wanted]:
            raise SleightError(
                f"parameter '{unknown[0]}' limits nothing on hand '{self._table.name}'",
                remedy=f"joints: {', '.join(names)}; limits: {', '.join(LIMIT_PARAMETERS)}",
            )
        found: dict[str, dict[str, float]] = {kind: {} for kind in LIMIT_PARAMETERS}
        for key, (name, kind) in wanted.items():
            if not self.has_parameter(key):
                self.number(key, 0.0, 0.0, 1e5, "Limit of this joint, rad/s or rad/s2; 0: as for all joints.")
            if value := self.value(key):
                found[kind][name] = value
        limits = JointLimits.from_table(
            self._table,
            margin=self.value("margin"),
            velocity_scale=self.value("velocity_scale"),
            acceleration=self.value("joint_acceleration") or None,
        )
        return limits.tightened(velocity=found["max_velocity"], acceleration=found["max_acceleration"])

    def _read_wrist_limits(self) -> WristLimits:
        box = None
        if self.value("workspace_lower") or self.value("workspace_upper"):
            box = (tuple(self.vector("workspace_lower", 3)), tuple(self.vector("workspace_upper", 3)))
        return WristLimits.from_table(self._table, box=box, speed_scale=self.value("wrist_speed_scale"))  # type: ignore[arg-type]

    def start(self) -> None:
        """Begin with nothing remembered: the hand may be elsewhere since the last activation."""
        assert self._filter is not None and self._robot is not None
        self._robot.start()
        self._filter.reset()
        self._origin = None
        self._due = None
        if self.value("arm_on_activate"):
            self._filter.arm()
        self._wait(self._period)

    def halt(self) -> None:
        """Bring the hand to rest before falling silent: a driver may keep to the last that it heard for ever."""
        assert self._filter is not None
        self._watchdog.cancel()
        self._due_timer.cancel()
        self._filter.stop(ReasonCode.DEACTIVATED, "the bridge goes inactive")
        end = time.monotonic() + LONGEST_BRAKE
        while True:
            output = self._tick()
            if output.positions is None or time.monotonic() > end:
                break
            time.sleep(self._period)
            if output.at_rest:
                # Once more: for a driver that missed one.
                self._tick()
                break
        if self._robot is not None:
            self._robot.farewell(self.get_clock().now().to_msg())

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """State, reason and timing for /diagnostics."""
        status = self._status
        if status is None or not self.active:
            return OK, "inactive", {}
        reason = ReasonCode(status.reason)
        level = {SafetyState.HOLD: WARN, SafetyState.STOPPED: ERROR}.get(SafetyState(status.state), OK)
        values = {
            "state": SafetyState(status.state).name,
            "reason": reason.name,
            "detail": status.detail,
            "sent": str(self._sent_count),
            "limited": str(self._limited_count),
            "overruns": str(self._overruns),
            "tick p99 (ms)": f"{1e3 * self._tick_times.percentile(99):.2f}",
            "interval p99 (ms)": f"{1e3 * self._intervals.percentile(99):.2f}",
        }
        values.update(
            {f"age {n} (s)": f"{a:.3f}" for n, a in zip(status.source_names, status.source_ages, strict=True)}
        )
        values.update({f"held for {name}": str(count) for name, count in self._holds.items()})
        if self._filter is not None:
            values.update({f"refused {name}": str(count) for name, count in self._filter.refusals.items()})
        if self._robot is not None:
            values.update(self._robot.report())
        return level, f"{SafetyState(status.state).name}: {reason.name}", values

    def callback_failed(self, error: Exception) -> None:
        """A bug in this node must end in a hold as well."""
        if self._filter is not None:
            self._filter.stop(ReasonCode.INTERNAL_ERROR, f"{type(error).__name__}: {error}"[:100])

    # Messages ------------------------------------------------------------------------------------------------------

    def _on_joints(self, msg: JointState) -> None:
        if not self.active or self._filter is None:
            return
        now, stamp = time.monotonic(), convert.stamp_to_seconds(msg.header.stamp)
        self._latency.heard(stamp, now)
        self._note(
            "joint_states",
            self._filter.observe_joint_state(now, stamp, list(msg.name), msg.position, msg.velocity),
        )

    def _on_wrist(self, msg: Odometry) -> None:
        if not self.active or self._filter is None:
            return
        reading = convert.read_odometry(msg)
        twist = np.concatenate([reading.linvel, reading.angvel])
        # A quaternion that is none makes the whole message doubtful.
        pos = reading.pos if not reading.problem else np.full(3, np.nan)
        stamp = convert.stamp_to_seconds(msg.header.stamp)
        self._note(
            "wrist/odometry", self._filter.observe_wrist(time.monotonic(), stamp, pos, twist, frame=reading.frame)
        )

    def _on_object(self, msg: ObjectEstimate) -> None:
        if not self.active or self._filter is None:
            return
        reason = OBJECT_REASONS.get(msg.reason, ReasonCode.NO_OBJECT)
        if reason == ReasonCode.OK and msg.header.frame_id != self._frame:
            reason = ReasonCode.WRONG_FRAME
        if reason == ReasonCode.OK and not np.isfinite(convert.vector_from_msg(msg.position)).all():
            reason = ReasonCode.NON_FINITE_STATE
        words = f"perception: {OBJECT_WORDS.get(msg.reason, str(msg.reason))}"
        self._filter.observe_object(time.monotonic(), convert.stamp_to_seconds(msg.header.stamp), reason, words)

    def _on_command(self, msg: HandCommand) -> None:
        if not self.active or self._filter is None:
            return
        if not msg.joint_names and not msg.bundle_id:
            self._filter.release()
            self._tick()
            self._wait(self._period)
            return
        now, state_stamp = time.monotonic(), convert.stamp_to_seconds(msg.state_stamp)
        reason = self._filter.observe_command(
            now,
            state_stamp,
            list(msg.joint_names),
            msg.positions,
            convert.twist_from_msg(msg),
            msg.sequence,
            bundle_id=msg.bundle_id,
            frame=msg.header.frame_id,
        )
        self._note("policy/command", reason)
        if reason == ReasonCode.OK:
            self._origin = msg
            self._send_at = self._latency.due(state_stamp, now)
            left = self._send_at - now - TIMER_SLACK
            if left > 0.0:
                # The watchdog of the last tick goes on: it says no less than without the wait.
                self._due_timer.timer_period_ns = int(left * 1e9)
                self._due_timer.reset()
            else:
                self._on_due()

    def _on_due(self) -> None:
        """Send the newest command at its time."""
        self._due_timer.cancel()
        if not self.active:
            return
        if (left := self._send_at - time.monotonic()) > 0.0:
            time.sleep(min(left, TIMER_SLACK))  # a call for an earlier command keeps nobody waiting longer
        self._tick()
        self._wait(WATCHDOG_PERIODS * self._period)

    def _on_silence(self) -> None:
        if not self.active:
            return
        self._tick()
        # While it is silent the filter ticks once a period.
        self._wait(self._period)

    def _wait(self, longest: float) -> None:
        """Tick again after this time (s), or as soon as a source has passed its age limit."""
        assert self._filter is not None
        left = self._filter.deadline(time.monotonic()) + DEADLINE_SLACK
        self._watchdog.timer_period_ns = int(max(DEADLINE_SLACK, min(longest, left)) * 1e9)
        self._watchdog.reset()

    def _note(self, source: str, reason: ReasonCode) -> None:
        if reason != ReasonCode.OK:
            self._warn(f"{source} refused: {reason.name}")

    # Output --------------------------------------------------------------------------------------------------------

    def _tick(self) -> SafetyOutput:
        assert self._filter is not None
        self._due_timer.cancel()  # a command that waits leaves with this tick
        begin = time.monotonic()
        output = self._filter.tick(begin)
        stamp = self.get_clock().now().to_msg()
        if output.positions is not None:
            try:
                self._send(output, stamp)
            except SleightError as error:
                # Nothing was sent. Latched: what the robot does without us must not be continued unseen.
                self._warn(str(error))
                self._filter.stop(ReasonCode.CONTROLLER_LOST, str(error)[:200])
                output = self._filter.tick(begin)
        end = time.monotonic()
        if self._due is not None and end > self._due + self._period:
            self._overruns += 1
        if self._last_tick:
            self._intervals.add(begin - self._last_tick)
        self._last_tick = begin
        self._tick_times.add(end - begin)
        self._due = begin + self._period
        self._publish_status(output, stamp)
        self.breathe()
        return output

    def _write(self, output: SafetyOutput, stamp: Time) -> None:
        """Hand one output to the robot's controllers: the only place in the graph that reaches them.

        Raises:
            SleightError: A controller is gone, or a part cannot be spoken to; nothing was sent.
        """
        assert output.positions is not None and self._robot is not None
        if words := self._robot.problem():
            raise SleightError(words)
        self._robot.send(BridgeCommand(output.joint_names, output.positions, output.wrist_twist, stamp))

    def _send(self, output: SafetyOutput, stamp: Time) -> None:
        """Write an output, and tell the graph what was written: it is the policy's last action."""
        assert output.positions is not None
        self._write(output, stamp)
        # A hold comes from no state and no bundle: both stay empty.
        origin = self._origin if output.state in FOLLOWING else None
        sent = convert.command_msg(
            output.joint_names,
            output.positions,
            output.wrist_twist,
            frame=self._frame,
            stamp=stamp,
            state_stamp=origin.state_stamp if origin else Time(),
            sequence=output.sequence or 0,
            bundle_id=origin.bundle_id if origin else "",
        )
        self._sent.publish(sent)
        self._sent_count += 1
        self._limited_count += output.limited

    def _publish_status(self, output: SafetyOutput, stamp: Time) -> None:
        status = SafetyStatus()
        status.header.stamp = stamp
        status.header.frame_id = self._frame
        status.state, status.reason, status.detail = int(output.state), int(output.reason), output.detail
        status.source_names = list(output.ages)
        status.source_ages = [float(age) for age in output.ages.values()]
        status.sent_count, status.overruns, status.limited_count = self._sent_count, self._overruns, self._limited_count
        self._to_status.publish(status)
        before, self._status = self._status, status
        if output.state == SafetyState.HOLD and (before is None or before.state in FOLLOWING):
            self._holds[output.reason.name] += 1
        if before is None or before.state != status.state:
            words = f"{SafetyState(status.state).name}: {ReasonCode(status.reason).name} {status.detail}"
            # rclpy forbids one line of code to log at two levels.
            if output.state in (*FOLLOWING, SafetyState.IDLE):
                self.get_logger().info(words)
            else:
                self.get_logger().warning(words)
            self._publish_diagnostics()

    # Services ------------------------------------------------------------------------------------------------------

    def _on_stop(self, _request: Any, response: Any) -> Any:
        assert self._filter is not None
        self._filter.stop()
        if self.active:
            self._tick()
        response.success, response.message = True, "stopped; bridge/rearm ends it"
        return response

    def _on_rearm(self, _request: Any, response: Any) -> Any:
        assert self._filter is not None
        if not self.active:
            response.success, response.message = False, "the bridge is not active"
            return response
        if words := self._robot.problem() if self._robot is not None else "":
            response.success, response.message = False, words
            return response
        self._filter.rearm()
        response.success, response.message = self._filter.armed, "armed"
        return response


def main() -> int:
    """Run the node."""
    return run(BridgeNode)


if __name__ == "__main__":
    sys.exit(main())
