"""Objects come out of their arrays as they went in, and others are recognised."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_sim.objects import ObjectSpec, household_object
from sleight_sim.objects.packing import object_digest, pack_objects, unpack_objects

FAMILIES = ("can", "mug", "box", "egg")
THINGS = [household_object(family, 0) for family in FAMILIES]


def same(a: ObjectSpec, b: ObjectSpec) -> bool:
    def equal(x: Any, y: Any) -> bool:
        return bool(np.array_equal(x, y)) if isinstance(x, np.ndarray) else x == y

    rows = [list(vars(thing.stable_poses).values()) for thing in (a, b)]
    poses = all(np.array_equal(x, y) for x, y in zip(*rows, strict=True))
    names = [field.name for field in fields(ObjectSpec) if field.name != "stable_poses"]
    return poses and all(equal(getattr(a, name), getattr(b, name)) for name in names)


@settings(deadline=None)
@given(st.lists(st.sampled_from(THINGS), min_size=1, max_size=6))
def test_objects_come_out_as_they_went_in(things: list[ObjectSpec]) -> None:
    found = unpack_objects(pack_objects(things), [thing.name for thing in things])
    assert found is not None and all(same(a, b) for a, b in zip(found, things, strict=True))


@pytest.mark.parametrize("missing", ["names", "families", "pieces", "scalars", "pose_heights"])
def test_arrays_that_are_not_all_there_are_no_objects(missing: str) -> None:
    arrays = pack_objects(THINGS)
    arrays.pop(missing)
    assert unpack_objects(arrays, [thing.name for thing in THINGS]) is None
    assert unpack_objects(pack_objects(THINGS), ["another", *FAMILIES[1:]]) is None


def test_a_digest_is_of_the_shape_and_not_of_the_name() -> None:
    can = THINGS[0]
    assert object_digest(can) == object_digest(replace(can, name="another"))
    assert object_digest(can) != object_digest(replace(can, pieces=can.pieces * 1.001))
    assert len({object_digest(thing) for thing in THINGS}) == len(THINGS)
