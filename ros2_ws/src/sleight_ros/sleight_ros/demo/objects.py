"""An object of the demo's own, as a file on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_demo_mesh(folder: Path) -> Path:
    """Write a jar with a waist (11 cm high, in metres) as a binary STL and return its path."""
    import trimesh

    # Radius over height, turned around z.
    profile = np.array(
        [
            (0.0, 0.0),
            (0.030, 0.0),
            (0.033, 0.012),
            (0.032, 0.035),
            (0.028, 0.060),
            (0.030, 0.085),
            (0.031, 0.110),
            (0.0, 0.110),
        ]
    )
    jar = trimesh.creation.revolve(profile, sections=40)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "jar.stl"
    jar.export(path)
    return path
