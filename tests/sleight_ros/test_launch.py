"""The launch file, where ROS's launch is installed (pip-only environments have none)."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("launch")
pytest.importorskip("launch_ros")

FILE = Path(__file__).resolve().parents[2] / "launch" / "grasp_demo.launch.py"


def description():
    spec = importlib.util.spec_from_file_location("grasp_demo", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.generate_launch_description()


def test_the_launch_file_describes_the_four_nodes():
    from launch.actions import DeclareLaunchArgument  # pyright: ignore[reportMissingImports]
    from launch_ros.actions import LifecycleNode  # pyright: ignore[reportMissingImports]

    module, found = description()
    nodes = [entity for entity in found.entities if isinstance(entity, LifecycleNode)]
    assert len(nodes) == 4
    arguments = {e.name: e for e in found.entities if isinstance(e, DeclareLaunchArgument)}
    assert set(arguments) == {"bundle", "profile", "namespace", "sim", "objects"}
    assert Path(module.default_profile()).is_file()
