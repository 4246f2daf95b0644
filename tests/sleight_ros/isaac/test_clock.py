"""The clock of a simulation: standing, jumping, beginning anew."""

from hypothesis import given
from hypothesis import strategies as st
from sleight_core.safety import ReasonCode
from sleight_ros.isaac.clock import LeaderClock, Restarted


def clock():
    return LeaderClock("its clock", pause_after=0.15, longest_jump=0.5)


def test_a_clock_that_runs_is_no_matter_however_fast():
    for rate in (0.1, 1.0, 10.0):
        one = clock()
        for k in range(60):
            assert one.read(0.05 * k, 1.0 + 0.05 * k * rate) is None
            assert one.pause(0.05 * k + 0.02) is None


def test_a_pause_is_noticed_with_and_without_messages_and_ends_by_itself():
    one = clock()
    assert one.pause(0.0) is None
    one.read(0.0, 3.0)
    for k in range(10):
        assert one.read(0.02 * k, 3.0) is None
    fault = one.pause(0.2)
    assert fault is not None and fault.reason == ReasonCode.FROZEN_STAMP and "3.000" in fault.detail
    assert one.read(9.0, 3.02) is None
    assert one.pause(9.1) is None


def test_backward_is_a_restart_and_forward_a_jump():
    one = clock()
    one.read(0.0, 12.0)
    assert not isinstance(fault := one.read(0.02, 13.0), Restarted)
    assert fault is not None and fault.reason == ReasonCode.FUTURE_STAMP
    assert one.read(0.04, 13.02) is None
    fault = one.read(0.06, 0.0)
    assert isinstance(fault, Restarted) and fault.reason == ReasonCode.BACKWARD_TIME
    assert one.read(0.08, 0.02) is None


@given(st.lists(st.tuples(st.floats(0.001, 0.1), st.floats(0.001, 0.1)), min_size=2, max_size=50))
def test_no_clock_that_advances_a_little_at_a_time_is_ever_doubted(steps):
    one, now, time = clock(), 100.0, 0.0
    for elapsed, advance in steps:
        now, time = now + elapsed, time + advance
        assert one.read(now, time) is None and one.pause(now) is None
