"""The object over time: at rest, lifted, lost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sleight_ros.skills.sight import Sight

PERIOD = 1.0 / 15.0


def seen(sight, begin, count, z=0.64, x=0.0):
    """Let it see the object at one place for some estimates; return the time of the last."""
    for i in range(count):
        sight.take(begin + i * PERIOD, (x, 0.0, z), 0.8)
    return begin + (count - 1) * PERIOD


def test_an_object_that_lies_still_is_at_rest_after_the_time():
    sight = Sight(0.3, 0.02)
    assert not sight.at_rest()
    seen(sight, 10.0, 5)
    assert not sight.at_rest()
    seen(sight, 10.0 + 5 * PERIOD, 1)
    assert sight.at_rest()


def test_one_that_moves_or_was_gone_is_not():
    sight = Sight(0.3, 0.02)
    for i in range(30):
        sight.take(i * PERIOD, (0.01 * i, 0.0, 0.64), 0.8)
    assert not sight.at_rest()
    end = seen(sight, 100.0, 10)
    assert sight.at_rest()
    sight.take(end + PERIOD, (0.0, 0.0, 0.0), 0.0, "no cluster")
    assert not sight.at_rest() and not sight.seen and sight.words == "no cluster"
    seen(sight, end + 2 * PERIOD, 3)
    assert not sight.at_rest() and sight.seen


def test_heights_count_from_the_rest():
    sight = Sight(0.3, 0.02)
    assert sight.height == 0.0 and sight.age(5.0) == math.inf
    end = seen(sight, 0.0, 10)
    assert sight.height == 0.0
    sight.mark_rest()
    sight.take(end + 1.0, (0.0, 0.0, 0.75), 0.5)
    assert sight.height == pytest.approx(0.11)
    sight.take(end + 2.0, (9.0, 9.0, 9.0), 0.0, "no cluster")
    assert sight.height == pytest.approx(0.11) and sight.age(end + 3.0) == pytest.approx(2.0)


def test_a_position_that_is_no_number_is_no_sight():
    sight = Sight(0.3, 0.02)
    sight.take(0.0, (0.0, math.nan, 0.6), 0.8)
    assert not sight.seen and sight.last is None and sight.words


@given(
    st.lists(st.tuples(st.floats(0.01, 0.2), st.booleans(), st.floats(-0.1, 0.1)), max_size=60),
    st.floats(0.0, 1.0),
    st.floats(0.001, 0.1),
)
def test_at_rest_means_what_it_says(steps, steady_time, spread):
    """Whatever came: at rest exactly when the estimates since the last gap cover the time and lie together."""
    sight, now, since_gap = Sight(steady_time, spread), 0.0, []
    for step, visible, z in steps:
        now += step
        sight.take(now, (0.0, 0.0, z), 1.0, "" if visible else "gone")
        since_gap = [*since_gap, (now, z)] if visible else []
        # From the newest one that is old enough.
        begin = max((i for i, (t, _) in enumerate(since_gap) if t <= now - steady_time), default=None)
        window = since_gap[begin:] if begin is not None else []
        together = len(window) >= 3 and max(z for _, z in window) - min(z for _, z in window) <= spread
        old_enough = bool(window) and window[-1][0] - window[0][0] >= steady_time
        assert sight.at_rest() == (together and old_enough)
