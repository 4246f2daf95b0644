"""A simulation beside a real hand, over DDS: who follows whom, and every trap of a simulation's clock and order."""

import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy")

import numpy as np
from sleight_core.safety import ReasonCode, SafetyState
from sleight_ros.emulator import LeapEmulator
from sleight_ros.graph.mirror import mirror_profile
from sleight_ros.isaac.gym_link import GymLink

from ..drivers.rig import CONFIG, COUNT, NAMES
from .graph import LIMITS, MODULE, PERIOD, URDF, Graph

pytestmark = pytest.mark.graph
LOADED = {"joint_state_max_age": 0.5, "realtime_priority": 0, "blend_time": 0.3, "velocity_scale": 1.0}
PATIENT = {"leader.max_age": 0.3, "leader.pause_after": 0.3}
PORT = 45000 + os.getpid() % 10000


def assert_safe(graph):
    """Every command names every joint once, within the limits, and close to the one before it."""
    before = None
    for _, command in graph.commands:
        assert set(command) == set(LIMITS.names)
        for j, name in enumerate(LIMITS.names):
            assert LIMITS.lower[j] - 1e-9 <= command[name] <= LIMITS.upper[j] + 1e-9
            if before is not None:
                assert abs(command[name] - before[name]) <= 1.6 * PERIOD * LIMITS.velocity[j]
        before = command


def assert_active_hold(graph):
    count, held = len(graph.commands), graph.commands[-1][1]
    graph.wait(lambda: len(graph.commands) > count + 5, "an active hold")
    assert all(command == held for _, command in graph.commands[count + 1 :])


def test_the_real_hand_follows_and_is_held_whatever_the_simulation_does(tmp_path):
    with Graph(tmp_path) as graph:
        graph.start({**LOADED, **PATIENT}, profile=mirror_profile("leap"))
        graph.wait(lambda: graph.is_in(SafetyState.IDLE, ReasonCode.NOT_ARMED), "the bridge")
        assert not graph.commands
        assert graph.trigger("bridge/rearm").success
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE) and graph.follows(), "the hand at the simulation")

        # Another order in every message, and joints of other robots.
        graph.faults |= {"shuffled", "extra"}
        for j, name in enumerate(LIMITS.names):
            graph.wanted[name] = 0.5 * LIMITS.upper[j] - 0.02 * j
        graph.wait(graph.follows, "each joint at its own angle")

        # A joint less: held by name, and it goes on by itself.
        graph.faults |= {"missing"}
        graph.wait(lambda: graph.is_in(SafetyState.HOLD, ReasonCode.MISSING_JOINT), "a hold")
        assert "mf_dip" in graph.last()[2]
        graph.faults.clear()
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE), "the end of the hold")

        # Paused: Isaac Sim falls silent; an Isaac Gym viewer goes on with a clock that stands, and joints are dragged.
        graph.faults |= {"paused"}
        graph.wait(lambda: graph.is_in(SafetyState.HOLD, ReasonCode.STALE_COMMAND), "a hold")
        assert "paused" in graph.last()[2]
        assert_active_hold(graph)
        graph.faults.clear()
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE), "the end of the pause")
        graph.faults |= {"stands"}
        graph.wait(lambda: graph.is_in(SafetyState.HOLD, ReasonCode.FROZEN_STAMP), "a hold")
        graph.wanted = dict.fromkeys(graph.wanted, 0.0)
        assert_active_hold(graph)
        graph.faults.clear()
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE) and graph.follows(), "the end of the pause")

        # The clock jumps ahead: a hold, and a blend from there.
        graph.sim_time += 100.0
        graph.wait(lambda: any(m.reason == ReasonCode.FUTURE_STAMP for _, m in graph.status), "a hold")
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE), "the end of the hold")

        # It begins anew: latched, until somebody has looked.
        graph.sim_time, graph.wanted = 0.0, {name: 0.3 for name in graph.wanted}
        graph.wait(lambda: graph.is_in(SafetyState.STOPPED, ReasonCode.BACKWARD_TIME), "a stop")
        assert_active_hold(graph)
        time.sleep(20 * PERIOD)
        assert graph.is_in(SafetyState.STOPPED)
        assert graph.trigger("bridge/rearm").success
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE) and graph.follows(), "the hand at the simulation")
        assert_safe(graph)
        assert "Traceback" not in (tmp_path / "hand_bridge.log").read_text()


def test_a_simulation_whose_states_bear_no_time_is_followed_by_its_clock(tmp_path):
    with Graph(tmp_path) as graph:
        graph.start({**LOADED, **PATIENT, "leader.clock": "clock"}, profile=mirror_profile("leap"))
        graph.wait(lambda: graph.is_in(SafetyState.IDLE, ReasonCode.NOT_ARMED), "the bridge")
        graph.trigger("bridge/rearm")
        graph.wait(lambda: graph.is_in(SafetyState.ACTIVE) and graph.follows(), "the hand at the simulation")
        graph.sim_time = 0.0
        graph.wait(lambda: graph.is_in(SafetyState.STOPPED, ReasonCode.BACKWARD_TIME), "a stop")


