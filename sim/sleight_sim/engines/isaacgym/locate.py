"""Where Isaac Gym is: in a Python of its own, which is asked before anything is built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from sleight_core.errors import SleightError

#: Names the Python that has Isaac Gym; without it, `python3.8` of the path.
PYTHON = "SLEIGHT_ISAACGYM_PYTHON"
#: Names the device of the simulation.
DEVICE = "SLEIGHT_ISAACGYM_DEVICE"
NEEDED = ("isaacgym", "torch", "numpy")
#: How long a Python may take to say what it has, s: environments may lie on slow disks.
PATIENCE = 60.0
_ASK = (
    "import importlib.util as u, json, sys; "
    f"print(json.dumps([list(sys.version_info[:2]), [n for n in {NEEDED!r} if u.find_spec(n) is None]]))"
)


def isaacgym_python() -> str:
    """The Python that has Isaac Gym.

    Raises:
        SleightError: There is none; the message says what to install, and where.
    """
    python = os.environ.get(PYTHON) or shutil.which("python3.8")
    remedy = (
        "install Isaac Gym Preview 4 and torch into a Python 3.6 to 3.8 of their own and name it in "
        f"{PYTHON}=/path/to/bin/python; see docs/isaac.md"
    )
    if python is None:
        raise SleightError("the engine isaacgym is not installed: 'isaacgym' needs a Python 3.8", remedy=remedy)
    try:
        asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, timeout=PATIENCE, check=True)
        _, missing = json.loads(asked.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise SleightError("the Python for the engine isaacgym does not run", value=python, remedy=remedy) from error
    if missing:
        words = " and ".join(f"'{name}'" for name in missing)
        raise SleightError(f"the engine isaacgym is not installed: no {words} in", value=python, remedy=remedy)
    return python


def process_folder() -> Path:
    """The folder that this Python runs."""
    return Path(__file__).parent / "process"
