"""One description of the graph: which nodes, in which order, with which parameters; and changes to them."""

import importlib.util
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.graph.changes import parse_changes
from sleight_ros.graph.description import (
    PROGRAMS,
    GraphWish,
    describe,
    emulates_bus,
    ending_order,
    installed,
    profile_for,
    profile_hand,
)
from sleight_ros.profiles import profile_names, profile_path

PROFILE = profile_path("shadow_sim")
SETUP = Path(__file__).resolve().parents[3] / "ros2_ws" / "src" / "sleight_ros" / "setup.py"


def names(**wishes):
    return [node.name for node in describe(GraphWish(PROFILE, "bundle", **{"skills": False, **wishes}))]


def test_every_node_is_a_module_and_an_executable_of_the_ros_package():
    text = SETUP.read_text(encoding="utf-8")
    for executable, module in PROGRAMS.values():
        assert importlib.util.find_spec(module) is not None
        assert f'"{executable} = {module}' in text


def test_the_simulated_graph_has_no_driver_and_the_real_one_no_simulation():
    assert names() == ["sim_node", "hand_bridge", "policy_node", "perception_node"]
    assert names(sim=False) == ["hand_bridge", "policy_node", "perception_node"]
    assert names(sim=False, hand_driver="leap_official")[0] == "leap_official"
    assert names(record=Path("bags"))[0] == "recorder"
    assert ("skill_server" in names(skills=True)) == installed("skill_server")


def test_the_bridge_ends_first_and_the_robots_side_after_all_that_command_it():
    nodes = describe(GraphWish(PROFILE, "bundle", sim=False, hand_driver="leap_driver", record=Path("bags")))
    order = ending_order(nodes)
    assert order[0] == "hand_bridge" and order[-2:] == ["leap_driver", "recorder"]
    assert sorted(order) == sorted(node.name for node in nodes)


def test_parameters_reach_the_nodes_that_have_them():
    wish = GraphWish(PROFILE, "bundle", objects=["own"], use_sim_time=True, record=Path("bags"), enclaves="/sleight/")
    nodes = {node.name: node for node in describe(wish)}
    assert nodes["sim_node"].parameters == {"objects": ["own"], "publish_clock": True}
    assert nodes["policy_node"].parameters == {"bundle": "bundle", "use_sim_time": True}
    assert nodes["hand_bridge"].ros_arguments == ["--enclave", "/sleight/hand_bridge"]
    assert nodes["recorder"].arguments == ("bags", "--profile", str(PROFILE))
    assert not nodes["recorder"].vital and all(n.vital for name, n in nodes.items() if name != "recorder")
    driver = describe(GraphWish(PROFILE, sim=False, hand_driver="leap_driver", driver_parameters={"port": "/dev/x"}))[0]
    assert driver.parameters == {"port": "/dev/x"}


def test_contradicting_wishes_are_refused():
    with pytest.raises(SleightError, match="a simulated hand and a driver"):
        describe(GraphWish(PROFILE, hand_driver="leap_driver"))
    with pytest.raises(SleightError, match="no such hand driver"):
        describe(GraphWish(PROFILE, sim=False, hand_driver="lep_driver"))


@pytest.mark.parametrize("name", profile_names())
def test_the_hand_of_every_shipped_profile_is_known(name):
    own = {"leap_ur5e_arm": "leap_ur5e"}
    assert profile_hand(profile_path(name)) == own.get(name, "leap" if name.startswith("leap_") else "shadow")
    assert emulates_bus(profile_path(name)) == (name == "leap_ur5e_arm")


def test_a_hand_on_an_emulated_bus_has_its_real_driver():
    profile = profile_path(profile_for("leap_ur5e"))
    names = [node.name for node in describe(GraphWish(profile, hand_driver="leap_driver", skills=False))]
    assert names == ["sim_node", "leap_driver", "hand_bridge", "policy_node", "perception_node"]
    with pytest.raises(SleightError, match="no profile is shipped"):
        profile_for("allegro")


def test_a_profile_without_a_hand_or_without_sense(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("- 1\n")
    assert profile_hand(path) == "shadow"
    path.write_text("{")
    with pytest.raises(SleightError, match="the profile cannot be read"):
        profile_hand(path)


@given(
    st.from_regex(r"[a-z_]+(\.[a-z_]+)*", fullmatch=True),
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.lists(st.integers(), min_size=1)),
)
def test_a_change_is_read_as_yaml(name, value):
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    assert parse_changes([f"hand_bridge.{name}={text}"], ["hand_bridge"]) == {"hand_bridge": {name: value}}


@given(st.text())
def test_whatever_is_written_is_read_or_refused(text):
    try:
        found = parse_changes([text], ["hand_bridge"])
    except SleightError as error:
        assert "--set" in str(error)
    else:
        assert text.startswith("hand_bridge.") and set(found) == {"hand_bridge"}
