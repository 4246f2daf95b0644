"""What surrounds the process: detects a system ROS mixed into an environment that carries ROS as pip wheels.

Both provide `rclpy` and the same shared libraries in different builds. Python finds whatever PYTHONPATH names first and
the loader whatever LD_LIBRARY_PATH names first, so a mix breaks with obscure import errors, or worse, works at first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from sleight_core.errors import SleightError

#: The wheel whose presence says that this interpreter carries its own ROS.
WHEEL = "ros-jazzy-rclpy"

#: Variables that a sourced ROS sets, and what in one of their folders proves a ROS (none: any existing folder does).
WATCHED: Mapping[str, tuple[str, ...]] = {
    "AMENT_PREFIX_PATH": (),
    "COLCON_PREFIX_PATH": (),
    "PYTHONPATH": ("rclpy", "ament_index_python", "rosidl_runtime_py"),
    "LD_LIBRARY_PATH": ("librcl.so", "librcutils.so"),
}


def has_ros_wheels() -> bool:
    """Return whether this interpreter has ROS installed as pip wheels."""
    try:
        distribution(WHEEL)
    except PackageNotFoundError:
        return False
    return True


def foreign_ros(environ: Mapping[str, str] | None = None, prefix: str | Path | None = None) -> dict[str, str]:
    """Return the variables through which another ROS than the environment's own would be picked up.

    Args:
        environ: Environment variables; those of the process when None.
        prefix: Folder of the virtual environment; that of the interpreter when None.

    Returns:
        Variable name -> its first folder that holds a foreign ROS; empty when there is none.
    """
    variables = os.environ if environ is None else environ
    own = Path(sys.prefix if prefix is None else prefix).resolve()
    found = {}
    for name, proofs in WATCHED.items():
        for entry in _folders(variables.get(name, "")):
            if entry.resolve().is_relative_to(own):
                continue
            if not proofs or any((entry / proof).exists() for proof in proofs):
                found[name] = str(entry)
                break
    return found


def refuse_mixed_ros() -> None:
    """Raise SleightError when a system ROS is sourced on top of the ROS wheels.

    Does nothing where the wheels are absent: there a sourced ROS is the one to use.
    """
    if not has_ros_wheels():
        return
    found = foreign_ros()
    if found:
        name, folder = next(iter(found.items()))
        raise SleightError(
            f"another ROS is sourced on top of this environment's own (through {', '.join(found)})",
            value=folder,
            remedy=f"use a shell without it, or run 'env {' '.join(f'-u {key}' for key in WATCHED)} sleight ...'",
        )


def _folders(value: str) -> Iterable[Path]:
    return (Path(entry) for entry in value.split(os.pathsep) if entry)
