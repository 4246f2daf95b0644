"""What only a simulator knows, for demonstrations of policies that see it: as a message, and as arrays.

No robot publishes it, and a policy node hears it only where it was told that it runs in simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from sleight_core.observation.compose_terms import MECHANISM_JOINTS
from sleight_msgs.msg import PrivilegedState

from sleight_ros.convert import point_to_msg, pose_from_msg, pose_to_msg, vector_from_msg, vector_to_msg

TOPIC = "sim/privileged"


def read_privileged(msg: PrivilegedState) -> dict[str, np.ndarray]:
    """Arrays by the names that the observation terms ask for; finite or not, as they are in the message."""
    pos, quat = pose_from_msg(msg.object_pose)
    return {
        "object_pos": pos,
        "object_quat": quat,
        "object_linvel": vector_from_msg(msg.object_twist.linear),
        "object_angvel": vector_from_msg(msg.object_twist.angular),
        "handle_pos": vector_from_msg(msg.handle),
        MECHANISM_JOINTS: np.array(msg.mechanism_positions, dtype=float),
    }


def privileged_msg(
    values: Mapping[str, np.ndarray], joints: Sequence[str], *, frame: str, stamp: Time
) -> PrivilegedState:
    """Make a message.

    Args:
        values: As `read_privileged` returns them; what is missing stays 0.
        joints: The mechanism's joints, from base to handle.
        frame: The task frame.
        stamp: When this was so.
    """
    zero = np.zeros(3)
    msg = PrivilegedState()
    msg.header.frame_id, msg.header.stamp = frame, stamp
    msg.object_pose = pose_to_msg(
        values.get("object_pos", zero), values.get("object_quat", np.array([1.0, 0.0, 0.0, 0.0]))
    )
    msg.object_twist.linear = vector_to_msg(values.get("object_linvel", zero))
    msg.object_twist.angular = vector_to_msg(values.get("object_angvel", zero))
    msg.handle = point_to_msg(values.get("handle_pos", zero))
    msg.mechanism_names = list(joints)
    msg.mechanism_positions = [float(v) for v in values.get(MECHANISM_JOINTS, ())]
    return msg
