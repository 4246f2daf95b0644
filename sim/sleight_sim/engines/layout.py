"""Where a world's model keeps what the `Engine` protocol names, and how to read and write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from sleight_core.arm import ArmKinematics
from sleight_core.arrays import namespace
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_rotate

from sleight_sim.engines.base import InitialState, SimState
from sleight_sim.worlds.touch import touch_addresses

Array = Any
Index = slice | np.ndarray

WRIST_AXES = ("vx", "vy", "vz", "wx", "wy", "wz")


@dataclass(frozen=True)
class WorldLayout:
    """Addresses in the arrays of one model and all of its layout.

    Attributes:
        joint_qpos, joint_qvel: Of the hand's joints, in the table's order.
        joint_ctrl: Of the servos, in the order of the actuated joints.
        wrist_ctrl: Of the wrist's servos, linear then angular; none on an arm.
        wrist_qpos, wrist_qvel, object_qpos, object_qvel: First element of the free joints; -1 for a wrist on an arm.
        wrench: First element of the fingertip sensors.
        fingers: Number of fingers.
        arm: Says where an arm's joints bring the wrist; None for a floating one.
        arm_index: The arm's among the hand's joints.
        touch: Sensors of contact between arm or palm and table or robot; see `sleight_sim.worlds.touch`.
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
    arm: ArmKinematics | None
    arm_index: np.ndarray
    touch: np.ndarray

    @classmethod
    def of(cls, model: mujoco.MjModel, table: HandTable) -> WorldLayout:
        """Look a model of the hand up by names."""
        joints = [model.joint(name) for name in table.joint_names]
        on_arm, thing = bool(table.arm_joints), model.joint("object")
        wrist = None if on_arm else model.joint("wrist")
        servos = [] if on_arm else [model.actuator(f"wrist_{axis}").id for axis in WRIST_AXES]
        return cls(
            joint_qpos=contiguous([int(joint.qposadr[0]) for joint in joints]),
            joint_qvel=contiguous([int(joint.dofadr[0]) for joint in joints]),
            joint_ctrl=contiguous([model.actuator(f"act_{name}").id for name in table.actuated_joint_names]),
            wrist_ctrl=contiguous(servos),
            wrist_qpos=-1 if wrist is None else int(wrist.qposadr[0]),
            wrist_qvel=-1 if wrist is None else int(wrist.dofadr[0]),
            object_qpos=int(thing.qposadr[0]),
            object_qvel=int(thing.dofadr[0]),
            wrench=int(model.sensor(f"{table.finger_names[0]}_force").adr[0]),
            fingers=len(table.fingers),
            arm=ArmKinematics.of_wrist(table) if on_arm else None,
            arm_index=table.arm_index,
            touch=np.asarray(touch_addresses(model), dtype=int),
        )

    def put(self, qpos: Array, initial: InitialState) -> None:
        """Write initial states into generalised positions (n, nq)."""
        w, o = self.wrist_qpos, self.object_qpos
        if self.arm is None:
            qpos[:, w : w + 3] = initial.wrist_pos
            qpos[:, w + 3 : w + 7] = initial.wrist_quat
        qpos[:, self.joint_qpos] = initial.joint_pos
        qpos[:, o : o + 3] = initial.object_pos
        qpos[:, o + 3 : o + 7] = initial.object_quat

    def read(self, qpos: Array, qvel: Array, sensors: Array) -> SimState:
        """Copy a state out of positions (B, nq), velocities (B, nv) and sensor values (B, ns), numpy or torch."""
        o, ov = self.object_qpos, self.object_qvel
        joint_pos, joint_vel = _copy(qpos[:, self.joint_qpos]), _copy(qvel[:, self.joint_qvel])
        object_quat = _copy(qpos[:, o + 3 : o + 7])
        wrench = sensors[:, self.wrench : self.wrench + 6 * self.fingers]
        return SimState(
            joint_pos=joint_pos,
            joint_vel=joint_vel,
            **self._wrist(qpos, qvel, joint_pos, joint_vel),
            fingertip_wrench=_copy(wrench.reshape(-1, self.fingers, 6)),
            object_pos=_copy(qpos[:, o : o + 3]),
            object_quat=object_quat,
            object_linvel=_copy(qvel[:, ov : ov + 3]),
            object_angvel=quat_rotate(object_quat, qvel[:, ov + 3 : ov + 6]),
            touching=(sensors[:, self.touch] > 0).any(axis=1) if len(self.touch) else None,
        )

    def _wrist(self, qpos: Array, qvel: Array, joint_pos: Array, joint_vel: Array) -> dict[str, Array]:
        """The wrist's part of the state; an arm's joints say it, by the robot's own code."""
        if self.arm is not None:
            at = self.arm.state(joint_pos[:, self.arm_index], joint_vel[:, self.arm_index])
            return {"wrist_pos": at.pos, "wrist_quat": at.quat, "wrist_linvel": at.linvel, "wrist_angvel": at.angvel}
        w, v = self.wrist_qpos, self.wrist_qvel
        quat = _copy(qpos[:, w + 3 : w + 7])
        return {
            "wrist_pos": _copy(qpos[:, w : w + 3]),
            "wrist_quat": quat,
            "wrist_linvel": _copy(qvel[:, v : v + 3]),
            "wrist_angvel": quat_rotate(quat, qvel[:, v + 3 : v + 6]),
        }


def contiguous(index: list[int]) -> Index:
    """A slice where the indices are consecutive (a view instead of a gather)."""
    if index and index == list(range(index[0], index[0] + len(index))):
        return slice(index[0], index[0] + len(index))
    return np.array(index, dtype=int)


def _copy(array: Array) -> Array:
    return namespace(array).asarray(array, copy=True)
