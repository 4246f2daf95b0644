"""The ROS packages: what they depend on, what they install, and that nobody has to guess."""

import ast
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "ros2_ws" / "src"
PACKAGES = sorted(path.parent.name for path in SOURCES.glob("*/package.xml"))
#: Keys of rosdep's database for system packages; all others are packages of a ROS distribution, or ours.
SYSTEM_KEYS = {"python3-numpy", "python3-pytest", "python3-rich", "python3-yaml"}
#: ROS packages that our packages may need, all of them in every distribution that we support.
ROS_KEYS = {
    "action_msgs",
    "ament_cmake",
    "ament_index_python",
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "launch",
    "launch_ros",
    "lifecycle_msgs",
    "nav_msgs",
    "rcl_interfaces",
    "rclpy",
    "ros2launch",
    "rosgraph_msgs",
    "rosidl_default_generators",
    "rosidl_default_runtime",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "tf2_ros_py",
    "trajectory_msgs",
    "unique_identifier_msgs",
    "visualization_msgs",
}
#: Import -> package, where the names differ.
PACKAGE_OF = {"numpy": "python3-numpy", "rich": "python3-rich", "tf2_ros": "tf2_ros_py", "yaml": "python3-yaml"}


def dependencies(name):
    tree = ElementTree.parse(SOURCES / name / "package.xml")
    return {one.text for one in tree.getroot() if one.tag.endswith("depend")}


@pytest.mark.parametrize("name", PACKAGES)
def test_every_dependency_can_be_resolved(name):
    assert dependencies(name) <= SYSTEM_KEYS | ROS_KEYS | set(PACKAGES)


@pytest.mark.parametrize("name", ["sleight_core", "sleight_description", "sleight_ros"])
def test_every_ros_package_that_is_imported_is_declared(name):
    imported = set()
    for path in (SOURCES / name / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported.add(node.module.split(".")[0])
    keys = {PACKAGE_OF.get(one, one) for one in imported}
    wanted = (keys & (SYSTEM_KEYS | ROS_KEYS | set(PACKAGES))) - {name}
    assert wanted <= dependencies(name)


@pytest.mark.parametrize("name", ["sleight_core", "sleight_description", "sleight_ros"])
def test_files_beside_the_code_are_installed(name):
    """By suffix, and only from folders that the set-up counts as packages."""
    text = (SOURCES / name / "setup.py").read_text(encoding="utf-8")
    namespaces = "find_namespace_packages" in text
    for path in (SOURCES / name / name).rglob("*"):
        if path.is_dir() or path.suffix in (".py", ".pyc"):
            continue
        assert f'"*{path.suffix}"' in text or f'"{path.name}"' in text, path
        assert namespaces or (path.parent / "__init__.py").is_file(), path


@pytest.mark.parametrize("name", ["sleight_core", "sleight_description", "sleight_ros"])
def test_nodes_run_in_the_environment_that_is_active(name):
    assert "executable=/usr/bin/env python3" in (SOURCES / name / "setup.cfg").read_text(encoding="utf-8")


def test_launch_files_and_all_profiles_are_installed_and_documented():
    text = (SOURCES / "sleight_bringup" / "CMakeLists.txt").read_text(encoding="utf-8")
    assert 'PATTERN "*.launch.py"' in text and all(
        p.name.endswith(".launch.py") for p in (ROOT / "launch").glob("*.py")
    )
    assert "install(DIRECTORY config/" in text and 'PATTERN "*.yaml"' in text
    page = (ROOT / "docs" / "ros.md").read_text(encoding="utf-8")
    assert all(f"`{p.name}" in page for p in (ROOT / "launch").glob("*.py"))
    assert all(p.suffix == ".yaml" for p in (SOURCES / "sleight_bringup" / "config").rglob("*") if p.is_file())


def test_the_image_installs_what_the_run_time_needs():
    """A requirement that is in neither the distribution nor the image is found by nobody until a node starts."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = project.partition("dependencies = [")[2].partition("]")[0]
    names = {line.strip().strip('",').partition(">=")[0] for line in wanted.splitlines() if line.strip()}
    image = (ROOT / "docker" / "requirements.txt").read_text(encoding="utf-8")
    installed = {line.partition(">=")[0] for line in image.splitlines() if line and not line.startswith("#")}
    from_distribution = {"numpy", "pyyaml", "rich"}
    assert names - from_distribution <= installed
