"""One policy through several bridges, in the whole graph: simulation, perception, policy, bridge, as processes."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("open3d")
pytest.importorskip("onnx")

from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.bridges.compare import NODES, PROFILES, Outcome, difference, judge
from sleight_ros.demo.score import Episode
from sleight_ros.graph.changes import parse_changes

from ..bundles import tiny_bundle

COMPARE = [sys.executable, "-m", "sleight_ros.bridges.compare"]
#: Down to the object, fingers half closed: enough for everything to move.
BIAS = np.concatenate([[0.0, 0.0, -0.3, 0.0, 0.0, 0.1], np.full(18, 0.2)])


def outcome(held, count, *, violations=0, understood=100):
    episodes = [Episode(i, "thing", "family", i < held, True) for i in range(count)]
    return Outcome("x", episodes, {"hand": understood}, understood, violations)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(60, 200))
def test_the_interval_of_a_difference_holds_it_and_stays_a_difference(held, other, count):
    gap, low, high = difference(held, count, other, count)
    assert -1.0 <= low <= gap <= high <= 1.0
    mirrored = difference(other, count, held, count)
    assert mirrored == pytest.approx((-gap, -high, -low))


def test_a_bridge_that_is_worse_or_breaks_an_interface_fails():
    direct = outcome(38, 40)
    for one, passed in (
        (outcome(36, 40), True),
        (outcome(20, 40), False),
        (outcome(38, 40, violations=1), False),
        (outcome(38, 40, understood=0), False),
    ):
        assert judge([direct, one])[1]["passed"] is passed


def test_changes_are_read_by_node():
    found = parse_changes(["hand_bridge.blend_time=0.5", "sim_node.objects=[a, b]", "hand_bridge.hand=leap"], NODES)
    assert found == {"hand_bridge": {"blend_time": 0.5, "hand": "leap"}, "sim_node": {"objects": ["a", "b"]}}
    for wrong in ("blend_time=1", "other.x=1", "hand_bridge.x", "hand_bridge=1", "hand_bridge.x=[", "hand_bridge.x="):
        with pytest.raises(SleightError, match="--set"):
            parse_changes([wrong], NODES)


@pytest.mark.whole_graph
def test_a_wrong_profile_is_refused_in_one_line(tmp_path):
    profile = tmp_path / "mine.yaml"
    profile.write_text("/**:\n  ros__parameters:\n    bridge:\n      hand: {adapter: joint_trajectry}\n")
    tiny_bundle(tmp_path / "bundle", bias=BIAS)
    for arguments, words in (
        (["--profile", "shadow_sym"], "did you mean 'shadow_sim'"),
        (["--profile", str(profile)], "did you mean 'joint_trajectory'"),
    ):
        options = ["--bundle", str(tmp_path / "bundle"), "--out", str(tmp_path / "out"), "--episodes", "1"]
        result = subprocess.run(
            [*COMPARE, *options, *arguments], capture_output=True, text=True, timeout=240, check=False
        )
        assert result.returncode == 2, result.stderr
        assert words in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr


@pytest.mark.whole_graph
@pytest.mark.parametrize("profile", ["forward_command_sim", "shadow_topics_sim", "shadow_ur5e_sim"])
def test_the_whole_graph_runs_through_a_bridge_and_breaks_no_interface(tmp_path, profile):
    tiny_bundle(tmp_path / "bundle", bias=BIAS)
    command = [*COMPARE, "--bundle", str(tmp_path / "bundle"), "--object", "household:can:3", "--episodes", "1"]
    command += ["--profile", profile, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "figures.json")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert result.returncode == 0, result.stderr
    row = json.loads((tmp_path / "figures.json").read_text())["profiles"][0]
    assert row["understood"] > 50 and row["violations"] == 0 and not row["notes"]
    assert row["per_episode"][0]["done"]


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.timeout(5400)
def test_the_same_bundle_lifts_the_same_object_through_every_bridge_as_well_as_directly(tmp_path):
    command = [*COMPARE, "--episodes", "24", "--out", str(tmp_path / "out"), "--json", str(tmp_path / "figures.json")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=5000, check=False)
    print(result.stderr)
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "figures.json").read_text())["profiles"]
    assert [row["profile"] for row in rows] == list(PROFILES) and len(rows) >= 6
    assert all(row["violations"] == 0 and row["episodes"] == 24 for row in rows)
