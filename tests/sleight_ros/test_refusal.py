"""How a node tells whoever started it why it does not start, and how the demos read it."""

import sys
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from sleight_core.errors import SleightError
from sleight_ros.demo.runner import await_graph
from sleight_ros.processes import Processes
from sleight_ros.refusal import FILE, read_refusal, tell_refusal

NODES = ("sim_node", "hand_bridge", "policy_node", "perception_node")
SLEEP = "import time; print('ready', flush=True); time.sleep(600)"


def test_a_refusal_is_one_line_and_can_be_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "node.refusal"
    tell_refusal("nobody asked")
    monkeypatch.setenv(FILE, str(path))
    assert read_refusal(path) == ""
    tell_refusal("no such hand:\n  claw")
    assert read_refusal(path) == "no such hand: claw" and list(tmp_path.iterdir()) == [path]
    tell_refusal("")
    tell_refusal("")
    assert read_refusal(path) == "" and not path.exists()


def test_a_process_that_is_started_again_has_not_refused_yet(tmp_path):
    refuse = "from sleight_ros.refusal import tell_refusal; tell_refusal('no such hand')"
    with Processes(tmp_path, 1) as processes:
        first = processes.start("hand_bridge", [sys.executable, "-c", refuse])
        first.popen.wait(60)
        with pytest.raises(SleightError, match="^hand_bridge refused to start: no such hand$"):
            processes.check()
        processes.running.pop("hand_bridge")
        processes.start("hand_bridge", [sys.executable, "-c", SLEEP])
        processes.check_refusal("hand_bridge")


def started(processes, **programs):
    """The demo's nodes, as small programs that have said something."""
    for name in NODES:
        process = processes.start(name, [sys.executable, "-c", programs.get(name, SLEEP)])
        end = time.monotonic() + 60.0
        while "ready" not in process.log.read_text():
            assert time.monotonic() < end
            time.sleep(0.02)


class Client(SimpleNamespace):
    """Has heard of everybody, and asks once."""

    def wait(self, condition, _what, _timeout):
        assert condition()


def test_the_demo_ends_with_what_a_node_says_and_not_with_what_it_logs(tmp_path):
    client = Client(sim=1, status=1, telemetry=1, estimate=1)
    said = "print('[WARN] [1.0] [hand_bridge]: command refused: too late', flush=True); "
    with Processes(tmp_path, 1) as processes:
        started(processes, hand_bridge=said + SLEEP)
        await_graph(client, processes)  # pyright: ignore[reportArgumentType]
    refuse = "from sleight_ros.refusal import tell_refusal; tell_refusal('no bundle | refused: there'); "
    with Processes(tmp_path, 1) as processes:
        started(processes, policy_node=refuse + SLEEP)
        with pytest.raises(SleightError, match=r"^policy_node refused to start: no bundle \| refused: there$"):
            await_graph(client, processes)  # pyright: ignore[reportArgumentType]
