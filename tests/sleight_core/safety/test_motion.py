"""The acceleration limit: kept always, together with all other limits, and off unless it is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sleight_core.errors import SleightError
from sleight_core.safety import (
    JointLimits,
    ReasonCode,
    SafetyFilter,
    SafetyState,
    brake_joints,
    limit_joint_motion,
    limit_joint_targets,
)

from .robot import HAND, PERIOD, Rig, sent

FREE = JointLimits.from_table(HAND)
BOUND = JointLimits.from_table(HAND, acceleration=40.0)
ROUNDING = 1e-9


def test_the_shipped_hand_has_no_acceleration_limit_as_in_training() -> None:
    assert FREE.acceleration is None
    rng = np.random.default_rng(0)
    sent_, rate = 0.5 * (FREE.lower + FREE.upper), np.zeros(18)
    for _ in range(200):
        target = rng.uniform(-2, 2, 18)
        slewed = limit_joint_targets(target, sent_, FREE, PERIOD)
        sent_, rate = limit_joint_motion(target, sent_, rate, FREE, PERIOD)
        np.testing.assert_array_equal(sent_, slewed)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    limit=st.sampled_from([0.5, 5.0, 40.0, 360.0, 1e6]),
    steps=st.lists(st.sampled_from([0.0, 1e-6, 0.3 * PERIOD, PERIOD, 1.5 * PERIOD]), min_size=20, max_size=20),
)
def test_all_limits_hold_at_once_for_batches_and_uneven_steps(seed: int, limit: float, steps: list[float]) -> None:
    rng = np.random.default_rng(seed)
    limits = JointLimits.from_table(HAND, acceleration=limit)
    sent_, rate = limits.clip(rng.uniform(-2, 2, (5, 18))), np.zeros((5, 18))
    target = rng.uniform(-3, 3, (5, 18))
    for dt in steps:
        if rng.random() < 0.3:
            target = rng.uniform(-3, 3, (5, 18))
        before, rate_before = sent_, rate
        if rng.random() < 0.2:
            sent_, rate = brake_joints(before, rate_before, limits, dt)
            assert (np.abs(rate) <= np.abs(rate_before)).all()
        else:
            sent_, rate = limit_joint_motion(target, before, rate_before, limits, dt)
        assert (np.abs(rate - rate_before) <= limit * dt + ROUNDING).all()
        assert (np.abs(rate) <= limits.velocity).all()
        assert (sent_ >= limits.lower).all() and (sent_ <= limits.upper).all()
        np.testing.assert_allclose(sent_, before + rate * dt, rtol=0, atol=1e-7)


def test_a_far_target_is_reached_without_passing_it() -> None:
    start, target = np.zeros(18) + BOUND.lower, BOUND.lower + 0.5 * (BOUND.upper - BOUND.lower)
    sent_, rate = start, np.zeros(18)
    for _ in range(200):
        sent_, rate = limit_joint_motion(target, sent_, rate, BOUND, PERIOD)
        assert (sent_ <= target + ROUNDING).all()
    np.testing.assert_allclose(sent_, target, atol=1e-6)


def test_a_joint_may_have_limits_of_its_own() -> None:
    limits = FREE.tightened(velocity={"FFJ2": 1.0}, acceleration={"THJ4": 20.0})
    assert limits.velocity[limits.names.index("FFJ2")] == 1.0
    assert limits.acceleration is not None and np.isfinite(limits.acceleration).sum() == 1
    sent_, _ = limit_joint_motion(FREE.upper, FREE.lower, np.zeros(18), limits, PERIOD)
    slewed = limit_joint_targets(FREE.upper, FREE.lower, limits, PERIOD)
    thumb = limits.names.index("THJ4")
    others = np.arange(18) != thumb
    np.testing.assert_allclose(sent_[others], slewed[others], atol=1e-12)
    assert 0 < sent_[thumb] - FREE.lower[thumb] <= 20.0 * PERIOD**2 + ROUNDING
    still, rate = brake_joints(sent_, np.ones(18), limits, 0.0)
    assert np.array_equal(still, sent_) and rate.all()
    _, rate = brake_joints(sent_, np.ones(18), limits, PERIOD)
    assert rate[thumb] > 0 and not rate[others].any()
    assert FREE.tightened().acceleration is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: JointLimits.from_table(HAND, acceleration=0.0), "acceleration"),
        (lambda: JointLimits.from_table(HAND, acceleration=float("nan")), "acceleration"),
        (lambda: FREE.tightened(velocity={"FFJ2": 99.0}), "FFJ2"),
        (lambda: FREE.tightened(velocity={"elbow": 1.0}), "elbow"),
        (lambda: BOUND.tightened(acceleration={"FFJ2": 41.0}), "FFJ2"),
        (lambda: BOUND.tightened(acceleration={"FFJ2": -1.0}), "FFJ2"),
    ],
)
def test_limits_without_meaning_are_refused(make, words: str) -> None:
    with pytest.raises(SleightError, match=words):
        make()


def moving(acceleration: float) -> Rig:
    rig = Rig()
    limits = JointLimits.from_table(HAND, acceleration=acceleration)
    rig.filter = SafetyFilter(HAND, rig.filter.config, joint_limits=limits)
    rig.armed()
    rig.target = limits.upper.copy()
    rig.run(0.15)
    return rig


def test_a_limited_acceleration_is_named() -> None:
    rig = moving(40.0)
    rig.target = BOUND.lower.copy()
    out = rig.step()
    assert (out.state, out.reason, out.limited) == (SafetyState.ACTIVE, ReasonCode.RATE_LIMITED, True)
    rig.run(1.5)
    rig.target = rig.target + 0.03
    out = rig.step()
    assert out.reason == ReasonCode.ACCELERATION_LIMITED


@pytest.mark.parametrize("end", ["hold", "stop"])
def test_a_hold_brakes_within_the_acceleration_and_then_rests(end: str) -> None:
    rig = moving(40.0)
    if end == "stop":
        rig.filter.stop()
    outs = [rig.step(without="command" if end == "hold" else "") for _ in range(40)]
    first = next(i for i, out in enumerate(outs) if out.state in (SafetyState.HOLD, SafetyState.STOPPED))
    rates = [out.rates for out in outs[first - 1 if first else 0 :]]
    assert rates[0].any()
    for before, after in zip(rates, rates[1:], strict=False):
        assert (np.abs(after - before) <= 40.0 * PERIOD + ROUNDING).all()
        assert (np.abs(after) <= np.abs(before) + ROUNDING).all()
    assert outs[-1].at_rest
    np.testing.assert_array_equal(sent(outs[-1]), sent(outs[-2]))
