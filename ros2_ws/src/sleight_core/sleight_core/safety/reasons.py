"""States of the safety filter and the reasons it gives; the numbers are those of `sleight_msgs/msg/SafetyStatus.msg`.

Numbers are never reused or renumbered: recorded bags must stay readable. A test keeps this file and the message equal.
"""

from __future__ import annotations

from enum import IntEnum


class SafetyState(IntEnum):
    """What the filter is doing."""

    IDLE = 0  #: Nothing is sent: not armed, or no joint state yet.
    BLENDING = 1  #: Moving from the measured (or held) pose to the policy's command.
    ACTIVE = 2  #: Following the policy's command within limits.
    HOLD = 3  #: Active hold at the last sent pose, wrist twist ramped to zero; ends by itself when the cause is gone.
    STOPPED = 4  #: Latched active hold: only an explicit re-arm ends it.


class ReasonCode(IntEnum):
    """Why the filter is in its state, or what it changed in the newest command."""

    OK = 0  #: The command passed unchanged.
    NO_COMMAND = 1  #: No command has arrived since arming.
    STALE_COMMAND = 2  #: The newest command, or the state it was made from, is older than its age limit.
    STALE_JOINT_STATE = 3  #: The newest joint state is older than its age limit.
    STALE_OBJECT = 4  #: The newest object estimate or cloud is older than its age limit.
    STALE_WRIST_STATE = 5  #: The newest wrist state is older than its age limit.
    NO_JOINT_STATE = 6  #: No joint state has arrived yet.
    MISSING_JOINT = 7  #: A joint of the hand table is absent from the joint state or from the command.
    UNKNOWN_JOINT = 8  #: The command names a joint that the hand table lacks.
    WRONG_LENGTH = 9  #: Names and values differ in length, or a vector has the wrong size.
    NON_FINITE_STATE = 10  #: NaN or infinity in the joint, wrist or object state, or in its stamp.
    NON_FINITE_COMMAND = 11  #: NaN or infinity in the command, or in its stamp.
    FROZEN_STAMP = 12  #: A source keeps sending the same stamp (or a command its sequence number).
    BACKWARD_TIME = 13  #: A source's stamp or sequence, or the clock, ran backward.
    STATE_OUT_OF_LIMITS = 14  #: A measured joint is beyond its limits by more than the tolerance.
    RATE_LIMITED = 15  #: A target was moved toward the last sent one by the slew limit.
    POSITION_LIMITED = 16  #: A target was clamped to the joint limits minus the margin.
    START_BLEND = 17  #: Blending in from the measured pose.
    STOP_REQUESTED = 18  #: A stop was requested.
    NOT_ARMED = 19  #: Waiting for arming.
    POLICY_HOLD = 20  #: The policy was released or itself asks for a hold.
    WRONG_FRAME = 21  #: The wrist twist or wrist state is not in the task frame.
    WRIST_LIMITED = 22  #: The wrist twist was clamped to its speed or slew limit, or to the workspace.
    WRONG_BUNDLE = 23  #: The command comes from another bundle than the one engaged.
    NO_OBJECT = 24  #: Perception reports that it sees no object, or nothing arrived from it yet.
    INTERNAL_ERROR = 25  #: The filter itself failed; it held.
    FUTURE_STAMP = 26  #: A source's stamp lies ahead of the clock by more than the tolerance.
    DUPLICATE_JOINT = 27  #: A joint occurs twice in the joint state or in the command.
    TWO_PUBLISHERS = 28  #: Commands of two sources alternate on the command topic.
    ACCELERATION_LIMITED = 29  #: A target was held back by the acceleration limit.
    TARGET_TOO_FAR = 30  #: The first target after arming is farther from the measured pose than is allowed.
    COMMAND_OUT_OF_LIMITS = 31  #: The command lies so far beyond the limits that it is no command but a fault.
    FROZEN_STATE = 32  #: The joint state repeats bit for bit although the sent targets move.
    DEACTIVATED = 33  #: The bridge goes inactive: it brakes the hand, then falls silent.
    CONTROLLER_LOST = 34  #: A controller is gone or cannot be spoken to; nothing was sent.
