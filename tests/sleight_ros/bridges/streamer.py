"""A small node that stands for the hand bridge: it sends seeded commands through a profile's bridge, at 60 Hz.

It says on `bridge/sent` what it sent, and republishes the states that it reads, as the hand bridge does.
"""

import sys

import numpy as np
from sleight_core.safety import JointLimits, WristLimits
from sleight_description import load_hand
from sleight_msgs.msg import HandCommand
from sleight_ros import convert
from sleight_ros.bridges.base import BridgeCommand, BridgeContext
from sleight_ros.bridges.bridge import Bridge, parse_bridge
from sleight_ros.bridges.section import read_section
from sleight_ros.bridges.states import StateSources, parse_states
from sleight_ros.nodes.base import OK, RELIABLE, SleightNode, run

PERIOD = 1.0 / 60.0


class Streamer(SleightNode):
    def __init__(self):
        super().__init__("hand_bridge")
        self.text("hand", "shadow", "Hand table.")
        self.integer("seed", 0, 0, 10**6, "Of the commands.")

    def setup(self):
        table = load_hand(self.value("hand"))
        self.limits = JointLimits.from_table(table)
        self.wrist = WristLimits.from_table(table)
        context = BridgeContext(self, table, self.limits, "world", PERIOD)
        states = read_section(self, "states")
        if states:
            heard = lambda _: None  # noqa: E731
            StateSources(parse_states(states), self, table, "world", heard, heard).configure()
        self.bridge = Bridge(parse_bridge(read_section(self, "bridge")), context)
        self.bridge.configure()
        self.sent = self.publish_on(HandCommand, "bridge/sent", RELIABLE)
        self.rng = np.random.default_rng(self.value("seed"))
        self.count = 0
        self.every(PERIOD, self.tick)

    def start(self):
        self.bridge.start()

    def halt(self):
        self.bridge.farewell(self.get_clock().now().to_msg())

    def report(self):
        return OK, "streaming", self.bridge.report() if self.active else {}

    def tick(self):
        if not self.active or self.bridge.problem():
            return
        # Every joint has a value of its own at every moment, so that a wrong order is seen.
        share = self.rng.uniform(0.02, 0.98, len(self.limits.names))
        positions = self.limits.lower + share * (self.limits.upper - self.limits.lower)
        twist = self.rng.uniform(-1.0, 1.0, 6) * self.wrist.speed
        stamp = self.get_clock().now().to_msg()
        self.bridge.send(BridgeCommand(self.limits.names, positions, twist, stamp))
        self.count += 1
        options = {"frame": "world", "stamp": stamp, "state_stamp": stamp, "sequence": self.count, "bundle_id": "test"}
        self.sent.publish(convert.command_msg(self.limits.names, positions, twist, **options))


if __name__ == "__main__":
    sys.exit(run(Streamer))
