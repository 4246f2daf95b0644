"""Held states: collected, resumed, restored to the bit in any worker, and held; other files are refused."""

import json

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.objects.cache import read_arrays, write_arrays
from sleight_sim.tasks.compose.config import TASKS
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import compose_hand, make_compose_task, make_worlds
from sleight_sim.tasks.compose.variation import WorldDraw
from sleight_sim.tasks.compose.world import build_world
from sleight_training.compose.held.collect import collect
from sleight_training.compose.held.config import HeldConfig
from sleight_training.compose.held.library import read_library
from sleight_training.compose.held.restore import HeldWorlds, palm_pose, restore

BALL = TASKS["GraspBall"]
ARRAYS = ("world", "qpos", "qvel", "ctrl", "warmstart", "targets", "twist", "hold", "joint_pos", "palm_pos", "contact")


def test_a_library_says_what_its_states_are(held):
    task = HeldWorlds(held).task(np.arange(len(held)), num_threads=1)
    pos, quat = palm_pose(task.observation.kinematics, task.sim)
    assert len(held) == 8 and len(held.draws) == 4 and set(held.world) <= set(range(4))
    assert (np.linalg.norm(pos, axis=-1) < 0.05).all() and (task.sim.object_pos[:, 2] > 0.7).all()
    assert (pos == held.palm_pos).all() and (quat == held.palm_quat).all()
    assert (task.sim.joint_pos == held.joint_pos).all()
    assert (task.sim.object_pos == held.object_pos).all() and (task.sim.wrist_quat == held.wrist_quat).all()
    assert (held.contact.max(axis=-1) > 0.1).all()
    assert task.engine.finger_contacts().object == pytest.approx(held.contact, rel=0.05, abs=0.05)
    assert (task.action.clip(held.hold) == pytest.approx(held.hold, abs=1e-9)) and held.hold.shape == (8, 28)


def test_states_are_restored_to_the_bit_in_any_worker_and_stay_held(held):
    worlds, rows = HeldWorlds(held), np.arange(len(held))
    one, other = worlds.task(rows, num_threads=1), HeldWorlds(held).task(rows[::-1], num_threads=2)
    assert (one.engine.hand_object_state(rows).qpos == held.qpos).all()
    assert (one.engine.hand_object_state(rows).warmstart == held.warmstart).all()
    for _ in range(30):
        one.step(held.hold)
        other.step(held.hold[::-1])
    assert (one.engine.positions() == other.engine.positions()[::-1]).all()
    moved = np.linalg.norm(palm_pose(one.observation.kinematics, one.sim)[0] - held.palm_pos, axis=-1)
    assert moved.max() < 0.01


def test_states_go_on_as_they_would_have_where_they_were_taken(held):
    """Restored again in a worker that went on from them, they give the same once more: nothing else is kept."""
    rows = np.arange(4)
    task = HeldWorlds(held).task(rows, num_threads=1)
    ends = []
    for _ in range(2):
        for _ in range(6):
            task.step(held.hold[rows])
        task.engine.apply_force(np.full((4, 3), 0.3))
        task.step(held.hold[rows])
        ends.append(task.engine.positions())
        restore(task, rows, held, rows)
    assert (ends[0] == ends[1]).all()
    assert (task.step_count == 0).all() and not task.succeeded.any()


def test_a_composition_starts_from_a_held_state(held):
    button = TASKS["PushButton"]
    mechanism = make_worlds(button, 1, seed=1)[0].draw.mechanism
    table = compose_hand(button)
    rows, ids = np.array([2, 5]), np.array([0, 1])
    worlds = [build_world(table, WorldDraw(held.draws[held.world[row]], mechanism), button.timestep) for row in rows]
    task = ComposeTask(ComposeEngine(table, worlds, substeps=button.substeps, num_threads=1), button)
    task.reset()
    before = task.mechanism
    restore(task, ids, held, rows)
    assert (task.mechanism.base_pos == before.base_pos).all() and (task.mechanism.joint_pos == before.joint_pos).all()
    assert (task.sim.object_pos == held.object_pos[rows]).all()
    for _ in range(15):
        task.step(held.hold[rows])
    assert np.linalg.norm(palm_pose(task.observation.kinematics, task.sim)[0], axis=-1).max() < 0.1


