"""`skill_server`: runs goals of the Grasp and Compose actions by engaging and releasing the policy."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.action.server import ServerGoalHandle
from sleight_core.errors import SleightError
from sleight_core.safety import ReasonCode, SafetyState
from sleight_msgs.action import Compose, Grasp
from sleight_msgs.msg import ObjectEstimate, PolicyTelemetry, SafetyStatus, SkillOutcome, SkillRecord, SkillState
from sleight_msgs.srv import EngageSkill
from std_srvs.srv import Trigger

from sleight_ros import convert
from sleight_ros.nodes.base import NEWEST, OK, RELIABLE, SleightNode, run
from sleight_ros.skills.asking import Questions
from sleight_ros.skills.compositions import check_bundle
from sleight_ros.skills.goal_server import GoalServer
from sleight_ros.skills.goals import Outcome, Request, SkillSettings, compose_request, grasp_request
from sleight_ros.skills.machine import Ask, PolicyState, Record, SkillMachine

#: Period at which goals go on, s.
TICK = 0.05
#: How long the node waits at its end for the policy to be released, s.
GOODBYE = 1.0
#: Share of service_timeout for which a service may be missing: so a missing one is not called a silent one.
MISSING_SHARE = 0.5
#: What undoes a request whose answer came when nobody waited for it any more.
UNDO = {Ask.ENGAGE: Ask.RELEASE, Ask.ARM: Ask.STOP}
OBJECT_WORDS = {
    value: name.lower().replace("_", " ") for name, value in vars(ObjectEstimate).items() if isinstance(value, int)
}
POLICY_STATES = {PolicyTelemetry.IDLE: PolicyState.IDLE, PolicyTelemetry.FAULT: PolicyState.FAULT}
#: Lowest and highest value and explanation of the parameters that are `SkillSettings`.
NUMBERS = {
    "timeout": (0.1, 3600.0, "Longest time of a goal that names none, s."),
    "lift_height": (0.005, 2.0, "How far an object must rise, in goals that do not say, m."),
    "hold_time": (0.0, 3600.0, "How long it must stay up, in goals that do not say, s."),
    "second_time": (0.1, 3600.0, "How long the second skill of a composition acts, in goals that do not say, s."),
    "third_time": (0.1, 3600.0, "The same of a third skill, s."),
    "status_patience": (0.1, 60.0, "Longest silence of the bridge, s."),
    "seek_patience": (0.1, 600.0, "Longest search for an object at rest, s."),
    "steady_time": (0.0, 60.0, "How long the object must be seen at rest before the policy is engaged, s."),
    "steady_spread": (0.0005, 1.0, "How far its estimates may differ meanwhile, along each axis, m."),
    "object_max_age": (0.01, 60.0, "Age up to which an estimate of the object counts as now, s."),
    "object_patience": (0.01, 600.0, "Longest time without an estimate while the policy acts, s."),
    "hold_patience": (0.01, 600.0, "Longest hold of the bridge while the policy acts, s."),
    "engage_patience": (0.0, 600.0, "How long a refused engagement is asked again, s."),
    "service_timeout": (0.1, 600.0, "Longest wait for a service, or for its answer, s."),
}


@dataclass
class Goal:
    """An accepted goal: where its result goes, what it asks, when it came (s), and whether it is to be canceled.

    `check` is the question for the policy's bundle, while it is not answered.
    """

    server: GoalServer
    handle: ServerGoalHandle
    request: Request
    accepted: float
    canceled: bool = False
    check: Questions | None = None


class SkillServerNode(SleightNode):
    """Runs one goal at a time, over both actions.

    It commands nothing itself: `policy/engage` and `policy/release` say when the policy acts, and the bridge decides
    what the hand does. What it knows comes from the bridge, the policy and perception, never from a simulator.
    """

    def __init__(self) -> None:
        super().__init__("skill_server")
        self.text("task_frame", "world", "Name of the task frame; its z axis points up.")
        defaults = SkillSettings()
        for name, (low, high, text) in NUMBERS.items():
            self.number(name, getattr(defaults, name), low, high, text)
        self.flag("rearm_on_goal", defaults.rearm_on_goal, "Arm a bridge that is not armed; a stopped one, never.")
        self.flag("reset_perception", defaults.reset_perception, "Let perception forget its object at the start.")
        self.text("preemption", "replace", "A new goal while one runs: 'replace' that one, or 'refuse' the new one.")
        self.text("policy_node", "policy_node", "Name of the policy node, whose bundle a Compose goal must fit.")
        self.number("feedback_period", 0.1, 0.01, 10.0, "Time between two feedback messages, s.")
        self._machine: SkillMachine | None = None
        self._goal: Goal | None = None
        self._waiting: Goal | None = None
        self._checking: list[Goal] = []
        self._last: SkillOutcome | None = None
        self._goodbyes: list[Any] = []

    # Lifecycle -----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Create the clients, the subscriptions and the two action servers."""
        self._preemption = self.value("preemption")
        if self._preemption not in ("replace", "refuse"):
            raise SleightError("parameter 'preemption'", value=self._preemption, remedy="use 'replace' or 'refuse'")
        self._settings = SkillSettings(**{field.name: self.value(field.name) for field in fields(SkillSettings)})
        self._frame = self.value("task_frame")
        self._questions = Questions(MISSING_SHARE * self._settings.service_timeout)
        self._spoke, self._said = 0.0, -1
        self._others: dict[Ask, Any] = {ask: self._client(Trigger, ask.value) for ask in Ask}
        self._engage_skill = self._client(EngageSkill, "policy/engage_skill")
        self._policy_parameters = self._client(GetParameters, f"{self.value('policy_node')}/get_parameters")
        # A stop may show in a single message of the bridge: none may be lost.
        self.listen(SafetyStatus, "bridge/status", self._on_status, RELIABLE)
        self.listen(PolicyTelemetry, "policy/telemetry", self._on_telemetry, RELIABLE)
        self.listen(ObjectEstimate, "object/estimate", self._on_object, NEWEST)
        self._serve(Grasp, "grasp", lambda goal: grasp_request(goal, self._settings))
        self._serve(Compose, "compose", lambda goal: compose_request(goal, self._settings))
        self.every(TICK, self._on_tick)

    def halt(self) -> None:
        """End what runs and what waits; the policy is released."""
        self._abandon("the skill server was deactivated")

    def shut_down(self) -> None:
        """Let the policy hear that it is released before this process ends."""
        self._abandon("the skill server ends")
        end = time.monotonic() + GOODBYE
        while self.executor is not None and not all(f.done() for f in self._goodbyes) and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=TICK)
        super().shut_down()

    def report(self) -> tuple[bytes, str, dict[str, str]]:
        """What runs, and how the last goal ended, for /diagnostics."""
        values = {}
        if self._last is not None:
            values = {"last outcome": Outcome(self._last.code).name, "last message": self._last.message}
        if not self.active or self._machine is None:
            return OK, "waiting for a goal" if self.active else "inactive", values
        return OK, f"{self._machine.request.name}: {self._machine.phase.name}", values

    def callback_failed(self, error: Exception) -> None:
        """A bug in this node ends the goal, and releases the policy."""
        self._abandon(f"internal error: {type(error).__name__}: {error}"[:200])

    def _client(self, kind: Any, name: str) -> Any:
        client = self.create_client(kind, name)
        self._owned.append(lambda: self.destroy_client(client))
        return client

    def _serve(self, kind: Any, name: str, read: Callable[[Any], Request]) -> None:
        server = GoalServer(
            self, kind, name, lambda server, handle: self._on_goal(server, handle, read), self._on_cancel
        )
        self._owned.append(server.destroy)

    # Goals ---------------------------------------------------------------------------------------------------------

    def _on_goal(self, server: GoalServer, handle: ServerGoalHandle, read: Callable[[Any], Request]) -> None:
        now = time.monotonic()
        try:
            if not self.active:
                raise SleightError("the skill server is not active", remedy="activate it")
            goal = Goal(server, handle, read(handle.request), now)
        except SleightError as error:
            self._finish(server, handle, self._outcome(Outcome.REFUSED, str(error)))
            return
        # A goal that cannot run must not end the one that does: it is checked before.
        if goal.request.skills:
            self._check(goal)
        else:
            self._admit(goal)

    def _check(self, goal: Goal) -> None:
        """Ask the policy node for its bundle, and admit a composition of what it has."""

        def answered(accepted: bool, message: str) -> None:
            if goal in self._checking:
                self._checking.remove(goal)
                if accepted:
                    self._admit(goal)
                else:
                    self._finish(goal.server, goal.handle, self._outcome(Outcome.REFUSED, message, goal=goal))

        goal.check = Questions(MISSING_SHARE * self._settings.service_timeout)
        self._checking.append(goal)
        goal.check.ask(
            self._policy_parameters,
            GetParameters.Request(names=["bundle"]),
            lambda found: answered(*_judge(found, goal.request.skills)),
            answered,
        )

    def _admit(self, goal: Goal) -> None:
        """Begin a goal, or let it take the place of the one that runs."""
        if self._goal is not None and self._preemption == "refuse":
            words = f"'{self._goal.request.name}' is running (cancel it, or wait)"
            self._finish(goal.server, goal.handle, self._outcome(Outcome.REFUSED, words, goal=goal))
            return
        self.get_logger().info(f"goal: {goal.request.name}")
        if self._machine is None:
            self._begin(goal)
            return
        self._drop(self._waiting, Outcome.PREEMPTED, "a newer goal took its place")
        self._waiting = goal
        self._machine.preempt(time.monotonic())

    def _on_cancel(self, handle: ServerGoalHandle) -> None:
        # The goal is not in the state of being canceled before this returns: the next tick goes on.
        for goal in (self._goal, self._waiting, *self._checking):
            if goal is not None and goal.handle == handle:
                goal.canceled = True

    def _begin(self, goal: Goal) -> None:
        self._goal = goal
        self._machine = SkillMachine(goal.request, self._settings, time.monotonic(), goal.accepted)

    def _on_tick(self) -> None:
        if not self.active:
            return
        now = time.monotonic()
        self._questions.pump()
        for goal in [*self._checking]:
            if goal.check is not None:
                goal.check.pump()
            if goal in self._checking and now - goal.accepted > self._settings.service_timeout:
                self._drop(goal, Outcome.REFUSED, "the policy node does not say which bundle it runs")
        for goal in (self._waiting, *self._checking):
            if goal is not None and goal.canceled:
                self._drop(goal, Outcome.CANCELED, "canceled before it began")
        if self._machine is not None and self._goal is not None:
            if self._goal.canceled:
                self._machine.cancel(now)
            self._machine.tick(now)
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Ask what the machine wants, tell the client where it is, and end the goal when it is done."""
        machine, goal = self._machine, self._goal
        if machine is None or goal is None:
            return
        if machine.done:
            self._machine = self._goal = None
            self._questions.drop()
            assert machine.verdict is not None
            outcome = self._outcome(machine.verdict.outcome, machine.verdict.message, machine, goal)
            self._finish(goal.server, goal.handle, outcome, machine.records)
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._begin(waiting)
            return
        if (wanted := machine.next_ask()) is not None:
            self._ask(wanted, machine)
        if machine.phase != self._said or now - self._spoke >= self.value("feedback_period"):
            self._said, self._spoke = machine.phase, now
            goal.handle.publish_feedback(goal.server.action_type.Feedback(state=self._state(machine, now)))

    def _drop(self, goal: Goal | None, outcome: Outcome, message: str) -> None:
        """End a goal that has not begun."""
        if goal is None:
            return
        if goal is self._waiting:
            self._waiting = None
        self._checking = [one for one in self._checking if one is not goal]
        self._finish(goal.server, goal.handle, self._outcome(outcome, message, goal=goal))

    def _abandon(self, message: str) -> None:
        """End all goals at once; the policy is told to release without waiting for its answer."""
        for goal in (self._waiting, *self._checking):
            self._drop(goal, Outcome.DEACTIVATED, message)
        machine = self._machine
        if machine is None:
            return
        now = time.monotonic()
        for ask in machine.abandon(now, message):
            self._tell(ask)
        self._go_on(now)

    def _finish(
        self, server: GoalServer, handle: ServerGoalHandle, outcome: SkillOutcome, records: tuple[Record, ...] = ()
    ) -> None:
        self._last = outcome
        words = f"{Outcome(outcome.code).name}: {outcome.message}"
        # rclpy forbids one line of code to log at two levels.
        if outcome.code in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.PREEMPTED):
            self.get_logger().info(words)
        else:
            self.get_logger().warning(words)
        skills = [SkillRecord(skill=one.skill, kept=one.kept, succeeded=one.succeeded) for one in records]
        server.finish(handle, outcome, skills)

    def _outcome(
        self, outcome: Outcome, message: str, machine: SkillMachine | None = None, goal: Goal | None = None
    ) -> SkillOutcome:
        msg = SkillOutcome(code=int(outcome), message=message)
        if goal is not None:
            msg.duration = time.monotonic() - goal.accepted
        if machine is not None:
            msg.safety_state, msg.safety_reason = int(machine.safety[0]), int(machine.safety[1])
            msg.object_height = machine.sight.height
        return msg

    def _state(self, machine: SkillMachine, now: float) -> SkillState:
        state, reason, detail = machine.safety
        msg = SkillState(phase=int(machine.phase), skill=machine.skill, stage=machine.stage)
        msg.elapsed = now - machine.started
        msg.safety_state, msg.safety_reason = int(state), int(reason)
        msg.detail = machine.remark or detail
        sight = machine.sight
        msg.object_seen, msg.object_height = sight.seen, sight.height
        if sight.last is not None:
            msg.object_position.x, msg.object_position.y, msg.object_position.z = sight.last.position
            msg.object_quality = sight.last.quality
        return msg

    # Messages ------------------------------------------------------------------------------------------------------

    def _on_status(self, msg: SafetyStatus) -> None:
        if self._machine is not None:
            now = time.monotonic()
            self._machine.take_status(now, SafetyState(msg.state), ReasonCode(msg.reason), msg.detail)
            self._go_on(now)

    def _on_telemetry(self, msg: PolicyTelemetry) -> None:
        if self._machine is not None:
            now = time.monotonic()
            self._machine.take_policy(now, POLICY_STATES.get(msg.state, PolicyState.ENGAGED), msg.reason, msg.stage)
            self._go_on(now)

    def _on_object(self, msg: ObjectEstimate) -> None:
        if self._machine is None:
            return
        words = "" if msg.reason == ObjectEstimate.OK else OBJECT_WORDS.get(msg.reason, str(msg.reason))
        if not words and msg.header.frame_id != self._frame:
            words = f"its frame is '{msg.header.frame_id}', not '{self._frame}'"
        x, y, z = convert.vector_from_msg(msg.position).tolist()
        self._machine.take_object(time.monotonic(), (x, y, z), msg.quality, words)

    # Questions -----------------------------------------------------------------------------------------------------

    def _ask(self, ask: Ask, machine: SkillMachine) -> None:
        number = machine.asked

        def answered(accepted: bool, message: str) -> None:
            now = time.monotonic()
            if machine is self._machine and machine.wants == ask and machine.asked == number:
                machine.answer(now, ask, accepted, message)
                self._go_on(now)
            elif accepted and ask in UNDO:
                # It came too late: whoever asked has given up.
                self._tell(UNDO[ask])

        client, request = self._others[ask], Trigger.Request()
        if ask == Ask.ENGAGE and machine.skill:
            client, request = self._engage_skill, EngageSkill.Request(skill=machine.skill)
        self._questions.ask(client, request, lambda a: answered(a.success, a.message), answered)

    def _tell(self, ask: Ask) -> None:
        """Ask for something without waiting for the answer."""
        client = self._others[ask]
        if client.service_is_ready():
            self._goodbyes = [future for future in self._goodbyes if not future.done()]
            self._goodbyes.append(client.call_async(Trigger.Request()))


def _judge(found: Any, skills: tuple[str, ...]) -> tuple[bool, str]:
    """Whether the policy node's bundle has some skills, and if not, why."""
    folder = found.values[0].string_value if found.values else ""
    try:
        check_bundle(folder, skills)
    except SleightError as error:
        return False, str(error)
    return True, ""


def main() -> int:
    """Run the node."""
    return run(SkillServerNode)


if __name__ == "__main__":
    sys.exit(main())
