"""Constants beside numpy arrays and tensors: their kind, type and device, made once for each."""

import numpy as np
import pytest
from sleight_core.arrays import Constants, constant


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_take_the_type_of_the_array_beside_them(kind):
    values = np.array([0.5, 1.5])
    found = constant(values, np.zeros(2, kind))
    assert found.dtype == kind and found.tolist() == [0.5, 1.5]
    assert constant([1, 2], np.zeros(1, kind)).dtype == kind


def test_flags_and_indices_stay_what_they_are_and_each_kind_is_made_once():
    columns, flags, numbers = np.array([2, 0]), np.array([True, False]), np.array([0.25, 0.5])
    constants = Constants(columns, flags, numbers)
    like = np.zeros(3, np.float32)
    found = constants.like(like)
    assert [row.dtype for row in found] == [columns.dtype, np.bool_, np.float32]
    assert constants.like(like + 1.0) is found
    assert constants.like(np.zeros(1)) is not found and constants.like(np.zeros(1))[2].dtype == np.float64


def test_beside_a_tensor_they_are_tensors_whatever_may_be_written_to():
    torch = pytest.importorskip("torch")
    numbers, columns = np.array([0.25, 0.5]), np.array([1, 0])
    numbers.setflags(write=False)
    seen, places = Constants(numbers, columns).like(torch.zeros(2, dtype=torch.float32))
    assert seen.dtype == torch.float32 and places.dtype == torch.int64
    seen[0] = 9.0
    assert numbers[0] == 0.25, "a tensor has memory of its own"
