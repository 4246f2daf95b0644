"""How a motion starts, and by when a hold must come."""

import math

import numpy as np
import pytest
from sleight_core.safety import ReasonCode, SafetyState

from .robot import HAND, PERIOD, Rig, sent

J = HAND.actuated_joint_names.index("FFJ2")


def test_a_first_target_that_is_too_far_is_refused_until_it_is_near() -> None:
    rig = Rig(start_limit=0.3)
    rig.target[J] += 0.5
    rig.filter.arm()
    out = rig.run(1.0)
    assert (out.state, out.reason) == (SafetyState.HOLD, ReasonCode.TARGET_TOO_FAR)
    assert "FFJ2" in out.detail and "0.500" in out.detail
    rig.target[J] -= 0.3
    assert rig.step().state == SafetyState.BLENDING
    # Only the first target is judged: later ones are limited in their rate.
    rig.run(2.0)
    rig.target[J] -= 0.7
    assert rig.run(1.0).state == SafetyState.ACTIVE


def test_after_a_stop_the_next_target_is_a_first_one_again() -> None:
    rig = Rig(start_limit=0.3).armed()
    rig.filter.stop()
    rig.step()
    rig.filter.rearm()
    rig.target[J] += 0.5
    assert rig.step().reason == ReasonCode.TARGET_TOO_FAR


def test_the_deadline_is_that_of_the_source_that_gets_old_first() -> None:
    rig = Rig()
    assert rig.filter.deadline(rig.now) == math.inf
    rig.armed()
    assert rig.filter.deadline(rig.now) == pytest.approx(0.05)
    rig.step(without="wrist")
    assert rig.filter.deadline(rig.now) == pytest.approx(0.05 - PERIOD)
    rig.now += 0.051 - PERIOD
    assert rig.filter.deadline(rig.now) < 0.0
    assert rig.tick().reason == ReasonCode.STALE_WRIST_STATE
    assert rig.filter.deadline(rig.now) == math.inf


def test_what_is_sent_is_what_is_said() -> None:
    rig = Rig().armed()
    rig.target += 0.4
    for _ in range(30):
        out = rig.step()
        last = rig.filter.last_sent
        assert last is not None
        np.testing.assert_array_equal(sent(out), last)
        if out.at_rest:
            assert not out.rates.any()
