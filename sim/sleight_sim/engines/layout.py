"""Where a world's model keeps what the `Engine` protocol names, and how to read and write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from sleight_core.arrays import namespace
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_rotate

from sleight_sim.engines.base import InitialState, SimState

Array = Any
Index = slice | np.ndarray

WRIST_AXES = ("vx", "vy", "vz", "wx", "wy", "wz")


@dataclass(frozen=True)
class WorldLayout:
    """Addresses in the arrays of one model and all of its layout.

    Attributes:
        joint_qpos, joint_qvel: Of the hand's joints, in the table's order.
        joint_ctrl: Of the servos, in the order of the actuated joints.
        wrist_ctrl: Of the wrist's servos, linear then angular.
        wrist_qpos, wrist_qvel, object_qpos, object_qvel: First element of the free joints.
        wrench: First element of the fingertip sensors.
        fingers: Number of fingers.
    """

    joint_qpos: Index
    joint_qvel: Index
    joint_ctrl: Index
    wrist_ctrl: Index
    wrist_qpos: int
    wrist_qvel: int
    object_qpos: int
    object_qvel: int
    wrench: int
    fingers: int

    @classmethod
    def of(cls, model: mujoco.MjModel, table: HandTable) -> WorldLayout:
        """Look a model of the hand up by names."""
        joints = [model.joint(name) for name in table.joint_names]
        wrist, thing = model.joint("wrist"), model.joint("object")
        return cls(
            joint_qpos=contiguous([int(joint.qposadr[0]) for joint in joints]),
            joint_qvel=contiguous([int(joint.dofadr[0]) for joint in joints]),
            joint_ctrl=contiguous([model.actuator(f"act_{name}").id for name in table.actuated_joint_names]),
            wrist_ctrl=contiguous([model.actuator(f"wrist_{axis}").id for axis in WRIST_AXES]),
            wrist_qpos=int(wrist.qposadr[0]),
            wrist_qvel=int(wrist.dofadr[0]),
            object_qpos=int(thing.qposadr[0]),
            object_qvel=int(thing.dofadr[0]),
            wrench=int(model.sensor(f"{table.finger_names[0]}_force").adr[0]),
            fingers=len(table.fingers),
        )

    def put(self, qpos: Array, initial: InitialState) -> None:
        """Write initial states into generalised positions (n, nq)."""
        w, o = self.wrist_qpos, self.object_qpos
        qpos[:, w : w + 3] = initial.wrist_pos
        qpos[:, w + 3 : w + 7] = initial.wrist_quat
        qpos[:, self.joint_qpos] = initial.joint_pos
        qpos[:, o : o + 3] = initial.object_pos
        qpos[:, o + 3 : o + 7] = initial.object_quat

    def read(self, qpos: Array, qvel: Array, sensors: Array) -> SimState:
        """Copy a state out of positions (B, nq), velocities (B, nv) and sensor values (B, ns), numpy or torch."""
        w, o, wv, ov = self.wrist_qpos, self.object_qpos, self.wrist_qvel, self.object_qvel
        wrist_quat, object_quat = _copy(qpos[:, w + 3 : w + 7]), _copy(qpos[:, o + 3 : o + 7])
        wrench = sensors[:, self.wrench : self.wrench + 6 * self.fingers]
        return SimState(
            joint_pos=_copy(qpos[:, self.joint_qpos]),
            joint_vel=_copy(qvel[:, self.joint_qvel]),
            wrist_pos=_copy(qpos[:, w : w + 3]),
            wrist_quat=wrist_quat,
            wrist_linvel=_copy(qvel[:, wv : wv + 3]),
            wrist_angvel=quat_rotate(wrist_quat, qvel[:, wv + 3 : wv + 6]),
            fingertip_wrench=_copy(wrench.reshape(-1, self.fingers, 6)),
            object_pos=_copy(qpos[:, o : o + 3]),
            object_quat=object_quat,
            object_linvel=_copy(qvel[:, ov : ov + 3]),
            object_angvel=quat_rotate(object_quat, qvel[:, ov + 3 : ov + 6]),
        )


def contiguous(index: list[int]) -> Index:
    """A slice where the indices are consecutive (a view instead of a gather)."""
    if index == list(range(index[0], index[0] + len(index))):
        return slice(index[0], index[0] + len(index))
    return np.array(index)


def _copy(array: Array) -> Array:
    return namespace(array).asarray(array, copy=True)
