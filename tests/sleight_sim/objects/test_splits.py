"""The splits have the paper's sizes, share nothing, and survive a damaged or interrupted cache."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
from sleight_core.errors import SleightError
from sleight_sim.objects import ObjectSpec, resolve_objects, splits
from sleight_sim.objects.cache import read_arrays, write_arrays
from sleight_sim.objects.catalogue import CATEGORIES, UNSEEN
from sleight_sim.objects.scaled import SCALES, misfit
from sleight_sim.objects.spec import MAX_REST_HEIGHT
from sleight_sim.objects.splits import SHARD, SPLITS, HouseholdSplit, split_entries
from sleight_sim.objects.splitting import SPLIT_SIZES, UNSEEN_FROM, draw, quotas

#: SHA-256 over the vertices of all objects of all splits, and of the first two shards, in hundredths of micrometres.
ALL_SHA256 = "912d48c33a6ea7ddd4e1ec34ee4c911c2240810f535ed23a64086add1a26f47f"
FIRST_SHA256 = "5011716678b1ac2b326c6babc0d283004ec2b2560a46dacc44e28e6c1d262a4a"


def vertices_digest(things: list[ObjectSpec]) -> str:
    digest = hashlib.sha256()
    for thing in things:
        digest.update(thing.name.encode())
        digest.update(np.round(thing.pieces * 1e8).astype("<i8").tobytes())
    return digest.hexdigest()


def test_splits_have_the_papers_sizes() -> None:
    assert [len(split_entries(split)) for split in SPLITS] == [3200, 141, 100]
    assert list(SPLIT_SIZES) == list(SPLITS)
    with pytest.raises(SleightError, match="train"):
        split_entries("validation")


def test_splits_share_no_shape_and_no_unseen_category() -> None:
    shapes = {split: {entry[:2] for entry in split_entries(split)} for split in SPLITS}
    for a in SPLITS:
        assert len(set(split_entries(a))) == len(split_entries(a))
        for b in SPLITS:
            assert a == b or not shapes[a] & shapes[b]
    families = {split: {category for category, _ in shapes[split]} for split in SPLITS}
    assert families["unseen_category"] == set(UNSEEN)
    assert families["train"] == set(CATEGORIES) - UNSEEN
    # Another sphere is no unseen shape.
    assert families["train"] - families["unseen_object"] == {"sphere"}
    assert families["unseen_object"] <= families["train"]
    assert all(index >= UNSEEN_FROM for _, index in shapes["unseen_object"])
    assert all(index < UNSEEN_FROM for _, index in shapes["train"])


def test_splits_hold_many_shapes_at_the_papers_scales() -> None:
    train = split_entries("train")
    assert len({entry[:2] for entry in train}) >= 2145
    assert {entry[2] for entry in train} == set(SCALES)
    counts = [sum(category == name for category, _, _ in train) for name in set(CATEGORIES) - UNSEEN]
    assert max(counts) <= 45


def test_first_objects_are_as_mixed_as_all() -> None:
    first = [category for category, _, _ in split_entries("train")[:164]]
    assert len(set(first)) >= 70
    assert max(first.count(category) for category in set(first)) <= 3


@pytest.mark.parametrize(
    ("split", "category"), [("train", "kettle"), ("unseen_object", "pan"), ("unseen_category", "shoe")]
)
def test_lists_are_those_that_the_rule_draws(split: str, category: str) -> None:
    found = draw(split, category, 3)
    listed = [entry for entry in split_entries(split) if entry[0] == category]
    for scale, indices in found.items():
        for index in indices:
            assert (category, index, float(scale)) in listed or len(listed) < 3


def test_quotas_add_up() -> None:
    for split, size in SPLIT_SIZES.items():
        assert sum(quotas(split).values()) == size
        assert min(quotas(split).values()) >= 1 or split == "unseen_object"


def test_objects_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = HouseholdSplit("unseen_category", tmp_path)
    first = made[3]
    assert made.shard_file(0).is_file() and not made.shard_file(1).exists()

    def no_second_time(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(splits, "scaled_object", no_second_time)
    again = HouseholdSplit("unseen_category", tmp_path)[3]
    for name in ("name", "family", "mass", "friction"):
        assert getattr(again, name) == getattr(first, name)
    for name in ("pieces", "com", "inertia", "inertia_quat"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    for name in ("quats", "heights", "probabilities"):
        np.testing.assert_array_equal(getattr(again.stable_poses, name), getattr(first.stable_poses, name))


def test_damaged_cache_is_made_again_with_a_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = HouseholdSplit("unseen_object", tmp_path)
    last = kept.shards - 1
    good = vertices_digest(kept.shard(last))
    file = kept.shard_file(last)
    content = file.read_bytes()
    arrays = read_arrays(file)
    assert arrays is not None
    other = {**arrays, "names": arrays["names"][::-1]}
    damages = [b"", content[: len(content) // 2], b"nonsense" * 99]
    for damage in (*damages, None):
        if damage is None:
            write_arrays(file, other)  # whole, but of other objects
        else:
            file.write_bytes(damage)
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="sleight.objects"):
            assert vertices_digest(HouseholdSplit("unseen_object", tmp_path).shard(last)) == good
        assert "damaged" in caplog.text
        assert HouseholdSplit("unseen_object", tmp_path).whole(last)


def test_changed_numbers_in_the_cache_are_noticed(tmp_path: Path) -> None:
    arrays = {"a": np.arange(5.0), "names": np.array(["x", "yy"])}
    write_arrays(tmp_path / "a.npz", arrays)
    back = read_arrays(tmp_path / "a.npz")
    assert back is not None and set(back) == set(arrays)
    np.testing.assert_array_equal(back["names"], arrays["names"])
    np.savez(tmp_path / "b.npz", a=np.arange(5.0), names=arrays["names"], sha256=np.array("0" * 64))
    assert read_arrays(tmp_path / "b.npz") is None
    np.savez(tmp_path / "c.npz", a=np.array([{"a": 1}], dtype=object))
    assert read_arrays(tmp_path / "c.npz") is None
    assert read_arrays(tmp_path / "missing.npz") is None


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    split = HouseholdSplit("unseen_category", tmp_path / "file" / "deeper")
    assert len(split.shard(split.shards - 1)) == 100 % SHARD


def test_set_names_take_what_is_asked_for(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = HouseholdSplit("train")
    some = resolve_objects("household:train", seed=30, count=4)
    assert [thing.name for thing in some] == split.names[30:34]
    assert len(list(own_cache.rglob("train-*.npz"))) == 2
    assert resolve_objects(some[0].name)[0].name == some[0].name
    few = HouseholdSplit("unseen_category")
    monkeypatch.setattr(HouseholdSplit, "take", lambda self, indices: [self.names[i] for i in indices])
    assert resolve_objects("household:unseen_category", count=102) == few.names + few.names[:2]
    assert len(resolve_objects("household:train")) == 3200


def test_split_is_a_sequence(tmp_path: Path) -> None:
    split = HouseholdSplit("unseen_category", tmp_path)
    assert split[-1].name == split.names[-1]
    assert [thing.name for thing in split[97:]] == split.names[97:]
    with pytest.raises(IndexError):
        split[100]


def test_first_objects_are_the_same_on_every_machine(tmp_path: Path) -> None:
    assert vertices_digest(HouseholdSplit("train", tmp_path)[: 2 * SHARD]) == FIRST_SHA256


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_all_objects_are_valid_and_the_same_on_every_machine(tmp_path: Path) -> None:
    things = [thing for split in SPLITS for thing in HouseholdSplit(split, tmp_path)]
    assert len({thing.name for thing in things}) == 3441
    assert len({thing.pieces.tobytes() for thing in things}) == 3441
    assert not [thing.name for thing in things if misfit(thing) is not None]
    assert all((thing.stable_poses.heights <= MAX_REST_HEIGHT).all() for thing in things)
    assert vertices_digest(things) == ALL_SHA256
