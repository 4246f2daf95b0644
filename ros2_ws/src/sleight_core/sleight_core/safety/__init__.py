"""The safety filter: the only writer of the actuators, and the limits that simulation applies as well (contract 4)."""

from sleight_core.safety.config import SafetyConfig
from sleight_core.safety.filter import SafetyFilter
from sleight_core.safety.limits import JointLimits, WristLimits, limit_joint_targets, limit_to_workspace, limit_twist
from sleight_core.safety.motion import brake_joints, limit_joint_motion
from sleight_core.safety.output import SafetyOutput
from sleight_core.safety.reasons import ReasonCode, SafetyState

__all__ = [
    "JointLimits",
    "ReasonCode",
    "SafetyConfig",
    "SafetyFilter",
    "SafetyOutput",
    "SafetyState",
    "WristLimits",
    "brake_joints",
    "limit_joint_motion",
    "limit_joint_targets",
    "limit_to_workspace",
    "limit_twist",
]
