"""Scanned objects on which finished policies are judged (appendix B.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sleight_sim.objects.scans import scan_files, scans_digest


@dataclass(frozen=True)
class Scans:
    """Scanned objects in a folder.

    Attributes:
        folder: Where they are.
        mesh_scale: Metres per unit of their files.
        names: Their names.
        sha256: Over their names and files.
    """

    folder: Path
    mesh_scale: float
    names: tuple[str, ...]
    sha256: str


def find_scans(folder: Path, mesh_scale: float = 1.0) -> Scans:
    """Return the scanned objects in a folder, see `sleight_sim.objects.scans.scan_files`.

    Raises:
        SleightError: There are none.
    """
    files = scan_files(folder)
    return Scans(folder.resolve(), mesh_scale, tuple(files), scans_digest(files))
