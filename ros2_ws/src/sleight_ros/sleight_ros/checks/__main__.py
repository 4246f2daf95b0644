"""Runs one check and prints its rows as JSON: ``python -m sleight_ros.checks dds``.

Exit status: 0 whatever was found, 2 the check itself could not be run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from sleight_core.errors import SleightError

from sleight_ros.checks.row import Row

#: Check -> the module that has it, and what its function `check` needs.
CHECKS = {
    "dds": ("dds", ()),
    "realtime": ("realtime", ()),
    "cameras": ("cameras", ("profile",)),
    "ports": ("ports", ("profile",)),
    "robot": ("robot", ("bundle", "profile")),
}


def run(name: str, profile: str = "", bundle: str = "") -> list[Row]:
    """Run one check.

    Raises:
        SleightError: There is no such check or profile.
    """
    if name not in CHECKS:
        raise SleightError("no such check", value=name, remedy=f"choose one of {', '.join(CHECKS)}")
    module, needs = CHECKS[name]
    from sleight_ros.profiles import profile_path

    given = {"profile": profile_path(profile) if "profile" in needs else None, "bundle": Path(bundle)}
    return importlib.import_module(f"sleight_ros.checks.{module}").check(*(given[need] for need in needs))


def main() -> int:
    """Run the check that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m sleight_ros.checks", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--profile", default="")
    parser.add_argument("--bundle", default="")
    options = parser.parse_args()
    try:
        rows = run(options.name, options.profile, options.bundle)
    except SleightError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    print(json.dumps([asdict(row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
