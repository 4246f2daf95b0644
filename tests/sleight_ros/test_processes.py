"""Processes end with us, however we end."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sleight_ros.processes import DeadNodeError, GraphError, Processes

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
IGNORE = "import signal as s, time; s.signal(2, s.SIG_IGN); s.signal(15, s.SIG_IGN); print('ready', flush=True); "
STUBBORN = [sys.executable, "-c", IGNORE + "time.sleep(600)"]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, timeout=15.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_dead_node_is_named_with_its_last_words(tmp_path):
    with Processes(tmp_path, 1) as processes:
        processes.start("talker", [sys.executable, "-c", "print('out of paper'); raise SystemExit(3)"])
        with pytest.raises(DeadNodeError, match="'talker' ended with status 3.*out of paper"):
            processes.wait_for(lambda: False, "nothing", 10.0)


def test_a_killed_node_is_named_with_its_signal(tmp_path):
    with Processes(tmp_path, 1) as processes:
        process = processes.start("sleeper", SLEEPER)
        os.kill(process.popen.pid, signal.SIGKILL)
        with pytest.raises(DeadNodeError, match="SIGKILL"):
            processes.wait_for(lambda: False, "nothing", 10.0)


def test_waiting_ends_with_what_was_waited_for(tmp_path):
    with Processes(tmp_path, 1) as processes:
        processes.start("sleeper", SLEEPER)
        with pytest.raises(GraphError, match="timed out.*the moon"):
            processes.wait_for(lambda: False, "the moon", 0.1)


def test_all_end_even_those_that_ignore_signals(tmp_path, monkeypatch):
    monkeypatch.setattr("sleight_ros.processes.GRACE", 0.3)
    with Processes(tmp_path, 1) as processes:
        pids = [processes.start("a", SLEEPER).popen.pid, processes.start("b", STUBBORN).popen.pid]
        for name in "ab":
            wait_until(lambda name=name: "ready" in (tmp_path / f"{name}.log").read_text())
    assert not any(alive(pid) for pid in pids)


# A shell starts background jobs, perhaps this whole test run, with interrupts ignored: the owner listens to them.
OWNER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from sleight_ros.processes import Processes
with Processes(Path(sys.argv[1]), 1) as processes:
    process = processes.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
    print(process.popen.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_orphan_is_left_whatever_ends_the_owner(tmp_path, number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert alive(pid)
    owner.send_signal(number)
    owner.wait(timeout=20)
    wait_until(lambda: not alive(pid))


def test_graphs_stay_on_this_machine(tmp_path):
    environment = Processes(tmp_path, 7).environment
    assert environment["ROS_DOMAIN_ID"] == "7"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert "ROS_LOCALHOST_ONLY" not in environment
    assert environment["ROS_LOG_DIR"].startswith(str(tmp_path))
    assert 1 <= Processes(tmp_path).domain <= 80
