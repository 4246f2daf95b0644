"""The motors' clocks: true samples pass whatever the clocks do, old ones do not."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_ros.drivers.freshness import DRIFT, FORGET, SLACK, TickClock
from sleight_ros.drivers.xc330 import TICK_WRAP


class Motors:
    """Two motors with clocks of their own."""

    def __init__(self, phases=(0.0, 20.0), drifts=(0.0, 0.0)):
        self.phases, self.drifts = phases, drifts

    def ticks(self, time):
        values = [(time * (1.0 + drift) + phase) * 1e3 for phase, drift in zip(self.phases, self.drifts, strict=True)]
        return np.array([math.floor(value) % TICK_WRAP for value in values])


exchange = st.tuples(
    st.floats(0.005, 0.5),  # pause before
    st.floats(0.0, 0.02),  # until it is measured
    st.floats(0.0, 0.03),  # until it is received
)
drift = st.floats(-0.9 * DRIFT, 0.9 * DRIFT)
phase = st.floats(0.0, 40.0)


@settings(deadline=None)
@given(st.lists(exchange, min_size=1, max_size=60), st.tuples(phase, phase), st.tuples(drift, drift))
def test_true_samples_pass_whatever_the_clocks_and_the_machine_do(exchanges, phases, drifts):
    clock, motors, now = TickClock(2), Motors(phases, drifts), 100.0
    for pause, before, after in exchanges:
        sent = now + pause
        measured = sent + before
        now = measured + after
        assert not clock.judge(motors.ticks(measured), sent, now).any()
        assert clock.judge_one(1, int(motors.ticks(measured)[1]), sent, now) == 0.0


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(0.001, 0.003), st.floats(0.0, 0.45), st.tuples(phase, phase), st.integers(0, 1))
def test_samples_older_than_an_exchange_do_not_pass(count, shortest, extra, phases, which):
    clock, motors, now = TickClock(2), Motors(phases), 100.0
    for _ in range(count):
        now += 0.01
        assert not clock.judge(motors.ticks(now), now, now + shortest).any()
    now += 0.01
    ticks = motors.ticks(now)
    allowed = shortest + 1e-3 + SLACK + DRIFT * 0.01 + 1e-3
    old = motors.ticks(now - allowed - extra)[which]
    assert clock.judge_one(which, int(old), now, now + shortest) > 0.0
    ticks[which] = old
    ages = clock.judge(ticks, now, now + shortest)
    assert ages[which] > 0.0 and ages[1 - which] == 0.0
    # A refused sample changes nothing.
    assert not clock.judge(motors.ticks(now + 0.01), now + 0.01, now + 0.01 + shortest).any()


def test_the_same_sample_again_is_old():
    clock, motors = TickClock(2), Motors()
    assert not clock.judge(motors.ticks(100.0), 100.0, 100.002).any()
    ages = clock.judge(motors.ticks(100.0), 100.01, 100.012)
    assert (ages > 0.005).all() and (ages < 0.011).all()
    # However long it is repeated, it is not taken for a motor that started anew.
    ages = clock.judge(motors.ticks(100.0), 109.0, 109.002)
    assert (ages > 8.0).all() and np.isfinite(ages).all()


def test_a_clock_that_starts_anew_is_told_from_a_late_reply():
    clock, motors = TickClock(2), Motors(phases=(5.0, 7.0))
    for k in range(10):
        assert not clock.judge(motors.ticks(100.0 + 0.01 * k), 100.0 + 0.01 * k, 100.002 + 0.01 * k).any()
    for ticks in (0, 3, 20000):
        both = motors.ticks(100.1)
        both[1] = ticks
        ages = clock.judge(both, 100.1, 100.102)
        assert ages[0] == 0.0 and np.isinf(ages[1])
        assert np.isinf(clock.judge_one(1, ticks, 100.1, 100.102))
    clock.reset()
    assert not clock.judge(both, 100.1, 100.102).any()


def test_after_a_long_silence_the_clocks_are_learned_anew():
    clock = TickClock(2)
    assert not clock.judge(np.array([1, 2]), 100.0, 100.002).any()
    later = 100.0 + FORGET + 1.0
    assert clock.anchored(100.0 + FORGET - 1.0) and not clock.anchored(later)
    # One motor alone is not believed then.
    assert clock.judge_one(1, 3, later, later + 0.002) == np.inf
    assert not clock.judge(np.array([7, 9999]), later, later + 0.002).any()
    assert clock.anchored(later + 0.01)


@settings(deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=2, max_size=2), st.floats(0, 1e6), st.floats(0, 10))
def test_any_numbers_are_judged(ticks, sent, took):
    clock = TickClock(2)
    for _ in range(2):
        ages = clock.judge(np.array(ticks), sent, sent + took)
        assert ages.shape == (2,) and not np.isnan(ages).any() and (ages >= 0).all()
