"""A robot's driver in the test's own process: the simulation's dialects around a hand that goes where it is told."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import rclpy
from sleight_description import load_hand
from sleight_ros.convert import stamp_from_ns
from sleight_ros.nodes.base import SleightNode, make_executor
from sleight_ros.simulation.dialects.base import DriverContext
from sleight_ros.simulation.dialects.conduct import Conduct
from sleight_ros.simulation.dialects.driver import Driver, parse_driver

HAND = load_hand("shadow")
PERIOD = 1.0 / 60.0


@dataclass
class Reading:
    joint_pos: np.ndarray
    joint_vel: np.ndarray
    wrist_pos: np.ndarray
    wrist_quat: np.ndarray
    wrist_linvel: np.ndarray
    wrist_angvel: np.ndarray


class Hand:
    """Is where it was told to be, and remembers everything that it was told."""

    def __init__(self, table):
        self.table = table
        self.targets: list[np.ndarray] = []
        self.twists: list[np.ndarray] = []
        self.pos = np.clip(0.0, table.lower, table.upper)
        self.wrist_pos, self.wrist_quat = np.array([0.05, -0.05, 0.8]), np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])

    def command_joints(self, targets):
        assert targets.shape == (len(self.table.actuated_joint_names),)
        self.targets.append(targets)
        self.pos = self.pos.copy()
        self.pos[self.table.actuated_index] = targets

    def command_twist(self, twist):
        self.twists.append(twist)

    def read(self):
        return Reading(
            self.pos.copy(),
            np.linspace(-1.0, 1.0, len(self.pos)),
            self.wrist_pos,
            self.wrist_quat,
            np.array([0.01, 0.02, 0.03]),
            np.array([0.1, 0.2, 0.3]),
        )


class Host:
    """The driver on threads of its own; a context manager.

    Args:
        driver: The profile's section `driver`.
        table: The hand.
    """

    def __init__(self, driver, table=HAND):
        rclpy.init(args=[])
        self.node = SleightNode("driver")
        self.executor = make_executor("events")
        self.executor.add_node(self.node)
        self.hand = Hand(table)
        self.words: list[str] = []
        self.conduct = Conduct()
        context = DriverContext(self.node, table, "world", lambda: self.hand, self.words.append, self.conduct)
        try:
            self.driver = Driver(parse_driver(driver), context, strict=True)
            self.driver.setup()
        except BaseException:
            self._close()
            raise
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._spin, self._publish)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=3.0)
        self.driver.close()
        self._close()

    def _close(self):
        self.node.shut_down()
        self.executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _spin(self):
        while not self._ended.is_set():
            self.executor.spin_once(timeout_sec=0.1)

    def _publish(self):
        while not self._ended.wait(PERIOD):
            stamp, reading = stamp_from_ns(time.time_ns()), self.hand.read()
            for last in (False, True):
                self.driver.publish(stamp, reading, last=last)

    def wait(self, condition, what, timeout=120.0):
        """Wait for a condition, long: a loaded machine is no fault."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"timed out waiting for {what}; driver says {self.words[-3:]}"
            time.sleep(0.01)
