"""The demo from its command line to its page, with a policy that grasps nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("open3d")
pytest.importorskip("onnx")
pytest.importorskip("rosbags")

from .bundles import tiny_bundle

pytestmark = pytest.mark.whole_graph
#: Down to the object, fingers half closed: enough for everything to move.
BIAS = np.concatenate([[0.0, 0.0, -0.3, 0.0, 0.0, 0.1], np.full(18, 0.2)])
# As from a terminal: a shell's background job, which this test run may be, starts with interrupts ignored.
LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
SLEIGHT = [sys.executable, "-c", LISTEN + "from sleight_core.cli import main; main()"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_bundle(folder, bias=BIAS)
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory, bundle):
    out = tmp_path_factory.mktemp("demo")
    command = ["demo", "grasp", "--episodes", "2", "--object", "household:can:3", "--object", "household:box:1"]
    command += [
        "--bundle",
        str(bundle),
        "--headless",
        "--out",
        str(out / "results"),
        "--json",
        str(out / "figures.json"),
    ]
    result = subprocess.run([*SLEIGHT, *command], capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    return out, result


def test_the_demo_plays_all_episodes_and_sends_nothing_unsafe(demo):
    out, _ = demo
    figures = json.loads((out / "figures.json").read_text())
    assert figures == json.loads((out / "results" / "results.json").read_text())
    assert figures["episodes"] == 2 and figures["held_success"] == 0.0
    assert 0.0 == figures["ci95"][0] < figures["ci95"][1] < 1.0
    assert [row["name"] for row in figures["per_episode"]] == ["household:can:3", "household:box:1"]
    assert all(row["done"] and not row["note"] for row in figures["per_episode"])
    assert figures["safety"]["violations"] == [] and figures["safety"]["messages"] > 400
    assert figures["control"]["joint_state_to_command_s"]["count"] > 200
    assert set(figures["per_family"]) == {"can", "box"}


def test_the_page_needs_nothing_else(demo):
    page = (demo[0] / "results" / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)[^#"]', page)
    assert page.count("<svg") >= 3 and "Wilson" in page
    assert "video/mp4;base64" in page or "No video: " in page


def test_the_recording_holds_every_small_topic_and_thinned_clouds(demo):
    from rosbags.highlevel import AnyReader
    from sleight_ros.recording.typestore import sleight_typestore

    with AnyReader([demo[0] / "results" / "bag"], default_typestore=sleight_typestore()) as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
        wanted = [
            "/joint_states",
            "/bridge/sent",
            "/policy/telemetry",
            "/object/cloud",
            "/sim/state",
            "/camera/front/points",
            "/object/estimate",
        ]
        assert all(counts.get(topic, 0) > 2 for topic in wanted), counts
        assert counts["/camera/front/points"] < counts["/object/cloud"], (
            "cameras are thinned, what a policy sees is not"
        )
        connection = next(c for c in reader.connections if c.topic == "/bridge/sent")
        _, _, raw = next(reader.messages(connections=[connection]))
        sent: Any = reader.deserialize(raw, connection.msgtype)
        assert len(sent.joint_names) == 18


def test_no_process_and_no_shared_memory_is_left(demo):
    ours = str(demo[0])
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline") as file:
                    assert ours not in file.read()
            except OSError:
                continue


def test_a_demo_that_is_interrupted_ends_its_nodes(tmp_path, bundle):
    out = tmp_path / "results"
    command = [*SLEIGHT, "demo", "grasp", "--episodes", "50", "--object", "household:can:3", "--out", str(out)]
    process = subprocess.Popen([*command, "--bundle", str(bundle)], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (out / "logs" / "hand_bridge.log").exists() and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "Traceback" not in words
    for name in ("sim_node", "hand_bridge", "policy_node", "perception_node", "recorder"):
        log = out / "logs" / f"{name}.log"
        assert not log.exists() or "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--object", "household:unicorn"], "household"),
        (["--object", "no/such/file.stl"], "no/such/file.stl"),
        (["--bundle", "no/such/bundle"], "no/such/bundle"),
        (["--profile", "nonsense"], "nonsense"),
        (["--episodes", "0"], "episodes"),
    ],
)
def test_wrong_use_is_refused_in_one_line(tmp_path, bundle, arguments, words):
    command = ["demo", "grasp", "--out", str(tmp_path / "results")]
    if "--bundle" not in arguments:
        command += ["--bundle", str(bundle)]
    result = subprocess.run([*SLEIGHT, *command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr
