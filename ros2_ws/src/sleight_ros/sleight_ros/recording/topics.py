"""What is recorded: the topics of the graph, and those that a profile gives other names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sleight_core.errors import SleightError

#: What `sleight replay` works on: names of the graph, relative to its namespace.
REPLAYED = (
    "joint_states",
    "wrist/odometry",
    "fingertip_wrenches",
    "object/estimate",
    "object/cloud",
    "policy/command",
    "policy/telemetry",
    "bridge/sent",
)
#: Recorded unless told otherwise; a name with a leading slash does not move with the namespace.
DEFAULT_TOPICS = (
    *REPLAYED,
    "bridge/status",
    "camera/*/points",
    "hand_controller/joint_trajectory",
    "wrist_controller/twist",
    "sim/state",
    "/diagnostics",
)
#: Types of which only one message every so often is kept, except where `sleight replay` needs them all: they are large.
LARGE_TYPES = ("sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


def profile_topics(path: Path) -> tuple[str, ...]:
    """Topics that a profile names: of cameras, of state sources, and of the controllers behind the bridge.

    Args:
        path: A parameter file.

    Raises:
        SleightError: The file cannot be read.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SleightError("the profile cannot be read", value=path, remedy=" ".join(str(error).split())) from error
    return tuple(dict.fromkeys(_named(data)))


def _named(data: Any) -> Iterator[str]:
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _named(value)
        elif isinstance(value, str) and value and "topic" in str(key):
            # One topic a joint: every joint's.
            yield value.replace("{joint}", "*")
        elif isinstance(value, str) and value and str(key).endswith("controller"):
            yield f"{value}/joint_trajectory"
            yield f"{value}/commands"
