"""An emulated hand and a driver on its terminal, stepped by hand."""

import contextlib
import time

import numpy as np
from sleight_ros.drivers.config import load_config
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.leap import DriverOptions, LeapDriver
from sleight_ros.emulator import LeapEmulator

CONFIG = load_config()
NAMES = list(CONFIG.joint_names)
COUNT = len(NAMES)
#: A loaded machine may keep the emulator from running for a while; where replies fail on purpose, they are waited for
#: only so long.
PATIENT, TIMEOUT = 2.0, 0.1


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Rig:
    """Emulator, bus and driver; a context manager.

    Args:
        config: The hand.
        fast: Whether the motors know the fast sync read.
        timeout: For replies, s.
        options: Of the driver.
    """

    def __init__(self, config=CONFIG, *, fast=True, timeout=PATIENT, link=None, model=1240, **options):
        self.emulator = LeapEmulator(len(config.joints), fast=fast, link=link, model=model, boot_time=0.05)
        self.clock = Clock()
        self.bus = DynamixelBus(self.emulator.path, config.ids, reply_timeout=timeout)
        self.driver = LeapDriver(config, self.bus, DriverOptions(**options), clock=self.clock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.driver.close()
        self.emulator.close()

    def connect(self):
        """Connect the driver."""
        self.driver.step()
        assert self.bus.is_open, (self.driver.reason, self.driver.detail)
        return self

    def enable(self):
        """Connect, and turn torque on."""
        self.connect()
        refusal = self.driver.enable()
        assert not refusal, (refusal, dict(self.driver.counts))
        return self

    def step(self, count=1, *, target=None, sleep=0.0):
        """Do cycles, with a command before each if there is a target; return the readings."""
        readings = []
        for _ in range(count):
            self.clock.now += self.driver.options.period
            if target is not None:
                assert self.driver.command(np.broadcast_to(target, COUNT)) == ""
            readings.append(self.driver.step())
            if sleep:
                time.sleep(sleep)
        return readings

    def motor(self, index):
        """An emulated motor."""
        return self.emulator.bus.motors[index]
