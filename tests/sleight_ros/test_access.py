"""The example of access control (SROS 2) says what the nodes really publish, hear, serve and call; no more, no less."""

import os
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("open3d")
pytest.importorskip("onnx")
pytest.importorskip("lxml")

import rclpy
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]
from rclpy.node import NodeNameNonExistentError
from sleight_ros.graph.description import GraphWish, describe
from sleight_ros.graph.running import RunningGraph
from sleight_ros.graph.watch import GraphWatch
from sleight_ros.processes import Processes
from sleight_ros.profiles import profile_path

from .bundles import tiny_bundle

FILE = Path(__file__).resolve().parents[2] / "security" / "sros2_policy.xml"
PATIENCE = 180.0
#: Element, attribute -> what it grants.
GRANTS = {
    ("topics", "publish"): "publishes",
    ("topics", "subscribe"): "hears",
    ("services", "reply"): "serves",
    ("services", "request"): "calls",
    ("actions", "execute"): "executes",
    ("actions", "call"): "asks",
}
#: Granted to all, used by nodes whose parameter use_sim_time is set.
OPTIONAL = {"/clock"}


def policy():
    """Node -> what it is granted, with absolute names."""
    tree = etree.parse(str(FILE))
    tree.xinclude()
    found = {}
    for profile in tree.iter("profile"):
        if profile.get("node") is None:
            continue
        node = found.setdefault(profile.get("node"), {grant: set() for grant in GRANTS.values()})
        for section in profile:
            for (tag, attribute), grant in GRANTS.items():
                if section.tag == tag and section.get(attribute) == "ALLOW":
                    node[grant] |= {absolute(one.text, profile.get("node")) for one in section}
    return found


def absolute(name, node):
    if name.startswith("~/"):
        return f"/{node}/{name[2:]}"
    return name if name.startswith("/") else f"/{name}"


def actual(observer, node):
    """What a running node does."""
    names = {
        "publishes": observer.get_publisher_names_and_types_by_node(node, "/"),
        "hears": observer.get_subscriber_names_and_types_by_node(node, "/"),
        "serves": observer.get_service_names_and_types_by_node(node, "/"),
        "calls": observer.get_client_names_and_types_by_node(node, "/"),
    }
    found = {what: {name for name, _ in rows} for what, rows in names.items()}
    found["executes"] = {name.partition("/_action/")[0] for name in found["serves"] if "/_action/" in name}
    found["asks"] = {name.partition("/_action/")[0] for name in found["calls"] if "/_action/" in name}
    return {what: {name for name in rows if "/_action/" not in name} for what, rows in found.items()}


def test_every_node_has_an_enclave_of_its_own_by_the_name_that_the_launch_files_give_it():
    tree = etree.parse(str(FILE))
    for enclave in tree.iter("enclave"):
        (profile,) = enclave.iter("profile")
        assert enclave.get("path") == f"/sleight/{profile.get('node')}"


def test_only_the_bridge_may_write_to_the_controllers_and_only_the_policy_to_the_bridge():
    granted = policy()
    for topic, writer in (
        ("/hand_controller/joint_trajectory", "hand_bridge"),
        ("/wrist_controller/twist", "hand_bridge"),
        ("/bridge/sent", "hand_bridge"),
        ("/policy/command", "policy_node"),
        ("/object/estimate", "perception_node"),
    ):
        assert [node for node, grants in granted.items() if topic in grants["publishes"]] == [writer]


@pytest.mark.whole_graph
def test_the_policy_is_what_the_running_graph_does(tmp_path):
    tiny_bundle(tmp_path / "bundle")
    wish = GraphWish(profile_path("shadow_sim"), str(tmp_path / "bundle"), record=tmp_path / "bags")
    nodes = describe(wish)
    granted = policy()
    assert {node.name for node in nodes} | {"sleight_up", "operator"} == set(granted)
    domain = int(os.environ["ROS_DOMAIN_ID"])
    with Processes(tmp_path / "logs", domain) as processes:
        graph = RunningGraph(processes, nodes, wish.profile, {}, "")
        graph.start()
        names = [node.name for node in nodes if node.lifecycle]
        context = rclpy.Context()
        with GraphWatch(processes.environment, names) as watch:
            graph.wait_until_active(watch, lambda rows: None, PATIENCE)
            rclpy.init(args=[], context=context)
            observer = rclpy.create_node("observer", context=context)
            try:
                wrong = {}

                def agreed():
                    wrong.clear()
                    for name in (*(node.name for node in nodes), "sleight_up"):
                        try:
                            found = actual(observer, name)
                        except NodeNameNonExistentError:
                            wrong[name] = "not discovered"
                            continue
                        for what, rows in found.items():
                            if (rows ^ granted[name][what]) - OPTIONAL:
                                wrong[f"{name} {what}"] = {
                                    "not granted": rows - granted[name][what],
                                    "granted in vain": granted[name][what] - rows,
                                }
                    return not wrong

                # Discovery takes its time, and so does the recorder, which looks for topics now and then.
                try:
                    processes.wait_for(agreed, "the graph to be discovered", 30.0)
                except Exception:
                    pytest.fail("\n".join(f"{key}: {value}" for key, value in wrong.items()))
            finally:
                observer.destroy_node()
                rclpy.shutdown(context=context)
        graph.end()
