"""The demo with a LEAP Hand on a UR5e: the real hand driver on an emulated bus, and a policy that grasps nothing."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("open3d")
pytest.importorskip("mink")
pytest.importorskip("dynamixel_sdk")

from pathlib import Path

from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_ros.demo.choice import choose

from .bundles import TERMS, tiny_bundle

SLEIGHT = [sys.executable, "-c", "from sleight_core.cli import main; main()"]
#: A little down and forward, fingers half closed.
BIAS = np.concatenate([[0.0, 0.1, -0.2, 0.0, 0.0, 0.1], np.full(16, -0.2)])
FELT = tuple(row for row in TERMS if row[0] != "fingertip_wrench")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_bundle(folder, bias=BIAS, terms=FELT, table=load_hand("leap_ur5e"))
    return folder


def test_a_bundle_brings_its_hands_profile(bundle):
    chosen = choose(None, bundle, None)
    assert (chosen.bundle, chosen.profile, chosen.hand_driver) == (bundle, "leap_ur5e_arm", True)
    assert choose(None, bundle, "shadow_sim").hand_driver is False
    assert choose("shadow", None, None).profile == "shadow_sim"


def test_a_hand_and_a_bundle_must_agree(bundle):
    with pytest.raises(SleightError, match="is for hand 'leap_ur5e'"):
        choose("shadow", bundle, None)
    with pytest.raises(SleightError, match="no bundle is shipped"):
        choose("allegro", None, None)
    with pytest.raises(SleightError, match="expected a bundle folder"):
        choose(None, Path("no/such/bundle"), None)


@pytest.mark.serial
@pytest.mark.slow
def test_the_demo_drives_motors_and_arm(tmp_path, bundle):
    out = tmp_path / "results"
    command = ["demo", "grasp", "--hand", "leap_ur5e", "--bundle", str(bundle), "--episodes", "1", "--no-video"]
    command += ["--object", "household:can:3", "--headless", "--out", str(out)]
    result = subprocess.run([*SLEIGHT, *command], capture_output=True, text=True, timeout=240, check=False)
    assert (out / "results.json").is_file(), result.stderr
    figures = json.loads((out / "results.json").read_text())
    assert figures["episodes"] == 1 and figures["per_episode"][0]["done"]
    assert figures["safety"]["violations"] == [] and figures["safety"]["messages"] > 100
    # A loaded machine makes replies late, which the driver calls a fault; but torque was on.
    log = (out / "logs" / "leap_driver.log").read_text()
    assert "holding" in log or "following" in log
