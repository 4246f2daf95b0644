"""A LEAP Hand's serial bus: emulated Dynamixel motors whose angles are the simulated hand's, for the real driver."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import numpy as np
from builtin_interfaces.msg import Time
from pydantic import Field

from sleight_ros.bridges.joint_map import MapSection
from sleight_ros.drivers.config import load_config
from sleight_ros.drivers.xc330 import RAD_PER_TICK
from sleight_ros.emulator import LeapEmulator
from sleight_ros.emulator.line import U2D2
from sleight_ros.simulation.dialects.base import JointDialect, Reading

#: How often the motors' goals are looked at, s.
LOOK_PERIOD = 0.004


class LeapBusDriver(MapSection):
    """Section of an emulated bus.

    Attributes:
        link: Link to the terminal, which the driver opens as its port.
        config: The LEAP Hand's file, as the driver's parameter has it; empty: the shipped right hand.
    """

    dialect: Literal["leap_bus"] = "leap_bus"
    link: str = Field(default="/tmp/sleight_leap", min_length=1)
    config: str = ""


class LeapBusDialect(JointDialect[LeapBusDriver]):
    """The motors. While their torque is off, the simulated hand keeps its last targets."""

    def setup(self) -> None:
        """Make the terminal."""
        hand = load_config(self.config.config)
        self._mapping, names = hand.mapping(), hand.joint_names
        self.learn(names)
        self._names = names
        joints = self.context.table.joint_names
        self._index = np.array([joints.index(name) for name in names])
        # The emulator counts motors by id.
        self._by_id, self._by_joint = np.argsort(hand.ids), np.argsort(np.argsort(hand.ids))
        self._goals: list[int] = []
        self._emulator = LeapEmulator(len(names), link=Path(self.config.link), timing=U2D2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="leap bus", daemon=True)
        self._thread.start()
        self.context.cleanup.append(self._close)

    def _close(self) -> None:
        self._ended.set()
        self._thread.join(timeout=2.0)
        self._emulator.close()

    def publish(self, stamp: Time, reading: Reading) -> None:
        """Let the motors stand where the simulated joints are."""
        angles = reading.joint_pos[self._index]
        ticks = self._mapping.motor_angles(angles) / RAD_PER_TICK
        speeds = self._mapping.along(reading.joint_vel[self._index])
        self._emulator.set_present(ticks[self._by_id].tolist(), speeds[self._by_id].tolist())

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_PERIOD):
            self.look()

    def look(self) -> None:
        """Take the motors' goals as targets while torque is on."""
        goals = self._emulator.goals()
        if not all(self._emulator.torques()):
            self._goals = []
        elif goals != self._goals:
            self._goals = goals
            self.heard()
            angles = self._mapping.from_ticks(np.array(goals)[self._by_joint])
            self.take(dict(zip(self._names, angles.tolist(), strict=True)))
