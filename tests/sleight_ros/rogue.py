"""A policy that does not exist: it commands a steady motion, and can spoil its commands in every way."""

import numpy as np
from sleight_description import load_hand
from sleight_msgs.msg import HandCommand
from sleight_ros import convert

HAND = load_hand("shadow")
NAMES = list(HAND.actuated_joint_names)
MIDDLE = 0.5 * (HAND.actuated_lower + HAND.actuated_upper)
#: Every joint goes back and forth by so much (rad) at so many rad/s, inside its range.
WAY = np.minimum(0.25, 0.3 * (HAND.actuated_upper - HAND.actuated_lower))
SPEED = 1.5
LIFT = 0.05  # m/s, up and down


class Rogue:
    """Makes the commands of one period.

    Attributes:
        active: Whether it commands at all.
        faults: What is wrong with its commands: `stop`, `slow`, `loss`, `flood`, or a method's name without the `_`.
        bundle_id: What it claims to be.
    """

    def __init__(self, period, bundle_id="rogue@1"):
        self._period = period
        self.active = False
        self.faults = set()
        self.bundle_id = bundle_id
        self.sequence = 0
        self._time = 0.0
        self._rng = np.random.default_rng(1)
        self._frozen = None

    def commands(self, stamp_ns):
        """The commands of one period (none, one or several), computed from the joint state of a moment (ns)."""
        if not self.active:
            return []
        self._time += self._period
        ticks = round(self._time / self._period)
        # One look: the test changes them from its own thread.
        faults = tuple(self.faults)
        if "stop" in faults or ("slow" in faults and ticks % 6) or ("loss" in faults and self._rng.random() < 0.3):
            return []
        if "frozen_sequence" not in faults:
            self._frozen = None
        made = [self._make(stamp_ns) for _ in range(10 if "flood" in faults else 1)]
        for name in faults:
            spoil = getattr(self, f"_{name}", None)
            if spoil is not None:
                made = [found for msg in made for found in spoil(msg)]
        return made

    def _make(self, stamp_ns):
        self.sequence += 1
        phase = (self._time * SPEED / (2 * 0.25)) % 2.0
        share = 1.0 - 2.0 * abs(phase - 1.0)
        now = convert.stamp_from_ns(stamp_ns)
        return convert.command_msg(
            NAMES,
            MIDDLE + share * WAY,
            np.array([0, 0, LIFT * np.sign(np.sin(3.0 * self._time)), 0, 0, 0]),
            frame="world",
            stamp=now,
            state_stamp=now,
            sequence=self.sequence,
            bundle_id=self.bundle_id,
        )

    # What can be wrong with a command; each returns what is published in its place.

    def _nan(self, msg):
        msg.positions[4] = float("nan")
        return [msg]

    def _infinite(self, msg):
        msg.positions[4] = float("inf")
        return [msg]

    def _twist_nan(self, msg):
        msg.wrist_twist.angular.y = float("nan")
        return [msg]

    def _thousandfold(self, msg):
        msg.positions = (1000.0 * np.array(msg.positions)).tolist()
        return [msg]

    def _twist_thousandfold(self, msg):
        msg.wrist_twist.linear.z *= 1000.0
        return [msg]

    def _short(self, msg):
        msg.positions = msg.positions[:-1]
        return [msg]

    def _missing(self, msg):
        msg.joint_names, msg.positions = msg.joint_names[:-1], msg.positions[:-1]
        return [msg]

    def _unknown(self, msg):
        msg.joint_names = [*msg.joint_names[:-1], "elbow"]
        return [msg]

    def _twice(self, msg):
        msg.joint_names = [*msg.joint_names[:-1], msg.joint_names[0]]
        return [msg]

    def _shuffled(self, msg):
        order = self._rng.permutation(len(NAMES))
        names, positions = list(msg.joint_names), np.array(msg.positions)
        msg.joint_names, msg.positions = [names[i] for i in order], positions[order].tolist()
        return [msg]

    def _frame(self, msg):
        msg.header.frame_id = "palm"
        return [msg]

    def _frozen_sequence(self, msg):
        self._frozen = self._frozen or msg
        return [self._frozen]

    def _backward_sequence(self, msg):
        self.sequence -= 2
        msg.sequence = max(0, self.sequence)
        return [msg]

    def _old_state(self, msg):
        msg.state_stamp = convert.stamp_from_ns(convert.stamp_to_ns(msg.state_stamp) - int(18e9 * self._period))
        return [msg]

    def _outside(self, msg):
        msg.positions = (HAND.actuated_upper + 0.5).tolist()
        return [msg]

    def _jump(self, msg):
        side = HAND.actuated_lower + 0.05 if self.sequence % 2 else HAND.actuated_upper - 0.05
        msg.positions = side.tolist()
        return [msg]

    def _too_fast(self, msg):
        msg.wrist_twist.linear.z = 1.0 if self.sequence % 2 else -1.0
        return [msg]

    def _rival_bundle(self, msg):
        return [msg, self._rival(msg, "other@2", msg.sequence)]

    def _rival_copy(self, msg):
        return [msg, self._rival(msg, msg.bundle_id, max(0, msg.sequence - 7))]

    @staticmethod
    def _rival(msg, bundle_id, sequence):
        """What another policy commands at the same time."""
        return HandCommand(
            header=msg.header,
            bundle_id=bundle_id,
            sequence=sequence,
            joint_names=msg.joint_names,
            positions=(MIDDLE - 0.5 * WAY).tolist(),
            wrist_twist=msg.wrist_twist,
            state_stamp=msg.state_stamp,
        )