def test_an_isaac_gym_process_is_followed_through_its_two_lines(tmp_path):
    link = GymLink(list(URDF.values()), ("127.0.0.1", PORT))
    angles, sim_time = dict.fromkeys(URDF, 0.0), 0.0

    def step():
        nonlocal sim_time
        sim_time += PERIOD
        link.exchange(sim_time, [angles[name] for name in URDF])
        time.sleep(PERIOD)

    def until(condition, what):
        def stepped():
            step()
            return condition()

        graph.wait(stepped, what)

    with Graph(tmp_path, simulate=False) as graph:
        graph.start({"port": PORT}, name="isaac_gym", module="sleight_ros.nodes.isaac_gym_node")
        graph.start({**LOADED, **PATIENT}, profile=mirror_profile("leap"))
        until(lambda: graph.is_in(SafetyState.IDLE, ReasonCode.NOT_ARMED), "the bridge")
        graph.trigger("bridge/rearm")
        until(lambda: graph.is_in(SafetyState.ACTIVE), "the hand to follow")
        angles.update(if_mcp=0.4, th_ipl=0.6)
        graph.wanted = angles
        until(graph.follows, "the hand at the simulation")
        # The script is started again, and its clock happens to be ahead.
        link.close()
        link = GymLink(list(URDF.values()), ("127.0.0.1", PORT))
        until(lambda: graph.is_in(SafetyState.STOPPED, ReasonCode.BACKWARD_TIME), "a stop")
        assert_safe(graph)
    link.close()


def test_the_simulation_follows_the_real_hand(tmp_path):
    link = GymLink(list(URDF.values()), ("127.0.0.1", PORT))
    angles, sim_time = [0.0] * len(URDF), 0.0
    with Graph(tmp_path, simulate=False) as graph:
        graph.start({"port": PORT}, name="isaac_gym", module="sleight_ros.nodes.isaac_gym_node")
        # The double's `joint_states` are the hand's here, so the simulation's bridge lives one namespace below.
        topics = {"leader.topic": f"{graph.namespace}/joint_states"}
        for key in ("bridge.hand.states_topic", "states.hand.topic"):
            topics[key] = f"{graph.namespace}/isaac_joint_states"
        topics["bridge.hand.topic"] = f"{graph.namespace}/isaac_joint_commands"
        graph.processes.node(
            "sim_bridge",
            MODULE,
            {"joint_state_max_age": 0.5, "states.hand.max_age": 0.5, **topics},
            profile=mirror_profile("leap"),
            namespace=f"{graph.namespace}/sim",
        )

        def there():
            nonlocal angles, sim_time
            sim_time += PERIOD
            angles = link.exchange(sim_time, angles) or angles
            time.sleep(PERIOD)
            by_name = dict(zip(URDF, angles, strict=True))
            return all(abs(by_name[name] - graph.hand[name]) < 0.02 for name in LIMITS.names)

        graph.hand = {name: 0.2 + 0.01 * j for j, name in enumerate(graph.hand)}
        graph.wait(there, "the simulation at the hand")
        graph.hand = {name: 0.6 - 0.02 * j for j, name in enumerate(graph.hand)}
        graph.wait(there, "the simulation at the hand")
    link.close()


def test_the_motors_of_a_leap_hand_go_where_an_isaac_gym_process_is(tmp_path):
    """Every part but the simulator and the motors: the link, the bridge, the driver, its packets on a terminal."""
    emulator = LeapEmulator(COUNT, link=tmp_path / "leap", boot_time=0.05)
    link = GymLink(list(URDF.values()), ("127.0.0.1", PORT))
    angles, sim_time = dict.fromkeys(URDF, 0.0), 0.0
    with Graph(tmp_path, simulate=False, real=False) as graph:
        slow = {"reply_timeout": 0.1, "rate": 40.0, "max_failures": 15, "command_timeout": 0.5}
        driver = {"port": emulator.path, **slow}
        graph.start(driver, name="leap_driver", module="sleight_ros.drivers.leap_driver_node")
        graph.start({"port": PORT}, name="isaac_gym", module="sleight_ros.nodes.isaac_gym_node")
        graph.start({**LOADED, **PATIENT}, profile=mirror_profile("leap"))

        def stepped(condition):
            nonlocal sim_time
            sim_time += PERIOD
            link.exchange(sim_time, [angles[name] for name in URDF])
            time.sleep(PERIOD)
            return condition()

        graph.wait(lambda: stepped(lambda: graph.is_in(SafetyState.IDLE, ReasonCode.NOT_ARMED)), "the bridge")
        assert graph.trigger("driver/enable").success and graph.trigger("bridge/rearm").success
        angles.update({name: 0.05 * (1 + j % 5) for j, name in enumerate(URDF)})
        goals = CONFIG.mapping().ticks(np.array([angles[name] for name in NAMES]))
        graph.wait(lambda: stepped(lambda: np.abs(np.array(emulator.goals()) - goals).max() <= 1), "the motors' goals")
    link.close()
    emulator.close()


def refused(module, *parameters):
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    command = [sys.executable, "-m", module, "--ros-args", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "refused: " in line:
                return line
    finally:
        process.kill()
        process.wait()
    return ""


def test_what_does_not_fit_is_refused():
    assert "leader.topic" in refused(MODULE, "wrist:=false", "hand:=leap")
    own = refused(
        MODULE, "wrist:=false", "hand:=leap", "leader.topic:=joint_states", "bridge.hand.adapter:=joint_state_command"
    )
    assert "follower's own states" in own
    assert "cannot be opened" in refused("sleight_ros.nodes.isaac_gym_node", "host:=203.0.113.1")
