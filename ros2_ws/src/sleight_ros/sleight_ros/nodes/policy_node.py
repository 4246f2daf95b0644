"""`policy_node`: runs a bundle on the newest state of the robot and the object."""

from __future__ import annotations

import sys
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState, PointCloud2
from sleight_core.bundle import load_bundle
from sleight_core.bundle.composed import ComposedSkills
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_msgs.msg import FingertipWrenches, HandCommand, ObjectEstimate, PolicyTelemetry, PrivilegedState
from sleight_msgs.srv import EngageSkill
from std_srvs.srv import Trigger

from sleight_ros import convert
from sleight_ros.composed_step import ComposedStep
from sleight_ros.nodes.base import ERROR, OK, RELIABLE, STATE, WARN, SleightNode, Throttle, run
from sleight_ros.policy_inputs import AgeLimits
from sleight_ros.policy_step import PolicyStep, StepAnswer, needed_sources
from sleight_ros.privileged import TOPIC as PRIVILEGED
from sleight_ros.timing import Recent

#: Share of a period by which the stamps of two ticks may be closer than a period.
TICK_TOLERANCE = 0.25
#: How long a tick waits for the wrist state that belongs to its joint state, s.
PATIENCE = 0.003
#: How often the node speaks while it cannot act, s.
WAITING_PERIOD = 0.1
STATE_NAMES = {PolicyTelemetry.IDLE: "idle", PolicyTelemetry.ENGAGED: "engaged", PolicyTelemetry.WAITING: "waiting"}


