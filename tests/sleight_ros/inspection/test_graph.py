"""A running graph is watched and recorded, and its recording replayed: all with real processes over DDS."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")
pytest.importorskip("onnx")

from sleight_ros.cli.replay import app as replay_app
from sleight_ros.recording.topics import REPLAYED
from typer.testing import CliRunner

from ..bundles import tiny_bundle
from ..rig import PATIENCE, PERIOD, Rig
from .builders import mixed_bundle

# A replay needs to tell what the policy had heard, which a graph that waits for its neighbours blurs.
pytestmark = pytest.mark.serial
NAMES = ("grasp", "lift", "hold")
MONITOR = [sys.executable, "-c", "from sleight_ros.cli.monitor import app; app()"]


class Watched:
    """What a run of the graph left behind."""

    def __init__(self, folder):
        self.folder = folder
        self.bundle = folder / "bundle"
        with Rig(folder, make_bundle=lambda path: mixed_bundle(path, names=NAMES, period=PERIOD)) as rig:
            self._run(rig)
            self.telemetry = [msg for _, msg in rig.robot.heard.telemetry]

    def _run(self, rig):
        robot, processes = rig.robot, rig.processes
        for name in ("whole", "killed"):
            arguments = [str(self.folder / "bags"), "--name", name, "--ros-args", "-r", f"__node:={name}"]
            processes.start(name, [sys.executable, "-m", "sleight_ros.recording", *arguments])
        topics = [f"/{topic}" for topic in REPLAYED if topic != "object/cloud"]

        def listening():
            processes.check()
            heard = [{i.node_name for i in robot.node.get_subscriptions_info_by_topic(t)} for t in topics]
            return all({"whole", "killed"} <= names for names in heard)

        robot.wait(listening, 2 * PATIENCE, "the recorders")
        rig.follow()
        self.after(robot, 40)
        # A machine that is busy makes the policy wait now and then; a picture of that moment shows no ticks.
        for _ in range(5):
            self.json = self.monitor(processes, "--json")
            if json.loads(self.json)["policy"]["rate"]:
                break
        for _ in range(5):
            self.text = self.monitor(processes, "--once")
            if "residual" in self.text:
                break
        # Engaged again on top of it: another heading.
        assert robot.trigger("policy/engage", PATIENCE).success
        self.after(robot, 40)
        robot.trigger("policy/release", PATIENCE)
        processes.running["killed"].popen.send_signal(signal.SIGKILL)
        processes.running.pop("killed").popen.wait()
        self.status = processes.end("whole")

    def after(self, robot, count):
        """Wait for so many more commands."""
        wanted = len(robot.heard.commands) + count
        robot.wait(lambda: len(robot.heard.commands) >= wanted, PATIENCE, "commands")

    def monitor(self, processes, *arguments):
        """What the monitor prints."""
        result = subprocess.run(
            [*MONITOR, *arguments, "--timeout", "60"],
            env=processes.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return Watched(tmp_path_factory.mktemp("watched"))


def replayed(bag, bundle, out):
    result = CliRunner().invoke(replay_app, [str(bag), "--bundle", str(bundle), "--json", str(out)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(out.read_text()), result.output


def test_telemetry_carries_experts_weights_and_residual(watched):
    ticks = [msg for msg in watched.telemetry if len(msg.action)]
    assert len(ticks) > 40
    for msg in ticks:
        assert tuple(msg.expert_names) == NAMES and len(msg.expert_weights) == 3 and len(msg.residual) == 24
        assert sum(msg.expert_weights) == pytest.approx(1.0, abs=1e-5) and not msg.mask
        assert msg.inference_time > 0 and msg.tick_time > msg.inference_time


def test_a_replay_of_the_recording_is_equal(watched, tmp_path):
    status, found, output = replayed(watched.folder / "bags" / "whole", watched.bundle, tmp_path / "out.json")
    assert status == 0 and found["equal"] and found["same_bundle"], output
    assert found["ticks"] > 60 and not found["notes"], found
    assert set(found["parts"]) == {"observation", "network", "action", "expert_weights", "residual", "command"}
    assert watched.status == 0


def test_a_killed_recorder_leaves_a_bag_that_replays(watched, tmp_path):
    bag = watched.folder / "bags" / "killed"
    assert not (bag / "metadata.yaml").exists()
    status, found, output = replayed(bag, watched.bundle, tmp_path / "out.json")
    assert status == 0 and found["ticks"] > 20 and "cut off" in found["notes"][0], output


def test_another_bundle_differs_by_name(watched, tmp_path):
    tiny = tiny_bundle(tmp_path / "tiny", bias=np.full(24, 0.3), period=PERIOD)
    status, found, output = replayed(watched.folder / "bags" / "whole", tiny.path, tmp_path / "out.json")
    assert status == 1 and not found["equal"] and not found["same_bundle"] and "another bundle" in found["notes"][0]
    assert found["parts"]["observation"]["worst"] < 1e-6
    names = {row["element"] for row in found["differences"]}
    assert any(name.startswith("hand_joints.") for name in names) and "DIFFERS" in output


def test_the_monitor_tells_what_goes_on(watched):
    found = json.loads(watched.json)
    assert found["bridge"]["state"] in ("ACTIVE", "BLENDING", "HOLD")
    limits = {source["name"]: source["limit"] for source in found["bridge"]["sources"]}
    assert limits["joint_state"] == pytest.approx(max(2 * PERIOD, 0.05)) and None not in limits.values()
    policy = found["policy"]
    assert [name for name, _ in policy["experts"]] == list(NAMES)
    assert policy["residual_norm"] > 0 and policy["rate"] > 0
    assert len(found["joints"]) == 5 and all(joint["name"] for joint in found["joints"])
    assert "grasp" in watched.text and "residual" in watched.text


def test_the_monitor_says_when_there_is_no_graph():
    # The last one that is safe on every system: no test and no demo is there.
    result = subprocess.run(
        [*MONITOR, "--once", "--timeout", "1"],
        env={**os.environ, "ROS_DOMAIN_ID": "101"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 1 and "no graph is heard" in result.stderr and not result.stdout
    assert len(result.stderr.splitlines()) == 1
