"""The audit must find what it is there to find."""

import numpy as np
import pytest
from sleight_core.safety import JointLimits, WristLimits
from sleight_description import load_hand
from sleight_ros.audit import audit_joints, audit_twists

HAND = load_hand("shadow")
NAMES = list(HAND.actuated_joint_names)
LIMITS = JointLimits.from_table(HAND)
PERIOD = 1.0 / 60.0
MIDDLE = 0.5 * (LIMITS.lower + LIMITS.upper)


def joints(*rows, restarts=0, names=NAMES):
    return audit_joints(HAND, [(names, row) for row in rows], period=PERIOD, restarts=restarts).violations


def test_a_slow_motion_inside_the_limits_is_safe():
    step = LIMITS.velocity * PERIOD
    assert not joints(MIDDLE, MIDDLE + step, MIDDLE)


@pytest.mark.parametrize(
    ("rows", "names", "words"),
    [
        ((MIDDLE,), NAMES[:-1], "names"),
        ((MIDDLE,), NAMES[::-1], "names"),
        ((MIDDLE[:-1],), NAMES, "numbers"),
        ((np.where(np.arange(18) == 3, np.nan, MIDDLE),), NAMES, "finite"),
        ((LIMITS.upper + 0.001,), NAMES, "outside"),
        ((LIMITS.lower - 0.001,), NAMES, "outside"),
        ((MIDDLE, MIDDLE + 2 * LIMITS.velocity * PERIOD), NAMES, "at once"),
    ],
)
def test_what_is_unsafe_in_joint_targets_is_found(rows, names, words):
    found = joints(*rows, names=names)
    assert len(found) == 1 and words in found[0]


def test_a_stream_may_begin_anew_elsewhere_as_often_as_the_bridge_was_activated():
    jump = (MIDDLE, MIDDLE + 0.15, MIDDLE)
    assert not joints(*jump, restarts=2)
    assert len(joints(*jump, restarts=1)) == 1


def twists(*rows, frames=()):
    return audit_twists(HAND, rows, period=PERIOD, frames=frames).violations


def test_twists_are_checked_for_speed_acceleration_numbers_and_frame():
    limits = WristLimits.from_table(HAND)
    step = limits.acceleration * PERIOD
    assert not twists(step, np.zeros(6), -step)
    assert "faster" in twists(1.01 * limits.speed)[0]
    assert "at once" in twists(2 * step)[0]
    assert "finite" in twists([0, 0, np.inf, 0, 0, 0])[0]
    assert "finite" in twists([0, 0, 0])[0]
    assert "frame" in twists(np.zeros(6), frames=["world", "palm"])[0]
    # A bridge that was deactivated in motion and activated anew begins at rest.
    assert not twists(step, 2 * step, np.zeros(6))
