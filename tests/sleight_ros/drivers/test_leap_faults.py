"""Every fault of the bus ends in a hold or without torque, and nothing old is ever returned as new.

The emulated positions change before every cycle, so that a reading betrays which cycle it was measured in.
"""

import math
import time

import numpy as np
import pytest
from sleight_ros.drivers.leap import ENABLED, DriverState, Torque
from sleight_ros.drivers.reasons import Reason

from .rig import CONFIG, COUNT, PATIENT, TIMEOUT, Rig

MAPPING = CONFIG.mapping()
LINE = {Reason.NO_REPLY, Reason.CORRUPT_REPLY, Reason.WRONG_REPLY, Reason.STALE_REPLY}


class Scene:
    """A rig whose motors are somewhere else in every cycle."""

    def __init__(self, rig):
        self.rig = rig
        self.cycle = 0
        self.readings = 0
        self.exchange = 0.0
        # On for a while already, and not all since the same moment.
        for one in rig.emulator.bus.motors.values():
            one._started -= 10.0 + one.id
        rig.enable()
        self.good()

    def step(self, count=1):
        """Cycles; whatever they return must be of now."""
        for _ in range(count):
            self.cycle += 1
            # Every cycle has its own place for every motor, some 10 ticks from the last.
            place = 2048 + (37 * self.cycle) % 101
            ticks = [float(place + motor) for motor in range(COUNT)]
            self.rig.emulator.set_present(ticks)
            # The rest that a cycle leaves: what passes may be as old as the shortest exchange so far took and 1.5 ms
            # (`freshness`), and the last cycle must lie longer ago, on a slow machine too.
            time.sleep(0.006 + 1.5 * self.exchange)
            begin = time.monotonic()
            reading = self.rig.step(target=0.2 * math.sin(self.cycle / 3.0))[0]
            self.exchange = min(self.exchange or 1.0, time.monotonic() - begin)
            if reading is not None:
                self.readings += 1
                now = MAPPING.from_ticks(np.array([ticks[joint.id] for joint in CONFIG.joints]))
                assert np.abs(reading.positions - now).max() < 1e-9, "an old state was returned as new"

    def good(self):
        """Cycles that all succeed."""
        before = self.readings
        self.step(3)
        assert self.readings == before + 3 and self.rig.driver.state == DriverState.FOLLOWING

    def impatient(self):
        """Wait no longer for replies than it takes to see that there are none."""
        self.rig.bus._port.margin = 1e3 * TIMEOUT

    def until_fault(self, cycles=30):
        """Cycles until the driver gives up; until then it holds."""
        held = None
        for _ in range(cycles):
            before, goals = self.readings, self.rig.emulator.goals()
            self.step()
            if self.readings == before and self.rig.driver.state in ENABLED:
                # No reading, no new goal.
                held = held or self.rig.emulator.goals()
                assert self.rig.emulator.goals() == goals or held
            if self.rig.driver.state not in ENABLED:
                return
        raise AssertionError((self.rig.driver.state, dict(self.rig.driver.counts)))


@pytest.fixture
def scene(tmp_path):
    with Rig(link=tmp_path / "leap", reconnect_period=0.05, max_failures=3) as rig:
        yield Scene(rig)


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def both_scenes(request, tmp_path):
    with Rig(fast=request.param, link=tmp_path / "leap", reconnect_period=0.05, max_failures=3) as rig:
        yield Scene(rig)


@pytest.mark.parametrize("motors", [None, [3]], ids=["all", "one"])
@pytest.mark.parametrize("kind", ["drop", "corrupt", "truncate", "wrong_id", "late", "replay", "deaf"])
def test_a_fault_of_the_line_that_lasts(both_scenes, kind, motors):
    scene = both_scenes
    driver, emulator = scene.rig.driver, scene.rig.emulator
    scene.impatient()
    emulator.faults.add(kind, motors, delay=1.7 * TIMEOUT)
    before = scene.readings
    scene.until_fault()
    assert scene.readings - before <= 1
    assert driver.state == DriverState.FAULT and driver.reason in LINE, driver.detail
    # Replies are lost, not the instruction: torque is off, even where nobody confirms it.
    assert kind == "deaf" or not any(emulator.torques())
    if motors is None:
        assert driver.torque == Torque.UNKNOWN
    # However long it lasts, nothing old is believed.
    scene.step(4)
    assert scene.readings - before <= 1
    emulator.faults.clear()
    scene.rig.bus._port.margin = 1e3 * PATIENT
    scene.step(30)
    assert not any(emulator.torques()) and driver.torque == Torque.OFF
    # The fault stays, and what is read again is of now.
    assert driver.state == DriverState.FAULT and scene.readings > before + 5
    assert driver.enable() == ""
    scene.good()


