"""Folders of scanned objects: one mesh of each, refused ones left out, and errors for what cannot be read."""

import logging

import pytest
import trimesh
from sleight_core.errors import SleightError
from sleight_sim.objects.scans import scan_files, scanned_objects, scans_digest
from sleight_sim.objects.sets import resolve_objects


@pytest.fixture
def scans(tmp_path):
    """As the YCB models lie: a folder an object, the scan one folder further down, collision meshes beside it."""
    box = trimesh.creation.box((5.0, 6.0, 7.0))
    for place in (
        "002_can/google_16k/nontextured.stl",
        "002_can/tsdf/textured.obj",
        "003_mug/collision/part.obj",
        "003_mug/poisson/textured.obj",
        "brick.ply",
        ".hidden/thing.obj",
    ):
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        box.export(file)
    (tmp_path / "readme.txt").write_text("no mesh")
    return tmp_path


def test_each_object_has_one_file_and_the_scan_comes_before_a_collision_mesh(scans):
    files = {name: str(file.relative_to(scans)) for name, file in scan_files(scans).items()}
    assert files == {
        "002_can": "002_can/google_16k/nontextured.stl",
        "003_mug": "003_mug/poisson/textured.obj",
        "brick": "brick.ply",
    }


def test_they_are_an_object_set(scans):
    things = resolve_objects(f"scans:{scans}", mesh_scale=0.01)
    assert [thing.family for thing in things] == ["002_can", "003_mug", "brick"]
    assert len(scanned_objects(scans, 0.01, count=1)) == 1


def test_a_damaged_scan_is_left_out_and_said(scans, caplog):
    (scans / "brick.ply").write_bytes(b"ply\nformat nonsense")
    with caplog.at_level(logging.WARNING):
        things = scanned_objects(scans, 0.01)
    assert [thing.family for thing in things] == ["002_can", "003_mug"]
    assert "left out: brick" in caplog.text


def test_the_digest_is_of_names_and_contents(scans):
    before = scans_digest(scan_files(scans))
    assert scans_digest(scan_files(scans)) == before
    (scans / "brick.ply").write_bytes(b"other")
    assert scans_digest(scan_files(scans)) != before


def test_what_holds_no_scans_is_refused(tmp_path):
    with pytest.raises(SleightError, match="no folder of scanned objects"):
        scan_files(tmp_path / "missing")
    with pytest.raises(SleightError, match="no folder of scanned objects"):
        scan_files("\0")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SleightError, match="no mesh files of scanned objects"):
        scan_files(tmp_path)
    (tmp_path / "one.obj").write_text("v 0 0")
    with pytest.raises(SleightError, match="no scanned object of this folder can be used"):
        scanned_objects(tmp_path)
