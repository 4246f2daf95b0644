"""`leap_official` over DDS: against a double of the official module, and against that module itself where it is given.

`SLEIGHT_LEAP_OFFICIAL=/path/to/LEAP_Hand_API` points at a checkout of the official repository; its node then runs
unchanged on emulated motors.
"""

import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sleight_ros import convert
from sleight_ros.emulator import LeapEmulator

from .graph import Graph
from .interfaces import environment
from .rig import CONFIG, COUNT, NAMES

# The first run builds the module's interfaces.
pytestmark = [pytest.mark.graph, pytest.mark.timeout(1500)]
HERE = Path(__file__).resolve().parent
MODULE = "sleight_ros.drivers.leap_official_node"
MAPPING = CONFIG.mapping()
ERROR = DiagnosticStatus.ERROR
#: A loaded machine is no fault of the module.
SLOW = {"command_timeout": 0.5, "state_timeout": 1.0}
TARGETS = dict(zip(NAMES, np.linspace(-0.25, 0.3, COUNT).tolist(), strict=True))


class Module(Graph):
    """The adapter, and something that speaks the official interface."""

    def __init__(self, folder, **parameters):
        super().__init__(folder)
        self.processes.environment.update(environment())
        self.parameters = {**SLOW, **parameters}

    def __enter__(self):
        super().__enter__()
        self.start_module()
        self.start("leap_official", MODULE, self.parameters)
        return self

    def start_module(self):
        """Start the double."""
        self.run_module(str(HERE / "official_double.py"))

    def run_module(self, *command):
        """Start whatever stands for the module, in our namespace."""
        names = ["--ros-args", "-r", f"__ns:={self.namespace}"]
        self.processes.start("double", [sys.executable, *command, *names])

    def fault(self, name):
        """Break the double."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=name)
        request = SetParameters.Request(parameters=[Parameter(name="fault", value=value)])
        assert self.call(SetParameters, "leaphand_node/set_parameters", request).results[0].successful

    def arrive(self, targets):
        """Command until the states say that the hand is there, by name."""
        self.target = targets

        def there():
            msg = self.states[-1] if self.states else None
            return msg and all(abs(targets[n] - p) < 0.02 for n, p in zip(msg.name, msg.position, strict=True))

        self.wait(there, "the targets")

    def sane(self):
        """Everything that the module was ever sent."""
        low, high = MAPPING.motor_angles(MAPPING.lower) - 1e-9, MAPPING.motor_angles(MAPPING.upper) + 1e-9
        for msg in self.official:
            angles = np.array(msg.position)
            assert angles.shape == (COUNT,) and np.isfinite(angles).all()
            assert (angles >= low).all() and (angles <= high).all()
            assert list(msg.name)[:2] == ["if_rot", "if_mcp"]

    def silent(self, bucket, seconds=0.5):
        """Whether nothing comes any more."""
        before = len(bucket)
        time.sleep(seconds)
        return len(bucket) <= before + 1


@pytest.fixture
def module(tmp_path):
    with Module(tmp_path) as one:
        yield one


def test_without_the_modules_interfaces_it_says_what_to_do(tmp_path):
    environment()  # skips where they can be neither found nor built
    with Graph(tmp_path) as graph:
        if "leap_hand" in sys.modules or not environment():
            pytest.skip("the official module is installed here")
        graph.start("leap_official", MODULE)
        graph.wait(lambda: graph.values("leap_official").get("level") == ERROR, "the refusal")
        assert "not installed here" in graph.values("leap_official")["message"]
        assert "colcon" in graph.log("leap_official") and "Traceback" not in graph.log("leap_official")


@pytest.mark.parametrize("service", ["leap_pos_vel_eff", "leap_pos_vel", "leap_position"])
def test_states_and_commands_go_by_name_through_every_service(tmp_path, service):
    with Module(tmp_path, service=service) as module:
        before = time.time_ns()
        states = module.fresh_states(5)
        assert all(list(msg.name) == NAMES and len(msg.velocity) == COUNT for msg in states)
        stamps = [convert.stamp_to_ns(msg.header.stamp) for msg in states]
        assert stamps == sorted(set(stamps)) and before < stamps[0] < stamps[-1] < time.time_ns()
        assert bool(states[-1].effort) == (service == "leap_pos_vel_eff")
        module.arrive(TARGETS)
        module.sane()
        # The list that it was sent is in its own order.
        by_motor = sorted((joint.id, TARGETS[joint.name]) for joint in CONFIG.joints)
        assert list(module.official[-1].position) == pytest.approx([math.pi + angle for _, angle in by_motor])


def test_what_would_kill_the_module_never_reaches_it(module):
    module.arrive(TARGETS)
    module.target = None
    zeros = [0.0] * COUNT
    for names, positions in (
        (NAMES, [*zeros[:-1], math.nan]),
        (NAMES, [*zeros[:-1], math.inf]),
        (NAMES[:-1], zeros[:-1]),
        ([*NAMES, "elbow"], [*zeros, 0.0]),
        (NAMES, zeros[:-1]),
        ([], zeros),
        ([], []),
    ):
        module.trajectory(names, positions)
        module.joint_command(names, positions)
        module.two_points(names, positions)
        module.fresh_states(2)
    module.target = dict.fromkeys(NAMES, 1e9)
    module.wait(
        lambda: list(module.official[-1].position) == MAPPING.motor_angles(MAPPING.upper).tolist(), "the limits"
    )
    module.processes.check()
    module.sane()


def test_without_commands_nothing_is_sent(module):
    module.arrive(TARGETS)
    module.target = None
    module.wait(lambda: module.silent(module.official), "silence")
    module.wait(lambda: "old" in module.values("leap_official").get("held because", ""), "the reason")
    module.fresh_states(3)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("zeros", "is at"), ("short", "9 positions"), ("nan", "not finite"), ("slow", ""), ("freeze", "suspected stale")],
)
def test_bad_answers_silence_the_states_and_the_commands(module, fault, words):
    module.arrive(TARGETS)
    module.fault(fault)
    # On the way, so that standing still cannot be the truth.
    module.target = {name: -angle for name, angle in TARGETS.items()}
    module.wait(lambda: module.silent(module.states), "silence of the states")
    module.wait(lambda: module.silent(module.official), "silence of the commands")
    module.wait(lambda: words in module.values("leap_official").get("message", ""), "the reason")
    module.wait(lambda: module.values("leap_official")["level"] != DiagnosticStatus.OK, "the alarm")
    module.fault("")
    module.arrive(TARGETS)
    module.sane()


def test_a_module_that_dies_and_comes_back_is_met_where_it_is(module):
    module.arrive(TARGETS)
    module.processes.kill("double")
    module.wait(lambda: module.silent(module.states), "silence of the states")
    module.wait(lambda: module.silent(module.official), "silence of the commands")
    count = len(module.official)
    module.start_module()
    module.wait(lambda: len(module.official) > count, "commands")
    # It opened the hand when it started: the way begins there, and not where it ended before.
    assert list(module.official[count].position) == pytest.approx([math.pi] * COUNT, abs=0.2)
    module.arrive(TARGETS)
    module.sane()


CHECKOUT = os.environ.get("SLEIGHT_LEAP_OFFICIAL", "")


class Official(Module):
    """The official node itself, unmodified, with its own bus client, on emulated motors."""

    def __init__(self, folder, **parameters):
        super().__init__(folder, **parameters)
        self.emulator = LeapEmulator(COUNT, link=folder / "leap")

    def __exit__(self, *_):
        super().__exit__()
        self.emulator.close()

    def start_module(self):
        self.run_module(str(HERE / "official_runner.py"), CHECKOUT, self.emulator.path)


needs_checkout = pytest.mark.skipif(not CHECKOUT, reason="SLEIGHT_LEAP_OFFICIAL names no checkout of the module")


@pytest.mark.parametrize("kind", [Module, pytest.param(Official, marks=needs_checkout)])
@pytest.mark.parametrize("positions", [[math.nan] * COUNT, [math.pi] * (COUNT - 1)], ids=["nan", "length"])
def test_the_module_dies_of_what_the_adapter_keeps_from_it(tmp_path, kind, positions):
    with kind(tmp_path) as module:
        module.arrive(TARGETS)
        popen = module.processes.running.pop("double").popen

        def dead():
            module.past_the_adapter(positions)
            return popen.poll() is not None

        module.wait(dead, "the death of the module")
        assert popen.returncode != 0


@needs_checkout
def test_the_official_node_itself_obeys_and_survives(tmp_path):
    with Official(tmp_path) as module:
        module.arrive(TARGETS)
        wanted = MAPPING.motor_angles(np.array([TARGETS[name] for name in NAMES])) / (2 * math.pi / 4096)
        # Its client cuts off fractions of a tick.
        by_motor = dict(zip(CONFIG.ids, np.floor(wanted).astype(int).tolist(), strict=True))
        assert module.emulator.goals() == [by_motor[motor] for motor in range(COUNT)]
        zeros = [0.0] * COUNT
        for names, positions in ((NAMES, [*zeros[:-1], math.nan]), (NAMES[:-1], zeros[:-1]), ([], zeros)):
            module.trajectory(names, positions)
            module.joint_command(names, positions)
        module.fresh_states(5)
        module.processes.check()
        module.arrive({name: -angle for name, angle in TARGETS.items()})
        # A bus that answers no more: its client repeats what it read last, and the adapter notices.
        module.emulator.faults.add("drop")
        module.target = TARGETS
        module.wait(lambda: module.values("leap_official").get("level") == ERROR, "the alarm")
        module.wait(lambda: module.silent(module.states, 1.0), "silence of the states")
        module.sane()
