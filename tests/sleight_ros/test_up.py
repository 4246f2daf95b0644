"""`sleight up`: the graph of a profile as processes, without ros2 launch."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("open3d")
pytest.importorskip("onnx")

from sleight_description import load_hand
from sleight_ros.cli.up import DISCOVERY, _set_discovery

from .bundles import tiny_bundle

#: A graph on a shared machine may take so long, s.
PATIENCE = 180.0
NODES = ("sim_node", "hand_bridge", "policy_node", "perception_node")

# A shell starts background jobs, perhaps this whole test run, with interrupts ignored: the command listens to them.
MAIN = """
import importlib, signal, sys
from importlib.metadata import EntryPoint
signal.signal(signal.SIGINT, signal.default_int_handler)
main = importlib.import_module("sleight_core.cli.main")
main.commands = lambda: {"up": EntryPoint("up", "sleight_ros.cli.up:app", main.GROUP)}
main.main(["up", *sys.argv[1:]])
"""


class Up:
    """A running `sleight up`; a context manager."""

    def __init__(self, folder, *words):
        self.folder = folder
        self.errors = folder / "stderr"
        command = [sys.executable, "-c", MAIN, *words, "--out", str(folder / "out")]
        command += ["--domain", os.environ["ROS_DOMAIN_ID"], "--patience", str(PATIENCE)]
        with self.errors.open("wb") as errors:
            self.popen = subprocess.Popen(command, stdout=errors, stderr=errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            self.popen.wait(timeout=PATIENCE)

    @property
    def said(self):
        return self.errors.read_text(errors="replace")

    def wait_for(self, words):
        end = time.monotonic() + PATIENCE
        while words not in self.said:
            assert self.popen.poll() is None and time.monotonic() < end, self.said
            time.sleep(0.05)

    def wait(self):
        return self.popen.wait(timeout=PATIENCE)

    def children(self):
        """Process of every node, by its name."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text().split("\0")
            except OSError:
                continue
            for word in words:
                if word.startswith("__node:=") and str(self.folder) in " ".join(words):
                    found[word.removeprefix("__node:=")] = int(path.parent.name)
        return found


def command(folder, *words):
    """Run to the end; return status and what was said."""
    with Up(folder, *words) as up:
        return up.wait(), up.said


@pytest.fixture
def bundle(tmp_path):
    tiny_bundle(tmp_path / "bundle")
    return ["--bundle", str(tmp_path / "bundle"), "--no-skills"]


#: Makes a file of the test's own stand on every node's command line, by which it is found again.
MINE = [word for name in NODES for word in ("--set", f"{name}.realtime_priority=0")]


@pytest.mark.whole_graph
def test_a_profile_comes_up_and_an_interrupt_ends_it_in_order(tmp_path, bundle):
    with Up(tmp_path, "shadow_sim", *bundle, *MINE, "--namespace", "right") as up:
        up.wait_for("ready on domain")
        for name in NODES:
            assert re.search(rf"{name} active$", up.said, re.MULTILINE)
        assert set(NODES) <= set(up.children())
        up.popen.send_signal(signal.SIGINT)
        assert up.wait() == 130
        assert not up.children()
    assert up.said.splitlines()[-1] == "sleight: interrupted"
    assert list((tmp_path / "out" / "recordings").rglob("*.mcap"))


@pytest.mark.whole_graph
def test_a_killed_node_is_reported_in_one_line(tmp_path, bundle):
    with Up(tmp_path, "shadow_sim", *bundle, *MINE, "--no-record") as up:
        up.wait_for("ready on domain")
        os.kill(up.children()["policy_node"], signal.SIGKILL)
        assert up.wait() == 1
        assert not up.children()
    last = up.said.splitlines()[-1]
    assert last.startswith("sleight: node 'policy_node' ended with signal SIGKILL") and "Traceback" not in up.said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["shadow_sym"], "did you mean 'shadow_sim'"),
        (["shadow_sim", "--set", "blend_time=1"], "--set wants NODE.PARAMETER=VALUE"),
        (["shadow_sim", "--set", "leap_driver.port=x"], "--set wants NODE.PARAMETER=VALUE"),
        (["shadow_sim", "--namespace", "9lives"], "no such namespace"),
        (["shadow_sim", "--hand-driver", "leap_driver"], "a simulated hand and a driver"),
        (["leap_ur5e", "--hand-driver", "lep"], "no such hand driver"),
        (["shadow_sim", "--bundle", "nowhere"], "no policy bundle there"),
    ],
)
def test_wrong_use_is_refused_before_anything_starts(tmp_path, bundle, words, expected):
    status, said = command(tmp_path, words[0], *bundle, *words[1:])
    assert status == 2 and said.startswith("sleight: ") and said.count("\n") == 1 and expected in said


@pytest.mark.parametrize(
    ("simulate", "variables", "expected"),
    [
        (True, {}, "LOCALHOST"),
        (False, {}, None),
        (False, {"ROS_LOCALHOST_ONLY": "1"}, "LOCALHOST"),
        (False, {DISCOVERY: "LOCALHOST"}, "LOCALHOST"),
        (True, {DISCOVERY: "SUBNET"}, "SUBNET"),
        (False, {DISCOVERY: "SUBNET", "ROS_LOCALHOST_ONLY": "1"}, "SUBNET"),
    ],
)
def test_only_a_graph_of_a_real_robot_is_seen_by_others(monkeypatch, simulate, variables, expected):
    for name in (DISCOVERY, "ROS_LOCALHOST_ONLY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    environment = {DISCOVERY: "LOCALHOST"}
    _set_discovery(environment, simulate)
    assert environment.get(DISCOVERY) == expected


@pytest.mark.whole_graph
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "hand_bridge.blend_time=99.0"], "hand_bridge refused to start: "),
        (["--set", "policy_node.hand=leap"], "policy_node refused to start: bundle: "),
        (["--set", "hand_bridge.blend_tim=1.0"], "did you mean 'blend_time'?"),
    ],
)
def test_a_refusing_node_is_named_with_its_reason(tmp_path, bundle, words, expected):
    status, said = command(tmp_path, "shadow_sim", *bundle, "--no-record", *words)
    last = said.splitlines()[-1]
    assert status == 2 and last.startswith("sleight: ") and expected in last and "Traceback" not in said, said


@pytest.mark.slow
@pytest.mark.whole_graph
@pytest.mark.parametrize("profile", ["isaac_shadow", "leap_ur5e"])
def test_hardware_profiles_can_be_rehearsed(tmp_path, profile):
    pytest.importorskip("mink")
    tiny_bundle(tmp_path / "bundle", table=load_hand("leap" if profile.startswith("leap") else "shadow"))
    words = [profile, "--sim", "--bundle", str(tmp_path / "bundle"), "--no-skills", "--no-record"]
    with Up(tmp_path, *words) as up:
        up.wait_for("ready on domain")
        up.popen.send_signal(signal.SIGTERM)
        assert up.wait() == 130
