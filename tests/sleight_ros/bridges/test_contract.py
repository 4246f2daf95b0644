"""Every adapter against the strict fake of its controller, in two processes over DDS."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

import yaml
from sleight_ros.processes import Processes

from .host import HAND, Host

pytestmark = pytest.mark.graph
STREAMER = Path(__file__).with_name("streamer.py")
SLOW = {"time_from_start": 0.05}
#: How long a controller may take to be there on a loaded machine.
PATIENT = {"verify_timeout": 100.0}
KNOWN = {"states_topic": "robot/joint_states", "states_timeout": 100.0}
TWIST = {"adapter": "twist"}
WRIST = {"dialect": "twist"}
STATES = {"dialect": "joint_states", "topic": "robot/joint_states", "order": "mixed"}
FINGERS = [name for name in HAND.actuated_joint_names if not name.startswith("TH")]
THUMB = [name for name in HAND.actuated_joint_names if name.startswith("TH")]
SHADOW_STATES = {**STATES, "map": "shadow_e3m5", "prefix": "rh_", "extra": ["rh_WRJ1", "rh_WRJ2"]}
SHADOW_JTC = [
    *(f"rh_{finger}J{j}" for finger in ("FF", "MF", "RF", "LF") for j in (1, 2, 3, 4)),
    "rh_LFJ5",
    *(f"rh_THJ{j}" for j in (1, 2, 3, 4, 5)),
]

#: Name -> the bridge's section and the driver's.
CONTRACTS = {
    "joint_trajectory": (
        {"hand": {"adapter": "joint_trajectory", "controller": "hand_controller", **PATIENT}, "wrist": TWIST},
        {"hand": {"dialect": "joint_trajectory", "controller": "hand_controller"}, "wrist": WRIST},
    ),
    "joint_trajectory, unread and renamed": (
        {
            "hand": {"adapter": "joint_trajectory", "verify": False, "prefix": "right_", "time_from_start": 0.05},
            "wrist": TWIST,
        },
        {"hand": {"dialect": "joint_trajectory", "serve_parameters": False, "prefix": "right_"}, "wrist": WRIST},
    ),
    "two trajectory controllers": (
        {
            "fingers": {"adapter": "joint_trajectory", "controller": "fingers", "joints": FINGERS, **PATIENT},
            "thumb": {"adapter": "joint_trajectory", "controller": "/robot/thumb", "fixed": {"WRIST": 0.3}, **PATIENT},
            "wrist": TWIST,
        },
        {
            "fingers": {"dialect": "joint_trajectory", "controller": "fingers", "joints": FINGERS},
            "thumb": {
                "dialect": "joint_trajectory",
                "controller": "/robot/thumb",
                "joints": [*THUMB[::-1], "WRIST"],
                "extra": ["WRIST"],
            },
            "wrist": WRIST,
        },
    ),
    "forward_command": (
        {
            "hand": {"adapter": "forward_command", "controller": "forward", "fixed": {"extra": 0.25}, **PATIENT},
            "wrist": TWIST,
        },
        {
            "hand": {"dialect": "forward_command", "controller": "forward", "seed": 7, "extra": ["extra"]},
            "wrist": WRIST,
        },
    ),
    "joint_state_command": (
        {
            "hand": {
                "adapter": "joint_state_command",
                "topic": "isaac_joint_commands",
                "states_topic": "robot/joint_states",
            },
            "wrist": {**TWIST, "message": "Twist"},
        },
        {
            "hand": {"dialect": "joint_state_command", "topic": "isaac_joint_commands"},
            "wrist": {**WRIST, "message": "Twist"},
            "states": STATES,
        },
    ),
    "shadow by trajectories": (
        {"hand": {"adapter": "shadow", **KNOWN}, "wrist": TWIST},
        {
            "hand": {
                "dialect": "joint_trajectory",
                "controller": "rh_trajectory_controller",
                "map": "shadow_e3m5",
                "prefix": "rh_",
                "joints": SHADOW_JTC,
                "serve_parameters": False,
            },
            "own_wrist": {
                "dialect": "joint_trajectory",
                "controller": "rh_wr_trajectory_controller",
                "joints": ["rh_WRJ1", "rh_WRJ2"],
                "extra": ["rh_WRJ1", "rh_WRJ2"],
                "serve_parameters": False,
            },
            "wrist": WRIST,
            "states": SHADOW_STATES,
        },
    ),
    "shadow by topics": (
        {
            "hand": {"adapter": "shadow", "interface": "topics"},
            "wrist": {**TWIST, "frame": "base", "rotation": [0.6, 0.0, 0.0, 0.8]},
        },
        {
            "hand": {"dialect": "shadow_topics"},
            "wrist": {**WRIST, "frame": "base", "rotation": [0.6, 0.0, 0.0, 0.8]},
            "states": SHADOW_STATES,
        },
    ),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_the_bridge_sends_is_what_the_driver_understands(name, tmp_path):
    bridge, driver = CONTRACTS[name]
    with Host(driver) as host, Processes(tmp_path, int(os.environ["ROS_DOMAIN_ID"])) as processes:
        parameters = tmp_path / "bridge.yaml"
        parameters.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"bridge": bridge}}}))
        processes.start("hand_bridge", [sys.executable, str(STREAMER), "--ros-args", "--params-file", str(parameters)])

        def enough():
            processes.check()
            return host.conduct.understood > 60 and len(host.hand.twists) > 20

        host.wait(enough, "the bridge's commands")
        count = len(host.hand.twists)
        processes.end("hand_bridge")
        assert host.conduct.violations == [] and host.words == []
        assert all(np.isfinite(row).all() for row in host.hand.targets)
        # The wrist is told to rest before the silence.
        host.wait(lambda: len(host.hand.twists) > count, "the farewell")
        host.wait(lambda: not host.hand.twists[-1].any(), "the wrist to rest")


@pytest.mark.parametrize(
    ("bridge", "driver", "words"),
    [
        (
            {"hand": {"adapter": "joint_trajectory", **PATIENT}, "wrist": TWIST},
            {"hand": {"dialect": "joint_trajectory", "prefix": "right_"}, "wrist": WRIST},
            "has no joint 'FFJ3'",
        ),
        (
            {"hand": {"adapter": "joint_trajectory", **PATIENT}, "wrist": TWIST},
            {"hand": {"dialect": "joint_trajectory", "interpolate_from_desired_state": False}, "wrist": WRIST},
            "interpolate_from_desired_state",
        ),
        (
            {"hand": {"adapter": "forward_command", **PATIENT}, "wrist": TWIST},
            {"hand": {"dialect": "forward_command", "extra": ["spare"]}, "wrist": WRIST},
            "joints that nobody commands",
        ),
        (
            {"hand": {"adapter": "forward_command", "verify_timeout": 1.0}, "wrist": TWIST},
            {"hand": {"dialect": "forward_command", "controller": "elsewhere"}, "wrist": WRIST},
            "does not answer",
        ),
        (
            {"hand": {"adapter": "joint_state_command", **KNOWN}, "wrist": TWIST},
            {"hand": {"dialect": "joint_state_command"}, "wrist": WRIST, "states": {**STATES, "prefix": "rh_"}},
            "have no 'FFJ3'",
        ),
    ],
)
def test_a_controller_that_does_not_fit_is_refused_before_anything_is_sent(bridge, driver, words, tmp_path):
    with Host(driver) as host, Processes(tmp_path, int(os.environ["ROS_DOMAIN_ID"])) as processes:
        parameters = tmp_path / "bridge.yaml"
        parameters.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"bridge": bridge}}}))
        log = processes.start("b", [sys.executable, str(STREAMER), "--ros-args", "--params-file", str(parameters)]).log
        host.wait(lambda: "refused: " in log.read_text(), "a refusal")
        assert words in log.read_text() and "Traceback" not in log.read_text()
        assert not host.conduct.messages
