"""The driver's cycle against emulated motors: commands, limits, hold, enabling and letting go."""

import time

import numpy as np
import pytest
from sleight_ros.drivers import xc330
from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.leap import DriverState, LeapDriver, Torque
from sleight_ros.drivers.reasons import Reason

from .rig import CONFIG, COUNT, NAMES, Rig

MAPPING = CONFIG.mapping()


class Watched:
    """A control table that notes what is done to torque."""

    def __init__(self, memory):
        self._memory, self.torques = memory, []

    def set(self, name, value):
        if name == "Torque Enable":
            self.torques.append(value)
        self._memory.set(name, value)

    def __getattr__(self, name):
        return getattr(self._memory, name)


def until(rig, condition, *, cycles=400, **step):
    for _ in range(cycles):
        rig.step(**step)
        if condition():
            return
    raise AssertionError((rig.driver.state, rig.driver.reason, rig.driver.detail, dict(rig.driver.counts)))


def test_connecting_reads_and_touches_nothing():
    with Rig() as rig:
        rig.motor(3).memory.set("Torque Enable", 1)
        rig.connect()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.DISABLED, Reason.DISABLED)
        reading = rig.step()[0]
        assert reading is not None and np.abs(reading.positions).max() < 0.01
        assert rig.driver.torque == Torque.ON and rig.emulator.torques()[3]
        # Commands before `enable` do nothing, then or later.
        rig.step(3, target=0.5)
        assert rig.emulator.goals() == [0] * COUNT


def test_enabling_configures_every_motor_and_starts_where_it_is():
    with Rig() as rig:
        for index, motor in enumerate(rig.emulator.bus.motors.values()):
            motor.position = 2048 + 20 * index
        rig.enable()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.HOLDING, Reason.NO_COMMAND)
        assert all(rig.emulator.torques()) and rig.driver.torque == Torque.ON
        assert rig.emulator.goals() == [2048 + 20 * index for index in range(COUNT)]
        for joint, motor in zip(CONFIG.joints, rig.emulator.bus.motors.values(), strict=True):
            scale = 0.75 if joint.side else 1.0
            wanted = {
                "Operating Mode": 5, "Return Delay Time": 0, "Position P Gain": 800 * scale, "Position I Gain": 0,
                "Position D Gain": 200 * scale, "Goal Current": 350, "Profile Velocity": 0, "Bus Watchdog": 0,
            }  # fmt: skip
            assert {name: motor.memory.get(name) for name in wanted} == wanted


def test_the_eeprom_is_written_only_where_it_differs():
    with Rig() as rig:
        rig.enable()
        written = rig.emulator.bus.heard["WRITE"]
        assert rig.driver.disable() == ""
        assert rig.driver.enable() == ""
        assert rig.emulator.bus.heard["WRITE"] == written


def test_motors_that_hold_something_are_taken_over_without_letting_go():
    with Rig() as rig:
        rig.enable()
        second = LeapDriver(CONFIG, rig.bus, clock=rig.clock)
        second.step()
        watched = Watched(rig.motor(3).memory)
        rig.motor(3).memory = watched  # type: ignore[assignment]
        assert second.enable() == ""
        assert watched.torques and 0 not in watched.torques


def test_targets_arrive_at_the_right_motors_by_way_of_a_speed_limit():
    target = np.linspace(-0.25, 0.3, COUNT)
    with Rig() as rig:
        rig.enable()
        last = rig.driver.goal
        for _ in range(12):
            rig.step(target=target)
            step = np.abs(rig.driver.goal - last).max()
            assert step <= CONFIG.control.max_velocity * rig.driver.options.period + 1e-9
            last = rig.driver.goal
        assert rig.driver.state == DriverState.FOLLOWING
        assert rig.emulator.goals() == MAPPING.ticks(target)
        until(
            rig, lambda: np.abs(rig.step(target=target)[0].positions - target).max() < 0.02, target=target, sleep=0.01
        )


def test_targets_beyond_the_limits_are_clipped():
    with Rig() as rig:
        rig.enable()
        until(rig, lambda: (rig.driver.goal == MAPPING.upper).all(), target=1e6)
        until(rig, lambda: (rig.driver.goal == MAPPING.lower).all(), target=-1e6)
        assert rig.driver.counts["commands clipped"] > 0
        assert rig.emulator.goals() == MAPPING.ticks(MAPPING.lower)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_and_ages_nothing(bad):
    with Rig() as rig:
        rig.enable()
        rig.step(target=0.1)
        command = rig.driver._command
        targets = np.zeros(COUNT)
        targets[5] = bad
        assert "mf_mcp is not finite" in rig.driver.command(targets)
        assert "15 targets for 16" in rig.driver.command(np.zeros(15))
        assert rig.driver._command is command


