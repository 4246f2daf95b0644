"""Check that this machine has what Sleight needs, and say how to repair what it lacks."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sleight_core.environment import WATCHED, foreign_ros, has_ros_wheels

app = typer.Typer(help=__doc__, add_completion=False)

#: Shared libraries that the wheels load but do not bring, and the Debian package of each.
LIBRARIES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libgomp.so.1": "libgomp1",
    "libX11.so.6": "libx11-6",
    "libEGL.so.1": "libegl1",
}

#: Seconds after which an import counts as hanging.
TIMEOUT = 60.0

# Renders one pixel, so that a driver which loads but cannot draw is found too.
RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 16, 16) as renderer:
    renderer.update_scene(data)
    renderer.render()
"""


@dataclass(frozen=True)
class Finding:
    """One row of the report.

    Args:
        name: What was looked at.
        good: Whether it is as it should be.
        detail: What was found.
        remedy: What to do when it is not.
        needed: False when Sleight works without it.
    """

    name: str
    good: bool
    detail: str
    remedy: str = ""
    needed: bool = True


def check_python() -> Finding:
    """The interpreter: 3.11 or 3.12 for everything, 3.10 for the run-time alone."""
    version = sys.version_info[:2]
    detail = f"{version[0]}.{version[1]} ({sys.executable})"
    return Finding("Python", (3, 10) <= version <= (3, 12), detail, "run 'make setup PYTHON=python3.12'")


def check_environment() -> Finding:
    """A virtual environment, which is where `make setup` puts everything."""
    inside = sys.prefix != sys.base_prefix
    remedy = "run 'make setup' and use .venv/bin/sleight"
    return Finding("virtual environment", inside, sys.prefix if inside else "none", remedy, needed=has_ros_wheels())


def check_sourced_ros() -> Finding:
    """No other ROS on top of the wheels."""
    if not has_ros_wheels():
        return Finding(
            "sourced ROS", True, f"no ROS wheels here; {os.environ.get('ROS_DISTRO', 'no')} system ROS sourced"
        )
    found = foreign_ros()
    detail = ", ".join(f"{name}={folder}" for name, folder in found.items()) or "none, as it should be"
    remedy = f"use a shell without it, or run 'env {' '.join(f'-u {key}' for key in WATCHED)} sleight ...'"
    return Finding("sourced ROS", not found, detail, remedy)


def check_libraries() -> Finding:
    """The shared libraries of the distribution."""
    missing = []
    for library in LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    remedy = f"run 'make setup', or 'sudo apt-get install {' '.join(LIBRARIES[name] for name in missing)}'"
    return Finding(
        "system libraries", not missing, f"missing: {', '.join(missing)}" if missing else "all there", remedy
    )


def check_code(
    name: str, code: str, remedy: str, *, needed: bool = True, environ: dict[str, str] | None = None
) -> Finding:
    """Run Python code in a process of its own: a broken extension may kill or hang its process.

    Args:
        name: What is checked.
        code: The code; the last line it prints is the detail.
        remedy: What to do when it fails.
        needed: False when Sleight works without it.
        environ: Environment variables to add.
    """
    try:
        result = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env={**os.environ, **(environ or {})},
        )
    except subprocess.TimeoutExpired:
        return Finding(name, False, f"no answer within {TIMEOUT:.0f} s", remedy, needed)
    lines = (result.stdout if result.returncode == 0 else result.stderr).strip().splitlines()
    detail = lines[-1] if lines else ("works" if result.returncode == 0 else f"exit status {result.returncode}")
    return Finding(name, result.returncode == 0, detail, remedy, needed)


def check_module(module: str, remedy: str, *, needed: bool = True) -> Finding:
    """Import a module in a process of its own and report its version."""
    code = f"import {module} as m; print(getattr(m, '__version__', 'there'))"
    return check_code(module, code, remedy, needed=needed)


def check_rendering() -> Finding:
    """Off-screen rendering with MuJoCo, which videos need."""
    backend = os.environ.get("MUJOCO_GL", "")
    shown = backend or "unset, so 'egl' was tried"
    remedy = "set MUJOCO_GL=egl and run 'sudo apt-get install libegl1 libgl1-mesa-dri'"
    found = check_code("rendering", RENDER, remedy, needed=False, environ={"MUJOCO_GL": backend or "egl"})
    detail = f"works (MUJOCO_GL {shown})" if found.good else f"{found.detail} (MUJOCO_GL {shown})"
    return Finding(found.name, found.good, detail, remedy, needed=False)


def check_bundles() -> Finding:
    """Every bundle in `policies/`, as `sleight bundle verify` sees it."""
    folder = policies_folder()
    bundles = sorted(path.parent for path in folder.glob("*/manifest.json"))
    if not bundles:
        return Finding(
            "bundles", False, f"none in {folder}", "run 'sleight export' or get policies/ from the repository"
        )
    code = "import sys; from sleight_core.cli import main; main(['bundle', 'verify', sys.argv[1]])"
    for bundle in bundles:
        result = subprocess.run(
            [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if result.returncode != 0:
            lines = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
            return Finding("bundles", False, f"{bundle.name}: {lines[-1]}", f"run 'sleight bundle verify {bundle}'")
    return Finding("bundles", True, ", ".join(bundle.name for bundle in bundles))


def policies_folder() -> Path:
    """Return `policies/` of the working directory, or of the checkout that this file belongs to."""
    here = Path.cwd() / "policies"
    checkout = Path(__file__).resolve().parents[5] / "policies"
    return here if here.is_dir() or not checkout.is_dir() else checkout


def all_checks() -> list[Callable[[], Finding]]:
    """Return the checks in the order of the report."""
    ros = "run 'make setup'" if has_ros_wheels() else "run 'make setup', or source your ROS 2 (/opt/ros/.../setup.bash)"
    train = "run 'make setup EXTRAS=train' to train; nothing else needs it"
    return [
        check_python,
        check_environment,
        check_sourced_ros,
        check_libraries,
        lambda: check_module("onnxruntime", "run 'make setup'"),
        lambda: check_code("rclpy", "import rclpy; rclpy.init(); rclpy.shutdown(); print('starts and stops')", ros),
        lambda: check_code("sleight_msgs", "import sleight_msgs.msg, sleight_msgs.srv; print('built')", ros),
        lambda: check_module("open3d", "run 'make setup'"),
        lambda: check_module("mujoco", "run 'make setup'"),
        check_rendering,
        lambda: check_module("torch", train, needed=False),
        check_bundles,
    ]


def guarded(check: Callable[[], Finding]) -> Finding:
    """Run one check; one that fails to run is a finding too."""
    try:
        return check()
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(getattr(check, "__name__", "check"), False, str(error), "")


@app.command()
def doctor() -> None:
    """Check that this machine has what Sleight needs; exits 1 when something needed is missing."""
    checks = all_checks()
    with ThreadPoolExecutor(max_workers=2) as pool:
        findings = list(pool.map(guarded, checks))
    table = Table(show_edge=False, pad_edge=False)
    for column in ("", "check", "found", "remedy"):
        table.add_column(column, overflow="fold")
    for found in findings:
        mark = (
            Text("ok", "green")
            if found.good
            else Text("MISSING", "bold red")
            if found.needed
            else Text("absent", "yellow")
        )
        # Text, not markup: paths and messages may hold square brackets.
        table.add_row(mark, Text(found.name), Text(found.detail), Text("" if found.good else found.remedy))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    missing = [found.name for found in findings if found.needed and not found.good]
    if missing:
        print(f"sleight doctor: {len(missing)} missing: {', '.join(missing)}", file=sys.stderr)
        raise typer.Exit(1)
