"""Meeting a hand's motors: whether all are there, are what they should be, and how they are read best."""

from __future__ import annotations

from sleight_ros.drivers.config import LeapConfig
from sleight_ros.drivers.dynamixel import DynamixelBus
from sleight_ros.drivers.reader import StateReader
from sleight_ros.drivers.reasons import BusError, Reason
from sleight_ros.drivers.xc330 import MODELS

#: A motor that says nothing to so many pings is not there.
PINGS = 3
#: When the first motors say nothing, the others are not asked.
HOPELESS = 4


def meet(bus: DynamixelBus, config: LeapConfig) -> None:
    """Ping every motor of a hand.

    Raises:
        BusError: Some are missing, or are of another model.
    """
    missing: list[int] = []
    for index, motor in enumerate(bus.ids):
        model = _ping(bus, motor)
        if model is None:
            missing.append(index)
            if len(missing) == index + 1 == min(HOPELESS, len(bus.ids)):
                raise BusError(Reason.MOTOR_MISSING, "no motor answers: power, cable, baud rate?", bus.ids)
        elif model not in config.models:
            wanted = " or ".join(MODELS.get(one, str(one)) for one in config.models)
            raise BusError(
                Reason.WRONG_MOTOR, f"{config.describe(index)} has model number {model}, not that of {wanted}", (motor,)
            )
    if missing:
        names = ", ".join(config.describe(index) for index in missing)
        raise BusError(Reason.MOTOR_MISSING, names, tuple(bus.ids[index] for index in missing))


def _ping(bus: DynamixelBus, motor: int) -> int | None:
    for _ in range(PINGS):
        try:
            return bus.ping(motor)[0]
        except BusError as error:
            if error.reason == Reason.PORT_LOST:
                raise
            bus.drain()
    return None


def choose_read(bus: DynamixelBus, reader: StateReader) -> None:
    """Read once, and in the slower way from now on if the motors do not know the faster.

    Raises:
        BusError: Neither works.
    """
    try:
        reader.read()
    except BusError as error:
        if error.reason == Reason.PORT_LOST or not bus.fast:
            raise
        bus.drain()
        bus.fast = False
        try:
            reader.read()
        except BusError:
            bus.fast = True
            raise
