"""What the policies of each task observe: the paper's contents as named arrays (DexCompose appendix A).

The paper gives normalised hand joints and "object-relative poses, articulated-object joint states, palm-to-object
offsets", 32 to 37 numbers. The division into terms is ours; ours are 32 to 37 numbers too. The palm is the hand's grasp
centre. How each term is computed is said in `sleight_core.observation.compose_terms`, for simulation and robot alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.observation import TERMS, RobotState
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, registered_name
from sleight_core.observation.terms import Frame

from sleight_sim.engines import SimState
from sleight_sim.tasks.compose.chain import MechanismState
from sleight_sim.tasks.compose.config import ComposeTaskConfig

Array = NDArray[np.float64]


class ComposeObservation:
    """Computes the terms of a task's observation.

    Args:
        table: The hand.
        config: The task.
        joint_names: The mechanism's joints.
    """

    def __init__(self, table: HandTable, config: ComposeTaskConfig, joint_names: tuple[str, ...]) -> None:
        self.table = table
        self.kinematics = FingertipKinematics(table)
        kind = config.object.kind if config.object else ""
        self.target = np.asarray(getattr(config.success, "target", np.zeros(3)), dtype=np.float64)
        if config.role == "interaction":
            terms = {"hand_joints": len(table.joint_names), "wrist_quat": 4, "palm_to_handle": 3, "handle_pos": 3}
            terms["mechanism_joints"] = len(joint_names)
        else:
            terms = {"hand_joints": len(table.joint_names), "wrist_quat": 4, "palm_to_object": 3, "object_to_target": 3}
            if kind in ("can", "stick", "mug", "shape"):
                terms["object_quat"] = 4
            if kind == "mug":
                terms["object_tilt"] = 1
        #: Sizes of the terms, in the order of `concatenate`.
        self.sizes: dict[str, int] = terms

    @property
    def size(self) -> int:
        """Length of the whole observation."""
        return sum(self.sizes.values())

    def state(self, sim: SimState, mechanism: MechanismState | None) -> RobotState:
        """The state that terms are computed from, true values included; arguments as `compute`."""
        privileged = {"object_pos": sim.object_pos, "object_quat": sim.object_quat}
        if mechanism is not None:
            privileged |= {"handle_pos": mechanism.handle_pos, MECHANISM_JOINTS: mechanism.joint_pos}
        return RobotState(
            joint_pos=sim.joint_pos,
            joint_vel=sim.joint_vel,
            wrist_pos=sim.wrist_pos,
            wrist_quat=sim.wrist_quat,
            wrist_linvel=sim.wrist_linvel,
            wrist_angvel=sim.wrist_angvel,
            fingertip_wrench=sim.fingertip_wrench,
            canonical_yaw=np.zeros(len(sim.joint_pos)),
            last_action=np.zeros((len(sim.joint_pos), 0)),
            object_pos=sim.object_pos,
            goal_pos=np.broadcast_to(self.target, sim.object_pos.shape),
            privileged=privileged,
        )

    def compute(self, sim: SimState, mechanism: MechanismState | None) -> dict[str, Array]:
        """Compute all terms.

        Args:
            sim: Hand and object.
            mechanism: The mechanism; not used by retention tasks.

        Returns:
            By name, (B, n): ``hand_joints`` (-1 .. 1 over each joint's range), ``wrist_quat`` (wxyz, w >= 0, task
            frame), ``palm_to_object`` and ``palm_to_handle`` (m, wrist frame), ``object_to_target`` (m, task frame),
            ``object_quat`` (wxyz, w >= 0, task frame), ``object_tilt`` (rad from upright), ``handle_pos`` (m, task
            frame), ``mechanism_joints`` (rad or m, from base to handle).
        """
        frame = Frame(self.state(sim, mechanism), self.kinematics)
        return {
            name: np.asarray(TERMS[registered_name(name, size)].function(frame)) for name, size in self.sizes.items()
        }

    def concatenate(self, terms: dict[str, Array]) -> NDArray[np.float32]:
        """One array (B, size) float32 of all terms, in the order of `sizes`."""
        return np.concatenate([terms[name] for name in self.sizes], axis=-1).astype(np.float32)
