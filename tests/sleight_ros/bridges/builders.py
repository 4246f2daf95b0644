"""Bridges without DDS: a node that only remembers what was published."""

from types import SimpleNamespace

import numpy as np
from builtin_interfaces.msg import Time
from sleight_core.safety import JointLimits
from sleight_description import load_hand
from sleight_ros.bridges.base import BridgeCommand, BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge

HAND = load_hand("shadow")
LIMITS = JointLimits.from_table(HAND)
PERIOD = 1.0 / 60.0
WRIST = {"adapter": "twist"}


class Publisher:
    def __init__(self, topic, log):
        self.topic, self._log, self.listeners = topic, log, 1

    def publish(self, msg):
        self._log.append((self.topic, msg))

    def get_subscription_count(self):
        return self.listeners

    def wait_for_all_acked(self, timeout):
        assert timeout.nanoseconds >= 0
        return True


class FakeNode(SimpleNamespace):
    """Stands where adapters need a node."""

    def __init__(self):
        super().__init__(sent=[], publishers={})

    def publish_on(self, _kind, topic, _qos):
        self.publishers[topic] = Publisher(topic, self.sent)
        return self.publishers[topic]


def make_bridge(parts, *, answers=None, limits=LIMITS, table=HAND, monkeypatch=None):
    """A bridge of some sections.

    Args:
        parts: The profile's section `bridge`.
        answers: Controller -> its parameters; a controller that is not there does not answer.
        limits, table: The hand.
        monkeypatch: Needed with answers.
    """
    node = FakeNode()
    if monkeypatch is not None:
        from sleight_ros.bridges import forward_command, joint_trajectory

        for module in (forward_command, joint_trajectory):
            monkeypatch.setattr(module, "read_parameters", lambda _n, target, _names, _t: (answers or {}).get(target))
    context = BridgeContext(node, table, limits, "world", PERIOD)  # type: ignore[arg-type]
    bridge = Bridge(parse_bridge(parts), context)
    return bridge, node


def command(positions=None, twist=None, names=None):
    """A command in the middle of the limits, or with some values of its own."""
    middle = 0.5 * (LIMITS.lower + LIMITS.upper)
    return BridgeCommand(
        LIMITS.names if names is None else names,
        middle if positions is None else np.asarray(positions, dtype=float),
        np.zeros(6) if twist is None else np.asarray(twist, dtype=float),
        Time(sec=7),
    )


def inside(share):
    """Positions at shares (A,) of the limits' ranges."""
    return LIMITS.lower + np.asarray(share) * (LIMITS.upper - LIMITS.lower)
