"""Set names: what resolves to what, and refusals that list the choices."""

from pathlib import Path

import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_sim.objects import resolve_objects
from sleight_sim.objects.sets import DEMO_FAMILIES
from typer.testing import CliRunner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (("b", 0.05), ("a", 0.04)):
        trimesh.creation.box(extents=[size] * 3).export(tmp_path / f"{name}.stl")
    (tmp_path / "notes.txt").write_text("not a mesh")
    return tmp_path


def test_demo_takes_the_families_in_turn() -> None:
    objects = resolve_objects("household:demo")
    assert [obj.family for obj in objects] == list(DEMO_FAMILIES)
    some = resolve_objects("household:demo", seed=3, count=len(DEMO_FAMILIES) + 2)
    assert some[0].name == f"household:{DEMO_FAMILIES[0]}:3"
    assert some[-1].name == f"household:{DEMO_FAMILIES[1]}:4"


def test_names_of_objects_resolve_to_themselves() -> None:
    obj = resolve_objects("household:box", seed=7)[0]
    assert resolve_objects(obj.name)[0].name == obj.name
    assert [one.name for one in resolve_objects("own", own=obj.name, count=2)] == [obj.name] * 2


def test_files_folders_and_mixtures(folder: Path) -> None:
    assert [obj.name for obj in resolve_objects(folder)] == [f"{folder.name}/a", f"{folder.name}/b"]
    assert len(resolve_objects(str(folder / "a.stl"), count=3)) == 3
    mixed = resolve_objects(["household:can", folder], count=4)
    assert [obj.family for obj in mixed] == ["can", "mesh", "mesh", "can"]


@pytest.mark.parametrize(
    "name",
    ["household:", "household:sofa", "household:box:x", "household:box:1:2", "household:demo:1", "household:box:-1"]
    + ["household:box:\u0663", "own", "nowhere", "mug.fbx", "", "\0", "a" * 5000],
)
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(SleightError):
        resolve_objects(name)


def test_refusal_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(SleightError, match=r"household:demo.*household:mug.*mesh file"):
        resolve_objects("household:sofa")
    with pytest.raises(SleightError, match="no mesh files"):
        resolve_objects(tmp_path)
    with pytest.raises(SleightError, match="1 or more"):
        resolve_objects("household:box", count=0)
    with pytest.raises(SleightError, match="no object set"):
        resolve_objects([])


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=30).map(lambda text: "household:" + text) | st.text(max_size=30))
def test_any_text_is_a_set_or_a_refusal(name: str) -> None:
    try:
        assert resolve_objects(name, count=1)
    except SleightError as error:
        assert str(error)


def test_command_lists_shows_and_checks(folder: Path) -> None:
    from sleight_sim.cli.objects import app

    runner = CliRunner()
    listed = runner.invoke(app, ["list", "household:box", "household:phone:4"])
    assert listed.exit_code == 0
    assert "household:phone:4" in listed.output
    picture = folder / "out" / "sheet.png"
    assert runner.invoke(app, ["show", "household:mug:0", str(folder), "--out", str(picture)]).exit_code == 0
    assert picture.stat().st_size > 2000
    checked = runner.invoke(app, ["check", str(folder / "a.stl")])
    assert checked.exit_code == 0
    assert "size: 40 x 40 x 40 mm" in checked.output
    refused = runner.invoke(app, ["check", str(folder / "missing.stl")])
    assert isinstance(refused.exception, SleightError)


def test_sets_are_joined_by_plus(tmp_path) -> None:
    joined = "household:box:0+household:egg:0"
    assert [thing.name for thing in resolve_objects(joined)] == ["household:box:0", "household:egg:0"]
    assert [thing.name for thing in resolve_objects("own", own=joined, count=3)] == [
        "household:box:0",
        "household:egg:0",
        "household:box:0",
    ]
    with pytest.raises(SleightError, match="no such"):
        resolve_objects("household:box:0+")
    path = tmp_path / "a+b.stl"
    resolve_objects("household:box:0")[0].piece_meshes[0].export(path)
    assert len(resolve_objects(str(path))) == 1
