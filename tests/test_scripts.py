"""The shell scripts: their syntax, and what `make setup` refuses before it touches anything."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = [
    ROOT / ".ci" / "run",
    *(path for path in sorted((ROOT / "scripts").iterdir()) if not path.suffix and path.is_file()),
]


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # The variables of the wheels' own start-up must not hide what a plain shell would see.
    kept = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
        env={**kept, **variables},
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_syntax_and_mode(script: Path) -> None:
    result = run("bash", "-n", script)
    assert result.returncode == 0, result.stderr
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert os.access(script, os.X_OK)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result
    assert result.stderr.startswith("setup: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_setup_refuses_a_sourced_ros(tmp_path: Path) -> None:
    (tmp_path / "rclpy").mkdir()
    (tmp_path / "librcl.so").touch()
    for name in ("AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH"):
        message = refused(run(ROOT / "scripts" / "setup", **{name: str(tmp_path)}))
        assert name in message and "env -u AMENT_PREFIX_PATH" in message and "docs/install.md" in message


def test_setup_says_which_ros_it_uses(tmp_path: Path) -> None:
    """The wrong extra ends it before anything is installed."""
    result = run(ROOT / "scripts" / "setup", "trian", ROS_ROOTS=str(tmp_path))
    assert result.stdout.splitlines()[0] == f"==> ROS: the Jazzy wheels in .venv; no distribution under {tmp_path}"
    for name in ("jazzy", "lyrical", "notes"):
        (tmp_path / name).mkdir()
    for name in ("jazzy", "lyrical"):
        (tmp_path / name / "setup.bash").touch()
    result = run(ROOT / "scripts" / "setup", "trian", ROS_ROOTS=str(tmp_path))
    assert f"{tmp_path} (jazzy lyrical) is not sourced and stays untouched" in result.stdout.splitlines()[0]


def test_setup_refuses_a_python_without_wheels() -> None:
    assert "no Python 3.11 or 3.12" in refused(run(ROOT / "scripts" / "setup", PYTHON="/bin/false"))


def test_setup_refuses_an_unknown_extra() -> None:
    assert "no such extra: 'trian' (there are: ros perception sim train arm gpu dev)" in refused(
        run(ROOT / "scripts" / "setup", "trian")
    )


def test_every_make_target_is_listed() -> None:
    result = run("make", "help")
    assert result.returncode == 0
    for target in ("setup", "setup-dev", "demo", "test", "test-all", "lint", "bench", "clean"):
        assert f"make {target} " in result.stdout