def test_another_object_is_refused(held):
    task = make_compose_task("GraspBall", 2, seed=99, num_threads=1)
    with pytest.raises(SleightError, match="another object"):
        restore(task, np.array([0]), held, np.array([0]))


def test_an_interrupted_collection_ends_in_the_same_states(held, tmp_path):
    path, config = tmp_path / "held.npz", held.meta.config

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(path, BALL, config, report=stop, num_threads=1)
    with pytest.raises(SleightError, match="not finished"):
        read_library(path)
    assert not read_library(path, partial=True).meta.complete
    with pytest.raises(SleightError, match="a file already"):
        collect(path, BALL, config, num_threads=1)
    with pytest.raises(SleightError, match="its config differs"):
        collect(path, BALL, config.model_copy(update={"settle": 3}), resume=True, num_threads=1)
    again = collect(path, BALL, config, resume=True, num_threads=1)
    assert all((getattr(again, name) == getattr(held, name)).all() for name in ARRAYS)
    assert again.meta == held.meta == read_library(path).meta
    assert collect(path, BALL, config, resume=True, num_threads=1).meta.played == again.meta.played


def test_a_skill_that_fails_is_no_source(tmp_path):
    short = BALL.model_copy(update={"episode_steps": 2})
    with pytest.raises(SleightError, match="only 0 of 1"):
        collect(tmp_path / "held.npz", short, HeldConfig(count=1, settle=1), num_threads=1)
    assert not (tmp_path / "held.npz").exists()
    with pytest.raises(SleightError, match="only retention tasks"):
        collect(tmp_path / "held.npz", TASKS["OpenDoor"], HeldConfig(count=1), num_threads=1)


def test_files_that_are_none_are_refused(held_file, tmp_path):
    whole = held_file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", b"no archive", whole[: len(whole) // 2], bytes(flipped)):
        (tmp_path / "held.npz").write_bytes(content)
        with pytest.raises(SleightError, match="damaged"):
            read_library(tmp_path / "held.npz")
    with pytest.raises(SleightError, match="no held states here"):
        read_library(tmp_path / "none.npz")


def changed_meta(arrays, **changes):
    return arrays | {"meta": np.array(json.dumps(json.loads(str(arrays["meta"])) | changes))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: changed_meta(a, format="sleight-held-2"), "another format: sleight-held-2"),
        (lambda a: changed_meta(a, hand_digest="0" * 64), "another hand table"),
        (lambda a: changed_meta(a, surprise=1), "cannot be read"),
        (lambda a: changed_meta(a, draws=[{"kind": "ball"}]), "cannot be read"),
        (lambda a: changed_meta(a, draws=[]), "another object"),
        (lambda a: a | {"meta": np.array("[]")}, "another format"),
        (lambda a: {name: rows for name, rows in a.items() if name != "meta"}, "cannot be read"),
        (lambda a: {name: rows for name, rows in a.items() if name != "qvel"}, "arrays.*qvel"),
        (lambda a: a | {"more": np.zeros(3)}, "arrays.*more"),
        (lambda a: a | {"world": a["world"] + 100}, "world"),
        (lambda a: a | {"world": a["world"].astype(np.int32)}, "world"),
        (lambda a: a | {"qpos": a["qpos"][:, 1:]}, "qpos"),
        (lambda a: a | {"hold": a["hold"][:-1]}, "hold"),
        (lambda a: a | {"qvel": np.full_like(a["qvel"], np.nan)}, "not finite"),
        (lambda a: {name: rows if name == "meta" else rows[:3] for name, rows in a.items()}, "3 states, not 8"),
    ],
)
def test_files_that_do_not_fit_are_refused(held_file, tmp_path, change, message):
    arrays = read_arrays(held_file)
    assert arrays is not None
    write_arrays(tmp_path / "held.npz", change(arrays))
    with pytest.raises(SleightError, match=message):
        read_library(tmp_path / "held.npz")
