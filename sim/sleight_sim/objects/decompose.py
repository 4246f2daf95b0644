"""Convex decomposition by CoACD in a process of its own: `python -m sleight_sim.objects.decompose IN.npz OUT.npz`.

CoACD and Open3D cannot be loaded into one process (Open3D's import fails with `std::bad_cast` after CoACD's), CoACD
prints on stdout from native code, and a broken mesh can crash it. None of that should reach the caller.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

Array = NDArray[np.float64]

#: Seconds after which a decomposition is given up.
TIME_LIMIT = 1800.0
#: Concavity below which a piece is convex enough, in units of half the longest side.
THRESHOLD = 0.06


def decompose(vertices: Array, faces: NDArray[np.int32], max_pieces: int, *, remesh: bool) -> list[Array]:
    """Return the vertices (n_i, 3) of at most `max_pieces` convex pieces.

    Args:
        vertices: (V, 3), any unit.
        faces: (F, 3).
        max_pieces: Most pieces.
        remesh: The surface is not closed: remesh it into a closed one first.

    Raises:
        SleightError: if CoACD crashes, gives nothing, or takes longer than `TIME_LIMIT`.
    """
    # CoACD wants a body of about unit size: its grid and its concavity are in those units.
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0
    scale = float(np.ptp(vertices, axis=0).max()) / 2.0
    with tempfile.TemporaryDirectory(prefix="sleight_coacd_") as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, vertices=(vertices - centre) / scale, faces=faces, max_pieces=max_pieces, remesh=remesh)
        # Waiting OpenMP threads spin by default, which on a busy machine makes everything many times slower.
        env = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "sleight_sim.objects.decompose", str(source), str(target)],
                env=env,
                capture_output=True,
                timeout=TIME_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SleightError("the convex decomposition takes too long", remedy="decimate the mesh first") from None
        if ended.returncode != 0 or not target.is_file():
            last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"status {ended.returncode}"]
            raise SleightError("CoACD cannot decompose the mesh", value=last[0], remedy="repair or simplify the mesh")
        pieces = read_pieces(target)
    if not pieces or len(pieces) > max_pieces:
        raise SleightError("CoACD cannot decompose the mesh", value=f"{len(pieces or [])} pieces")
    return [piece * scale + centre for piece in pieces]


def write_pieces(file: Path, pieces: list[Array]) -> None:
    """Store pieces (n_i, 3) in an npz file, atomically: several processes may work on the same mesh.

    Raises:
        OSError: if the folder cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as out:
        np.savez(out, vertices=np.concatenate(pieces), counts=np.array([len(piece) for piece in pieces]))
    os.replace(out.name, file)


def read_pieces(file: Path) -> list[Array] | None:
    """Read what `write_pieces` wrote; None if the file is missing or damaged."""
    try:
        with np.load(file, allow_pickle=False) as data:
            vertices, counts = data["vertices"].astype(np.float64), data["counts"].astype(np.int64)
    except Exception:  # a damaged archive raises anything from zipfile, zlib or numpy
        return None
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not np.isfinite(vertices).all():
        return None
    if counts.ndim != 1 or not len(counts) or counts.min() < 4 or counts.sum() != len(vertices):
        return None
    return np.split(vertices, np.cumsum(counts)[:-1])


def _work(source: Path, target: Path) -> None:
    import coacd

    coacd.set_log_level("error")
    with np.load(source, allow_pickle=False) as data:
        vertices, faces = data["vertices"], data["faces"].astype(np.int32)
        max_pieces, remesh = int(data["max_pieces"]), bool(data["remesh"])
    found = coacd.run_coacd(
        coacd.Mesh(vertices, faces),
        threshold=THRESHOLD,
        max_convex_hull=max_pieces,
        preprocess_mode="on" if remesh else "auto",
        preprocess_resolution=30,
        resolution=1000,
        mcts_nodes=10,
        mcts_iterations=30,
        mcts_max_depth=2,
        seed=0,
    )
    write_pieces(target, [np.asarray(piece) for piece, _ in found if len(piece) >= 4])


if __name__ == "__main__":
    _work(Path(sys.argv[1]), Path(sys.argv[2]))
