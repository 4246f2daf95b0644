"""Trees of the public datasets: the real sample, and trees of the same form with known content."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation
from sleight_core.errors import SleightError
from sleight_sim.objects import resolve_objects
from sleight_sim.objects.datasets import DATASET_JOINTS, DexGraspNet, UniDexGrasp
from sleight_sim.objects.datasets.unidexgrasp import OFFICIAL_COUNTS, read_split_list

BOTTLE = "core/bottle-70172e6afe6aff7847f90c1ac631b97f"
WRIST = ("WRJRx", "WRJRy", "WRJRz", "WRJTx", "WRJTy", "WRJTz")


def qpos(seed: int = 0) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {f"robot0:{name}": float(rng.normal()) for name in DATASET_JOINTS} | {
        name: float(rng.normal()) for name in WRIST
    }


def write_mesh(folder: Path, name: str = "decomposed.obj") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(str(trimesh.creation.box(extents=[1.2, 0.8, 0.6]).export(file_type="obj")))


@pytest.fixture
def unidexgrasp(tmp_path: Path, own_cache: Path) -> Path:
    """A tree of two objects, the second without grasps."""
    root = tmp_path / "tree"
    for code in ("core/mug-1a", "sem/Cat-2b"):
        folder = root / "assets" / "meshdatav3_scaled" / code / "coacd"
        write_mesh(folder)
        (folder / "decomposed_006.obj").write_text("")
    grasps = root / "assets" / "datasetv4.1" / "core" / "mug-1a"
    grasps.mkdir(parents=True)
    for k, (scale, height) in enumerate([(0.06, 0.02), (0.06, 0.07), (0.10, 0.03)]):
        plane = np.array([0.6, 0.0, 0.8, height], dtype=np.float32)
        held = np.array(qpos(k), dtype=object)
        np.savez(grasps / f"{k:05d}.npz", qpos=held, scale=np.float32(1 / scale), plane=plane)
    lists = root / "dexgrasp"
    lists.mkdir()
    (lists / "test_set_seen_cat.yaml").write_text(
        "object_code_list:\n    - core/mug-1a: [0.06, 0.08]\n    - core/gone-3c: [0.1]\n"
    )
    return root


def test_official_lists_count_right(unidexgrasp_sample: Path) -> None:
    tree = UniDexGrasp(unidexgrasp_sample)
    for split, count in OFFICIAL_COUNTS.items():
        assert len(tree.pairs(split)) == count
    assert OFFICIAL_COUNTS == {"train": 3200, "unseen_object": 141, "unseen_category": 100}
    meshes = {split: {code for code, _ in tree.pairs(split)} for split in OFFICIAL_COUNTS}
    assert [len(codes) for codes in meshes.values()] == [2145, 137, 43]
    assert len(meshes["train"] & meshes["unseen_object"]) == 79
    assert not meshes["train"] & meshes["unseen_category"]
    assert tree.pairs("seen_cat") == tree.pairs("unseen_object")


def test_sample_grasps_are_those_of_the_facts(unidexgrasp_sample: Path) -> None:
    tree = UniDexGrasp(unidexgrasp_sample)
    assert tree.codes() == [BOTTLE]
    counts = [len(tree.grasps(BOTTLE, scale, max_height=1.0)) for scale in (0.06, 0.08, 0.10, 0.12, 0.15)]
    assert counts == [120, 75, 18, 2, 1]
    assert [len(tree.grasps(BOTTLE, scale)) for scale in (0.06, 0.08, 0.10)] == [120, 70, 0]
    found = tree.grasps(BOTTLE, 0.06)
    distance = np.linalg.norm(found.wrist_positions, axis=1)
    assert distance.min() > 0.10 and distance.max() < 0.22
    np.testing.assert_allclose(np.linalg.norm(found.wrist_quats, axis=1), 1.0)
    assert found.joints.shape == (120, 22)
    # The plane touches the mesh: its height is the object's lowest point in the resting orientation.
    thing = tree.object(BOTTLE, 0.06)
    points = thing.pieces.reshape(-1, 3)
    for quat, plane in zip(found.resting_quats()[:20], found.planes[:20], strict=True):
        lying = Rotation.from_quat(quat, scalar_first=True).apply(points)
        assert -lying[:, 2].min() == pytest.approx(plane[3], abs=1.5e-3)
        up = Rotation.from_quat(quat, scalar_first=True).apply(plane[:3])
        np.testing.assert_allclose(up, [0, 0, 1], atol=1e-5)
    # The palm is outside of the object and over the table.
    assert (np.einsum("nd,nd->n", found.planes[:, :3], found.wrist_positions) + found.planes[:, 3] > 0.03).all()


def test_sample_objects_clouds_and_codes(unidexgrasp_sample: Path, own_cache: Path) -> None:
    tree = UniDexGrasp(unidexgrasp_sample)
    small, large = tree.object(BOTTLE, 0.06), tree.object(BOTTLE, 0.08)
    assert small.family == "bottle" and len(small.pieces) == 12
    np.testing.assert_allclose(large.extents, small.extents * 8 / 6, rtol=0.01)
    cloud = tree.cloud(BOTTLE, 0.06)
    assert cloud.shape == (4096, 3)
    np.testing.assert_allclose(np.ptp(cloud, axis=0), small.extents, rtol=0.03)
    np.testing.assert_allclose(cloud.max(axis=0), small.extents / 2, atol=1.5e-3)
    code = tree.object_code(BOTTLE, 0.06)
    assert code.shape == (64,) and 90 < np.linalg.norm(code) < 160


def test_sample_set_names(unidexgrasp_sample: Path, own_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = resolve_objects(f"unidexgrasp:{unidexgrasp_sample}:train", count=2)
    assert [thing.name for thing in found] == [found[0].name] * 2
    assert found[0].name.startswith(f"unidexgrasp:{BOTTLE}@0.")
    with caplog.at_level(logging.WARNING, logger="sleight.objects"):
        assert len(resolve_objects(f"unidexgrasp:{unidexgrasp_sample}:train")) == 1
    assert "3199 of 3200 objects are not in" in caplog.text
    with pytest.raises(SleightError, match="no object of this set.*141 of 141 are missing"):
        resolve_objects(f"unidexgrasp:{unidexgrasp_sample}:unseen_object")


def test_grasps_of_a_known_tree(unidexgrasp: Path) -> None:
    tree = UniDexGrasp(unidexgrasp)
    found = tree.grasps("core/mug-1a", 0.06, max_height=1.0)
    assert len(found) == 2 and found.scale == 0.06
    assert len(tree.grasps("core/mug-1a", 0.06)) == 1
    assert len(UniDexGrasp(unidexgrasp / "assets").grasps("core/mug-1a", 0.10)) == 1
    wanted = qpos(0)
    np.testing.assert_allclose(found.joints[0], [wanted[f"robot0:{name}"] for name in DATASET_JOINTS])
    np.testing.assert_allclose(found.wrist_positions[0], [wanted[name] for name in WRIST[3:]])
    turn = Rotation.from_quat(found.wrist_quats[0], scalar_first=True).as_matrix()
    x, y, z = (Rotation.from_euler(axis, wanted[f"WRJR{axis}"]).as_matrix() for axis in "xyz")
    np.testing.assert_allclose(turn, z @ y @ x, atol=1e-9)
    with pytest.raises(SleightError, match="no grasps"):
        tree.grasps("sem/Cat-2b", 0.06)


def test_sets_of_a_known_tree(unidexgrasp: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [thing.name for thing in resolve_objects(f"unidexgrasp:{unidexgrasp}")]
    assert names == ["unidexgrasp:core/mug-1a@0.06", "unidexgrasp:sem/Cat-2b@0.06"]
    assert resolve_objects(f"unidexgrasp:{unidexgrasp}")[1].family == "cat"
    listed = f"unidexgrasp:{unidexgrasp}:unseen_object"
    with caplog.at_level(logging.WARNING, logger="sleight.objects"):
        found = resolve_objects(listed)
    assert [thing.name for thing in found] == [f"unidexgrasp:core/mug-1a@{scale}" for scale in ("0.06", "0.08")]
    assert "1 of 3 objects are not in" in caplog.text
    own = unidexgrasp / "own.yaml"
    own.write_text("core/mug-1a: [0.12]\n")
    assert resolve_objects(f"unidexgrasp:{unidexgrasp}:{own}")[0].name == "unidexgrasp:core/mug-1a@0.12"
    assert len(resolve_objects(listed, count=5)) == 5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not a list"),
        ("- 1\n- 2\n", "not a list"),
        ("a: [b", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("object_code_list:\n  - ../../etc-1: [0.06]\n", "object code"),
        ("object_code_list:\n  - core/../x-1: [0.06]\n", "object code"),
        ("object_code_list:\n  - /core/x-1: [0.06]\n", "object code"),
        ("object_code_list:\n  - core/mug-1: [0.07]\n", "scale"),
        ("object_code_list:\n  - core/mug-1: [.nan]\n", "scale"),
        ("object_code_list:\n  - core/mug-1: small\n", "scale"),
        ("object_code_list:\n  - 7: [0.06]\n", "object code"),
    ],
)
def test_wrong_lists_are_refused(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "list.yaml"
    file.write_text(text)
    with pytest.raises(SleightError, match=what):
        read_split_list(file)


def test_lists_may_be_lists_or_mappings(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("object_code_list:\n  core/mug-1: [0.06, 0.1]\n  sem/Cat-2: 0.08\n")
    assert read_split_list(file) == [("core/mug-1", 0.06), ("core/mug-1", 0.10), ("sem/Cat-2", 0.08)]


def test_wrong_trees_and_splits_are_refused(unidexgrasp: Path, tmp_path: Path) -> None:
    cases = [
        (f"unidexgrasp:{tmp_path / 'nowhere'}", "not a UniDexGrasp tree.*meshdatav3_scaled"),
        ("unidexgrasp:", "not a UniDexGrasp tree"),
        ("unidexgrasp:\0", "not a UniDexGrasp tree"),
        (f"unidexgrasp:{unidexgrasp}:validation", "no such split.*train"),
        (f"unidexgrasp:{unidexgrasp}:train", "no list for the split"),
        (f"unidexgrasp:{unidexgrasp}:{tmp_path / 'none.yaml'}", "no such split"),
        (f"dexgraspnet:{unidexgrasp}", "not a DexGraspNet folder"),
    ]
    for name, what in cases:
        with pytest.raises(SleightError, match=what):
            resolve_objects(name)
    tree = UniDexGrasp(unidexgrasp)
    for code, scale in (("core/none-1", 0.06), ("core/mug-1a", 0.05), ("../x-1", 0.06)):
        with pytest.raises(SleightError):
            tree.object(code, scale)
    with pytest.raises(SleightError, match="cannot be read"):
        tree.cloud("core/mug-1a", 0.06)


def damaged_grasp(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "qpos": np.array(qpos(), dtype=object),
        "scale": np.float32(10.0),
        "plane": np.array([0, 0, 1, 0.02], dtype=np.float32),
    }
    values.update(changes)
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"plane": None}, "not a grasp"),
        ({"plane": np.zeros(4)}, "unit normal"),
        ({"plane": np.zeros(3)}, "unit normal"),
        ({"scale": np.float32(0.0)}, "scale"),
        ({"scale": np.array("ten")}, "scale"),
        ({"qpos": np.zeros(28)}, "without joint positions"),
        ({"qpos": np.array({**qpos(), "WRJTx": float("nan")}, dtype=object)}, "not finite"),
        ({"qpos": np.array({"robot0:FFJ3": 0.0}, dtype=object)}, "lacks joints"),
    ],
)
def test_wrong_grasps_are_refused(unidexgrasp: Path, changes: dict[str, Any], what: str) -> None:
    file = unidexgrasp / "assets" / "datasetv4.1" / "core" / "mug-1a" / "00000.npz"
    np.savez(file, **damaged_grasp(**changes))
    with pytest.raises(SleightError, match=what):
        UniDexGrasp(unidexgrasp).grasps("core/mug-1a", 0.10)


@pytest.fixture
def dexgraspnet(tmp_path: Path, own_cache: Path) -> Path:
    """A folder of two objects in the form of DexGraspNet, the second without grasps."""
    root = tmp_path / "data"
    for code in ("core-mug-8570", "sem-Camera-7bff"):
        write_mesh(root / "meshdata" / code / "coacd")
    rows = np.empty(3, dtype=object)
    rows[:] = [{"qpos": qpos(k), "scale": scale} for k, scale in enumerate([0.06, 0.10, 0.06])]
    (root / "dataset").mkdir()
    np.save(root / "dataset" / "core-mug-8570.npy", rows, allow_pickle=True)
    return root


def test_dexgraspnet_objects_and_grasps(dexgraspnet: Path) -> None:
    data = DexGraspNet(dexgraspnet)
    assert data.pairs() == [("core-mug-8570", 0.06), ("core-mug-8570", 0.10), ("sem-Camera-7bff", 0.08)]
    found = data.grasps("core-mug-8570", 0.06)
    assert len(found) == 2 and np.isnan(found.planes).all()
    np.testing.assert_allclose(found.joints[1, 0], qpos(2)["robot0:FFJ3"])
    things = resolve_objects(f"dexgraspnet:{dexgraspnet.parent}")
    assert [thing.family for thing in things] == ["mug", "mug", "camera"]
    np.testing.assert_allclose(things[1].extents, [0.12, 0.08, 0.06], rtol=0.02)
    assert len(resolve_objects(f"dexgraspnet:{dexgraspnet}", count=4)) == 4
    with pytest.raises(SleightError, match="no grasps"):
        data.grasps("sem-Camera-7bff", 0.08)


def test_dexgraspnet_table_branch_has_planes(dexgraspnet: Path) -> None:
    results = dexgraspnet / "experiments" / "demo" / "results"
    results.mkdir(parents=True)
    rows = np.empty(1, dtype=object)
    rows[0] = {"qpos": qpos(), "scale": 0.08, "plane": [0.0, 0.0, 1.0, 0.03], "energy": 1.0}
    np.save(results / "core-mug-8570.npy", rows, allow_pickle=True)
    (dexgraspnet / "dataset" / "core-mug-8570.npy").unlink()
    (dexgraspnet / "dataset").rmdir()
    found = DexGraspNet(dexgraspnet).grasps("core-mug-8570", 0.08)
    np.testing.assert_allclose(found.planes, [[0, 0, 1, 0.03]])
    np.testing.assert_allclose(found.resting_quats() ** 2 @ [1, 0, 0, 1], 1.0)


@pytest.mark.parametrize(
    "rows", [[1.0, 2.0], [{"scale": 0.06}], [{"qpos": {}, "scale": 0.06}], [{"qpos": qpos(), "scale": 3.0}]]
)
def test_wrong_dexgraspnet_files_are_refused(dexgraspnet: Path, rows: list[Any]) -> None:
    content = np.empty(len(rows), dtype=object)
    content[:] = rows
    np.save(dexgraspnet / "dataset" / "core-mug-8570.npy", content, allow_pickle=True)
    with pytest.raises(SleightError):
        DexGraspNet(dexgraspnet).grasps("core-mug-8570", 0.06)