@pytest.mark.parametrize(
    "kind", ["drop", "corrupt", "truncate", "wrong_id", "late", "replay", "duplicate", "noise", "deaf"]
)
def test_one_damaged_exchange_is_survived(both_scenes, kind):
    scene = both_scenes
    scene.impatient()
    scene.rig.emulator.faults.add(kind, [5], count=1, delay=1.7 * TIMEOUT)
    scene.step(2)
    scene.rig.bus._port.margin = 1e3 * PATIENT
    scene.step(4)
    assert scene.rig.driver.state == DriverState.FOLLOWING
    scene.good()


def test_random_damage_of_every_kind_never_lies():
    with Rig(max_failures=1000) as rig:
        scene = Scene(rig)
        scene.impatient()
        for kind in (
            "drop",
            "corrupt",
            "truncate",
            "wrong_id",
            "late",
            "replay",
            "duplicate",
            "noise",
            "deaf",
            "lose_writes",
        ):
            rig.emulator.faults.add(kind, probability=0.01, delay=1.3 * TIMEOUT)
        scene.step(80)
        assert scene.readings > 10 and rig.driver.counts["failed cycles"] > 0
        assert len(rig.emulator.faults.struck) >= 6


def test_goals_that_do_not_arrive_are_noticed(scene):
    scene.rig.emulator.faults.add("lose_writes")
    before = scene.rig.emulator.goals()
    scene.until_fault()
    assert scene.rig.driver.reason == Reason.WRITE_LOST
    assert scene.rig.emulator.goals() == before
    assert scene.rig.driver.torque == Torque.UNKNOWN
    scene.rig.emulator.faults.clear()
    scene.step(25)
    assert scene.rig.driver.torque == Torque.OFF and not any(scene.rig.emulator.torques())


def test_a_motor_that_falls_off_the_bus(scene):
    scene.impatient()
    scene.rig.emulator.lose(11)
    scene.until_fault()
    driver = scene.rig.driver
    assert driver.reason in LINE and "11" in driver.detail
    # The others let go, and it is said that one is not known.
    others = [on for motor, on in enumerate(scene.rig.emulator.torques()) if motor != 11]
    assert not any(others) and driver.torque == Torque.UNKNOWN
    scene.rig.bus._port.margin = 1e3 * PATIENT
    scene.rig.emulator.lose(11, False)
    scene.step(30)
    assert driver.torque == Torque.OFF and not any(scene.rig.emulator.torques())


def test_a_motor_that_restarts(scene):
    scene.impatient()
    scene.rig.emulator.reboot(6)
    scene.until_fault()
    assert scene.rig.driver.state == DriverState.FAULT
    assert scene.rig.driver.reason in {Reason.MOTOR_RESTARTED, *LINE}
    scene.rig.bus._port.margin = 1e3 * PATIENT
    scene.step(25)
    assert not any(scene.rig.emulator.torques()) and scene.rig.driver.torque == Torque.OFF
    assert scene.rig.driver.enable() == ""
    scene.good()


def test_a_power_cut_that_is_over_at_once(scene):
    scene.rig.emulator.power_cycle(delay=0.0)
    before = scene.readings
    scene.step()
    driver = scene.rig.driver
    assert (driver.state, driver.reason) == (DriverState.FAULT, Reason.MOTOR_RESTARTED)
    assert scene.readings == before
    scene.step(25)
    assert scene.readings >= before + 24 and driver.torque == Torque.OFF
    assert driver.enable() == ""
    assert [motor.memory.get("Position P Gain") for motor in scene.rig.emulator.bus.motors.values()][1] == 800
    scene.good()


