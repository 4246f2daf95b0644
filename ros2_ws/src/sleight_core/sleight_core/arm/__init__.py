"""Arms that carry a hand: their tables, kinematics, and the way from a wrist twist to joint targets."""

from sleight_core.arm.kinematics import ArmKinematics, FrameState
from sleight_core.arm.library import Library
from sleight_core.arm.placing import place_wrist
from sleight_core.arm.robot import Robot, RobotTable, combine
from sleight_core.arm.servo import ArmServo, ArmStatus, ArmStep
from sleight_core.arm.table import ArmTable

__all__ = [
    "ArmKinematics",
    "ArmServo",
    "ArmStatus",
    "ArmStep",
    "ArmTable",
    "FrameState",
    "Library",
    "Robot",
    "RobotTable",
    "combine",
    "place_wrist",
]
