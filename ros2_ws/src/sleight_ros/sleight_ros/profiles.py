"""Where the shipped parameter files are: installed by `sleight_bringup`, or in the source tree."""

from __future__ import annotations

import contextlib
import difflib
from pathlib import Path

from sleight_core.errors import SleightError


def profile_path(name: str) -> Path:
    """Path of a profile.

    Args:
        name: A file's path, or the name of a shipped profile (``shadow_sim``).

    Raises:
        SleightError: There is no such profile.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise SleightError("no such profile", value=name)
        return path
    for folder in profile_folders():
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = profile_names()
    close = difflib.get_close_matches(name, known, n=1)
    near = f"did you mean '{close[0]}'? " if close else ""
    raise SleightError("no such profile", value=name, remedy=f"{near}choose one of {known}, or give a .yaml file")


def profile_names() -> list[str]:
    """Names of the shipped profiles."""
    return sorted({path.stem for folder in profile_folders() if folder.is_dir() for path in folder.glob("*.yaml")})


def profile_folders() -> list[Path]:
    """Folders with profiles, those of an installed workspace first."""
    folders = [Path(__file__).resolve().parents[2] / "sleight_bringup" / "config"]
    # A pip-only environment has neither the index nor the variable that says where it is.
    with contextlib.suppress(ImportError, LookupError, OSError):
        from ament_index_python.packages import get_package_share_directory

        folders.insert(0, Path(get_package_share_directory("sleight_bringup")) / "config")
    return folders
