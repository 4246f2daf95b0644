"""Check that this machine has what Sleight needs, and say how to repair what it lacks."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sleight_core.environment import WATCHED, foreign_ros, has_ros_wheels
from sleight_core.errors import SleightError

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

    @property
    def status(self) -> str:
        """In one word: "ok", "warn" (Sleight works without it) or "fail"."""
        return "ok" if self.good else "fail" if self.needed else "warn"


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


def check_with_ros(name: str, *arguments: str) -> list[Finding]:
    """Run one of the checks of `sleight_ros.checks`, which needs ROS and so a process of its own.

    Args:
        name: The check.
        arguments: Its options.
    """
    command = [sys.executable, "-m", "sleight_ros.checks", name, *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return [Finding(name, False, f"no answer within {TIMEOUT:.0f} s", "end other ROS processes and try again")]
    lines = (result.stdout if result.returncode == 0 else result.stderr).strip().splitlines() or ["no message"]
    try:
        rows = json.loads(lines[-1])
        return [
            Finding(row["name"], row["status"] == "ok", row["detail"], row["remedy"], row["status"] != "warn")
            for row in rows
        ]
    except (ValueError, TypeError, KeyError):
        return [Finding(name, False, lines[-1], "see the line on rclpy" if "rclpy" in lines[-1] else "")]


def robot_checks(profile: str, bundle: Path | None) -> list[Callable[[], list[Finding]]]:
    """Checks of a robot, as its profile describes it, and of a bundle against it."""
    given = ["--profile", profile]
    checks = [lambda: check_with_ros("cameras", *given), lambda: check_with_ros("ports", *given)]
    if bundle is not None:
        checks.insert(0, lambda: check_with_ros("robot", *given, "--bundle", str(bundle)))
    return checks


def policies_folder() -> Path:
    """Return `policies/` of the working directory, or of the checkout that this file belongs to."""
    here = Path.cwd() / "policies"
    checkout = Path(__file__).resolve().parents[5] / "policies"
    return here if here.is_dir() or not checkout.is_dir() else checkout


def all_checks() -> list[Callable[[], Finding | list[Finding]]]:
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
        lambda: check_with_ros("dds"),
        lambda: check_with_ros("realtime"),
    ]


def guarded(check: Callable[[], Finding | list[Finding]]) -> list[Finding]:
    """Run one check; one that fails to run is a finding too."""
    try:
        found = check()
    except (OSError, subprocess.SubprocessError) as error:
        return [Finding(getattr(check, "__name__", "check"), False, str(error), "")]
    return found if isinstance(found, list) else [found]


@app.command()
def doctor(
    profile: Annotated[str, typer.Option(help="Also check this robot: its cameras, ports, and a bundle.")] = "",
    bundle: Annotated[Path | None, typer.Option(help="Does this bundle fit the profile's robot?")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that this machine has what Sleight needs; exits 1 when something needed is missing."""
    if bundle is not None and not profile:
        raise SleightError("--bundle needs --profile", remedy="say which robot it is for, such as --profile shadow_sim")
    checks: list[Callable[[], Finding | list[Finding]]] = [*all_checks()]
    if profile:
        checks += robot_checks(profile, bundle)
    with ThreadPoolExecutor(max_workers=2) as pool:
        findings = [finding for found in pool.map(guarded, checks) for finding in found]
    if as_json:
        print(json.dumps([_as_row(found) for found in findings], indent=2))
    else:
        _print(findings)
    missing = [found.name for found in findings if found.status == "fail"]
    if missing:
        print(f"sleight doctor: {len(missing)} missing: {', '.join(missing)}", file=sys.stderr)
        raise typer.Exit(1)


def _as_row(found: Finding) -> dict[str, str]:
    remedy = "" if found.good else found.remedy
    return {"name": found.name, "status": found.status, "detail": found.detail, "remedy": remedy}


def _print(findings: list[Finding]) -> None:
    table = Table(show_edge=False, pad_edge=False)
    for column in ("", "check", "found", "remedy"):
        table.add_column(column, overflow="fold")
    for found in findings:
        mark = Text(found.status, {"ok": "green", "warn": "yellow", "fail": "bold red"}[found.status])
        # Text, not markup: paths and messages may hold square brackets.
        table.add_row(mark, Text(found.name), Text(found.detail), Text("" if found.good else found.remedy))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