def test_without_commands_the_hand_holds_where_it_was_sent_last():
    with Rig(command_timeout=0.1) as rig:
        rig.enable()
        rig.step(3, target=0.3)
        goals = rig.emulator.goals()
        rig.step(9)
        # Up to the age limit the last command still counts.
        assert rig.driver.state == DriverState.FOLLOWING
        rig.step(3)
        held = rig.emulator.goals()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.HOLDING, Reason.COMMAND_STALE)
        rig.step(20)
        assert rig.emulator.goals() == held and held != goals and all(rig.emulator.torques())
        # A new command goes on from there.
        before = rig.driver.goal
        rig.step(target=-0.3)
        assert rig.driver.state == DriverState.FOLLOWING
        assert np.abs(rig.driver.goal - before).max() <= CONFIG.control.max_velocity * 0.01 + 1e-9


def test_torque_is_let_go_after_holding_long_enough_if_asked_for():
    with Rig(command_timeout=0.05, release_after=0.3) as rig:
        rig.enable()
        rig.step(2, target=0.1)
        rig.step(20)
        assert rig.driver.state == DriverState.HOLDING
        rig.step(30)
        assert (rig.driver.state, rig.driver.reason) == (DriverState.DISABLED, Reason.RELEASED)
        assert not any(rig.emulator.torques()) and rig.driver.torque == Torque.OFF
        rig.step(target=0.2)
        assert not any(rig.emulator.torques())


def test_disabling_and_closing_turn_torque_off():
    with Rig() as rig:
        rig.enable()
        assert rig.driver.disable() == ""
        assert not any(rig.emulator.torques()) and rig.driver.state == DriverState.DISABLED
        assert rig.step()[0] is not None
        assert rig.driver.enable() == ""
        rig.driver.close()
        assert not any(rig.emulator.torques())


def test_a_hot_hand_gets_less_current_and_then_stops():
    with Rig() as rig:
        rig.enable()
        rig.emulator.heat(2, 60.0)
        rig.step(2, target=0.1)
        assert rig.emulator.current_limits()[2] < 0.3
        assert rig.emulator.current_limits()[1] == pytest.approx(0.35)
        assert rig.driver.guard.derated == ("if_pip",)
        rig.emulator.heat(2, 66.0)
        rig.step()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.FAULT, Reason.OVER_TEMPERATURE)
        assert "if_pip" in rig.driver.detail and not any(rig.emulator.torques())
        assert "cool down" in rig.driver.enable()
        rig.emulator.heat(2, 40.0)
        assert rig.driver.enable() == ""


def test_a_motor_that_draws_more_than_it_may_stops_the_hand():
    with Rig() as rig:
        rig.enable()
        rig.emulator.draw(6, 0.9)
        until(rig, lambda: rig.driver.state == DriverState.FAULT, target=0.0, sleep=0.01)
        assert rig.driver.reason == Reason.OVER_CURRENT and "mf_pip" in rig.driver.detail
        assert not any(rig.emulator.torques())


def test_a_motor_that_shut_down_is_named_and_enabling_reboots_it():
    with Rig() as rig:
        rig.enable()
        rig.emulator.trip(9, "overload")
        rig.step()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.FAULT, Reason.HARDWARE_ERROR)
        assert rig.driver.detail == "rf_mcp (motor 9): overload"
        assert not any(rig.emulator.torques())
        assert rig.driver.enable() == ""
        assert all(rig.emulator.torques()) and rig.motor(9).memory.get("Hardware Error Status") == 0
        assert rig.step(target=0.1)[0] is not None


def test_a_joint_where_it_cannot_be_is_not_driven():
    with Rig() as rig:
        rig.emulator.turn(4, 1)
        rig.connect()
        assert "mf_rot" in rig.driver.enable() and not any(rig.emulator.torques())
        rig.emulator.turn(4, -1)
        assert rig.driver.enable() == ""
        rig.emulator.turn(4, 1)
        rig.step()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.FAULT, Reason.IMPLAUSIBLE_POSITION)
        assert not any(rig.emulator.torques())


