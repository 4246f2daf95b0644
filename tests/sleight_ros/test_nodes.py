"""Nodes as programs: wrong parameters are refused in one line, a running node says what it can do."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

from sleight_ros.profiles import profile_path

pytestmark = pytest.mark.graph
NODES = ("sim", "perception", "policy", "bridge")


def run(module, *parameters, timeout=120):
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    return subprocess.run(
        [sys.executable, "-m", f"sleight_ros.nodes.{module}_node", "--ros-args", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ,
    )


@pytest.mark.parametrize(
    ("module", "parameter"),
    [
        ("bridge", "blend_time:=-1.0"),
        ("bridge", "recovery_ticks:=0"),
        ("bridge", "margin:=text"),
        ("policy", "object_max_age:=1000.0"),
        ("perception", "min_points:=1"),
    ],
)
def test_a_parameter_out_of_its_range_is_refused_in_one_line(module, parameter):
    result = run(module, parameter)
    assert result.returncode == 2
    assert result.stderr.startswith("refused: ") and result.stderr.count("\n") == 1
    assert parameter.split(":=")[0] in result.stderr


def test_another_ros_on_top_of_the_wheels_is_refused(tmp_path, monkeypatch):
    from sleight_core.environment import has_ros_wheels

    if not has_ros_wheels():
        pytest.skip("this environment has no ROS wheels")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    result = run("bridge")
    assert result.returncode == 2 and "Traceback" not in result.stderr


def test_the_shipped_profiles_are_found_and_reach_every_node():
    import yaml

    for name in ("shadow_sim", "robot_template"):
        content = yaml.safe_load(profile_path(name).read_text())
        assert "/**" in content
        for key in content:
            assert key == "/**" or key.removeprefix("/**/") in {f"{n}_node" for n in NODES} | {"hand_bridge"}


def test_an_unknown_profile_is_refused():
    from sleight_core.errors import SleightError

    with pytest.raises(SleightError, match="shadow_sim"):
        profile_path("nonsense")
    with pytest.raises(SleightError):
        profile_path("nonsense.yaml")
