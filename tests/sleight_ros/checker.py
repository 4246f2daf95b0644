"""Proves of everything that was sent to the controllers that it was safe."""

from sleight_description import load_hand
from sleight_ros import convert
from sleight_ros.audit import audit_joints, audit_twists

from .double import PERIOD

HAND = load_hand("shadow")


def assert_safe(heard, *, restarts=0):
    """Check every trajectory and twist that a `Heard` holds.

    Args:
        heard: What the robot received, in order.
        restarts: How often the bridge was activated anew: so many jumps may be (from a pose that was held elsewhere).
    """
    lost = max(0, max(msg.sent_count for _, msg in heard.status) - len(heard.trajectories))
    rows = [(msg.joint_names, msg.points[0].positions) for _, msg in heard.trajectories]
    audit = audit_joints(HAND, rows, period=PERIOD, restarts=restarts + lost)
    assert audit.messages and not audit.violations, audit.violations[:5]
    assert lost < 0.02 * len(rows)
    assert all(len(msg.points) == 1 and msg.points[0].time_from_start.nanosec > 0 for _, msg in heard.trajectories)
    twists = [convert.twist_from_msg(msg).tolist() for _, msg in heard.twists]
    audit = audit_twists(
        HAND, twists, period=PERIOD, lost=lost, frames=[msg.header.frame_id for _, msg in heard.twists]
    )
    assert audit.messages and not audit.violations, audit.violations[:5]
    assert_said(heard)


def assert_said(heard):
    """Check that what the bridge says it sent is what it sent, from when both are heard: it is the last action."""
    sent = {tuple(msg.positions) for _, msg in heard.sent}
    both = max(heard.sent[0][0], heard.trajectories[0][0]) + 0.5
    unsaid = [
        msg
        for received, msg in heard.trajectories[:-5]
        if received > both and tuple(msg.points[0].positions) not in sent
    ]
    assert len(unsaid) <= 0.01 * len(heard.trajectories)
