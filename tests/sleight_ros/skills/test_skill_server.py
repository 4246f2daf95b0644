"""The skill server with a real bridge and a real policy node, around a robot that does not exist."""

import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

from action_msgs.msg import GoalStatus
from lifecycle_msgs.msg import Transition
from rclpy.action import ActionClient
from sleight_core.safety import ReasonCode, SafetyState
from sleight_msgs.action import Compose, Grasp
from sleight_ros import convert
from sleight_ros.skills.goals import Outcome, Phase
from std_srvs.srv import Trigger

from ..double import OBJECT
from ..rig import Rig

pytestmark = pytest.mark.graph
#: Nothing is measured here: a loaded machine may take its time, and must not change an outcome.
PATIENCE = 60.0
PARAMETERS = {
    "rearm_on_goal": True,
    "lift_height": 0.1,
    "hold_time": 0.2,
    "timeout": 300.0,
    "status_patience": 20.0,
    "seek_patience": 60.0,
    "steady_time": 0.1,
    "object_max_age": 2.0,
    "object_patience": 3.0,
    "hold_patience": 20.0,
    "engage_patience": 20.0,
    "service_timeout": 20.0,
}
LIFTED = OBJECT + [0.0, 0.0, 0.15]


class PatientRig(Rig):
    """Its bridge and policy forgive what a loaded machine does to their inputs: here nothing is about ages."""

    def start_bridge(self, **parameters):
        ages = {"command_max_age": 1.0, "joint_state_max_age": 1.0, "wrist_max_age": 1.0, "object_max_age": 5.0}
        super().start_bridge(**ages, **parameters)

    def start_policy(self, **parameters):
        names = ("joints", "wrist", "wrenches", "object", "sent")
        super().start_policy(**{f"{name}_max_age": 5.0 for name in names}, **parameters)


class Goal:
    """A goal that was sent, what came back of it, and what the bridge said before."""

    def __init__(self, robot, client, goal):
        self.robot, self.states, self.skills = robot, [], []
        self._handle = self._wait(
            self._ask(client.send_goal_async, goal, lambda msg: self.states.append(msg.feedback.state))
        )
        assert self._handle.accepted
        self._result = self._ask(self._handle.get_result_async)

    def _ask(self, function, *arguments):
        # rclpy's action client loses an answer that comes while another thread is still noting the question.
        return self._wait(self.robot.node.executor.create_task(function, *arguments))

    def _wait(self, future):
        self.robot.wait(future.done, PATIENCE, "an answer of the skill server")
        return future.result()

    def reach(self, *phases):
        """Wait until the feedback tells of one of some phases."""
        self.robot.wait(lambda: self.states and self.states[-1].phase in phases, PATIENCE, f"{phases}")
        return self

    def cancel(self):
        assert self._wait(self._ask(self._handle.cancel_goal_async)).goals_canceling

    def result(self, outcome, status):
        """Wait for the end, and check how it came."""
        answer = self._wait(self._result)
        found = answer.result.outcome
        assert (Outcome(found.code), answer.status) == (outcome, status), found.message
        assert found.message and "\n" not in found.message
        told = getattr(answer.result, "skills", ())
        self.skills = [(one.skill, one.kept, one.succeeded) for one in told]
        return found


