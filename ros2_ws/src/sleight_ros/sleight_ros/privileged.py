"""What only a simulator knows, for demonstrations of policies that see it: as a message, and as arrays.

No robot publishes it, and a policy node hears it only where it was told that it runs in simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, MECHANISM_QUANTITIES, quantity_of
from sleight_msgs.msg import MechanismState, PrivilegedState

from sleight_ros.convert import point_to_msg, pose_from_msg, pose_to_msg, vector_from_msg, vector_to_msg

TOPIC = "sim/privileged"


def read_privileged(msg: PrivilegedState) -> dict[str, np.ndarray]:
    """Arrays by the names that the observation terms ask for, those of mechanisms as `quantity_of` names them.

    They are finite or not, as they are in the message.
    """
    pos, quat = pose_from_msg(msg.object_pose)
    values = {
        "object_pos": pos,
        "object_quat": quat,
        "object_linvel": vector_from_msg(msg.object_twist.linear),
        "object_angvel": vector_from_msg(msg.object_twist.angular),
    }
    for one in msg.mechanisms:
        values[quantity_of(one.name, "handle_pos")] = vector_from_msg(one.handle)
        values[quantity_of(one.name, MECHANISM_JOINTS)] = np.array(one.joint_positions, dtype=float)
    return values


def privileged_msg(
    values: Mapping[str, np.ndarray], joints: Mapping[str, Sequence[str]], *, frame: str, stamp: Time
) -> PrivilegedState:
    """Make a message.

    Args:
        values: As `read_privileged` returns them; what is missing stays 0.
        joints: Each mechanism's joints, from base to handle, by its name.
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
    msg.mechanisms = [_mechanism_msg(name, names, values) for name, names in joints.items()]
    return msg


def _mechanism_msg(name: str, joints: Sequence[str], values: Mapping[str, np.ndarray]) -> MechanismState:
    handle, positions = (values.get(quantity_of(name, one)) for one in MECHANISM_QUANTITIES)
    told = MechanismState(name=name, joint_names=list(joints))
    told.handle = point_to_msg(np.zeros(3) if handle is None else handle)
    told.joint_positions = [0.0] * len(joints) if positions is None else [float(v) for v in positions]
    return told
