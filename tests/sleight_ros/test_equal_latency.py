"""Answers to states leave equally late, whatever the clocks say, and never later than asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_ros.equal_latency import MEMORY, EqualLatency

PERIOD = 1.0 / 60.0
LATENCY = 0.005
ways = st.lists(st.floats(5e-4, 4e-3), min_size=2, max_size=60)


@given(ways, st.floats(-1e6, 1e6))
@settings(max_examples=50, deadline=None)
def test_the_spread_of_a_states_way_does_not_reach_the_commands(ways, offset):
    equal = EqualLatency(LATENCY, PERIOD)
    due = []
    for i, way in enumerate([min(ways), *ways]):
        stamp = i * PERIOD
        arrival = stamp + way + offset
        equal.heard(stamp, arrival)
        due.append(equal.due(stamp, arrival + 1e-4) - offset - stamp)
    assert due == pytest.approx([min(ways) + LATENCY] * len(due), abs=1e-6)


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(0.0, 0.05), st.floats(0.0, 0.05)), min_size=1, max_size=MEMORY - 1
    )
)
@settings(max_examples=100, deadline=None)
def test_no_clock_makes_an_answer_early_or_later_than_asked(rows):
    equal = EqualLatency(LATENCY, PERIOD)
    now = 0.0
    for stamp, way, thinking in rows:
        now += way
        known = stamp in equal._arrivals
        equal.heard(stamp, now)
        asked = now + thinking
        due = equal.due(stamp, asked)
        assert due >= asked
        if not known:
            assert due <= max(asked, now + LATENCY) + 1e-9


def test_what_was_never_heard_is_answered_at_once():
    equal = EqualLatency(LATENCY, PERIOD)
    assert equal.due(1.0, 5.0) == 5.0
    equal.heard(1.0, 5.0)
    assert equal.due(2.0, 5.0) == 5.0


def test_old_states_are_forgotten_and_a_clock_that_was_set_is_followed():
    equal = EqualLatency(LATENCY, PERIOD)
    for i in range(200):
        equal.heard(i * PERIOD, i * PERIOD + 0.001)
    assert len(equal._arrivals) == MEMORY
    assert equal.due(0.0, 9.0) == 9.0
    # Their clock is set back by an hour: answers leave at once until the window has passed, then evenly again.
    due = []
    for i in range(200, 400):
        equal.heard(i * PERIOD - 3600.0, i * PERIOD + 0.001)
        due.append(equal.due(i * PERIOD - 3600.0, i * PERIOD + 0.002) - i * PERIOD)
    assert due[0] == pytest.approx(0.002)
    assert due[-1] == pytest.approx(0.001 + LATENCY)


def test_without_a_latency_nothing_waits():
    equal = EqualLatency(0.0, PERIOD)
    equal.heard(1.0, 5.0)
    assert equal.due(1.0, 5.001) == 5.001


def test_a_latency_that_meets_the_next_command_is_refused():
    EqualLatency(0.8 * PERIOD, PERIOD)
    with pytest.raises(SleightError, match=r"command_latency.*0\.015.*at most 0\.01333 s"):
        EqualLatency(0.015, PERIOD)
