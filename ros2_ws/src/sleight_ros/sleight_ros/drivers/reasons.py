"""What a bus or a hand can suffer, by name."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """Why a LEAP Hand does not follow commands; each is a word that diagnostics and logs use."""

    OK = "ok"
    #: Not enabled yet, or disabled by request.
    DISABLED = "disabled"
    #: Enabled, and no command has come since.
    NO_COMMAND = "no_command"
    #: The last command is older than its limit.
    COMMAND_STALE = "command_stale"
    #: Held so long without a command that torque was let go.
    RELEASED = "released"
    #: The port is not there, was pulled, or belongs to another program.
    PORT_LOST = "port_lost"
    #: A motor said nothing in time.
    NO_REPLY = "no_reply"
    #: What came is no valid reply.
    CORRUPT_REPLY = "corrupt_reply"
    #: Another motor answered than was asked.
    WRONG_REPLY = "wrong_reply"
    #: A reply that was measured before it was asked for: late or repeated.
    STALE_REPLY = "stale_reply"
    #: Goals do not arrive at a motor.
    WRITE_LOST = "write_lost"
    #: A motor refused an instruction.
    REFUSED = "refused"
    #: A motor does not answer a ping.
    MOTOR_MISSING = "motor_missing"
    #: A motor of another model or firmware than expected.
    WRONG_MOTOR = "wrong_motor"
    #: A motor started anew: its torque is off and its settings are gone.
    MOTOR_RESTARTED = "motor_restarted"
    #: A register does not have the value that was written.
    SETTINGS_LOST = "settings_lost"
    #: A motor detected an error and switched itself off.
    HARDWARE_ERROR = "hardware_error"
    #: A motor is too hot.
    OVER_TEMPERATURE = "over_temperature"
    #: A motor draws more than its limit allows.
    OVER_CURRENT = "over_current"
    #: A joint is where it cannot be: a motor lost count of its turns, or a horn sits wrong.
    IMPLAUSIBLE_POSITION = "implausible_position"
    #: A mistake in the driver itself.
    INTERNAL_ERROR = "internal_error"


class BusError(Exception):
    """An exchange on the bus that failed.

    Args:
        reason: What kind of failure.
        detail: One clause that names the motors.
        motors: Ids of the motors concerned, as far as known.
    """

    def __init__(self, reason: Reason, detail: str, motors: tuple[int, ...] = ()) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.motors = motors
