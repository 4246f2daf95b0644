"""Eqs. 7 to 12 for arbitrary numbers: no skill can touch what the other owns, and none beyond its bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sleight_core.compose import DualResidual, Ownership
from sleight_core.errors import SleightError
from sleight_description import load_hand

HAND = load_hand("shadow")
MASKS = st.lists(st.booleans(), min_size=5, max_size=5).filter(any)
ANYTHING = arrays(np.float64, (2, 28), elements=st.floats(allow_nan=True, allow_infinity=True, width=32))
SANE = arrays(np.float64, (2, 28), elements=st.floats(-4.0, 4.0))
BOUNDS = arrays(np.float64, 28, elements=st.floats(0.0, 0.3))
KINDS = ["numpy", "numpy32", "torch"]


def dual(mask, bounds) -> DualResidual:
    return DualResidual(Ownership.from_mask(HAND, mask), bounds)


def of_kind(kind, *values):
    if kind == "torch":
        torch = pytest.importorskip("torch")
        return [torch.tensor(value, dtype=torch.float64) for value in values]
    return [np.asarray(value, dtype=np.float32 if kind == "numpy32" else np.float64) for value in values]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(MASKS, BOUNDS, SANE, ANYTHING, ANYTHING, SANE, SANE)
def test_nothing_of_one_skill_moves_what_the_other_owns(kind, mask, bounds, hold, wild, wilder, nominal, residual):
    both = dual(mask, bounds)
    first, second = both.ownership.first, both.ownership.second
    hold, wild, wilder, nominal, residual = of_kind(kind, hold, wild, wilder, nominal, residual)
    calm = np.asarray(both.compose(hold, residual, nominal, residual))
    # The second skill goes mad in its nominal action and in its residual: the first skill's elements stay to the bit.
    assert np.array_equal(np.asarray(both.compose(hold, residual, wild, wilder))[:, first], calm[:, first])
    # And the other way round.
    assert np.array_equal(np.asarray(both.compose(wild, wilder, nominal, residual))[:, second], calm[:, second])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(MASKS, BOUNDS, SANE, SANE, ANYTHING)
def test_a_residual_moves_its_own_elements_by_its_bound_at_most(kind, mask, bounds, hold, nominal, wild):
    both = dual(mask, bounds)
    hold, nominal, wild = of_kind(kind, hold, nominal, np.nan_to_num(wild, nan=0.0, posinf=np.inf, neginf=-np.inf))
    out = np.asarray(both.compose(hold, wild, nominal, wild), dtype=np.float64)
    base = np.where(both.ownership.first, np.asarray(hold), np.asarray(nominal))
    assert (np.abs(out - base) <= bounds * (1 + 1e-6) + 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(MASKS, BOUNDS, SANE, SANE)
def test_a_zero_residual_changes_nothing_at_all(kind, mask, bounds, hold, nominal):
    both = dual(mask, bounds)
    hold, nominal, zero = of_kind(kind, hold, nominal, np.zeros((2, 28)))
    out = both.compose(hold, zero, nominal, zero)
    assert np.array_equal(out, np.where(both.ownership.first, np.asarray(hold), np.asarray(nominal)))
    assert out.dtype == hold.dtype


@settings(max_examples=40, deadline=None)
@given(MASKS, SANE, ANYTHING)
def test_a_residual_of_nan_is_seen_in_its_own_elements_only(mask, base, wild):
    both = dual(mask, np.full(28, 0.1))
    out = both.correct("first", base, wild)
    assert np.array_equal(np.isnan(out), np.isnan(wild) & both.ownership.first)


def test_the_corrections_are_those_of_the_paper():
    both = dual([True, False, False, False, True], np.full(28, 0.2))
    hold, nominal, r_a, r_b = (np.full((1, 28), value) for value in (0.5, -0.5, 0.3, -1.0))
    out = both.compose(hold, r_a, nominal, r_b)
    assert out[:, both.ownership.first] == pytest.approx(0.5 + 0.2 * np.tanh(0.3))
    assert out[:, both.ownership.second] == pytest.approx(-0.5 + 0.2 * np.tanh(-1.0))


def test_an_element_of_bound_0_is_never_corrected():
    bounds = np.full(28, 0.2)
    bounds[:6] = 0.0
    both = dual([True, False, False, False, True], bounds)
    out = both.correct("second", np.ones((1, 28)), np.full((1, 28), np.nan))
    assert (out[:, :6] == 1.0).all()


def test_bounds_that_are_none_are_refused():
    own = Ownership(HAND, ("th",))
    for bounds in (np.ones(22), np.full(28, -0.1), np.full(28, np.nan), np.full(28, np.inf)):
        with pytest.raises(SleightError, match="residual bounds"):
            DualResidual(own, bounds)
