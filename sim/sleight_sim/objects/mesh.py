"""Any mesh file as an object: checked, decomposed by CoACD into convex pieces of the common size, and cached."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.objects.cache import cache_root
from sleight_sim.objects.convex import MAX_PIECES, hull_piece
from sleight_sim.objects.decompose import decompose, read_pieces, write_pieces
from sleight_sim.objects.spec import ObjectSpec, make_spec

Array = NDArray[np.float64]
log = logging.getLogger("sleight.objects")

MESH_SUFFIXES = (".obj", ".stl", ".ply")
#: Accepted size of the longest side (m).
SIZE_LIMITS = (0.01, 0.40)
MAX_BYTES = 200_000_000
MAX_FACES = 1_000_000
#: Finer meshes are remeshed before decomposition, whose time grows with the faces.
DENSE_FACES = 60_000
#: A mesh with a larger share of open edges is a sheet or a soup, not the surface of a body.
MAX_OPEN_EDGES = 0.25

_UNITS = (("centimetres", 0.01), ("millimetres", 0.001), ("inches", 0.0254), ("metres", 1.0), ("a unit sphere", 0.1))
_CACHE_VERSION = "1"


def load_mesh_object(
    path: str | Path,
    mesh_scale: float = 1.0,
    density: float = 500.0,
    *,
    name: str | None = None,
    friction: float = 1.0,
    max_pieces: int = MAX_PIECES,
    cache: bool = True,
) -> ObjectSpec:
    """Read a mesh file and return it as an object, recentred to its bounding box.

    Args:
        path: An OBJ, STL or PLY file.
        mesh_scale: Metres per unit of the file.
        density: kg/m^3; the mass is clamped to 10 g - 2 kg.
        name: Name of the object (default: folder and name of the file).
        friction: Sliding friction coefficient.
        max_pieces: Most convex pieces.
        cache: Keep the decomposition on disk (`cache_folder`), under the hash of the file.

    Raises:
        SleightError: for a missing, unreadable, empty, huge or flat mesh, a point cloud, numbers that are not finite,
            a surface too open to be closed, or a size that is not that of an object for a hand.
    """
    file = Path(path)
    mesh, digest = read_mesh(file, mesh_scale)
    pieces = _decompose(mesh, f"{digest}-{max_pieces}" if cache else None, max_pieces, file)
    hulls = []
    for piece in pieces:
        try:
            hulls.append(hull_piece(piece * mesh_scale))
        except SleightError:
            log.info("%s: a flat convex piece is left out", file.name)
    if not hulls:
        raise SleightError("the mesh is flat", value=file, remedy="an object needs a volume")
    return make_spec(
        name or f"{file.parent.name}/{file.stem}",
        "mesh",
        hulls,
        density=density,
        mass_limits=(0.01, 2.0),
        friction=friction,
        solid=_scaled(mesh, mesh_scale) if mesh.is_volume and mesh.body_count == 1 else None,
    )


def read_mesh(file: Path, mesh_scale: float = 1.0) -> tuple[trimesh.Trimesh, str]:
    """Read and check a mesh file; return the mesh in the file's units, its seams merged, and the file's SHA-256.

    Raises:
        SleightError: as `load_mesh_object`.
    """
    if not np.isfinite(mesh_scale) or mesh_scale <= 0:
        raise SleightError("the mesh scale is a positive number of metres per unit", value=mesh_scale)
    if file.suffix.lower() not in MESH_SUFFIXES:
        raise SleightError("not a mesh file", value=file, remedy="use " + ", ".join(MESH_SUFFIXES))
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise SleightError(
                "the mesh file is huge", value=f"{file}, {size / 1e6:.0f} MB", remedy="decimate it first"
            )
        content = file.read_bytes()
    except OSError as error:
        raise SleightError("the mesh file cannot be read", value=f"{file}: {error.strerror}") from None
    mesh = _parse(file)
    if not np.isfinite(mesh.vertices).all():
        raise SleightError("the mesh has vertices that are not finite numbers", value=file, remedy="repair the file")
    if len(mesh.faces) > MAX_FACES:
        raise SleightError(
            "the mesh has too many faces", value=len(mesh.faces), remedy=f"decimate it below {MAX_FACES}"
        )
    _check_size(float(mesh.extents.max()), mesh_scale, file)
    _clean(mesh, file)
    if len(mesh.faces) < 4 or np.linalg.matrix_rank(mesh.vertices - mesh.vertices[0], tol=1e-6 * mesh.scale) < 3:
        raise SleightError("the mesh is flat", value=file, remedy="an object needs a volume")
    share = _open_edges(mesh)
    if share > MAX_OPEN_EDGES:
        raise SleightError(
            "the mesh is far from closed",
            value=f"{file}: {share:.0%} of its edges are open",
            remedy="an object needs a closed surface; repair it, e.g. in MeshLab or Blender",
        )
    if not mesh.is_watertight:
        mesh.fill_holes()
        mesh.fix_normals()
    if mesh.is_watertight and mesh.volume < 0:
        mesh.invert()
    return mesh, hashlib.sha256(content).hexdigest()


def _clean(mesh: trimesh.Trimesh, file: Path) -> None:
    """Merge seams, and drop faces without an area and vertices without a face."""
    try:
        mesh.merge_vertices(merge_tex=True, merge_norm=True)
        if len(mesh.faces):
            mesh.update_faces(mesh.nondegenerate_faces() & mesh.unique_faces())
        mesh.remove_unreferenced_vertices()
    except (ValueError, OverflowError, IndexError) as error:  # coordinates that no file means to have
        raise SleightError("the mesh file is damaged", value=f"{file}: {type(error).__name__}: {error}") from None


def cache_folder() -> Path:
    """Return the folder for decompositions, in `cache_root()`."""
    return cache_root() / "coacd"


def _parse(file: Path) -> trimesh.Trimesh:
    try:
        loaded = trimesh.load(file, process=False, skip_materials=True)
        if isinstance(loaded, trimesh.Scene):
            loaded = loaded.to_mesh() if loaded.geometry else trimesh.Trimesh()
    except Exception as error:  # trimesh's readers raise anything at all on damaged files
        raise SleightError("the mesh file is damaged", value=f"{file}: {type(error).__name__}: {error}") from None
    if isinstance(loaded, trimesh.PointCloud) or (isinstance(loaded, trimesh.Trimesh) and not len(loaded.faces)):
        points = len(getattr(loaded, "vertices", ()))
        what = "the file is a point cloud, not a mesh" if points else "the mesh is empty"
        raise SleightError(
            what, value=file, remedy="an object needs faces; reconstruct a surface first" if points else ""
        )
    if not isinstance(loaded, trimesh.Trimesh):
        raise SleightError("the file holds no mesh", value=f"{file}: {type(loaded).__name__}")
    if loaded.faces.min() < 0 or loaded.faces.max() >= len(loaded.vertices):
        raise SleightError("the mesh file is damaged", value=f"{file}: a face names a vertex that is not there")
    return loaded


def _check_size(longest: float, mesh_scale: float, file: Path) -> None:
    size = longest * mesh_scale
    if SIZE_LIMITS[0] <= size <= SIZE_LIMITS[1]:
        return
    hint = next(((unit, scale) for unit, scale in _UNITS if 0.03 <= longest * scale <= 0.30), None)
    remedy = f"looks like {hint[0]}: --mesh-scale {hint[1]:g}" if hint else "give --mesh-scale in metres per unit"
    raise SleightError(
        f"the mesh is {size:.4g} m long, outside {SIZE_LIMITS[0]} to {SIZE_LIMITS[1]} m", value=file, remedy=remedy
    )


def _open_edges(mesh: trimesh.Trimesh) -> float:
    """Return the share of edges that do not have exactly two faces."""
    _, counts = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    return float((counts == 1).sum() / max(1, len(counts)))


def _decompose(mesh: trimesh.Trimesh, key: str | None, max_pieces: int, file: Path) -> list[Array]:
    """Return the vertices of convex pieces in file units: the mesh's own parts when they are convex, else CoACD's."""
    parts = mesh.split(only_watertight=False)
    if 1 <= len(parts) <= max_pieces and all(_is_convex(part) for part in parts):
        return [np.asarray(part.vertices) for part in parts]
    stored = cache_folder() / f"{key}-v{_CACHE_VERSION}.npz" if key else None
    if stored is not None:
        found = read_pieces(stored)
        if found:
            return found
    if not mesh.is_watertight:
        log.warning("%s is not watertight: remeshed before decomposition, thin walls may thicken", file)
    log.info("%s: decomposing into convex pieces, which may take a minute the first time", file)
    remesh = not mesh.is_volume or len(mesh.faces) > DENSE_FACES
    pieces = decompose(mesh.vertices, mesh.faces.astype(np.int32), max_pieces, remesh=remesh)
    if stored is not None:
        try:
            stored.parent.mkdir(parents=True, exist_ok=True)
            write_pieces(stored, pieces)
        except OSError as error:
            log.info("the decomposition is not cached: %s", error)
    return pieces


def _is_convex(part: trimesh.Trimesh) -> bool:
    if not part.is_volume:
        return False
    return abs(part.convex_hull.volume - part.volume) < 0.01 * part.convex_hull.volume


def _scaled(mesh: trimesh.Trimesh, scale: float) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices * scale, mesh.faces, process=False)
