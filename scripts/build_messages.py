"""Build and install `sleight_msgs` into the virtual environment whose Python runs this file.

Needs the ROS wheels of ``requirements/ros-jazzy-wheels.txt`` in that environment, cmake and a C++ compiler. Uses only
the standard library and numpy. Does nothing when neither the interface files nor the wheels changed since the last
build.

Exit status: 0 built or up to date, 2 something needed is missing or the build failed (one line on stderr says what).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ros2_ws" / "src" / "sleight_msgs"
#: What the stamp and the generated code depend on besides the interface files.
GENERATORS = ("ros_rosidl_", "ros_jazzy_", "ros_ament_", "numpy-")


class BuildError(Exception):
    """A failure that is shown as one line."""


def input_hash(prefix: Path) -> str:
    """Return a hash over the interface files, this script, the interpreter and the installed generator wheels.

    Args:
        prefix: The virtual environment.
    """
    digest = hashlib.sha256(f"{sys.version}\0{prefix}\0".encode())
    sources = sorted(path for path in PACKAGE.rglob("*") if path.is_file())
    for path in [*sources, Path(__file__)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    site = Path(sysconfig.get_path("purelib"))
    for name in sorted(entry.name for entry in site.glob("*.dist-info") if entry.name.startswith(GENERATORS)):
        digest.update(name.encode())
    return digest.hexdigest()


def patch_exports(prefix: Path) -> int:
    """Point the message wheels' CMake files at this interpreter instead of the machine that built the wheels.

    Args:
        prefix: The virtual environment.

    Returns:
        How many files were changed.
    """
    import numpy

    include = sysconfig.get_path("include")
    changed = 0
    for path in sorted(prefix.glob("share/*/cmake/*__rosidl_generator_pyExport.cmake")):
        text = path.read_text()
        new = re.sub(r'/opt/python/cp[^;"]*/numpy/(?:_core|core)/include', numpy.get_include(), text)
        new = re.sub(r'/opt/python/cp[^;"]*/include/python3\.\d+', include, new)
        if new != text:
            path.write_text(new)
            changed += 1
    return changed


def check_tools() -> None:
    """Raise BuildError when a tool, a header or a wheel needed by the build is absent."""
    for tool, package in (("cmake", "cmake"), ("g++", "g++"), ("make", "make")):
        if shutil.which(tool) is None:
            raise BuildError(f"'{tool}' is not installed (run 'sudo apt-get install {package}')")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise BuildError(f"Python.h of Python {version} is absent (run 'sudo apt-get install python{version}-dev')")
    if not (Path(sys.prefix) / "share" / "rosidl_default_generators").is_dir():
        raise BuildError("the ROS wheels are not installed in this environment (run 'make setup')")


def stream(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a command, keep its output in a log, and yield its lines.

    Args:
        command: The command and its arguments.
        log: File that receives everything the command prints (appended).
        environment: Its whole environment.

    Raises:
        BuildError: The command failed; the message shows its first error line and names the log.
    """
    lines: list[str] = []
    with log.open("a") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            lines.append(line.rstrip())
            yield lines[-1]
        status = process.wait()
    if status != 0:
        found = next(
            (line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)), lines[-1] if lines else ""
        )
        raise BuildError(f"{command[0]} failed: {found.strip()} (the whole output is in {log})")


def build(prefix: Path, jobs: int) -> None:
    """Configure, compile and install the package into the environment, then import it once.

    Args:
        prefix: The virtual environment.
        jobs: Parallel compiler processes.

    Raises:
        BuildError: A step failed.
    """
    folder = prefix / "build" / "sleight_msgs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder.parent / "sleight_msgs.log"
    log.write_text("")
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": str(prefix),
        "CMAKE_PREFIX_PATH": str(prefix),
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    # The generated code must come from this environment's rosidl, whatever the caller's shell exports.
    environment.pop("PYTHONPATH", None)
    configure = [
        "cmake", "-S", str(PACKAGE), "-B", str(folder), "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF",
        f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DPython3_EXECUTABLE={sys.executable}",
        f"-DPython3_ROOT_DIR={prefix}", "-DPython3_FIND_VIRTUALENV=ONLY",
    ]  # fmt: skip
    for _ in stream(configure, log, environment):
        pass
    show = sys.stderr.isatty()
    for line in stream(["cmake", "--build", str(folder), "--parallel", str(jobs)], log, environment):
        percent = re.match(r"\[\s*(\d+)%\]", line)
        if show and percent:
            print(f"\r    compiling sleight_msgs {percent[1]:>3} %", end="", file=sys.stderr, flush=True)
    if show:
        print(file=sys.stderr)
    for _ in stream(["cmake", "--install", str(folder)], log, environment):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    # A fresh process: this one may have been started before the libraries existed.
    probe = (
        "from sleight_msgs.msg import SafetyStatus as S; from rclpy.serialization import serialize_message as s; s(S())"
    )
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "AMENT_PREFIX_PATH")}
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=clean, check=False)
    if result.returncode != 0:
        raise BuildError(f"sleight_msgs was built but cannot be imported: {result.stderr.strip().splitlines()[-1:]}")


def main(argv: list[str] | None = None) -> int:
    """Build when the inputs changed; return the exit status."""
    parser = argparse.ArgumentParser(description="Build sleight_msgs into this Python's virtual environment.")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel compiler processes")
    options = parser.parse_args(argv)
    prefix = Path(sys.prefix)
    stamp = prefix / ".stamps" / "sleight_msgs"
    try:
        if sys.prefix == sys.base_prefix:
            raise BuildError("this Python is not a virtual environment (run it with .venv/bin/python)")
        wanted = input_hash(prefix)
        if not options.force and stamp.is_file() and stamp.read_text() == wanted:
            return 0
        check_tools()
        patch_exports(prefix)
        build(prefix, options.jobs)
    except BuildError as error:
        print(f"build_messages: {error}", file=sys.stderr)
        return 2
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
