"""What the policies of each task observe: the paper's contents as named arrays (DexCompose appendix A).

The paper gives normalised hand joints and "object-relative poses, articulated-object joint states, palm-to-object
offsets", 32 to 37 numbers. The division into terms is ours; ours are 32 to 37 numbers too. The palm is the hand's grasp
centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.rotations import quat_conjugate, quat_normalize, quat_rotate

from sleight_sim.engines import SimState
from sleight_sim.tasks.compose.config import ComposeTaskConfig
from sleight_sim.tasks.compose.engine import MechanismState

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
            if kind in ("can", "stick", "mug"):
                terms["object_quat"] = 4
            if kind == "mug":
                terms["object_tilt"] = 1
        #: Sizes of the terms, in the order of `concatenate`.
        self.sizes: dict[str, int] = terms

    @property
    def size(self) -> int:
        """Length of the whole observation."""
        return sum(self.sizes.values())

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
        table = self.table
        palm = self.kinematics.grasp_center(sim.wrist_pos, sim.wrist_quat)
        inverse = quat_conjugate(sim.wrist_quat)
        out = {
            "hand_joints": 2.0 * (sim.joint_pos - table.lower) / (table.upper - table.lower) - 1.0,
            "wrist_quat": quat_normalize(sim.wrist_quat),
        }
        if mechanism is not None and "mechanism_joints" in self.sizes:
            out["palm_to_handle"] = quat_rotate(inverse, mechanism.handle_pos - palm)
            out["handle_pos"] = mechanism.handle_pos
            out["mechanism_joints"] = mechanism.joint_pos
        else:
            out["palm_to_object"] = quat_rotate(inverse, sim.object_pos - palm)
            out["object_to_target"] = self.target - sim.object_pos
            out["object_quat"] = quat_normalize(sim.object_quat)
            out["object_tilt"] = tilt(sim.object_quat)[:, None]
        return {name: np.asarray(out[name]) for name in self.sizes}

    def concatenate(self, terms: dict[str, Array]) -> NDArray[np.float32]:
        """One array (B, size) float32 of all terms, in the order of `sizes`."""
        return np.concatenate([terms[name] for name in self.sizes], axis=-1).astype(np.float32)


def tilt(quat: Array) -> Array:
    """Angle (B,) rad in [0, pi] between the z axes of orientations (B, 4) and the vertical."""
    up = quat_rotate(quat, np.broadcast_to(np.array([0.0, 0.0, 1.0]), (*quat.shape[:-1], 3)))
    return np.arccos(np.clip(up[..., 2], -1.0, 1.0))
