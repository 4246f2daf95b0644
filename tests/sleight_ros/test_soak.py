"""The whole graph in simulation for SLEIGHT_SOAK_SECONDS (default: an hour), with random faults all the while."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("open3d")

from sleight_ros.demo.client import DemoClient
from sleight_ros.processes import DeadNodeError, GraphError, Processes
from sleight_ros.profiles import profile_path

from .faults.relay import FAULTS, Relay, resident_kib

DURATION = float(os.environ.get("SLEIGHT_SOAK_SECONDS") or 3600.0)
SEED = int(os.environ.get("SLEIGHT_SOAK_SEED") or 0)
#: Memory is compared from here on: every kind of message, model and fault has been met by then.
WARM_UP = max(0.3 * DURATION, min(600.0, 0.5 * DURATION))
GROWTH = 0.01
BUNDLE = Path(__file__).parents[2] / "policies" / "shadow_base"
NODES = ("sim_node", "hand_bridge", "policy_node", "perception_node")
RAW = ("joint_states", "wrist/odometry", "policy/command")
OPERATORS = ("stop", "release", "reset", "deactivate", "freeze policy_node", "freeze perception_node")
#: Only while memory is not compared yet: a new process begins anew.
KILLS = ("kill policy_node", "kill perception_node")

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.timeout(DURATION + 1200)]


class Soak:
    """The graph with the relay in between, and its operator."""

    def __init__(self, graph: Processes, client: DemoClient, relay: Relay) -> None:
        self.graph, self.client, self.relay = graph, client, relay
        self.rng = np.random.default_rng(SEED)
        self.kills = self.engagements = self.faults = 0
        self.memory: dict[str, list[int]] = {name: [] for name in NODES}

    def start(self, name: str) -> None:
        """Start a node with its topics led through the relay."""
        module = {"hand_bridge": "bridge_node"}.get(name, name)
        command = [sys.executable, "-m", f"sleight_ros.nodes.{module}", "--ros-args", "-r", f"__node:={name}"]
        command += ["--params-file", str(profile_path("shadow_sim"))]
        if name == "policy_node":
            command += ["-p", f"bundle:={BUNDLE}", "-r", "policy/command:=raw/policy/command"]
        if name == "sim_node":
            command += ["-p", "objects:=['household:cylinder:0', 'household:box:0']"]
            command += [part for topic in RAW[:2] for part in ("-r", f"{topic}:=raw/{topic}")]
        if os.environ.get("SLEIGHT_SOAK_ORDINARY"):
            command += ["-p", "realtime_priority:=0"]
        self.graph.start(name, command)

    def reset(self) -> None:
        """Put the hand and the object back, as the demo does between episodes."""
        client = self.client
        client.activate_bridge(False)
        client.reset("", int(self.rng.integers(2**31)))
        client.trigger("perception/reset")
        self.relay.monitor.restarts += 1
        client.activate_bridge(True)

    def engage(self) -> None:
        """Let the policy move the hand."""
        state = self.client.sim
        if state is not None and state.done:
            self.reset()
        self.client.trigger("policy/engage", patience=10.0)
        self.client.trigger("bridge/rearm")
        self.engagements += 1

    def round(self, kills: bool) -> None:
        """Follow for a while, break something for a while."""
        if self.relay.state not in ("ACTIVE", "BLENDING"):
            self._ask(self.engage)
        time.sleep(self.rng.uniform(0.3, 2.0))
        choice = str(self.rng.choice([*FAULTS, *OPERATORS, *(KILLS if kills else ())]))
        self.faults += 1
        if choice in FAULTS:
            self.relay.fault = choice
            time.sleep(self.rng.uniform(0.05, 0.8))
            self.relay.fault = ""
        else:
            self._ask(lambda: self._operate(choice))
        self._look()

    def _ask(self, what: Callable[[], None]) -> None:
        """Do something that the graph may refuse, or be too late for; the next round asks again."""
        try:
            what()
        except DeadNodeError:
            raise
        except GraphError as error:
            print(f"soak: {error}")

    def _operate(self, choice: str) -> None:
        client = self.client
        word, _, node = choice.partition(" ")
        if word == "stop":
            client.trigger("bridge/stop")
        elif word == "release":
            client.trigger("policy/release")
        elif word == "reset":
            self.reset()
        elif word == "deactivate":
            client.activate_bridge(False)
            self.relay.monitor.restarts += 1
            client.activate_bridge(True)
        elif word == "freeze":
            popen = self.graph.running[node].popen
            popen.send_signal(signal.SIGSTOP)
            time.sleep(self.rng.uniform(0.1, 0.6))
            popen.send_signal(signal.SIGCONT)
        elif word == "kill":
            self.graph.kill(node)
            self.kills += 1
            self.start(node)

    def _look(self) -> None:
        self.graph.check()
        for name in NODES:
            self.memory[name].append(resident_kib(self.graph.running[name].popen.pid))


def growth(samples: list[int]) -> float:
    """Growth of memory between the first and the last fifth of the samples, as a share."""
    fifth = max(1, len(samples) // 5)
    return float(np.median(samples[-fifth:]) / np.median(samples[:fifth])) - 1.0


def test_an_hour_of_random_faults_is_safe_and_costs_no_memory(tmp_path):
    graph = Processes(tmp_path / "graph", int(os.environ["ROS_DOMAIN_ID"]))
    with graph, Relay(SEED) as relay, DemoClient(graph.environment, graph.check) as client:
        soak = Soak(graph, client, relay)
        for name in NODES:
            soak.start(name)
        client.wait(lambda: client.sim is not None and relay.status is not None, "the graph", 120.0)
        client.wait(lambda: client.estimate is not None and client.serves("policy/engage"), "the policy", 120.0)
        begin = time.monotonic()
        warm = False
        while time.monotonic() - begin < DURATION:
            if not warm and time.monotonic() - begin > WARM_UP:
                warm = True
                soak.memory = {name: [] for name in NODES}
            soak.round(kills=not warm)
        relay.fault = ""
        graph.check()
        logs = {name: (graph.folder / f"{name}.log").read_text(errors="replace") for name in NODES}
        client.activate_bridge(False)
    monitor = relay.monitor
    grown = {name: growth(samples) for name, samples in soak.memory.items()}
    print(
        f"soak: {DURATION:.0f} s, {soak.faults} faults, {soak.kills} kills, {soak.engagements} engagements, "
        f"{monitor.messages} messages ({monitor.lost} lost on the way here), {len(monitor.violations)} unsafe; "
        f"states {dict(relay.states)}; holds {dict(relay.reasons.most_common())}; "
        f"memory { ({name: f'{100 * share:+.2f} %' for name, share in grown.items()}) }"
    )
    monitor.check()
    assert not any("Traceback" in text for text in logs.values())
    assert relay.states["ACTIVE"] > 0 and len(relay.reasons) >= 5
    assert all(share < GROWTH for share in grown.values()), grown