def test_settings_that_change_behind_our_back(scene):
    scene.rig.motor(13).memory.set("Position P Gain", 100)
    scene.until_fault()
    assert scene.rig.driver.reason == Reason.SETTINGS_LOST and "P gain is 100" in scene.rig.driver.detail
    assert not any(scene.rig.emulator.torques())
    assert scene.rig.driver.enable() == ""
    scene.good()
    scene.rig.motor(2).memory.set("Torque Enable", 0)
    scene.until_fault()
    assert scene.rig.driver.reason == Reason.SETTINGS_LOST and "if_pip" in scene.rig.driver.detail


def test_a_pulled_cable_and_its_return(scene):
    rig, driver = scene.rig, scene.rig.driver
    rig.emulator.unplug()
    before = scene.readings
    rig.step(4)
    assert (driver.state, driver.reason) == (DriverState.DISCONNECTED, Reason.PORT_LOST)
    assert driver.torque == Torque.UNKNOWN
    # Out of reach the motors hold; nobody claims anything else.
    assert all(rig.emulator.torques())
    assert "not connected" in driver.enable()
    rig.step(20)
    assert driver.counts["connection attempts"] > 2 and scene.readings == before
    rig.emulator.plug()
    scene.step(40)
    # Back on the bus the fault is latched, and what it owes is done.
    assert (driver.state, driver.reason) == (DriverState.FAULT, Reason.PORT_LOST)
    assert not any(rig.emulator.torques()) and driver.torque == Torque.OFF
    assert scene.readings > before
    assert driver.enable() == ""
    scene.good()


def test_a_pulled_cable_while_torque_is_off_is_no_fault(scene):
    rig = scene.rig
    assert rig.driver.disable() == ""
    rig.emulator.unplug()
    rig.step(3)
    assert rig.driver.state == DriverState.DISCONNECTED
    rig.emulator.plug()
    rig.step(20)
    assert rig.driver.state == DriverState.DISABLED


@pytest.mark.parametrize("fault", ["drop", "unplug", "overload"])
def test_holding_through_faults_where_that_is_wanted(tmp_path, fault):
    with Rig(link=tmp_path / "leap", hold_on_fault=True, reconnect_period=0.05) as rig:
        scene = Scene(rig)
        goals = rig.emulator.goals()
        scene.impatient()
        if fault == "unplug":
            rig.emulator.unplug()
            rig.step(3)
            rig.emulator.plug()
            rig.bus._port.margin = 1e3 * PATIENT
        elif fault == "drop":
            rig.emulator.faults.add("drop")
            scene.until_fault()
            rig.emulator.faults.clear()
            rig.bus._port.margin = 1e3 * PATIENT
        else:
            rig.emulator.trip(3, "overload")
        scene.step(30)
        assert rig.driver.state == DriverState.FAULT
        if fault == "overload":  # a motor in trouble is never held on
            assert not any(rig.emulator.torques())
            return
        assert all(rig.emulator.torques())
        assert max(abs(a - b) for a, b in zip(goals, rig.emulator.goals(), strict=True)) < 200
        # Watching goes on.
        rig.emulator.heat(3, 68.0)
        scene.step()
        assert rig.driver.reason == Reason.OVER_TEMPERATURE and not any(rig.emulator.torques())


def test_a_mistake_of_ours_ends_without_torque(scene):
    scene.rig.driver.panic(RuntimeError("a bug"))
    driver = scene.rig.driver
    assert (driver.state, driver.reason) == (DriverState.FAULT, Reason.INTERNAL_ERROR) and "a bug" in driver.detail
    assert not any(scene.rig.emulator.torques())


def test_disabling_without_a_bus_is_done_when_it_is_back(scene):
    rig = scene.rig
    rig.emulator.unplug()
    rig.step(2)
    assert "as soon as" in rig.driver.disable()
    rig.emulator.plug()
    rig.step(20)
    assert not any(rig.emulator.torques())


def test_closing_without_a_bus_is_quiet(scene):
    scene.rig.emulator.unplug()
    scene.rig.driver.close()
    assert scene.rig.driver.state == DriverState.DISCONNECTED


def test_the_scene_would_see_an_old_state(scene):
    # The check of all tests above: without the motors' clocks a repeated reply passes as new.
    scene.rig.driver._ticks.judge = lambda *_: np.zeros(COUNT)
    scene.rig.emulator.faults.add("replay")
    with pytest.raises(AssertionError, match="old state"):
        scene.step(3)
