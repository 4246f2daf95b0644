"""What the robot, or the simulator, knows at one control tick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Array = Any


@dataclass
class RobotState:
    """A batch of states in the task frame (world), numpy or torch.

    Attributes:
        joint_pos: (B, J) rad, in the order of the hand table's `joint_names`.
        joint_vel: (B, J) rad/s.
        wrist_pos: (B, 3) m, origin of the hand's root body.
        wrist_quat: (B, 4) wxyz.
        wrist_linvel: (B, 3) m/s.
        wrist_angvel: (B, 3) rad/s, task frame.
        fingertip_wrench: (B, F, 6) force N and torque N m in each distal body's frame.
        canonical_yaw: (B,) rad, the hand's yaw when the policy was engaged.
        last_action: (B, A) what was last sent, after safety, in policy units.
        object_pos: (B, 3) m, the object's bounding-box centre as perceived.
        goal_pos: (B, 3) m, where the object should go.
        object_cloud: (B, N, 3) m, points of the object's surface as perceived; None where no term asks for them.
        object_quat: (B, 4) wxyz, the object's orientation as a tracker perceives it; None where no term asks for it.
        goal_quat: (B, 4) wxyz, the orientation that the object should have; None where no term asks for it.
        joint_targets: (B, A) rad, what was last sent, after safety, in the order of the table's
            `actuated_joint_names`; None where no term asks for it.
        last_output: (B, A) the policy's own last output for these joints, before safety, in policy units; 0 before its
            first; None where no term asks for it.
        scene_cloud: (B, N, 3) m, points of what lies over the table and is not the robot, as cameras see it; None
            where no term asks for it.
        memory: What the run-time keeps from earlier ticks for terms that ask for it, by name.
        estimates: What a bundle's own estimators made of clouds and the robot's state, by the names that `privileged`
            has for the true values.
        privileged: Further arrays by name that only a simulator knows; used by critics and rewards, never deployed.
    """

    joint_pos: Array
    joint_vel: Array
    wrist_pos: Array
    wrist_quat: Array
    wrist_linvel: Array
    wrist_angvel: Array
    fingertip_wrench: Array
    canonical_yaw: Array
    last_action: Array
    object_pos: Array
    goal_pos: Array
    object_cloud: Array | None = None
    object_quat: Array | None = None
    goal_quat: Array | None = None
    joint_targets: Array | None = None
    last_output: Array | None = None
    scene_cloud: Array | None = None
    memory: dict[str, Array] = field(default_factory=dict)
    estimates: dict[str, Array] = field(default_factory=dict)
    privileged: dict[str, Array] = field(default_factory=dict)
