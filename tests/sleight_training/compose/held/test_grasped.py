"""Any object that a grasp bundle lifts, as held states: kept with its shape, restored, and refused where it changed."""

import json

import numpy as np
import pytest
import trimesh
from sleight_core.errors import SleightError
from sleight_sim.objects.cache import read_arrays, write_arrays
from sleight_sim.objects.household import household_object
from sleight_sim.objects.packing import object_digest
from sleight_training.cli.compose import app
from sleight_training.compose.held.collect import collect_from
from sleight_training.compose.held.config import HeldConfig
from sleight_training.compose.held.grasped import GraspRounds
from sleight_training.compose.held.library import read_library
from sleight_training.compose.held.restore import HeldWorlds, palm_pose
from typer.testing import CliRunner

from ....sleight_core.compose.builders import make

NAMES = ("household:can:0", "household:egg:0")


def test_a_library_holds_the_objects_that_its_states_are_of(grasped):
    assert tuple(draw.name for draw in grasped.draws) == NAMES
    assert [draw.digest for draw in grasped.draws] == [object_digest(household_object(f, 0)) for f in ("can", "egg")]
    assert len(grasped) == 6 and set(grasped.world) == {0, 1}
    assert grasped.task.name == "Grasp" and grasped.meta.source.startswith("bundle shadow_base@")
    assert (np.linalg.norm(grasped.palm_pos, axis=-1) <= 0.12).all() and (grasped.object_pos[:, 2] > 0.7).all()
    assert (grasped.contact.max(axis=-1) > 0.1).all()


def test_the_hand_keeps_them_under_the_hold_action(grasped):
    rows = np.arange(len(grasped))
    task = HeldWorlds(grasped).task(rows, num_threads=1)
    assert (task.engine.hand_object_state(rows).qpos == grasped.qpos).all()
    assert (task.sim.joint_pos == grasped.joint_pos).all()
    for _ in range(30):
        task.step(grasped.hold)
    moved = np.linalg.norm(palm_pose(task.observation.kinematics, task.sim)[0] - grasped.palm_pos, axis=-1)
    assert moved.max() < 0.02 and (task.sim.object_pos[:, 2] - task.lying() > 0.05).all()


def test_an_interrupted_collection_ends_in_the_same_states(grasped, bundle, tmp_path):
    path, config = tmp_path / "held.npz", grasped.meta.config

    def stop(progress):
        raise KeyboardInterrupt

    def rounds(objects="+".join(NAMES)):
        return GraspRounds(bundle, objects, config, num_threads=1)

    with pytest.raises(KeyboardInterrupt):
        collect_from(path, rounds(), config, report=stop)
    with pytest.raises(SleightError, match="its draws differs"):
        collect_from(path, rounds(NAMES[0]), config, resume=True)
    again = collect_from(path, rounds(), config, resume=True)
    assert again.meta == grasped.meta and again.draws == grasped.draws
    assert all((getattr(again, name) == getattr(grasped, name)).all() for name in ("world", "qpos", "hold", "contact"))


def box(path, side):
    trimesh.creation.box((0.05, 0.06, side)).export(path)
    return path


def test_a_mesh_file_that_changed_is_refused(bundle, tmp_path):
    path, config = tmp_path / "held.npz", HeldConfig(count=2, seed=1)

    def stop(progress):
        raise KeyboardInterrupt

    mesh = box(tmp_path / "thing.stl", 0.08)
    with pytest.raises(KeyboardInterrupt):
        collect_from(path, GraspRounds(bundle, str(mesh), config, num_threads=1), config, report=stop)
    assert read_library(path, partial=True).meta.draws[0]["name"].endswith("/thing")
    box(mesh, 0.07)
    with pytest.raises(SleightError, match="the shape of object '.*/thing' has changed"):
        collect_from(path, GraspRounds(bundle, str(mesh), config, num_threads=1), config, resume=True)


def other_meta(arrays, change):
    return arrays | {"meta": np.array(json.dumps(change(json.loads(str(arrays["meta"])))))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"shape_pieces": 1.001 * a["shape_pieces"]}, "not the one that its held states were taken with"),
        (lambda a: {name: rows for name, rows in a.items() if name != "shape_com"}, "does not hold the objects"),
        (lambda a: {name: rows for name, rows in a.items() if "shape_" not in name}, "does not hold the objects"),
        (lambda a: other_meta(a, lambda m: m | {"draws": [m["draws"][0]]}), "'world'|does not hold"),
        (lambda a: other_meta(a, lambda m: m | {"draws": [{"kind": "shape"}]}), "cannot be read"),
    ],
)
def test_files_whose_shapes_do_not_fit_are_refused(grasped_file, tmp_path, change, message):
    arrays = read_arrays(grasped_file)
    assert arrays is not None
    write_arrays(tmp_path / "held.npz", change(arrays))
    with pytest.raises(SleightError, match=message):
        read_library(tmp_path / "held.npz")


def test_other_bundles_and_objects_are_refused(bundle, tmp_path):
    config = HeldConfig(count=1)
    with pytest.raises(SleightError, match="no such household set"):
        GraspRounds(bundle, "household:unicorn", config)
    with pytest.raises(SleightError, match="a task of this name"):
        GraspRounds(bundle, "own", config, name="GraspBall")
    with pytest.raises(SleightError, match="none"):
        GraspRounds(tmp_path / "none", "own", config)
    with pytest.raises(SleightError, match="another task than a grasp: toys: compose"):
        GraspRounds(make(tmp_path / "toys", simulation=True), "own", config)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in ("held", *words)])


def test_the_command(bundle, tmp_path):
    out, picture = tmp_path / "cans.npz", tmp_path / "cans.png"
    about = ("--bundle", bundle, "--object", NAMES[0], "--name", "GraspCan", "--count", 2, "--threads", 1)
    made = run("collect", *about, "--out", out, "--picture", picture)
    assert made.exit_code == 0, made.output
    assert read_library(out).task.name == "GraspCan"
    assert picture.exists() or "no picture" in made.output
    shown = run("show", out)
    assert "GraspCan" in shown.output and NAMES[0] in shown.output and "2 states" in shown.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --task or --bundle"),
        (("--task", "GraspBall", "--bundle", "somewhere"), "give --task or --bundle"),
        (("--task", "GraspBall", "--object", "household:can:0"), "need --bundle"),
        (("--task", "GraspBall", "--name", "Mine"), "need --bundle"),
        (("--bundle", "somewhere", "--skill", "runs/skill"), "leave --skill out"),
        (("--bundle", "somewhere"), "somewhere"),
    ],
)
def test_wrong_use_is_refused_in_a_line(words, message):
    refused = run("collect", *words)
    assert isinstance(refused.exception, SleightError) and message in str(refused.exception)
