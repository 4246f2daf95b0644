"""Random states in which an imported policy is asked for its golden answers."""

from __future__ import annotations

import numpy as np
from sleight_core.hand import HandTable
from sleight_core.observation import RobotState
from sleight_core.observation.terms import CLOUD_SIZES
from sleight_core.rotations import quat_normalize

#: How far from the last targets the joints are, rad, and how far from the hand the object is, m.
_LAG, _NEAR = 0.2, 0.1


def random_states(table: HandTable, wrist_quat: np.ndarray, count: int, seed: int = 0) -> RobotState:
    """Draw states that a robot may meet: joints over their ranges, the object near the hand, any orientation.

    Args:
        table: The hand.
        wrist_quat: (4,) wxyz, the hand's orientation at the start.
        count: Number of states.
        seed: Seed.
    """
    rng = np.random.default_rng(seed)
    joints = rng.uniform(table.lower, table.upper, (count, len(table.joint_names)))
    actuated = len(table.actuated_joint_names)
    targets = joints[:, table.actuated_index] + rng.normal(0.0, _LAG, (count, actuated))
    place = rng.normal(0.0, _NEAR, (count, 3))
    return RobotState(
        joint_pos=joints,
        joint_vel=rng.normal(0.0, 1.0, joints.shape),
        wrist_pos=np.zeros((count, 3)),
        wrist_quat=np.tile(wrist_quat, (count, 1)),
        wrist_linvel=rng.normal(0.0, 0.1, (count, 3)),
        wrist_angvel=rng.normal(0.0, 0.1, (count, 3)),
        fingertip_wrench=rng.normal(0.0, 0.3, (count, len(table.fingers), 6)),
        canonical_yaw=np.zeros(count),
        last_action=rng.uniform(-1.0, 1.0, (count, 6 + actuated)),
        object_pos=place,
        goal_pos=rng.normal(0.0, _NEAR, (count, 3)),
        object_cloud=place[:, None] + rng.normal(0.0, 0.03, (count, max(CLOUD_SIZES), 3)),
        object_quat=quat_normalize(rng.normal(size=(count, 4))),
        goal_quat=quat_normalize(rng.normal(size=(count, 4))),
        joint_targets=np.clip(targets, table.actuated_lower, table.actuated_upper),
        last_output=rng.uniform(-1.0, 1.0, (count, actuated)),
    )
