"""Current is taken away before anything breaks, and what cannot be explained stops the hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_ros.drivers.config import load_config
from sleight_ros.drivers.protection import Guard
from sleight_ros.drivers.reasons import Reason

CONFIG = load_config()
COUNT = len(CONFIG.joints)
RULES, FULL = CONFIG.protection, CONFIG.control.current_limit
COOL = np.full(COUNT, 30.0)


def one(value, index=3, rest=0.0):
    values = np.full(COUNT, rest)
    values[index] = value
    return values


def test_at_rest_all_may_use_all():
    guard = Guard(CONFIG)
    for _ in range(1000):
        assert guard.update(0.01, np.full(COUNT, 0.05), COOL) == (Reason.OK, "")
    assert (guard.limits == FULL).all() and guard.derated == ()


def test_warm_motors_may_use_less_and_hot_ones_stop_the_hand():
    guard = Guard(CONFIG)
    before = FULL
    for temperature in np.arange(RULES.warm, RULES.hot, 1.0):
        assert guard.update(0.01, np.zeros(COUNT), one(temperature, rest=30.0))[0] == Reason.OK
        assert guard.limits[3] <= before
        before = guard.limits[3]
    assert RULES.warm_share * FULL <= before < 0.5 * FULL
    assert guard.derated == ("if_dip",)
    reason, detail = guard.update(0.01, np.zeros(COUNT), one(RULES.hot, rest=30.0))
    assert reason == Reason.OVER_TEMPERATURE and "if_dip" in detail
    guard.reset()
    assert (guard.limits == FULL).all()


def test_a_motor_that_works_without_rest_gets_what_it_can_bear():
    guard = Guard(CONFIG)
    for _ in range(6000):
        assert guard.update(0.01, -one(guard.limits[3]), COOL)[0] == Reason.OK
    assert guard.mean[3] <= 1.01 * RULES.continuous_current
    assert guard.limits[3] < FULL and guard.limits[4] == FULL
    for _ in range(3000):
        guard.update(0.01, np.zeros(COUNT), COOL)
    assert guard.limits[3] == FULL


def test_more_current_than_allowed_stops_the_hand_if_it_lasts():
    guard = Guard(CONFIG)
    much = FULL + RULES.excess_current + 0.05
    assert guard.update(0.01, one(much), COOL)[0] == Reason.OK
    assert guard.update(0.01, one(0.0), COOL)[0] == Reason.OK
    passed = 0.0
    while guard.update(0.01, one(-much), COOL)[0] == Reason.OK:
        passed += 0.01
        assert passed < RULES.excess_time + 0.02
    assert passed > RULES.excess_time - 0.02


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.1), st.floats(-3, 3), st.floats(0, 100)), max_size=50))
def test_limits_are_always_sane(rows):
    guard = Guard(CONFIG)
    for dt, current, temperature in rows:
        reason, _ = guard.update(dt, one(current), one(temperature, rest=25.0))
        assert (guard.limits <= FULL).all() and (guard.limits >= RULES.warm_share * FULL - 1e-9).all()
        assert (reason == Reason.OVER_TEMPERATURE) == (temperature >= RULES.hot)
