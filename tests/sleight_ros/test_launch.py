"""The launch files, where ROS's launch is installed (pip-only environments have none)."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("launch_ros")

from launch import LaunchContext  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
from launch.actions import (  # pyright: ignore[reportMissingImports]
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
)
from launch_ros.actions import LifecycleNode  # pyright: ignore[reportMissingImports]
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_ros.graph.launching import COMMON
from sleight_ros.graph.watch import GraphWatch

from .bundles import tiny_bundle

FOLDER = Path(__file__).resolve().parents[2] / "launch"
FILES = {path.name.removesuffix(".launch.py"): path for path in FOLDER.glob("*.launch.py")}
GRAPHS = {
    "grasp_demo": set(),
    "hardware_leap_ur5e": {"arm", "hand_driver", "port"},
    "hardware_shadow": set(),
    "isaac_policy": set(),
}
#: Launch files that start no graph of ours with a policy, and their arguments.
OTHERS = {
    "isaac_bridge": {"mode", "simulator", "profile", "namespace", "hand_driver", "port"},
    "replay": {"bag", "bundle"},
}
CONTROL = ["hand_bridge", "policy_node", "perception_node"]
#: Starting a graph on a shared machine, s.
PATIENCE = 120.0

# What `ros2 launch FILE NAME:=VALUE...` does.
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService()
arguments = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""


def description(name):
    spec = importlib.util.spec_from_file_location(name, FILES[name])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def arguments(name):
    return {e.name: e for e in description(name).entities if isinstance(e, DeclareLaunchArgument)}


def nodes(name, **given):
    """The nodes that a launch file starts, by name, without starting them."""
    context = LaunchContext(argv=[])
    # An action asks for the running loop only when it is executed, but looks for one before.
    context._set_asyncio_loop(asyncio.new_event_loop())
    found = []
    for entity in description(name).entities:
        if isinstance(entity, DeclareLaunchArgument):
            context.launch_configurations.update({entity.name: given[entity.name]} if entity.name in given else {})
            entity.execute(context)
        elif isinstance(entity, OpaqueFunction):
            found += entity.execute(context) or []
    for node in found:
        node._perform_substitutions(context)
    return {node.node_name.rsplit("/", 1)[-1]: node for node in found}


def test_there_is_a_test_of_every_launch_file():
    assert set(FILES) == {*GRAPHS, *OTHERS}


@pytest.mark.parametrize("name", [*GRAPHS, *OTHERS])
def test_every_argument_is_described_and_finite_ones_have_choices(name):
    found = arguments(name)
    assert set(found) == (OTHERS[name] if name in OTHERS else {*COMMON, *GRAPHS[name]})
    assert found["mode" if name == "isaac_bridge" else "bundle"].default_value is None
    for argument in found.values():
        assert argument.description.split(" Valid choices")[0].endswith(".")
        finite = {"sim", "skills", "record", "use_sim_time", "arm", "hand_driver", "mode", "simulator"}
        assert bool(argument.choices) == (argument.name in finite)


def test_the_simulated_graph_has_four_nodes_and_the_real_one_its_drivers():
    quiet = {"bundle": "b", "skills": "false", "record": "false"}
    assert list(nodes("grasp_demo", **quiet)) == ["sim_node", *CONTROL]
    assert list(nodes("grasp_demo", **quiet, sim="false")) == CONTROL
    assert list(nodes("hardware_shadow", **quiet)) == CONTROL
    assert list(nodes("isaac_policy", **quiet)) == CONTROL
    assert list(nodes("hardware_leap_ur5e", **quiet)) == ["leap_driver", *CONTROL]
    assert list(nodes("hardware_leap_ur5e", **quiet, hand_driver="leap_official")) == ["leap_official", *CONTROL]
    assert list(nodes("hardware_leap_ur5e", **quiet, hand_driver="none")) == CONTROL
    assert list(nodes("hardware_leap_ur5e", **quiet, sim="true")) == ["sim_node", *CONTROL]
    assert "recorder" in nodes("grasp_demo", bundle="b")


@pytest.mark.parametrize("arm", ["ur5e", "xarm6", "franka"])
def test_the_arm_chooses_the_profile(arm):
    found = nodes("hardware_leap_ur5e", bundle="b", record="false", arm=arm, port="/dev/hand")
    for node in found.values():
        assert isinstance(node, LifecycleNode)
        assert node.expanded_node_namespace == "/sleight"
        files = [str(part) for part, is_file in node._Node__expanded_parameter_arguments if is_file]
        assert Path(files[0]).name == f"leap_{arm}.yaml"
    own = [Path(p).read_text() for p, is_file in found["leap_driver"]._Node__expanded_parameter_arguments if is_file]
    assert "port: /dev/hand" in own[-1]


def test_a_mirror_has_its_mode_for_a_name():
    found = nodes("isaac_bridge", mode="shadow", simulator="isaac_gym", hand_driver="leap_driver", port="/dev/hand")
    assert list(found) == ["leap_driver", "isaac_gym", "hand_bridge"]
    found = nodes("isaac_bridge", mode="monitor", hand_driver="leap_driver", namespace="left")
    assert list(found) == ["leap_driver", "sim_bridge"]
    assert found["leap_driver"].expanded_node_namespace == "/left/hand"


def test_wrong_arguments_are_refused():
    with pytest.raises(SleightError, match="did you mean 'shadow_sim'"):
        nodes("grasp_demo", bundle="b", profile="shadow_sym")
    with pytest.raises(SleightError, match="'objects' is"):
        nodes("grasp_demo", bundle="b", objects="[1]")
    with pytest.raises(RuntimeError, match="[Vv]alid options are"):
        nodes("hardware_leap_ur5e", bundle="b", arm="ur10")


def test_replay_runs_the_command():
    (process,) = (e for e in description("replay").entities if isinstance(e, ExecuteProcess))
    words = [part.text for word in process.cmd for part in word if hasattr(part, "text")]
    assert words[0].endswith(("python", "python3")) and "replay" in words and "--bundle" in words


def launched(name, folder, *given):
    log = (folder / "launch.log").open("wb")
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(FILES[name]), *given],
        stdout=log,
        stderr=subprocess.STDOUT,
        # A group of its own, to which Ctrl-C is sent as a terminal does.
        start_new_session=True,
        env={**os.environ, "ROS_LOG_DIR": str(folder / "ros")},
    )


def run_and_end(name, folder, names, *given, namespace=""):
    """Launch, wait until all nodes are active, end it as Ctrl-C does; return what was printed."""
    process = launched(name, folder, *given)
    try:
        with GraphWatch(os.environ, names, namespace) as watch:
            end = time.monotonic() + PATIENCE
            while any(watch.state(one) != "active" for one in names):
                assert process.poll() is None and time.monotonic() < end, (folder / "launch.log").read_text()
                time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=PATIENCE)
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return (folder / "launch.log").read_text()


@pytest.mark.whole_graph
def test_the_demo_comes_up_and_ends(tmp_path):
    pytest.importorskip("mujoco")
    tiny_bundle(tmp_path / "bundle")
    given = [f"bundle:={tmp_path / 'bundle'}", "skills:=false", f"record_folder:={tmp_path / 'bags'}"]
    printed = run_and_end("grasp_demo", tmp_path, ["sim_node", *CONTROL], *given, "use_sim_time:=true")
    assert "Traceback" not in printed
    assert list((tmp_path / "bags").rglob("*.mcap"))


@pytest.mark.slow
@pytest.mark.whole_graph
@pytest.mark.parametrize(
    ("name", "hand", "namespace"),
    [("isaac_policy", "shadow", ""), ("hardware_shadow", "shadow", ""), ("hardware_leap_ur5e", "leap", "sleight")],
)
def test_every_graph_can_be_rehearsed(tmp_path, name, hand, namespace):
    pytest.importorskip("mujoco")
    pytest.importorskip("mink")
    tiny_bundle(tmp_path / "bundle", table=load_hand(hand))
    given = [f"bundle:={tmp_path / 'bundle'}", "skills:=false", "record:=false", "sim:=true"]
    printed = run_and_end(name, tmp_path, ["sim_node", *CONTROL], *given, namespace=namespace)
    assert "Traceback" not in printed


@pytest.mark.whole_graph
def test_the_launch_ends_with_the_replay(tmp_path):
    tiny_bundle(tmp_path / "bundle")
    process = launched("replay", tmp_path, f"bag:={tmp_path / 'none'}", f"bundle:={tmp_path / 'bundle'}")
    try:
        process.wait(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    printed = (tmp_path / "launch.log").read_text()
    assert "sleight: " in printed and "shutting down launched system" in printed, printed
