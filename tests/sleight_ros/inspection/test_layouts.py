"""The shipped RViz and Foxglove views show topics and fields that exist."""

import fnmatch
import importlib
import json
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("rosbags")

from sleight_ros.recording.topics import DEFAULT_TOPICS

ROOT = Path(__file__).resolve().parents[3]
BRINGUP = ROOT / "ros2_ws" / "src" / "sleight_bringup"
#: From robot_state_publisher, which is not ours.
FOREIGN = {"robot_description"}


def graph_topics():
    """Topics of the table in docs/design.md, and their types."""
    text = (ROOT / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| `([a-z_/<>]+)` \| ([a-z_]+)/([A-Za-z]+)", text, re.MULTILINE)
    assert len(rows) > 10
    return {topic.replace("<name>", "*"): f"{package}/msg/{kind}" for topic, package, kind in rows}


def message(kind):
    """The class of a message type such as ``nav_msgs/msg/Odometry`` or ``nav_msgs/Odometry``."""
    package, *_, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def known(topic):
    return any(fnmatch.fnmatchcase(topic.lstrip("/"), pattern.lstrip("/")) for pattern in (*graph_topics(), *EXTRA))


EXTRA = ("/diagnostics",)


def test_what_is_recorded_is_what_the_graph_says():
    assert not [topic for topic in DEFAULT_TOPICS if topic not in EXTRA and topic not in graph_topics()]


def test_rviz_shows_topics_of_the_graph():
    layout = yaml.safe_load((BRINGUP / "rviz" / "sleight.rviz").read_text())["Visualization Manager"]
    topics = [row[key]["Value"] for row in layout["Displays"] for key in row if key in ("Topic", "Description Topic")]
    assert len(topics) >= 6 and all(not topic.startswith("/") for topic in topics), "a namespace moves the whole graph"
    assert [topic for topic in topics if not known(topic)] == [*FOREIGN]
    assert layout["Global Options"]["Fixed Frame"] == "world"


def foxglove_paths():
    layout = json.loads((BRINGUP / "foxglove" / "sleight.json").read_text())
    for name, panel in layout["configById"].items():
        yield from ((name, topic) for topic in panel.get("topics", {}))
        yield from ((name, path["value"]) for path in panel.get("paths", []))
        yield from ((name, panel[key]) for key in ("topicPath", "topicToRender") if key in panel)


def test_foxglove_shows_topics_and_fields_of_the_graph():
    kinds = {**graph_topics(), "diagnostics": "diagnostic_msgs/msg/DiagnosticArray"}
    paths = list(foxglove_paths())
    assert len(paths) > 20
    for panel, path in paths:
        topic, *fields = path.lstrip("/").split(".")
        assert path.startswith("/") and known(topic), (panel, path)
        if not fields:
            continue
        here = message(kinds[topic])
        for field in fields:
            name = re.sub(r"\[\d+\]$", "", field)
            kind = here.get_fields_and_field_types().get(name)
            assert kind is not None, (panel, path)
            if "/" in kind:
                here = message(kind)


def test_foxglove_places_every_panel_once():
    layout = json.loads((BRINGUP / "foxglove" / "sleight.json").read_text())

    def leaves(node):
        return [node] if isinstance(node, str) else [*leaves(node["first"]), *leaves(node["second"])]

    placed = leaves(layout["layout"])
    assert sorted(placed) == sorted(layout["configById"]) and len(set(placed)) == len(placed)


def test_both_are_installed():
    text = (BRINGUP / "CMakeLists.txt").read_text()
    assert "rviz/sleight.rviz" in text and "foxglove/sleight.json" in text
