"""A described graph as processes: the order of its end, refusals, what may be lost, namespaces."""

import sys
import time

import pytest

pytest.importorskip("rclpy")

from sleight_core.errors import SleightError
from sleight_ros.graph.description import GraphNode
from sleight_ros.graph.running import RunningGraph, check_namespace
from sleight_ros.graph.watch import GraphWatch
from sleight_ros.processes import DeadNodeError, Processes

#: A program that writes its name into a file when it is asked to end.
SLEEPER = """
import signal, sys, time
def end(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
"""
NAMES = ("recorder", "leap_driver", "hand_bridge", "policy_node", "perception_node", "skill_server")


class Silent(GraphWatch):
    """A watch to which nobody has spoken."""

    def __init__(self):
        pass

    def state(self, name):
        return ""

    def report(self, name):
        return ""


def described(name, **options):
    return GraphNode(name, name, "no.module", lifecycle=name != "recorder", vital=name != "recorder", **options)


def wait_until(condition, timeout=30.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def start(processes, name, text, *words):
    return processes.start(name, [sys.executable, "-c", text, *(str(word) for word in words)])


def test_the_bridge_ends_before_the_driver_and_the_recorder_last(tmp_path):
    order = tmp_path / "order"
    with Processes(tmp_path, 1) as processes:
        graph = RunningGraph(processes, [described(name) for name in NAMES], tmp_path / "profile.yaml", {}, "")
        for name in NAMES:
            start(processes, name, SLEEPER, order, name)
            wait_until(lambda name=name: "ready" in (tmp_path / f"{name}.log").read_text())
        graph.check(Silent())
        graph.end()
    expected = ["hand_bridge", "skill_server", "perception_node", "policy_node", "leap_driver", "recorder"]
    assert order.read_text().split() == expected


def test_the_graph_goes_on_without_its_recorder_but_without_nothing_else(tmp_path):
    with Processes(tmp_path, 1) as processes:
        nodes = [described("recorder"), described("hand_bridge")]
        graph = RunningGraph(processes, nodes, tmp_path / "profile.yaml", {}, "")
        start(processes, "hand_bridge", SLEEPER, tmp_path / "order", "hand_bridge")
        start(processes, "recorder", "print('disk full')").popen.wait(30)
        graph.check(Silent())
        assert graph.rows(Silent())[0] == ("recorder", "ended", "disk full")
        processes.running["hand_bridge"].popen.kill()
        processes.running["hand_bridge"].popen.wait(30)
        with pytest.raises(DeadNodeError, match="'hand_bridge' ended with signal SIGKILL"):
            graph.check(Silent())


@pytest.mark.parametrize("status", [2, None])
def test_a_refusal_is_told_whether_the_node_ended_or_not(tmp_path, status):
    last = f"sys.exit({status})" if status else "time.sleep(600)"
    with Processes(tmp_path, 1) as processes:
        graph = RunningGraph(processes, [described("hand_bridge")], tmp_path / "profile.yaml", {}, "")
        tell = "from sleight_ros.refusal import tell_refusal; tell_refusal('no such hand:\\n claw')"
        text = f"import sys, time; {tell}; print('told', flush=True); {last}"
        process = start(processes, "hand_bridge", text)
        wait_until(lambda: process.popen.poll() == status and "told" in process.log.read_text())
        with pytest.raises(SleightError, match="hand_bridge refused to start: no such hand: claw"):
            graph.check(Silent())


@pytest.mark.parametrize(
    "line",
    [
        "[ERROR] [1700000000.1] [hand_bridge]: refused: no such hand: claw",
        "[WARN] [1700000000.1] [leap_driver]: command refused: no target for 0",
        "refused: by somebody else",
    ],
)
def test_no_word_in_a_log_is_a_refusal(tmp_path, line):
    with Processes(tmp_path, 1) as processes:
        graph = RunningGraph(processes, [described("hand_bridge")], tmp_path / "profile.yaml", {}, "")
        process = start(processes, "hand_bridge", f"import time; print({line!r}, flush=True); time.sleep(600)")
        wait_until(lambda: line in process.log.read_text())
        graph.check(Silent())
        process.popen.kill()
        process.popen.wait(30)
        with pytest.raises(DeadNodeError, match="'hand_bridge' ended with signal SIGKILL"):
            graph.check(Silent())


def test_namespaces():
    for text, expected in (("", ""), ("/", ""), ("right", "/right"), ("/right", "/right"), ("a/b_2", "/a/b_2")):
        assert check_namespace(text) == expected
    for wrong in ("9lives", "a b", "/a/", "a//b", "ä", "~x"):
        with pytest.raises(SleightError, match="no such namespace"):
            check_namespace(wrong)
