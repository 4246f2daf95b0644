"""`leap_driver` as a process: over DDS on one side, over a terminal with real packets on the other."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from sleight_ros import convert
from sleight_ros.drivers.config import DEFAULT
from sleight_ros.emulator import LeapEmulator

from .graph import Graph
from .rig import CONFIG, COUNT, NAMES

pytestmark = pytest.mark.graph
MAPPING = CONFIG.mapping()
MODULE = "sleight_ros.drivers.leap_driver_node"
ERROR, WARN = DiagnosticStatus.ERROR, DiagnosticStatus.WARN
#: A loaded machine is no fault of the bus.
SLOW = {"reply_timeout": 0.1, "rate": 40.0, "max_failures": 15, "command_timeout": 0.5, "reconnect_period": 0.2}


class Hand(Graph):
    """An emulated hand and the node that drives it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.emulator = LeapEmulator(COUNT, link=folder / "leap", boot_time=0.05)

    def __enter__(self):
        super().__enter__()
        self.start_driver()
        return self

    def __exit__(self, *_):
        super().__exit__()
        self.emulator.close()

    def start_driver(self, **more):
        self.start("leap_driver", MODULE, {"port": self.emulator.path, **SLOW, **more})

    def enable(self):
        self.fresh_states(1)
        answer = self.trigger("driver/enable")
        assert answer is not None and answer.success, answer
        return self

    def goals_are(self, targets):
        wanted = MAPPING.ticks(np.array([targets[name] for name in NAMES]))
        return self.emulator.goals() == wanted

    def follow(self):
        """Be enabled and on the way."""
        self.enable()
        self.target = {name: 0.1 for name in NAMES}
        self.wait(lambda: self.goals_are(self.target), "the goals")
        return self

    def state_is(self, state, reason=None):
        values = self.values("leap_driver")
        return values.get("state") == state and reason in (None, values.get("reason"))


@pytest.fixture
def hand(tmp_path):
    with Hand(tmp_path) as one:
        yield one


def run(*parameters):
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    command = [sys.executable, "-m", MODULE, "--ros-args", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ)


@pytest.mark.parametrize("parameter", ["rate:=1000.0", "reply_timeout:=0.0", "baud:=1", "release_after:=-1.0"])
def test_a_parameter_out_of_its_range_is_refused_in_one_line(parameter):
    result = run(parameter)
    assert result.returncode == 2
    assert result.stderr.startswith("refused: ") and result.stderr.count("\n") == 1


def test_a_wrong_hand_is_refused_and_says_why(tmp_path):
    content = yaml.safe_load(DEFAULT.read_text())
    content["joints"][3]["id"] = 0
    (tmp_path / "hand.yaml").write_text(yaml.safe_dump(content))
    with Graph(tmp_path) as graph:
        graph.start("leap_driver", MODULE, {"config": str(tmp_path / "hand.yaml")})
        graph.wait(lambda: "id given twice" in graph.values("leap_driver").get("message", ""), "the refusal")
        assert graph.values("leap_driver")["level"] == ERROR
        # Mended, it can be configured and activated by hand.
        (tmp_path / "hand.yaml").write_text(DEFAULT.read_text())
        assert graph.transition("leap_driver", Transition.TRANSITION_CONFIGURE)
        assert graph.transition("leap_driver", Transition.TRANSITION_ACTIVATE)
        graph.wait(lambda: graph.values("leap_driver").get("reason") == "port_lost", "the missing port")
        assert "Traceback" not in graph.log("leap_driver")


def test_states_are_named_complete_and_stamped_before_anything_moves(hand):
    hand.emulator.set_present([2048.0 + motor for motor in range(COUNT)], [1.0] * COUNT, [0.1] * COUNT)
    before = time.time_ns()
    hand.fresh_states(3)
    states = hand.fresh_states(5)
    for msg in states:
        assert list(msg.name) == NAMES
        assert np.array(msg.position) == pytest.approx(MAPPING.from_ticks(2048 + np.array(CONFIG.ids)))
        assert np.array(msg.velocity) == pytest.approx(np.full(COUNT, 1.0), abs=0.03)
        assert np.array(msg.effort) == pytest.approx(np.full(COUNT, 0.1 * CONFIG.control.torque_constant), abs=1e-3)
    stamps = [convert.stamp_to_ns(msg.header.stamp) for msg in states]
    assert stamps == sorted(set(stamps)) and before < stamps[0] < stamps[-1] < time.time_ns()
    # Commands before enabling do nothing.
    hand.trajectory(NAMES, [0.3] * COUNT)
    hand.fresh_states(5)
    assert not any(hand.emulator.torques()) and hand.emulator.goals() == [0] * COUNT


def test_named_targets_of_both_kinds_reach_their_motors(hand):
    hand.enable()
    hand.target = dict(zip(NAMES, np.linspace(-0.3, 0.3, COUNT).tolist(), strict=True))
    hand.wait(lambda: hand.goals_are(hand.target), "the goals")
    hand.target = None
    order = NAMES[::-1]
    wanted = {name: -0.02 * k for k, name in enumerate(order)}

    def sent():
        hand.joint_command(order, [wanted[name] for name in order])
        return hand.goals_are(wanted)

    hand.wait(sent, "the goals of the joint command")


