"""Rotations: a row of double precision by itself is, bit for bit, what it is within a batch; and numpy is torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core import rotations
from sleight_core.arrays import clip, side_by_side

NUMBERS = st.floats(-1e3, 1e3, width=64)
QUATERNIONS, VECTORS = arrays(np.float64, 4, elements=NUMBERS), arrays(np.float64, 3, elements=NUMBERS)
#: Functions of two rows, and of one.
PAIRS: list[tuple[Callable[..., Any], Any, Any]] = [
    (rotations.quat_multiply, QUATERNIONS, QUATERNIONS),
    (rotations.quat_rotate, QUATERNIONS, VECTORS),
    (rotations.cross, VECTORS, VECTORS),
]
ROWS = [rotations.quat_conjugate, rotations.quat_normalize]


@pytest.mark.parametrize(("function", "first", "second"), PAIRS, ids=lambda value: getattr(value, "__name__", ""))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_row_by_itself_is_what_it_is_in_a_batch(function, first, second, data):
    a, b = data.draw(first), data.draw(second)
    batch = function(np.stack([a, a, a]), np.stack([b, b, b]))
    assert np.array_equal(function(a[None], b[None]), batch[:1])
    assert np.array_equal(function(a, b), batch[0])
    assert function(a[None], b).shape == function(a, b[None]).shape == batch[:1].shape


@pytest.mark.parametrize("function", ROWS)
@settings(max_examples=60, deadline=None)
@given(q=QUATERNIONS.filter(lambda q: np.abs(q).max() > 1e-3))
def test_a_quaternion_by_itself_is_what_it_is_in_a_batch(function, q):
    batch = function(np.stack([q, q]))
    assert np.array_equal(function(q[None]), batch[:1]) and np.array_equal(function(q), batch[0])


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_what_is_no_rotation_stays_none_and_raises_nothing(bad):
    q = np.full((1, 4), bad)
    with np.errstate(invalid="ignore", divide="ignore"):
        assert not np.isfinite(rotations.quat_normalize(q)).any()
    spoiled = rotations.quat_rotate(np.array([[1.0, 0.0, 0.0, 0.0]]), np.array([[np.nan, 0.0, 0.0]]))
    assert np.isnan(spoiled[0, 0])


def test_fewer_digits_stay_fewer_digits():
    q, v = np.array([[0.6, 0.8, 0.0, 0.0]], np.float32), np.array([[1.0, 2.0, 3.0]], np.float32)
    for found in (rotations.quat_multiply(q, q), rotations.quat_rotate(q, v), rotations.quat_normalize(q)):
        assert found.dtype == np.float32
    assert rotations.quat_rotate(q, v) == pytest.approx(np.array([[1.0, -3.44, 1.08]]), abs=1e-5)


def test_tensors_give_the_same():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    q, v = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    for function, values in (
        (rotations.quat_multiply, (q, q[::-1].copy())),
        (rotations.quat_rotate, (q, v)),
        (rotations.cross, (v, v[::-1].copy())),
        (rotations.quat_conjugate, (q,)),
        (rotations.quat_normalize, (q,)),
        (rotations.quat_to_euler_xyz, (rotations.quat_normalize(q),)),
        (rotations.rotate_z, (v, v[:, 0])),
        (rotations.swapped_rotation_z, (v[:, 0],)),
    ):
        expected = function(*values)
        found = function(*(torch.from_numpy(value) for value in values))
        assert isinstance(found, torch.Tensor) and found.numpy() == pytest.approx(expected, abs=1e-12)


def test_arrays_side_by_side_and_between_bounds():
    rows = [np.array([1.0, 2.0]), np.array([3.0, np.nan])]
    assert np.array_equal(side_by_side(rows), np.stack(rows, axis=-1), equal_nan=True)
    assert np.array_equal(clip(rows[1], -1.0, np.array([2.0, 1.0])), [2.0, np.nan], equal_nan=True)
    torch = pytest.importorskip("torch")
    assert clip(torch.tensor([3.0, -3.0]), -1.0, 1.0).tolist() == [1.0, -1.0]
