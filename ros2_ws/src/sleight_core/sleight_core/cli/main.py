"""Entry point of the `sleight` command.

Every room registers its commands in the entry-point group ``sleight.commands`` (name -> ``typer.Typer``), so that the
run-time package imports nothing from the rooms above it, and a robot without the training extras keeps its commands.
The help lists each command by its module's docstring, read without running the module: a command whose dependencies are
absent is listed all the same.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import NoReturn

import typer

from sleight_core.errors import MissingExtraError, SleightError

GROUP = "sleight.commands"

#: Top-level modules of optional dependencies, and the extra that brings each.
EXTRA_OF_MODULE = {
    "mujoco": "sim",
    "trimesh": "sim",
    "coacd": "sim",
    "matplotlib": "sim",
    "imageio_ffmpeg": "sim",
    "scipy": "sim",
    "open3d": "perception",
    "rosbags": "ros",
    "rclpy": "ros",
    "sleight_msgs": "ros",
    "torch": "train",
    "rsl_rl": "train",
    "tensorboard": "train",
    "tensordict": "train",
    "safetensors": "train",
    "sklearn": "train",
    "diffusers": "train",
    "onnx": "train",
    "mujoco_warp": "gpu",
}

# typer brings its own copy of click since 0.2x and used the click package before: only typer's names are safe to use.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # pyright: ignore[reportAssignmentType]
_BaseError: type[Exception] = typer.BadParameter.__mro__[2]  # pyright: ignore[reportAssignmentType]


def commands() -> dict[str, EntryPoint]:
    """Return all registered commands, name -> entry point, sorted by name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def summary(point: EntryPoint) -> str:
    """Return the first line of the docstring of a command's module without importing that module.

    Args:
        point: The command.
    """
    try:
        spec = importlib.util.find_spec(point.module)
        if spec is None or spec.origin is None:
            return "(not installed)"
        text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    except (ImportError, OSError, SyntaxError, ValueError):
        return "(not installed)"
    return (text or "").split("\n", 1)[0]


def print_help() -> None:
    """Print what `sleight` is and its commands."""
    points = commands()
    width = max((len(name) for name in points), default=0) + 2
    lines = [
        "Usage: sleight [--help | --version] COMMAND [ARGS]...",
        "",
        "Sleight: learned dexterous manipulation, from simulation to a ROS 2 robot.",
        "",
        "Commands ('sleight COMMAND --help' says more):",
        *(f"  {name:<{width}}{summary(point)}" for name, point in points.items()),
    ]
    print("\n".join(lines))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; exits 0 done, 1 a check fell short, 2 wrong use or refused input, 130 interrupted.

    Args:
        argv: Arguments without the program's name; those of the process when None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        sys.exit(_run(arguments))
    except SleightError as error:
        _refuse(str(error), error)
    except (KeyboardInterrupt, typer.Abort):
        print("sleight: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) left: not an error, but Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ImportError as error:
        _refuse(_explain_import(error), error)
    except OSError as error:
        _refuse(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), error)


def _run(arguments: list[str]) -> int:
    """Dispatch to one command and return the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print_help()
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(_version())
        return 0
    name, rest = arguments[0], arguments[1:]
    points = commands()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "'sleight --help' lists the commands"
        raise SleightError("no such command" if not name.startswith("-") else "no such option", value=name, remedy=hint)
    program = f"sleight {name}"
    try:
        status = typer.main.get_command(_load(points[name])).main(args=rest, prog_name=program, standalone_mode=False)
    except _BaseError as error:
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", None) or program
        message = " ".join(str(error.format_message()).split())  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(error, _UsageError):
            # No arguments at all: typer has printed the help, the message is empty or the help itself.
            if not message or type(error).__name__ == "NoArgsIsHelpError":
                return 2
            message = f"{message.rstrip('.')} (see '{path} --help')"
        raise SleightError(message) from error
    except typer.Exit as error:
        return error.exit_code
    return status if isinstance(status, int) else 0


def _load(point: EntryPoint) -> typer.Typer:
    """Import one command's application."""
    try:
        loaded = point.load()
    except AttributeError as error:
        raise SleightError(
            "the command is registered but not there", value=point.value, remedy="run 'make setup'"
        ) from error
    except ModuleNotFoundError as error:
        # The room itself may be left out of an installation (a robot without the simulation).
        if error.name and point.module.startswith(error.name):
            raise SleightError("this command is not installed", value=point.name, remedy="run 'make setup'") from error
        raise
    if isinstance(loaded, typer.Typer):
        return loaded
    raise SleightError("the command is registered but is no typer.Typer", value=point.value)


def _explain_import(error: ImportError) -> str:
    """Return one line that says what is missing and what brings it."""
    module = (error.name or "").split(".")[0]
    if isinstance(error, ModuleNotFoundError) and module in EXTRA_OF_MODULE:
        return str(MissingExtraError(module, EXTRA_OF_MODULE[module]))
    return f"{error} ('sleight doctor' says what is missing)"


def _version() -> str:
    try:
        return f"sleight {version('sleight')}"
    except PackageNotFoundError:
        return f"sleight {version('sleight-core')}"


def _refuse(message: str, cause: BaseException) -> NoReturn:
    """Print one line and exit 2; SLEIGHT_TRACEBACK=1 shows a developer where it came from instead."""
    if os.environ.get("SLEIGHT_TRACEBACK"):
        raise cause
    print(f"sleight: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