@pytest.mark.parametrize("drive_mode", [1, 8])
def test_a_drive_mode_that_would_surprise_is_refused(drive_mode):
    with Rig() as rig:
        rig.motor(7).memory.set("Drive Mode", drive_mode)
        rig.connect()
        assert "mf_dip (motor 7) has drive mode" in rig.driver.enable()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.FAULT, Reason.WRONG_MOTOR)
        assert not any(rig.emulator.torques())


def test_other_motors_than_expected_are_refused():
    with Rig(model=1060) as rig:
        rig.driver.step()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.DISCONNECTED, Reason.WRONG_MOTOR)
        assert "model number 1060" in rig.driver.detail and not rig.bus.is_open
    with Rig(model=1200) as rig:
        rig.connect()


def test_missing_motors_are_named_and_waited_for():
    with Rig(reconnect_period=0.5) as rig:
        rig.emulator.lose(5)
        rig.emulator.lose(14)
        rig.driver.step()
        assert (rig.driver.state, rig.driver.reason) == (DriverState.DISCONNECTED, Reason.MOTOR_MISSING)
        assert rig.driver.detail == "mf_mcp (motor 5), th_mcp (motor 14)"
        assert "not connected" in rig.driver.enable()
        rig.emulator.lose(5, False)
        rig.emulator.lose(14, False)
        rig.step(10)
        assert rig.driver.counts["connection attempts"] == 1
        rig.step(50)
        assert rig.driver.state == DriverState.DISABLED


def test_motors_without_the_fast_read_are_driven_too():
    with Rig(fast=False) as rig:
        rig.enable()
        assert rig.bus.fast is False
        assert rig.step(target=0.1)[0] is not None


def test_joints_may_be_listed_in_any_order_and_motors_numbered_in_any_way():
    rng = np.random.default_rng(0)
    numbers, order = rng.permutation(COUNT), rng.permutation(COUNT)
    rows = [
        joint.model_dump()
        | {"id": int(numbers[k]), "direction": int(rng.choice([-1, 1])), "offset": float(rng.uniform(-0.2, 0.2))}
        for k, joint in enumerate(CONFIG.joints)
    ]
    config = LeapConfig.model_validate({"joints": [rows[k] for k in order]})
    wanted = dict(zip(NAMES, np.linspace(-0.3, 0.3, COUNT), strict=True))
    with Rig(config) as rig:
        by_name = {row["name"]: row for row in rows}
        rig.enable()
        target = np.array([wanted[name] for name in config.joint_names])
        until(rig, lambda: np.allclose(rig.driver.goal, target), target=target)
        goals = rig.emulator.goals()
        for name, angle in wanted.items():
            row = by_name[name]
            motor_angle = np.pi + row["offset"] + row["direction"] * angle
            assert goals[row["id"]] == round(motor_angle / xc330.RAD_PER_TICK)
        rig.emulator.set_present([float(goal) for goal in goals], [1.0] * COUNT, [0.2] * COUNT)
        reading = rig.step(target=target)[0]
        assert np.abs(reading.positions - target).max() < xc330.RAD_PER_TICK
        for name, velocity, current in zip(config.joint_names, reading.velocities, reading.currents, strict=True):
            assert np.sign(velocity) == np.sign(current) == by_name[name]["direction"]


def test_bus_and_config_must_agree():
    with Rig() as rig, pytest.raises(ValueError, match="different motors"):
        LeapDriver(CONFIG, DynamixelBus(rig.emulator.path, range(15)))


def test_readings_carry_units_and_the_time_of_asking():
    with Rig() as rig:
        rig.connect()
        rig.emulator.set_present([2048.0 + 512] * COUNT, [2.0] * COUNT, [-0.25] * COUNT)
        rig.emulator.heat(0, 42.0)
        before = time.monotonic()
        reading = rig.step()[0]
        assert before <= reading.stamp <= time.monotonic()
        assert reading.positions == pytest.approx(np.full(COUNT, np.pi / 4))
        assert reading.velocities == pytest.approx(np.full(COUNT, 2.0), abs=xc330.VELOCITY_UNIT)
        assert reading.currents == pytest.approx(np.full(COUNT, -0.25), abs=1e-3)
        assert reading.temperatures[0] == 42.0 and reading.voltages == pytest.approx(np.full(COUNT, 5.0))