class Bench:
    """The graph, and clients of both actions."""

    def __init__(self, rig):
        self.rig, self.robot = rig, rig.robot
        self.resets = 0
        node = self.robot.node
        node.create_service(Trigger, "perception/reset", self._on_reset)
        self.grasp, self.compose = ActionClient(node, Grasp, "grasp"), ActionClient(node, Compose, "compose")

    def _on_reset(self, _request, response):
        self.resets += 1
        response.success = True
        return response

    def start(self, **parameters):
        self.rig.processes.node("skill_server", "sleight_ros.nodes.skill_server_node", {**PARAMETERS, **parameters})
        self.robot.wait(lambda: self.grasp.server_is_ready() and self.compose.server_is_ready(), PATIENCE, "the server")
        self.robot.wait(lambda: self.robot.state_of("skill_server") == "active", PATIENCE, "the server to be active")

    def send(self, **fields):
        return Goal(self.robot, self.grasp, Grasp.Goal(**fields))

    def acting(self, **fields):
        """A goal whose policy acts."""
        goal = self.send(**fields).reach(Phase.GRASPING)
        self.rig.wait_for(SafetyState.ACTIVE, PATIENCE)
        return goal

    def holds(self, reason="POLICY_HOLD"):
        """The bridge holds: messages go on, and nothing moves any more."""
        robot = self.robot
        robot.wait(lambda: robot.last_status()[:2] == ("HOLD", reason), PATIENCE, f"a hold for {reason}")
        count = len(robot.heard.trajectories)
        robot.wait(lambda: len(robot.heard.trajectories) > count + 5, PATIENCE, "messages of the hold")
        robot.wait(self._at_rest, PATIENCE, "the hand to be at rest")
        assert robot.last_status()[:2] == ("HOLD", reason)

    def _at_rest(self):
        heard = self.robot.heard
        targets = [list(msg.points[0].positions) for _, msg in heard.trajectories[-5:]]
        return all(row == targets[0] for row in targets) and not convert.twist_from_msg(heard.twists[-1][1]).any()

    def disarm(self):
        """Bring the bridge to where it was never armed."""
        self.robot.reach("hand_bridge", Transition.TRANSITION_DEACTIVATE, "inactive")
        self.rig.activate_bridge()
        self.robot.wait(lambda: self.robot.last_status()[:2] == ("IDLE", "NOT_ARMED"), PATIENCE, "IDLE")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    with PatientRig(tmp_path_factory.mktemp("skills")) as rig:
        bench = Bench(rig)
        bench.start()
        yield bench
        rig.robot.monitor.check()


@pytest.fixture
def bench(graph):
    graph.rig.heal()
    yield graph
    assert graph.robot.trigger("policy/release", PATIENCE).success
    graph.rig.heal()


def test_an_object_that_rises_and_stays_up_is_a_success(bench):
    bench.disarm()
    resets = bench.resets
    goal = bench.acting(object="mug")
    assert bench.resets == resets + 1
    assert goal.states[-1].object_seen and goal.states[-1].object_quality == 1.0
    bench.robot.object_pos = LIFTED.copy()
    outcome = goal.result(Outcome.SUCCEEDED, GoalStatus.STATUS_SUCCEEDED)
    assert outcome.object_height == pytest.approx(0.15) and outcome.duration > 0
    met = list(dict.fromkeys(state.phase for state in goal.states))
    assert met == sorted(met) and {Phase.SEEKING_OBJECT, Phase.GRASPING, Phase.HOLDING} <= set(met)
    last = goal.states[-1]
    assert last.phase == Phase.RELEASING and last.object_height == pytest.approx(0.15)
    # The object stays gripped: the targets are those sent last.
    bench.holds()


def test_cancel_releases_the_policy_and_the_bridge_holds(bench):
    goal = bench.acting()
    goal.cancel()
    goal.result(Outcome.CANCELED, GoalStatus.STATUS_CANCELED)
    bench.holds()
    assert bench.robot.heard.telemetry[-1][1].state == 0


def test_a_newer_goal_takes_the_place_of_the_one_that_runs(bench):
    first = bench.acting()
    second, third = bench.send(object="second"), bench.send(object="third")
    for goal in (first, second):
        goal.result(Outcome.PREEMPTED, GoalStatus.STATUS_ABORTED)
    third.reach(Phase.GRASPING)
    bench.robot.object_pos = LIFTED.copy()
    third.result(Outcome.SUCCEEDED, GoalStatus.STATUS_SUCCEEDED)


def test_a_stop_ends_the_goal_and_stays(bench):
    goal = bench.acting()
    assert bench.robot.trigger("bridge/stop", PATIENCE).success
    outcome = goal.result(Outcome.HELD_BY_SAFETY, GoalStatus.STATUS_ABORTED)
    assert (outcome.safety_state, outcome.safety_reason) == (SafetyState.STOPPED, ReasonCode.STOP_REQUESTED)
    seen = len(bench.robot.heard.status)
    # A goal arms only what was never armed.
    outcome = bench.send().result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED)
    assert "bridge/rearm" in outcome.message
    bench.robot.wait(lambda: len(bench.robot.heard.status) > seen + 30, PATIENCE)
    assert {msg.state for _, msg in bench.robot.heard.status[seen:]} == {int(SafetyState.STOPPED)}
    assert bench.robot.trigger("bridge/rearm", PATIENCE).success
    goal = bench.acting()
    goal.cancel()
    goal.result(Outcome.CANCELED, GoalStatus.STATUS_CANCELED)


