"""Proposals as data: what is saved comes back, what is damaged or foreign is refused, datasets are read right."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_rotate
from sleight_description import load_hand
from sleight_sim.grasps.metrics import diversity, spread_out
from sleight_sim.grasps.proposal import Contacts, GraspProposals, from_dataset, read_about
from sleight_sim.grasps.quality import closure_gap
from sleight_sim.grasps.run import file_stem, load_proposals
from sleight_sim.grasps.sampling import resting_planes
from sleight_sim.objects.datasets import UniDexGrasp
from sleight_sim.objects.datasets.grasps import DatasetGrasps
from sleight_sim.objects.household import household_object

SHADOW, LEAP = load_hand("shadow"), load_hand("leap")
CYLINDER = household_object("cylinder", 0)
#: The sample of a public dataset beside a development checkout; nothing of it is in the repository.
DATA = Path(os.environ.get("SLEIGHT_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
SAMPLE = DATA / "unidexgrasp_sample"


def random_proposals(count: int, seed: int = 0, table=SHADOW, name: str = CYLINDER.name) -> GraspProposals:
    rng = np.random.default_rng(seed)
    quats = rng.normal(size=(count, 4))
    joints = rng.uniform(table.lower, table.upper, (count, len(table.joint_names)))
    bodies = [body.name for body in table.bodies]
    contacts = []
    for k in range(count):
        normals = rng.normal(size=(k % 4, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        contacts.append(Contacts(rng.normal(size=(k % 4, 3)), normals, tuple(rng.choice(bodies, k % 4))))
    return GraspProposals(
        name,
        table,
        rng.normal(size=(count, 3)),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        joints,
        joints[:, table.actuated_index],
        rng.random(count),
        np.full((count, 4), np.nan),
        tuple(contacts),
    )


@pytest.mark.parametrize("table", [SHADOW, LEAP], ids=lambda table: table.name)
@pytest.mark.parametrize("count", [0, 7])
def test_what_is_saved_comes_back(tmp_path: Path, table, count: int) -> None:
    grasps = random_proposals(count, table=table)
    file = tmp_path / "one" / "grasps.npz"
    grasps.save(file, {"seconds": 3.5})
    back = GraspProposals.load(file, table)
    assert back.object_name == CYLINDER.name and len(back) == count
    for name in ("joints", "targets", "wrist_positions", "wrist_quats", "planes", "scores"):
        assert np.array_equal(getattr(back, name), getattr(grasps, name), equal_nan=True)
    for one, other in zip(back, grasps, strict=True):
        assert one.joints == other.joints and one.targets == other.targets and one.hand == table.name
        assert one.contacts.links == other.contacts.links
        assert np.array_equal(one.contacts.points, other.contacts.points)
    assert read_about(file)["seconds"] == 3.5
    with np.load(file, allow_pickle=False) as data:  # no pickle inside
        assert all(data[name].dtype.kind != "O" for name in data.files)


def test_joints_go_by_name() -> None:
    grasp = random_proposals(1)[0]
    assert set(grasp.joints) == set(SHADOW.joint_names) and set(grasp.targets) == set(SHADOW.actuated_joint_names)


def test_another_hand_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grasps.npz"
    random_proposals(3).save(file)
    with pytest.raises(SleightError, match="another hand"):
        GraspProposals.load(file, LEAP)
    changed = SHADOW.model_copy(update={"name": "shadow", "root_body": "palm"})
    with pytest.raises(SleightError, match="another hand digest"):
        GraspProposals.load(file, changed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / "grasps.npz"
    random_proposals(3).save(file)
    which = data.draw(st.sampled_from([file, file.with_suffix(".json")]))
    content = bytearray(which.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:at]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    which.write_bytes(bytes(content))
    try:
        back = GraspProposals.load(file, SHADOW)
    except SleightError:
        return
    # What is still read is what was written: the changed byte was not part of it (a name of the page, zip's padding).
    assert np.array_equal(back.joints, random_proposals(3).joints)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    page=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_json_is_refused_with_one_line(tmp_path: Path, page) -> None:
    file = tmp_path / "grasps.npz"
    file.with_suffix(".json").write_text(json.dumps(page))
    with pytest.raises(SleightError) as caught:
        GraspProposals.load(file, SHADOW)
    assert "\n" not in str(caught.value)


def test_a_page_that_disagrees_with_the_arrays_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grasps.npz"
    random_proposals(3).save(file)
    page = read_about(file)
    for change in ({"proposals": 4}, {"object": 3}, {"joints": []}, {"format": 99}):
        file.with_suffix(".json").write_text(json.dumps({**page, **change}))
        with pytest.raises(SleightError):
            GraspProposals.load(file, SHADOW)


def test_a_folder_is_read_for_one_hand(tmp_path: Path) -> None:
    random_proposals(3).save(tmp_path / "a.npz")
    random_proposals(2, table=LEAP).save(tmp_path / "b.npz")
    assert [len(one) for one in load_proposals(tmp_path, SHADOW).values()] == [3]
    assert [len(one) for one in load_proposals(tmp_path, LEAP).values()] == [2]
    with pytest.raises(SleightError, match="no grasp proposals"):
        load_proposals(tmp_path / "nowhere", SHADOW)


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_file_names_are_plain_and_differ(one: str, other: str) -> None:
    stem = file_stem(one)
    assert stem.replace("_", "a").isalnum() and stem.isascii() and len(stem) < 80
    assert (stem == file_stem(other)) == (one == other)


def dataset(count: int = 5) -> DatasetGrasps:
    rng = np.random.default_rng(2)
    quats = rng.normal(size=(count, 4))
    return DatasetGrasps(
        rng.normal(0, 0.5, (count, 22)),
        rng.normal(0, 0.1, (count, 3)),
        quats / np.linalg.norm(quats, axis=1, keepdims=True),
        np.tile([0.6, 0.0, 0.8, 0.03], (count, 1)),
        0.08,
    )


def test_grasps_of_a_dataset_become_proposals() -> None:
    shift = np.array([0.01, -0.02, 0.03])
    grasps = from_dataset(dataset(), CYLINDER, SHADOW, shift)
    assert np.allclose(grasps.wrist_positions, dataset().wrist_positions - shift)
    assert (grasps.joints >= SHADOW.lower).all() and (grasps.joints <= SHADOW.upper).all()
    driver, driven = SHADOW.joint_names.index("FFJ1"), SHADOW.joint_names.index("FFJ0")
    ratio = 0.00805 / 0.00705
    assert np.allclose(grasps.joints[:, driven], np.minimum(ratio * grasps.joints[:, driver], 1.571))
    # The height of a point over the table does not depend on where the origin is.
    point = np.array([0.02, 0.01, 0.0])
    before = dataset().planes[0, :3] @ point + dataset().planes[0, 3]
    assert grasps.planes[0, :3] @ (point - shift) + grasps.planes[0, 3] == pytest.approx(before)
    assert np.isnan(grasps.scores).all() and all(len(contacts) == 0 for contacts in grasps.contacts)
    with pytest.raises(SleightError, match="Shadow"):
        from_dataset(dataset(), CYLINDER, LEAP)


@pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="sample data is not beside the repository; SLEIGHT_DATA names its folder"
)
def test_the_sample_of_unidexgrasp(tmp_path: Path) -> None:
    tree = UniDexGrasp(SAMPLE)
    grasps = tree.grasps(tree.codes()[0], 0.06)
    proposals = from_dataset(grasps, CYLINDER, SHADOW)
    assert len(proposals) == 120
    proposals.save(tmp_path / "bottle.npz")
    back = GraspProposals.load(tmp_path / "bottle.npz", SHADOW)
    assert np.array_equal(back.joints, proposals.joints)
    # The same plane as the table on which the data has the object at rest.
    assert np.allclose(back.planes, grasps.planes) and (back.planes[:, 3] <= 0.05).all()


def test_closure() -> None:
    """Six contacts around a cube resist everything, two flat ones no twist about their line, one nearly nothing."""
    faces = np.concatenate([np.eye(3), -np.eye(3)])
    cube = Contacts(0.03 * faces, -faces, ("palm",) * 6)
    zero = np.zeros(3)
    assert closure_gap(cube, zero, 0.03, 0.8) == pytest.approx(0.0, abs=1e-6)
    pinch = Contacts(0.03 * faces[[0, 3]], -faces[[0, 3]], ("palm",) * 2)
    one = Contacts(0.03 * faces[:1], -faces[:1], ("palm",))
    gaps = [closure_gap(contacts, zero, 0.03, 0.8) for contacts in (cube, pinch, one)]
    assert gaps[0] < gaps[1] < gaps[2] <= 1.0
    assert gaps[1] == pytest.approx(2 / 12, abs=1e-6)
    assert closure_gap(Contacts(np.zeros((0, 3)), np.zeros((0, 3)), ()), zero, 0.03, 0.8) == 1.0


def test_diversity() -> None:
    many = random_proposals(400)
    same = many.select(np.zeros(400, dtype=int))
    assert diversity(same).joint_entropy == 0.0 and diversity(same).direction_spread == pytest.approx(0.0, abs=1e-9)
    free = diversity(many)
    assert free.joint_entropy > 3.9 and free.direction_spread > 0.9 and 1.5 < free.wrist_angle < 2.5
    assert diversity(many.select(np.array([0]))).page() == dict.fromkeys(vars(free))


def test_the_chosen_are_far_apart() -> None:
    grasps = random_proposals(60)
    chosen = spread_out(grasps, 10)
    assert len(set(chosen.tolist())) == 10 and chosen[0] == grasps.scores.argmax()
    assert sorted(spread_out(grasps, 60).tolist()) == list(range(60))
    assert diversity(grasps.select(chosen)).wrist_angle > diversity(grasps.select(np.arange(10))).wrist_angle - 0.3


def test_planes_of_resting_poses() -> None:
    planes = resting_planes(CYLINDER)
    stable = CYLINDER.stable_poses
    up = quat_rotate(stable.quats, planes[:, :3])
    assert np.allclose(up, [0, 0, 1], atol=1e-9)
    # The lowest vertex of every pose is on the table.
    heights = CYLINDER.pieces.reshape(-1, 3) @ planes[:, :3].T + planes[:, 3]
    assert np.allclose(heights.min(axis=0), 0.0, atol=1e-3)
