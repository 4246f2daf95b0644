"""Faults that no single message shows: two policies at once, and a driver that repeats what it once read."""

import numpy as np
import pytest
from sleight_core.safety import ReasonCode, SafetyState

from .robot import HAND, PERIOD, Rig, sent

ACTIVE, HOLD = SafetyState.ACTIVE, SafetyState.HOLD
J = HAND.actuated_joint_names.index("FFJ2")


def rival(rig: Rig, **changes) -> ReasonCode:
    """A command that the rig's own policy did not make."""
    reason = rig.command(**changes)
    rig.sequence -= 1
    return reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sequence": 3}, ReasonCode.BACKWARD_TIME),
        ({"bundle_id": "other"}, ReasonCode.WRONG_BUNDLE),
    ],
)
def test_two_policies_on_one_topic_end_in_a_hold_and_never_alternate(changes: dict, reason: ReasonCode) -> None:
    rig = Rig().armed()
    wish = rig.target.copy()
    for i in range(60):
        rig.step()
        assert rival(rig, positions=wish + 0.3, **changes) == reason
        out = rig.tick()
        np.testing.assert_array_equal(sent(out), wish)
        assert out.state == (ACTIVE if i < 3 else HOLD), i
    assert out.reason == ReasonCode.TWO_PUBLISHERS
    # It ends when the rival has been silent for the window.
    assert rig.run(0.9).state == HOLD
    assert rig.run(0.3).state == ACTIVE


def test_two_copies_of_one_policy_that_count_alike_are_found_as_well() -> None:
    rig = Rig().armed()
    for _ in range(10):
        rig.step()
        assert rival(rig, sequence=rig.sequence, positions=rig.target + 0.1) == ReasonCode.FROZEN_STAMP
    assert rig.tick().reason == ReasonCode.TWO_PUBLISHERS


def test_a_command_that_is_delivered_twice_is_no_rival() -> None:
    rig = Rig().armed()
    for _ in range(60):
        rig.step()
        assert rival(rig, sequence=rig.sequence) == ReasonCode.FROZEN_STAMP
        assert rig.tick().state == ACTIVE


def test_a_single_stray_command_is_refused_but_no_fault() -> None:
    rig = Rig().armed()
    for i in range(200):
        rig.step()
        if i % 70 == 0:
            assert rival(rig, bundle_id="other") == ReasonCode.WRONG_BUNDLE
        assert rig.tick().state == ACTIVE


def test_another_bundle_takes_over_when_the_engaged_one_is_gone() -> None:
    rig = Rig().armed()
    assert rig.run(0.2, without="command").state == HOLD
    rig.now += PERIOD
    assert rig.command(bundle_id="other") == ReasonCode.OK


def repeat(rig: Rig, reading: np.ndarray, seconds: float, speed: float):
    """Go on with an old reading under new stamps, while the policy moves a joint."""
    for _ in range(round(seconds / PERIOD)):
        rig.target[J] += speed * PERIOD
        rig.step(without="joint_state")
        rig.joint_state(positions=reading)
        out = rig.tick()
    return out


def test_a_driver_that_repeats_an_old_reading_while_the_targets_move_is_frozen() -> None:
    rig = Rig(state_tolerance=10.0).armed()
    old = rig.q.copy()
    out = repeat(rig, old, 0.09, 2.0)
    assert out.state == ACTIVE
    out = repeat(rig, old, 0.1, 2.0)
    assert (out.state, out.reason) == (HOLD, ReasonCode.FROZEN_STATE)
    first = next(out for out in rig.outputs if out.reason == ReasonCode.FROZEN_STATE)
    assert 0.1 < first.ages["joint_state"] <= 0.1 + PERIOD + 1e-9
    # It stays so while nothing moves any more, and ends with the first new readings.
    assert repeat(rig, old, 0.5, 0.0).state == HOLD
    assert rig.run(1.0).state == ACTIVE


def test_a_hand_at_rest_may_repeat_itself() -> None:
    rig = Rig().armed()
    assert repeat(rig, rig.q.copy(), 2.0, 0.0).state == ACTIVE


def test_re_arming_gives_a_repeating_driver_another_chance() -> None:
    rig = Rig(state_tolerance=10.0).armed()
    old = rig.q.copy()
    assert repeat(rig, old, 0.3, 2.0).reason == ReasonCode.FROZEN_STATE
    rig.filter.stop()
    rig.filter.rearm()
    assert repeat(rig, old, 0.05, 0.0).state in (ACTIVE, SafetyState.BLENDING)


def test_refusals_are_counted_by_source_and_reason() -> None:
    rig = Rig().armed()
    rig.now += PERIOD
    for _ in range(2):
        rig.command(positions=np.full(18, np.nan))
    rig.joint_state(positions=np.zeros(3))
    assert rig.filter.refusals == {"joint_state: WRONG_LENGTH": 1, "command: NON_FINITE_COMMAND": 2}


def test_a_command_from_an_old_state_is_stale_even_where_clocks_differ() -> None:
    rig = Rig(trust_stamps=False)
    behind = 3000.0  # the driver's clock
    rig.filter.arm()
    for lag, reason in ((0.0, ReasonCode.OK), (0.04, ReasonCode.OK), (0.2, ReasonCode.STALE_COMMAND)):
        for _ in range(12):
            rig.now += PERIOD
            stamp = rig.now - behind
            rig.joint_state(stamp=stamp)
            rig.wrist(stamp=stamp)
            rig.object()
            rig.command(stamp=stamp - lag)
            out = rig.tick()
        assert out.reason == reason