def test_a_lost_object_ends_the_goal(bench):
    goal = bench.acting()
    bench.robot.faults.add("estimate_lost")
    outcome = goal.result(Outcome.OBJECT_LOST, GoalStatus.STATUS_ABORTED)
    assert "no cluster" in outcome.message
    assert any(not state.object_seen for state in goal.states)


def test_somebody_else_who_releases_the_policy_ends_the_goal(bench):
    goal = bench.acting()
    assert bench.robot.trigger("policy/release", PATIENCE).success
    goal.result(Outcome.POLICY_FAULT, GoalStatus.STATUS_ABORTED)


def test_a_policy_that_somebody_else_engaged_is_left_alone(bench):
    bench.rig.follow()
    # It waits whether the bridge will be free: so long that here its own time is over before.
    bench.send(timeout=2.0).result(Outcome.TIMED_OUT, GoalStatus.STATUS_ABORTED)
    bench.rig.wait_for(SafetyState.ACTIVE, PATIENCE)
    assert bench.robot.heard.telemetry[-1][1].state != 0


def test_no_composition_no_compose_and_what_runs_goes_on(bench):
    running = bench.acting()
    goal = Goal(bench.robot, bench.compose, Compose.Goal(first="grasp", second="press", timeout=100.0))
    outcome = goal.result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED)
    assert "'tiny' is no composition of skills but 'mlp'" in outcome.message
    goal = Goal(bench.robot, bench.compose, Compose.Goal(first="grasp", second="grasp"))
    assert "two or three different skills" in goal.result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED).message
    assert "lift_height" in bench.send(lift_height=-1.0).result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED).message
    bench.robot.object_pos = LIFTED.copy()
    running.result(Outcome.SUCCEEDED, GoalStatus.STATUS_SUCCEEDED)


def test_an_invalid_transition_does_not_end_a_goal(bench):
    goal = bench.acting()
    for number in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CONFIGURE, 99):
        assert not bench.robot.transition("skill_server", number).success
    bench.robot.object_pos = LIFTED.copy()
    goal.result(Outcome.SUCCEEDED, GoalStatus.STATUS_SUCCEEDED)


def test_deactivation_ends_a_goal_and_the_node_can_be_configured_anew(bench):
    goal = bench.acting()
    assert bench.robot.transition("skill_server", Transition.TRANSITION_DEACTIVATE).success
    goal.result(Outcome.DEACTIVATED, GoalStatus.STATUS_ABORTED)
    bench.holds()
    assert "not active" in bench.send().result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED).message
    robot = bench.robot
    robot.reach("skill_server", Transition.TRANSITION_CLEANUP, "unconfigured")
    robot.reach("skill_server", Transition.TRANSITION_CONFIGURE, "inactive")
    robot.reach("skill_server", Transition.TRANSITION_ACTIVATE, "active")
    goal = bench.acting()
    goal.cancel()
    goal.result(Outcome.CANCELED, GoalStatus.STATUS_CANCELED)


def test_a_server_that_is_ended_releases_the_policy(bench):
    bench.acting()
    assert bench.rig.interrupt("skill_server", signal.SIGTERM) == 0
    bench.holds()
    assert "Traceback" not in bench.rig.log("skill_server")


def test_without_leave_to_arm_or_to_replace_both_are_refused(bench):
    if "skill_server" in bench.rig.processes.running:
        bench.rig.processes.end("skill_server")
        bench.robot.wait(lambda: not bench.grasp.server_is_ready(), PATIENCE, "the server to be gone")
    # On the classic executor as well.
    bench.start(rearm_on_goal=False, preemption="refuse", executor="single")
    bench.disarm()
    outcome = bench.send().result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED)
    assert "not armed" in outcome.message and bench.robot.last_status()[:2] == ("IDLE", "NOT_ARMED")
    assert bench.robot.trigger("bridge/rearm", PATIENCE).success
    running = bench.acting(object="mug")
    assert "'grasp mug' is running" in bench.send().result(Outcome.REFUSED, GoalStatus.STATUS_ABORTED).message
    running.cancel()
    running.result(Outcome.CANCELED, GoalStatus.STATUS_CANCELED)


@pytest.mark.parametrize("parameter", ["lift_height:=-1.0", "rearm_on_goal:=3"])
def test_a_parameter_out_of_its_range_is_refused_in_one_line(parameter):
    command = [sys.executable, "-m", "sleight_ros.nodes.skill_server_node", "--ros-args", "-p", parameter]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("refused: ") and result.stderr.count("\n") == 1
    assert parameter.split(":=")[0] in result.stderr
