"""Builds `leap_hand.srv`, services of the official module's shape, where that module is not installed."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "leap_hand_interfaces"
ROOT = Path(__file__).resolve().parents[3]


def environment():
    """Variables with which a process finds the interfaces; builds them at most once.

    Skips the test where they can neither be found nor built.
    """
    if importlib.util.find_spec("leap_hand") is not None:
        return {}
    prefix = Path(sys.prefix)
    if not (prefix / "share" / "rosidl_default_generators").is_dir() or not all(map(shutil.which, ("cmake", "g++"))):
        pytest.skip("the official module's interfaces are not installed, and cannot be built here")
    digest = hashlib.sha256(sys.version.encode() + str(prefix).encode())
    for path in sorted(path for path in HERE.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    place = ROOT / "build" / f"leap_hand_{digest.hexdigest()[:12]}"
    if not (place / "done").exists():
        _build(place, prefix)
    libraries, packages = place / "lib", next(place.glob("lib/python*/site-packages"))
    return {
        name: os.pathsep.join(part for part in (str(folder), os.environ.get(name, "")) if part)
        for name, folder in (("LD_LIBRARY_PATH", libraries), ("PYTHONPATH", packages))
    }


def _build(place, prefix):
    shutil.rmtree(place, ignore_errors=True)
    work = place / "work"
    work.mkdir(parents=True)
    variables = {**os.environ, "AMENT_PREFIX_PATH": str(prefix), "CMAKE_PREFIX_PATH": str(prefix)}
    variables["PATH"] = f"{prefix / 'bin'}{os.pathsep}{variables.get('PATH', '')}"
    variables.pop("PYTHONPATH", None)
    configure = [
        "cmake", "-S", str(HERE), "-B", str(work), "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF",
        f"-DCMAKE_INSTALL_PREFIX={place}", f"-DPython3_EXECUTABLE={sys.executable}",
        f"-DPython3_ROOT_DIR={prefix}", "-DPython3_FIND_VIRTUALENV=ONLY",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", str(work)], ["cmake", "--install", str(work)]):
        result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    shutil.rmtree(work)
    (place / "done").touch()
