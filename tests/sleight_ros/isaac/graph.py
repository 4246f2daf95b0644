"""A simulation and a real hand, both doubles in this process, around the nodes that mirror one to the other."""

import time
from typing import Any

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from sleight_core.safety import JointLimits, ReasonCode, SafetyState
from sleight_description import load_hand
from sleight_msgs.msg import SafetyStatus
from sleight_ros import convert
from sleight_ros.bridges.joint_map import load_map
from sleight_ros.nodes.base import NEWEST, STATE

from ..outsider import ALL, PERIOD, Outsider

LEAP = load_hand("leap")
LIMITS = JointLimits.from_table(LEAP)
URDF = {ours: row.name for ours, row in load_map("leap_urdf").joints.items()}
MODULE = "sleight_ros.nodes.isaac_bridge_node"


class Graph(Outsider):
    """A context manager; both doubles publish at 60 Hz.

    Args:
        folder: For logs and parameters.
        simulate: Publish as Isaac Sim does; else something else is the simulation.
        real: Be the real hand as well; else a driver is.

    Attributes:
        wanted: Angles of the simulation by our names, rad.
        faults: What is wrong with the simulation now: "paused" (silent), "stands" (its clock), "shuffled", "extra",
            "missing".
        sim_time: Of the simulation, s.
        hand: Angles of the real hand by our names, rad; it is where it was told to be.
        commands, status: What came back, with the monotonic time of arrival.
    """

    def __init__(self, folder, *, simulate=True, real=True):
        super().__init__(folder, "isaac")
        self.faults, self.sim_time, self.simulate = set(), 1.0, simulate
        self.wanted = dict.fromkeys(LEAP.joint_names, 0.0)
        self.hand = dict.fromkeys(LEAP.joint_names, 0.1)
        self.commands, self.status, self.to_sim = [], [], []
        node = self.node
        if simulate:
            self._sim = node.create_publisher(JointState, "isaac_joint_states", NEWEST)
        self._clock = node.create_publisher(Clock, "clock", STATE)
        self._real = node.create_publisher(JointState, "joint_states", STATE) if real else None
        node.create_subscription(JointState, "hand_controller/joint_command", self._on_command, ALL)
        node.create_subscription(JointState, "isaac_joint_commands", self.to_sim.append, ALL)
        node.create_subscription(SafetyStatus, "bridge/status", self._on_status, ALL)
        self._rng = np.random.default_rng(0)

    def start(self, parameters=None, *, name="hand_bridge", module=MODULE, profile=None):
        """Start the bridge, or another node."""
        super().start(name, module, parameters, profile=profile)

    def last(self) -> Any:
        """State, reason and detail that the bridge reported last."""
        if not self.status:
            return None
        msg = self.status[-1][1]
        return SafetyState(msg.state), ReasonCode(msg.reason), msg.detail

    def is_in(self, state, reason=None):
        last = self.last()
        return last is not None and last[0] == state and reason in (None, last[1])

    def follows(self):
        """The real hand is where the simulation is."""
        return all(abs(self.hand[name] - self.wanted[name]) < 1e-3 for name in LIMITS.names)

    def _on_command(self, msg):
        self.commands.append((time.monotonic(), dict(zip(msg.name, msg.position, strict=True))))
        self.hand.update(self.commands[-1][1])

    def _on_status(self, msg):
        self.status.append((time.monotonic(), msg))

    def speak(self):
        """The real hand's states and the simulation's."""
        if self._real is not None:
            msg = JointState(name=list(self.hand), position=list(self.hand.values()))
            msg.header.stamp = convert.stamp_from_ns(time.time_ns())
            self._real.publish(msg)
        if self.simulate and "paused" not in self.faults:
            self._simulate()

    def _simulate(self):
        if "stands" not in self.faults:
            self.sim_time += PERIOD
        values = {URDF[name]: value for name, value in self.wanted.items()}
        if "extra" in self.faults:
            values |= {"panda_joint1": 3.0, "object": -1.0}
        names = list(values)
        if "shuffled" in self.faults:
            self._rng.shuffle(names)
        if "missing" in self.faults:
            names.remove("7")
        msg = JointState(name=names, position=[values[name] for name in names])
        msg.header.stamp = convert.stamp_from_ns(round(self.sim_time * 1e9))
        self._clock.publish(Clock(clock=msg.header.stamp))
        self._sim.publish(msg)
