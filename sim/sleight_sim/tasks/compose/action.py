"""The tasks' action. It lives in `sleight_core.compose`, because the robot decodes and owns it in the same way."""

from sleight_core.compose.action import (
    MAX_PITCH,
    PALM_DOWN,
    ComposeAction,
    PoseCommand,
    euler_to_quat,
    quat_to_euler,
)
from sleight_core.compose.ownership import WRIST, WRIST_SIZE

__all__ = [
    "MAX_PITCH",
    "PALM_DOWN",
    "WRIST",
    "WRIST_SIZE",
    "ComposeAction",
    "PoseCommand",
    "euler_to_quat",
    "quat_to_euler",
]