def test_what_is_wrong_never_reaches_the_motors(hand):
    hand.follow()
    hand.target = None
    hand.wait(lambda: hand.state_is("holding", "command_stale"), "the hold")
    goals = hand.emulator.goals()
    zeros = [0.0] * COUNT
    refused = int(hand.values("leap_driver").get("commands refused", 0))
    rows = [
        lambda: hand.trajectory(NAMES[:-1], zeros[:-1]),
        lambda: hand.trajectory([*NAMES, "elbow"], [*zeros, 0.0]),
        lambda: hand.trajectory([*NAMES[:-1], NAMES[0]], zeros),
        lambda: hand.trajectory(NAMES, [*zeros[:-1], np.nan]),
        lambda: hand.trajectory(NAMES, [*zeros[:-1], np.inf]),
        lambda: hand.trajectory(NAMES, zeros[:-1]),
        lambda: hand.trajectory([], []),
        lambda: hand.two_points(NAMES, zeros),
        lambda: hand.joint_command(NAMES, [*zeros[:-1], np.nan]),
        lambda: hand.joint_command([], zeros),
    ]
    for send in rows:
        send()
        hand.fresh_states(2)
    assert hand.emulator.goals() == goals
    hand.wait(lambda: int(hand.values("leap_driver").get("commands refused", 0)) >= refused + 6, "the count")
    assert hand.state_is("holding", "command_stale")
    # Far away is not wrong, but clipped.
    hand.target = {name: 100.0 for name in NAMES}
    hand.wait(lambda: hand.emulator.goals() == MAPPING.ticks(MAPPING.upper), "the limits")


def test_without_commands_the_hand_holds(hand):
    hand.follow()
    hand.target = None
    hand.wait(lambda: hand.state_is("holding", "command_stale"), "the hold")
    assert hand.values("leap_driver")["level"] == WARN
    goals = hand.emulator.goals()
    hand.fresh_states(10)
    assert hand.emulator.goals() == goals and all(hand.emulator.torques())


def test_a_dead_line_silences_the_states_and_latches(hand):
    hand.follow()
    hand.emulator.faults.add("drop")
    hand.wait(lambda: hand.state_is("fault"), "the fault")
    count = len(hand.states)
    hand.wait(lambda: not any(hand.emulator.torques()), "torque off")
    time.sleep(0.5)
    assert len(hand.states) <= count + 1
    assert hand.values("leap_driver")["level"] == ERROR
    hand.emulator.faults.clear()
    hand.fresh_states(3)
    hand.wait(lambda: hand.values("leap_driver").get("torque") == "off", "the confirmation")
    assert hand.state_is("fault", "no_reply") and not any(hand.emulator.torques())
    hand.follow()


def test_a_pulled_cable_is_found_again_and_needs_enabling(hand):
    hand.follow()
    hand.emulator.unplug()
    hand.wait(lambda: hand.state_is("disconnected", "port_lost"), "the loss")
    assert not hand.trigger("driver/enable").success
    hand.emulator.plug()
    hand.fresh_states(3)
    hand.wait(lambda: not any(hand.emulator.torques()), "torque off")
    hand.wait(lambda: hand.state_is("fault", "port_lost"), "the latched fault")
    hand.follow()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_turns_torque_off(hand, number):
    hand.follow()
    process = hand.processes.running.pop("leap_driver").popen
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert not any(hand.emulator.torques())
    assert "Traceback" not in hand.log("leap_driver")


def test_after_sigkill_the_motors_hold_and_another_driver_takes_over(hand):
    hand.follow()
    goals = hand.emulator.goals()
    hand.processes.kill("leap_driver")
    time.sleep(0.2)
    # Nobody is left to turn torque off, and the motors' own watchdog does nothing.
    assert all(hand.emulator.torques()) and hand.emulator.goals() == goals
    hand.target = None
    hand.start_driver()
    hand.fresh_states(3)
    assert all(hand.emulator.torques())
    assert hand.trigger("driver/disable").success
    assert not any(hand.emulator.torques())


def test_the_lifecycle_lets_go_of_the_hand(hand):
    hand.follow()
    assert hand.transition("leap_driver", Transition.TRANSITION_DEACTIVATE)
    assert not any(hand.emulator.torques())
    assert not hand.trigger("driver/enable").success
    assert not hand.transition("leap_driver", Transition.TRANSITION_DEACTIVATE)
    assert hand.transition("leap_driver", Transition.TRANSITION_ACTIVATE)
    hand.follow()
    assert hand.trigger("driver/disable").success and not any(hand.emulator.torques())


def test_it_can_enable_itself(tmp_path):
    class Eager(Hand):
        def start_driver(self, **more):
            super().start_driver(enable_on_activate=True, current_limit=0.2, **more)

    with Eager(tmp_path) as hand:
        hand.wait(lambda: all(hand.emulator.torques()), "torque on")
        assert hand.emulator.current_limits() == pytest.approx([0.2] * COUNT)
        hand.wait(lambda: hand.state_is("holding", "no_command"), "the hold")
