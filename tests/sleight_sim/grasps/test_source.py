"""Where proposals come from: none, files, a cache that is filled once, a dataset; objects without any fall back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_description import load_hand
from sleight_sim.grasps import source
from sleight_sim.grasps.proposal import NO_CONTACTS, GraspProposals
from sleight_sim.grasps.run import file_stem
from sleight_sim.grasps.source import find_proposals
from sleight_sim.grasps.task import make_proposal_task
from sleight_sim.objects.household import household_object
from sleight_sim.objects.packing import object_digest
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.tasks.grasp.config import STAGE_1_REWARD, GraspTaskConfig, RewardConfig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.make import make_grasp_task

SHADOW = load_hand("shadow")
CYLINDER, BOX = household_object("cylinder", 0), household_object("box", 0)
NAMES = f"{CYLINDER.name}+{BOX.name}"
DATA = Path(os.environ.get("SLEIGHT_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sleight" / "proposals" / "shadow"


def straight(name: str, count: int = 3) -> GraspProposals:
    joints = np.zeros((count, len(SHADOW.joint_names)))
    position = np.tile([0.0, 0.08, 0.1], (count, 1))
    quats = np.tile(PALM_DOWN, (count, 1))
    plane = np.full((count, 4), np.nan)
    motors = joints[:, SHADOW.actuated_index]
    return GraspProposals(name, SHADOW, position, quats, joints, motors, np.ones(count), plane, (NO_CONTACTS,) * count)


def write(folder: Path, thing, count: int = 3, **made) -> Path:
    file = folder / f"{file_stem(thing.name)}.npz"
    straight(thing.name, count).save(file, {"made": {"object_digest": object_digest(thing), **made}})
    return file


def test_none_is_none_and_auto_is_none_where_nothing_was_made() -> None:
    assert find_proposals("none", NAMES, [CYLINDER], SHADOW) is None
    assert find_proposals("auto", NAMES, [CYLINDER, BOX], SHADOW) is None


def test_a_folder_gives_what_it_has(tmp_path: Path) -> None:
    write(tmp_path, CYLINDER)
    found = find_proposals(str(tmp_path), NAMES, [CYLINDER, BOX, CYLINDER], SHADOW)
    assert found is not None and found.lacking == (BOX.name,) and len(found.proposals[CYLINDER.name]) == 3
    again = find_proposals(str(tmp_path), NAMES, [CYLINDER, BOX], SHADOW)
    assert again is not None and again.sha256 == found.sha256
    write(tmp_path, CYLINDER, count=2)
    other = find_proposals(str(tmp_path), NAMES, [CYLINDER, BOX], SHADOW)
    assert other is not None and other.sha256 != found.sha256


def test_a_folder_that_is_not_there_or_has_nothing_of_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SleightError, match="no folder of grasp proposals.*absent"):
        find_proposals(str(tmp_path / "absent"), NAMES, [CYLINDER], SHADOW)
    write(tmp_path, CYLINDER)
    with pytest.raises(SleightError, match="no object of this set has grasp proposals here"):
        find_proposals(str(tmp_path), NAMES, [BOX], SHADOW)
    file = tmp_path / f"{file_stem(BOX.name)}.npz"
    straight(BOX.name).save(file, {"made": {"object_digest": "of another shape"}})
    with pytest.raises(SleightError, match="another shape"):
        find_proposals(str(tmp_path), NAMES, [BOX], SHADOW)


def test_a_generator_that_found_nothing_is_no_error(tmp_path: Path) -> None:
    write(tmp_path, CYLINDER, count=0)
    assert find_proposals(str(tmp_path), NAMES, [CYLINDER, BOX], SHADOW) is None


def test_what_need_not_be_looked_for(own_cache: Path) -> None:
    assert source.surely_none("none", NAMES, SHADOW) and source.surely_none("auto", NAMES, SHADOW)
    assert not source.surely_none("generate", NAMES, SHADOW) and not source.surely_none("auto", "unidexgrasp:x", SHADOW)
    own_cache.mkdir(parents=True)
    assert not source.surely_none("auto", NAMES, SHADOW)


def test_what_is_generated_is_kept_and_then_found(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def fake(things, table, count, folder, effort):
        for thing in things:
            if not (folder / f"{file_stem(thing.name)}.npz").exists():
                made.append(thing.name)
                write(folder, thing, count=0 if thing is BOX else count)
            yield thing

    monkeypatch.setattr(source, "make_proposals", fake)
    told: list[tuple[str, int]] = []
    things = [CYLINDER, BOX]
    found = find_proposals(
        "generate", NAMES, things, SHADOW, count=4, progress=lambda name, done: told.append((name, done))
    )
    assert found is not None and found.lacking == (BOX.name,) and len(found.proposals[CYLINDER.name]) == 4
    assert made == [CYLINDER.name, BOX.name] and [done for _, done in told] == [1, 2]
    find_proposals("generate", NAMES, things, SHADOW, count=4)
    assert len(made) == 2
    auto = find_proposals("auto", NAMES, things, SHADOW)
    assert auto is not None and auto.sha256 == found.sha256


def test_the_grasps_of_a_dataset_come_first() -> None:
    tree = DATA / "unidexgrasp_sample"
    if not tree.is_dir():
        pytest.skip("sample data is not beside the repository; SLEIGHT_DATA names its folder")
    names = f"unidexgrasp:{tree}"
    things = resolve_objects(names, count=1)
    found = find_proposals("auto", names, things, SHADOW)
    assert found is not None and found.origin == "a dataset" and len(found.proposals[things[0].name]) > 10
    assert find_proposals("auto", f"{names}:train", things, SHADOW).sha256 == found.sha256  # type: ignore[union-attr]


def test_objects_without_proposals_are_paid_by_the_fallback(tmp_path: Path) -> None:
    posture = RewardConfig()
    options: dict[str, Any] = {"seed": 3, "num_threads": 1}
    config = GraspTaskConfig(reward=STAGE_1_REWARD)
    proposals = {CYLINDER.name: straight(CYLINDER.name)}
    task = make_proposal_task(config, [CYLINDER, BOX], 4, proposals, posture, **options)
    plain = make_grasp_task(GraspTaskConfig(reward=posture), [CYLINDER, BOX], 4, **options)
    task.reset()
    plain.reset()
    action = np.zeros((4, task.num_actions))
    action[:, 2] = -0.5
    for _ in range(3):
        mixed, other = task.step(action), plain.step(action)
    np.testing.assert_array_equal(task.targets.has, [True, True, False, False])
    np.testing.assert_allclose(mixed.reward[2:], other.reward[2:], rtol=1e-5)
    assert (mixed.reward[:2] != other.reward[:2]).all()
    assert (task.proposal_reward[:2] < 0).all() and (task.proposal_reward[2:] == 0).all()
    assert {"proposal", "pose", "height"} <= set(mixed.terms)
    with pytest.raises(SleightError, match="have no grasp proposals"):
        make_proposal_task(config, [CYLINDER, BOX], 4, proposals, **options)
