"""Ways over a point: they pass it at rest, and do not turn the hand where it backs off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sleight_core.compose.paths import backed_off, between, over

START, MIDDLE, END = (np.full((1, 28), value) for value in (0.0, 0.2, -0.1))


def along(first, second):
    counts = np.arange(1, first + second + 4)
    return np.concatenate([over(START, MIDDLE, END, np.array([c]), np.array([first]), second) for c in counts])


@given(st.integers(1, 40), st.integers(1, 40))
def test_it_goes_through_the_middle_and_ends_at_the_end(first, second):
    way = along(first, second)
    assert np.allclose(way[first - 1], MIDDLE) and np.allclose(way[first + second - 1 :], END)
    assert (way[:first] >= -1e-12).all() and (np.diff(way[:first, 0]) >= -1e-12).all()


def test_it_rests_in_the_middle():
    way = np.abs(np.diff(along(20, 30)[:, 0]))
    assert way[18] < 0.1 * way[:19].max() and way[20] < 0.1 * way[20:].max()


def test_without_a_first_leg_it_is_the_plain_way():
    counts = np.array([1, 5, 30])
    start, middle, end = (np.repeat(action, 3, axis=0) for action in (START, MIDDLE, END))
    plain = between(middle, end, counts / 30)
    assert np.array_equal(over(start, middle, end, counts, np.zeros(3, int), 30), plain)


def test_a_hand_that_backs_off_opens_but_does_not_turn():
    here, end = np.linspace(0.0, 1.0, 28)[None], np.full((1, 28), 0.5)
    off = backed_off(here, end, np.array([0.0, 0.08, 0.1]))
    assert off[0, :3] == pytest.approx(here[0, :3] + [0.0, 0.08, 0.1])
    assert np.array_equal(off[0, 3:6], here[0, 3:6]) and np.array_equal(off[0, 6:], end[0, 6:])
