"""Proves of every message to the controllers, as it comes, that it was safe; keeps only what was not."""

import numpy as np
from sleight_core.safety import JointLimits, WristLimits
from sleight_ros import convert

#: A tick of the filter counts for at most one and a half periods.
LONGEST_STEP = 1.5
ROUNDING = 1e-9


class SafetyMonitor:
    """Checks joint targets and wrist twists against the hand's limits and against the message before.

    Every message must be complete, named, finite, inside the limits, and no farther from the one before it than a tick
    may move. A lost message (the numbers that the publisher gives tell) makes the step allowed one tick longer.

    Args:
        table: The hand.
        period: Control period, s.

    Attributes:
        messages: Messages that were looked at.
        lost: Messages that did not reach us.
        violations: One clause for each unsafe message.
        restarts: How often targets may yet begin anew at the measured pose: the bridge was activated that often.
    """

    def __init__(self, table, period):
        self.joints, self.wrist = JointLimits.from_table(table), WristLimits.from_table(table)
        self.step = LONGEST_STEP * period
        self.messages = self.lost = 0
        self.violations = []
        self.restarts = 0
        self._targets = self._twist = None
        self._numbers = {}

    def trajectory(self, msg, info):
        """Take a JointTrajectory."""
        ticks = self._ticks("joints", info)
        if not ticks:
            self._targets = None
        where = f"joint targets {self.messages}"
        if list(msg.joint_names) != list(self.joints.names):
            return self._violation(f"{where}: names are not the actuated joints in their order")
        if len(msg.points) != 1 or msg.points[0].time_from_start.nanosec <= 0:
            return self._violation(f"{where}: not one point in the future")
        values = np.array(msg.points[0].positions)
        if values.shape != self.joints.lower.shape or not np.isfinite(values).all():
            return self._violation(f"{where}: not {len(self.joints.names)} finite numbers")
        outside = (values < self.joints.lower - ROUNDING) | (values > self.joints.upper + ROUNDING)
        if outside.any():
            j = int(np.argmax(outside))
            self._violation(f"{where}: {self.joints.names[j]} at {values[j]} rad is outside its limits")
        if self._targets is not None:
            excess = np.abs(values - self._targets) - self.joints.velocity * self.step * ticks
            if (excess > ROUNDING).any():
                j = int(np.argmax(excess))
                moved = f"{self.joints.names[j]} moved by {values[j] - self._targets[j]:.4f} rad in {ticks} ticks"
                self._jump(f"{where}: {moved}")
        self._targets = values
        return None

    def twist(self, msg, info):
        """Take a TwistStamped."""
        ticks = self._ticks("wrist", info)
        if not ticks:
            self._twist = None
        where = f"wrist twist {self.messages}"
        values = convert.twist_from_msg(msg)
        if msg.header.frame_id != "world":
            self._violation(f"{where}: in frame '{msg.header.frame_id}'")
        if not np.isfinite(values).all():
            return self._violation(f"{where}: not finite")
        if (np.abs(values) > self.wrist.speed + ROUNDING).any():
            self._violation(f"{where}: faster than the limit")
        # A stream begins at rest.
        before = np.zeros(6) if self._twist is None else self._twist
        if (np.abs(values - before) > self.wrist.acceleration * self.step * max(1, ticks) + ROUNDING).any():
            self._jump(f"{where}: speed changed by {np.abs(values - before).max():.4f} in {ticks} ticks")
        self._twist = values
        return None

    def check(self):
        """Assert that there was something to look at and that all of it was safe."""
        assert self.messages > 0 and not self.violations, (self.messages, self.violations[:5])

    def _ticks(self, stream, info):
        """Ticks since the message before; 0 when this one begins a stream."""
        self.messages += 1
        number = info["publication_sequence_number"]
        before = self._numbers.get(stream)
        self._numbers[stream] = number
        if before is None or number <= before:
            return 0
        self.lost += number - before - 1
        return number - before

    def _violation(self, words):
        self.violations.append(words)

    def _jump(self, words):
        if self.restarts > 0:
            self.restarts -= 1
        else:
            self._violation(words)
