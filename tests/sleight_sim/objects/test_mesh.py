"""Mesh files: those of the world outside become objects, and what cannot be an object is refused with a remedy."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_sim.objects import MAX_PIECES, PIECE_VERTICES, load_mesh_object
from sleight_sim.objects import mesh as mesh_module
from sleight_sim.objects.decompose import read_pieces, write_pieces
from sleight_sim.objects.mesh import read_mesh

#: Sample data beside the repository, where it is a development checkout.
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
BOTTLE = "unidexgrasp_sample/assets/meshdatav3_scaled/core/bottle-70172e6afe6aff7847f90c1ac631b97f/coacd"


def sample(path: str) -> Path:
    file = DATA / path
    if not file.is_file():
        pytest.skip("sample data is not beside the repository")
    return file


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("suffix", [".obj", ".stl", ".ply"])
def test_convex_mesh_is_taken_as_it_is(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"brick{suffix}"
    brick = trimesh.creation.box(extents=[40.0, 60.0, 100.0])
    brick.apply_translation([500.0, 0.0, 20.0])
    brick.export(file)
    obj = load_mesh_object(file, mesh_scale=0.001, density=400.0)
    assert obj.pieces.shape == (1, PIECE_VERTICES, 3)
    np.testing.assert_allclose(obj.extents, [0.04, 0.06, 0.10], rtol=0.01)
    np.testing.assert_allclose(obj.pieces[0].max(axis=0), -obj.pieces[0].min(axis=0), atol=1e-9)
    assert obj.mass == pytest.approx(0.04 * 0.06 * 0.10 * 400.0, rel=1e-4)
    assert obj.family == "mesh"


def bracket() -> trimesh.Trimesh:
    """An L of 8 x 8 cm, 2 cm thick, 3 cm deep."""
    outline = np.array([[0, 0], [8, 0], [8, 2], [2, 2], [2, 8], [0, 8]]) * 0.01
    points = np.concatenate([np.c_[outline, np.zeros(6)], np.c_[outline, np.full(6, 0.03)]])
    caps = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]
    faces = [face[::-1] for face in caps] + [[i + 6 for i in face] for face in caps]
    for i in range(6):
        j = (i + 1) % 6
        faces += [[i, j, j + 6], [i, j + 6, i + 6]]
    return trimesh.Trimesh(points, faces)


def test_concave_mesh_is_decomposed_once_and_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bracket.obj"
    mesh = bracket()
    mesh.export(file)
    obj = load_mesh_object(file)
    assert 2 <= len(obj.pieces) <= MAX_PIECES
    np.testing.assert_allclose(obj.extents, mesh.extents, rtol=0.03)
    assert obj.volume == pytest.approx(mesh.volume, rel=0.1)
    assert obj.mass == pytest.approx(500.0 * mesh.volume, rel=1e-3)
    np.testing.assert_allclose(obj.com, mesh.center_mass - mesh.bounds.mean(axis=0), atol=1e-3)

    def no_second_time(*_args: object, **_options: object) -> None:
        raise AssertionError("decomposed again")

    monkeypatch.setattr(mesh_module, "decompose", no_second_time)
    np.testing.assert_array_equal(load_mesh_object(file).pieces, obj.pieces)


def test_damaged_cache_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "pieces.npz"
    pieces = [np.random.default_rng(k).normal(size=(5 + k, 3)) for k in range(3)]
    write_pieces(file, pieces)
    again = read_pieces(file)
    assert again is not None
    for a, b in zip(pieces, again, strict=True):
        np.testing.assert_array_equal(a, b)
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"nonsense" * 10, content[:60] + b"\xff" * 80 + content[140:]):
        file.write_bytes(damaged)
        assert read_pieces(file) is None
    assert read_pieces(tmp_path / "missing.npz") is None


@pytest.mark.parametrize(
    ("path", "pieces"), [(f"{BOTTLE}/decomposed_006.obj", 12), (f"{BOTTLE}/coacd_convex_piece_3.obj", 1)]
)
def test_known_decompositions_are_used(path: str, pieces: int) -> None:
    file = sample(path)
    mesh = trimesh.load(file, force="mesh")
    scale = min(1.0, 0.15 / mesh.extents.max())
    obj = load_mesh_object(file, scale)
    assert len(obj.pieces) == pieces
    np.testing.assert_allclose(obj.extents, mesh.extents * scale, rtol=0.03)


def test_scanned_mug_is_closed_and_says_its_unit() -> None:
    file = sample("ycb_sample/025_mug/textured.obj")
    mesh, _ = read_mesh(file, 0.01)
    assert mesh.is_watertight
    with pytest.raises(SleightError, match="looks like centimetres: --mesh-scale 0.01"):
        read_mesh(file)


def test_small_holes_are_closed(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.03)
    ball.update_faces(np.arange(len(ball.faces)) > 0)
    ball.export(tmp_path / "ball.stl")
    mesh, _ = read_mesh(tmp_path / "ball.stl")
    assert mesh.is_watertight
    assert mesh.volume > 0


def write(folder: Path, name: str, content: object) -> Path:
    file = folder / name
    assert isinstance(content, str | bytes)  # trimesh's export may also return other things
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_refusals_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = trimesh.creation.box(extents=[0.05, 0.05, 0.05])
    obj_text = box.export(file_type="obj")
    stl = box.export(file_type="stl")
    assert isinstance(obj_text, str) and isinstance(stl, bytes)
    sheet = trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0, 0.1, 0.001]], [[0, 1, 2], [0, 2, 3]])
    millimetres = box.copy().apply_scale(1000.0)
    assert isinstance(millimetres, trimesh.Trimesh)
    open_soup = trimesh.Trimesh(np.random.default_rng(0).normal(size=(90, 3)) * 0.03, np.arange(90).reshape(-1, 3))
    cases = [
        (tmp_path / "missing.obj", 1.0, "cannot be read.*No such file"),
        (tmp_path, 1.0, "not a mesh file"),
        (write(tmp_path, "empty.obj", ""), 1.0, "empty|damaged|no mesh"),
        (write(tmp_path, "text.obj", "a mug\n"), 1.0, "empty|damaged|no mesh"),
        (write(tmp_path, "short.stl", b"\0" * 20), 1.0, "empty|damaged|no mesh"),
        (write(tmp_path, "nan.obj", obj_text.replace("0.025", "nan", 1)), 1.0, "not finite|damaged"),
        (write(tmp_path, "nan.stl", stl[:96] + b"\xff\xff\xff\x7f" + stl[100:]), 1.0, "not finite"),
        (write(tmp_path, "box.obj", obj_text), 0.0, "positive number"),
        (write(tmp_path, "box.obj", obj_text), float("nan"), "positive number"),
        (write(tmp_path, "box.obj", obj_text), 0.001, "outside 0.01 to 0.4 m"),
        (write(tmp_path, "mm.obj", millimetres.export(file_type="obj")), 1.0, "millimetres: --mesh-scale 0.001"),
        (write(tmp_path, "sheet.obj", sheet.export(file_type="obj")), 1.0, "flat|far from closed"),
        (write(tmp_path, "soup.stl", open_soup.export(file_type="stl")), 1.0, "far from closed"),
        (
            write(tmp_path, "bad.ply", b"ply\nformat ascii 1.0\nelement vertex 3\nend_header\n"),
            1.0,
            "damaged|empty|cloud",
        ),
    ]
    cloud = trimesh.PointCloud(np.random.default_rng(0).normal(size=(50, 3)))
    cases.append((write(tmp_path, "cloud.ply", cloud.export(file_type="ply")), 1.0, "point cloud"))
    for file, scale, what in cases:
        with pytest.raises(SleightError, match=what):
            load_mesh_object(file, scale)
    monkeypatch.setattr(mesh_module, "MAX_BYTES", 10)
    with pytest.raises(SleightError, match="huge"):
        load_mesh_object(tmp_path / "box.obj")


_HEADERS = {
    ".obj": b"v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 2 3\nf 1 4 2\nf 1 3 4\nf 2 4 3\n",
    ".stl": b"solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n",
    ".ply": b"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    b"element face 4\nproperty list uchar int vertex_indices\nend_header\n"
    b"0 0 0\n0.1 0 0\n0 0.1 0\n0 0 0.1\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n",
}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(sorted(_HEADERS)),
    cut=st.integers(0, 250),
    junk=st.binary(max_size=40),
    start=st.booleans(),
)
@example(suffix=".obj", cut=3, junk=b"\n", start=True)  # a coordinate beyond what merging can count
@example(suffix=".obj", cut=5, junk=b"\n", start=True)  # nothing is left to look for thin faces in
def test_damaged_files_never_give_a_traceback(tmp_path: Path, suffix: str, cut: int, junk: bytes, start: bool) -> None:
    base = _HEADERS[suffix] if start else b""
    file = write(tmp_path, f"fuzz{suffix}", base[:cut] + junk + base[cut + len(junk) :])
    try:
        mesh, _ = read_mesh(file)
    except SleightError:
        return
    assert len(mesh.faces) >= 4
