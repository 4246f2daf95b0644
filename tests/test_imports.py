"""Imports go one way: core <- description <- sim <- training <- export; core, description <- ros."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Package -> its folder and the packages of ours that it may import.
ROOMS = {
    "sleight_core": ("ros2_ws/src/sleight_core", set()),
    "sleight_description": ("ros2_ws/src/sleight_description", {"sleight_core"}),
    "sleight_sim": ("sim", {"sleight_core", "sleight_description"}),
    "sleight_training": ("training", {"sleight_core", "sleight_description", "sleight_sim"}),
    "sleight_export": ("export", {"sleight_core", "sleight_description", "sleight_sim", "sleight_training"}),
    "sleight_ros": ("ros2_ws/src/sleight_ros", {"sleight_core", "sleight_description", "sleight_msgs"}),
}
#: What the run-time must work without.
FORBIDDEN_IN_CORE = {"torch", "mujoco", "rclpy", "sleight_msgs"}
#: What the run-time may import only inside functions.
OPTIONAL_IN_CORE = {"open3d", "scipy", "trimesh", "matplotlib", "rosbags"}


def files(room: str) -> list[Path]:
    found = sorted((ROOT / ROOMS[room][0] / room).rglob("*.py"))
    assert found, f"no files of {room}"
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every absolute import of a file, wherever it stands, and of those by name at run time too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # Each name may be a module of its own: `from sleight_ros import simulation`.
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def top(module: str) -> str:
    return module.split(".")[0]


def is_sim_node(path: Path) -> bool:
    """The simulation node and the package that only it uses: all that may import `sleight_sim` on the ROS side."""
    package = ROOT / ROOMS["sleight_ros"][0] / "sleight_ros"
    return path == package / "nodes" / "sim_node.py" or path.is_relative_to(package / "simulation")


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_the_rooms_below(room: str) -> None:
    wrong = []
    for path in files(room):
        allowed = ROOMS[room][1] | {room} | ({"sleight_sim"} if is_sim_node(path) else set())
        wrong += [
            f"{path.relative_to(ROOT)}:{line} imports {name}"
            for line, name in imported(path)
            if name.startswith("sleight_") and top(name) not in allowed
        ]
    assert not wrong, "\n".join(wrong)


def test_only_the_sim_node_reaches_the_simulation() -> None:
    """Otherwise another node would import `sleight_sim` through it."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files("sleight_ros")
        if not is_sim_node(path)
        for line, name in imported(path)
        if name.startswith(("sleight_ros.simulation", "sleight_ros.nodes.sim_node"))
    ]
    assert not wrong, "\n".join(wrong)


def test_core_never_imports_torch_mujoco_or_rclpy() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files("sleight_core")
        for line, name in imported(path)
        if top(name) in FORBIDDEN_IN_CORE
    ]
    assert not wrong, "\n".join(wrong)


def test_only_ros_speaks_ros() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for room in ROOMS
        if room != "sleight_ros"
        for path in files(room)
        for line, name in imported(path)
        if top(name) in ("rclpy", "sleight_msgs")
    ]
    assert not wrong, "\n".join(wrong)


def test_core_imports_with_everything_else_blocked() -> None:
    """Also finds what the first two tests cannot see: an import through another package."""
    blocked = sorted(FORBIDDEN_IN_CORE | OPTIONAL_IN_CORE | set(ROOMS) - {"sleight_core"})
    modules = []
    for path in files("sleight_core"):
        parts = path.relative_to(ROOT / ROOMS["sleight_core"][0]).with_suffix("").parts
        modules.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    code = f"""
import importlib, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Block())
for name in {modules!r}:
    importlib.import_module(name)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr


def test_files_stay_short() -> None:
    """A file that one cannot read in one go is two files."""
    long = {}
    for folder in ("ros2_ws/src", "sim", "training", "export", "scripts", "tests", "launch"):
        for path in (ROOT / folder).rglob("*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines >= 500:
                long[str(path.relative_to(ROOT))] = lines
    assert not long