class PolicyNode(SleightNode):
    """Ticks on joint states (or on a timer) and publishes one command a tick, or none and the reason."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self.text("bundle", "", "Folder of the policy bundle.")
        self.text("hand", "shadow", "Hand table of the robot; the bundle must be made for it.")
        self.text("task_frame", "world", "Name of the task frame.")
        self.number(
            "control_period", 1.0 / 60.0, 0.002, 0.2, "Period of the robot's control, s; the bundle's must equal it."
        )
        self.numbers("goal_position", [], "Where the object should go in the task frame, m; empty: as in the bundle.")
        self.text("tick_source", "", "'joint_states' or 'timer' (this node's clock); empty: as in the bundle.")
        self.flag(
            "simulation",
            False,
            "Accept a bundle that sees what only a simulator knows, and hear 'sim/privileged'. Never on a robot.",
        )
        self.number(
            "chunk_patience",
            0.1,
            0.0,
            10.0,
            "How long commands hold the hand while a skill's chunk is late, s; then none are sent.",
        )
        defaults = AgeLimits()
        self.number("joints_max_age", defaults.joints, 0.005, 10.0, "Age limit of joint states, s.")
        self.number("wrist_max_age", defaults.wrist, 0.005, 10.0, "Age limit of wrist states, s.")
        self.number("wrenches_max_age", defaults.wrenches, 0.005, 10.0, "Age limit of fingertip wrenches, s.")
        self.number("object_max_age", defaults.object, 0.005, 10.0, "Age limit of the object estimate, s.")
        self.number("sent_max_age", defaults.sent, 0.005, 10.0, "Age limit of bridge/sent once it has begun, s.")
        self._warn = Throttle(self.get_logger().warning)
        self._state, self._reason = PolicyTelemetry.IDLE, ""
        self._sequence = 0
        self._telemetry: Any = None

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Load and verify the bundle, then create everything."""
        path = self.value("bundle")
        if not path:
            raise SleightError("parameter 'bundle' is empty", remedy="give the folder of a policy bundle")
        self._table = load_hand(self.value("hand"))
        self._frame = self.value("task_frame")
        simulation = self.value("simulation")
        bundle = load_bundle(Path(path), self._table, period=self.value("control_period"), simulation=simulation)
        manifest = bundle.manifest
        self._bundle_id = bundle.id
        self._period = manifest.control.period
        if simulation:
            self.get_logger().warning("simulation: this node may see what no robot can sense")
        self._step: PolicyStep | ComposedStep
        if isinstance(manifest.composition, ComposedSkills):
            self._step = ComposedStep(bundle, self._table, self.value("chunk_patience"))
        else:
            self._step = PolicyStep(bundle, self._table)
        self._owned.append(self._step.close)
        limits = AgeLimits(*(self.value(f"{n}_max_age") for n in ("joints", "wrist", "wrenches", "object", "sent")))
        goal = self.vector("goal_position", 3) if self.value("goal_position") else None
        self._inputs = self._step.make_inputs(goal, self._frame, limits)
        self._last_stamp = -1
        self._pending_since = 0.0
        self._pending = False
        self._overruns = 0
        self._tick_times = Recent()

        self._telemetry = self.publish_on(PolicyTelemetry, "policy/telemetry", RELIABLE)
        self._commands = self.publish_on(HandCommand, "policy/command", STATE)
        # In this order: when several messages are waiting, the executor serves them so, and joint states tick.
        self.listen(HandCommand, "bridge/sent", self._on_sent)
        sources = needed_sources(manifest)
        if "pose" in sources:
            # The tracker says where the object is; an estimate beside it would overwrite that.
            self.listen(PoseStamped, "object/pose", self._on_pose)
            self.listen(PoseStamped, "object/goal", self._on_goal)
        else:
            self.listen(ObjectEstimate, "object/estimate", self._on_object)
        if "privileged" in sources:
            self.listen(PrivilegedState, PRIVILEGED, self._on_privileged)
        if "cloud" in sources:
            self.listen(PointCloud2, "object/cloud", self._on_cloud)
        if "scene" in sources:
            self.listen(PointCloud2, "scene/cloud", self._on_scene)
        self.listen(Odometry, "wrist/odometry", self._on_wrist)
        self.listen(FingertipWrenches, "fingertip_wrenches", self._on_wrenches)
        self.listen(JointState, "joint_states", self._on_joints)
        self.offer(Trigger, "policy/engage", self._on_engage)
        self.offer(EngageSkill, "policy/engage_skill", self._on_engage_skill)
        self.offer(Trigger, "policy/release", self._on_release)
        source = self.value("tick_source") or manifest.control.tick_source
        if source not in ("joint_states", "timer"):
            raise SleightError("parameter 'tick_source'", value=source, remedy="use 'joint_states' or 'timer'")
        self._ticks_on_joints = source == "joint_states"
        if not self._ticks_on_joints:
            self.every(self._period, self._tick_if_active)
        self._patience = self.every(PATIENCE, self._on_patience_lost)
        self._patience.cancel()
        self.every(WAITING_PERIOD, self._speak_while_waiting)
        self._set_state(PolicyTelemetry.IDLE, "")

    def start(self) -> None:
        """Begin idle."""
        self._set_state(PolicyTelemetry.IDLE, "")

    def halt(self) -> None:
        """Release the hand."""
        self._release("deactivated")

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """State and timing for /diagnostics."""
        if self._telemetry is None:
            return OK, "not configured", {}
        words = STATE_NAMES.get(self._state, "fault")
        level = {PolicyTelemetry.WAITING: WARN, PolicyTelemetry.FAULT: ERROR}.get(self._state, OK)
        values = {
            "bundle": self._bundle_id,
            "overruns": str(self._overruns),
            "tick p99 (ms)": f"{1e3 * self._tick_times.percentile(99):.2f}",
        }
        return level, f"{words}: {self._reason}" if self._reason else words, values

    def callback_failed(self, error: Exception) -> None:
        """A bug in this node ends the engagement; the bridge then holds."""
        self._set_state(PolicyTelemetry.FAULT, f"{type(error).__name__}: {error}"[:200])

    # Messages ------------------------------------------------------------------------------------------------------

    def _on_sent(self, msg: HandCommand) -> None:
        self._inputs.take_sent(msg, time.monotonic())

    def _on_object(self, msg: ObjectEstimate) -> None:
        self._inputs.take_object(msg, time.monotonic())

    def _on_cloud(self, msg: PointCloud2) -> None:
        self._inputs.take_cloud(msg, time.monotonic())

    def _on_scene(self, msg: PointCloud2) -> None:
        self._inputs.take_scene(msg, time.monotonic())

    def _on_privileged(self, msg: PrivilegedState) -> None:
        self._inputs.take_privileged(msg, time.monotonic())

    def _on_pose(self, msg: PoseStamped) -> None:
        self._inputs.take_pose(msg, time.monotonic())

    def _on_goal(self, msg: PoseStamped) -> None:
        self._inputs.take_goal(msg, time.monotonic())

    def _on_wrist(self, msg: Odometry) -> None:
        self._inputs.take_wrist(msg, time.monotonic())
        self._tick_if_complete()

    def _on_wrenches(self, msg: FingertipWrenches) -> None:
        self._inputs.take_wrenches(msg, time.monotonic())
        self._tick_if_complete()

    def _on_joints(self, msg: JointState) -> None:
        now = time.monotonic()
        self._inputs.take_joints(msg, now)
        if not self._ticks_on_joints or not self.active:
            return
        stamp = self._inputs.joints.stamp
        since = stamp - self._last_stamp
        if 0 <= since < (1.0 - TICK_TOLERANCE) * self._period * 1e9:
            return
        self._last_stamp = stamp
        self._pending, self._pending_since = True, now
        self._tick_if_complete()
        if self._pending:
            self._patience.reset()

    def _tick_if_complete(self) -> None:
        """Tick once wrist and wrenches of the joint state's moment are there as well."""
        if self._pending and self._inputs.in_step(int(TICK_TOLERANCE * self._period * 1e9)):
            self._patience.cancel()
            self._pending = False
            self._tick(self._pending_since)

    def _on_patience_lost(self) -> None:
        self._patience.cancel()
        if self._pending:
            self._pending = False
            self._tick(self._pending_since)

    def _tick_if_active(self) -> None:
        if self.active:
            self._tick(time.monotonic())

    # Acting --------------------------------------------------------------------------------------------------------

    def _tick(self, due: float) -> None:
        if self._state in (PolicyTelemetry.IDLE, PolicyTelemetry.FAULT):
            return
        begin = time.monotonic()
        complaint = self._inputs.complaint(begin)
        if complaint:
            self._set_state(PolicyTelemetry.WAITING, complaint)
            return
        try:
            answer = self._step.tick(self._inputs)
        except Exception as error:  # a refusal of ours, or whatever the inference engine raises
            self._set_state(PolicyTelemetry.FAULT, f"inference failed: {error}"[:200])
            return
        if answer.waits:
            self._set_state(PolicyTelemetry.WAITING, answer.remark)
            return
        command = answer.command
        self._sequence += 1
        stamp = self.get_clock().now().to_msg()
        state_stamp = convert.stamp_from_ns(self._inputs.joints.stamp)
        self._commands.publish(
            convert.command_msg(
                self._table.actuated_joint_names,
                command.joint_targets[0],
                command.wrist_twist[0],
                frame=self._frame,
                stamp=stamp,
                state_stamp=state_stamp,
                sequence=self._sequence,
                bundle_id=self._bundle_id,
            )
        )
        end = time.monotonic()
        self._tick_times.add(end - begin)
        self._overruns += end - due > self._period
        self._set_state(PolicyTelemetry.ENGAGED, answer.remark, speak=False)
        self._speak(answer, end - begin)
        self.breathe()

    def _set_state(self, state: int, reason: str, *, speak: bool = True) -> None:
        changed = state != self._state
        self._state, self._reason = state, reason
        if state in (PolicyTelemetry.WAITING, PolicyTelemetry.FAULT):
            self._warn(f"no command: {reason}")
        elif changed:
            self.get_logger().info(STATE_NAMES[state])
        if speak and (changed or state == PolicyTelemetry.WAITING) and self._telemetry is not None:
            self._speak()

    def _speak_while_waiting(self) -> None:
        """Without joint states nothing ticks: the reason must be heard nevertheless."""
        if self._state in (PolicyTelemetry.ENGAGED, PolicyTelemetry.WAITING):
            complaint = self._inputs.complaint(time.monotonic())
            if complaint:
                self._set_state(PolicyTelemetry.WAITING, complaint)

    def _speak(self, answer: StepAnswer | None = None, tick: float = 0.0) -> None:
        msg = PolicyTelemetry()
        msg.header.stamp = self.get_clock().now().to_msg()
        msg.header.frame_id = self._frame
        msg.sequence, msg.bundle_id = self._sequence, self._bundle_id
        msg.state, msg.reason = self._state, self._reason
        msg.tick_time, msg.overruns = tick, self._overruns
        self._step.describe(msg)
        if answer is not None:
            msg.inference_time = answer.inference_time
            msg.action, msg.observation = _floats(answer.action), _floats(answer.observation)
            if answer.expert_weights is not None:
                msg.expert_weights = _floats(answer.expert_weights)
            if answer.residual is not None:
                msg.residual = _floats(answer.residual)
        self._telemetry.publish(msg)

    # Services ------------------------------------------------------------------------------------------------------

    def _on_engage(self, _request: Any, response: Any) -> Any:
        complaint = self._objection()
        if not complaint and isinstance(self._step, ComposedStep):
            known = ", ".join(self._step.policy.composition.skill_names)
            complaint = f"the bundle holds several skills ({known}): engage one with policy/engage_skill"
        if complaint:
            response.success, response.message = False, complaint
            return response
        self._inputs.engage(time.monotonic())
        self._begin()
        response.success, response.message = True, f"engaged {self._bundle_id}"
        return response

    def _on_engage_skill(self, request: Any, response: Any) -> Any:
        """Engage a skill of a composed bundle; one that is engaged already becomes the first of the two."""
        complaint = self._objection()
        if not complaint and not isinstance(self._step, ComposedStep):
            complaint = "the bundle holds no skills but one policy: engage it with policy/engage"
        try:
            if not complaint and isinstance(self._step, ComposedStep):
                running = self._state in (PolicyTelemetry.ENGAGED, PolicyTelemetry.WAITING)
                follows = running and self._step.policy.skill not in ("", request.skill)
                words = self._step.engage(request.skill, request.noise_seed)
                # What was sent for the first skill is what the second begins with, so it is not forgotten.
                if not follows:
                    self._inputs.engage(time.monotonic())
                self._begin()
                response.success, response.message = True, f"engaged {self._bundle_id}, {words}"
                self.get_logger().info(response.message)
        except SleightError as error:
            complaint = str(error)
        if complaint:
            response.success, response.message = False, complaint
        return response

    def _objection(self) -> str:
        """Why nothing can be engaged now, "" when it can."""
        return "the node is not active" if not self.active else self._inputs.complaint(time.monotonic(), engaged=False)

    def _begin(self) -> None:
        self._overruns = 0
        again = self._state == PolicyTelemetry.ENGAGED
        self._set_state(PolicyTelemetry.ENGAGED, "")
        if again:
            # Every engagement has its own canonical frame: a recording must show where it begins.
            self._speak()

    def _on_release(self, _request: Any, response: Any) -> Any:
        self._release("released")
        response.success, response.message = True, "released"
        return response

    def _release(self, why: str) -> None:
        """Tell the bridge that no more commands come: a command without bundle and joints."""
        if self._telemetry is None:
            return
        self._step.release()
        self._set_state(PolicyTelemetry.IDLE, "")
        farewell = HandCommand()
        farewell.header.stamp = self.get_clock().now().to_msg()
        farewell.header.frame_id = self._frame
        self._commands.publish(farewell)
        self.get_logger().info(why)


def _floats(values: Any) -> array:
    return array("f", np.ascontiguousarray(values, dtype=np.float32).tobytes())


def main() -> int:
    """Run the node."""
    return run(PolicyNode)


if __name__ == "__main__":
    sys.exit(main())
