"""The default engine: `mujoco.batch.Batch` on the CPU's threads, one model an environment."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch
from sleight_core.arm import ArmKinematics
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_rotate

from sleight_sim.engines.base import InitialState, SimState
from sleight_sim.worlds.touch import touch_addresses


class MujocoBatchEngine:
    """Runs environment i on `models[i]`.

    Args:
        table: The hand in the models.
        models: One model for each environment, all with the same MjData layout, made by `sleight_sim.worlds`.
        substeps: Physics steps in a control period.
        num_threads: Threads; 0 for one a core.
    """

    def __init__(
        self, table: HandTable, models: Sequence[mujoco.MjModel], *, substeps: int = 3, num_threads: int = 0
    ) -> None:
        self.table = table
        self.num_envs = len(models)
        self.substeps = substeps
        first = models[0]
        # Not persistent: one MjData a thread stays in the cache, one an environment does not (1.3 times slower here).
        self.batch = Batch(first, self.num_envs, num_threads)
        self.batch.set_models(list(models))
        self._qpos = self.batch.bind("qpos")
        self._qvel = self.batch.bind("qvel")
        self._ctrl = self.batch.bind("ctrl")
        self._applied = self.batch.bind("qfrc_applied")
        self._sensors = self.batch.bind("sensordata")
        joints = [first.joint(name) for name in table.joint_names]
        self._joint_qpos = _contiguous([int(joint.qposadr[0]) for joint in joints])
        self._joint_qvel = _contiguous([int(joint.dofadr[0]) for joint in joints])
        thing = first.joint("object")
        self._arm = ArmKinematics.of_wrist(table) if table.arm_joints else None
        if self._arm is None:
            wrist = first.joint("wrist")
            self._wrist_qpos, self._wrist_qvel = int(wrist.qposadr[0]), int(wrist.dofadr[0])
            self._wrist_ctrl = np.array(
                [first.actuator(f"wrist_{axis}").id for axis in ("vx", "vy", "vz", "wx", "wy", "wz")]
            )
        self._touch_at = touch_addresses(first)
        self._object_qpos, self._object_qvel = int(thing.qposadr[0]), int(thing.dofadr[0])
        self._joint_ctrl = np.array([first.actuator(f"act_{name}").id for name in table.actuated_joint_names])
        self._wrench_at = int(first.sensor(f"{table.finger_names[0]}_force").adr[0])
        self._failed = np.zeros(self.num_envs, dtype=bool)

    def reset(self, ids: np.ndarray, initial: InitialState) -> None:
        """Put environments into their initial states (see `Engine.reset`)."""
        if len(ids) == 0:
            return
        self.batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        o = self._object_qpos
        if self._arm is None:
            w = self._wrist_qpos
            self._qpos[ids, w : w + 3] = initial.wrist_pos
            self._qpos[ids, w + 3 : w + 7] = initial.wrist_quat
            self._ctrl[ids[:, None], self._wrist_ctrl[None, :]] = 0.0
        self._qpos[ids[:, None], self._joint_qpos_index] = initial.joint_pos
        self._qpos[ids, o : o + 3] = initial.object_pos
        self._qpos[ids, o + 3 : o + 7] = initial.object_quat
        targets = initial.joint_pos[:, self.table.actuated_index]
        self._ctrl[ids[:, None], self._joint_ctrl[None, :]] = targets
        self.batch.forward(ids)

    @property
    def _joint_qpos_index(self) -> np.ndarray:
        index = self._joint_qpos
        return np.arange(index.start, index.stop)[None, :] if isinstance(index, slice) else index[None, :]

    def step(self, joint_targets: np.ndarray, wrist_twist: np.ndarray) -> None:
        """Advance one control period (see `Engine.step`)."""
        self._ctrl[:, self._joint_ctrl] = joint_targets
        if self._arm is None:
            self._ctrl[:, self._wrist_ctrl] = wrist_twist
        self.batch.step(nstep=self.substeps)
        np.logical_not(np.isfinite(self._qpos).all(axis=-1), out=self._failed)

    def apply_force(self, force: np.ndarray) -> None:
        """Pull at the objects (see `Engine.apply_force`)."""
        self._applied[:, self._object_qvel : self._object_qvel + 3] = force

    def failed(self) -> np.ndarray:
        """Environments whose state is no longer finite (see `Engine.failed`)."""
        return self._failed

    def positions(self) -> np.ndarray:
        """Generalised positions of all environments, (B, nq), for recording."""
        return self._qpos.copy()

    def state(self) -> SimState:
        """Copy the current state (see `Engine.state`)."""
        o, ov = self._object_qpos, self._object_qvel
        qpos, qvel, count = self._qpos, self._qvel, len(self.table.fingers)
        wrench = self._sensors[:, self._wrench_at : self._wrench_at + 6 * count].reshape(self.num_envs, count, 6)
        joint_pos, joint_vel = qpos[:, self._joint_qpos].copy(), qvel[:, self._joint_qvel].copy()
        object_quat = qpos[:, o + 3 : o + 7].copy()
        return SimState(
            joint_pos=joint_pos,
            joint_vel=joint_vel,
            **self._wrist_state(joint_pos, joint_vel),
            fingertip_wrench=wrench.copy(),
            object_pos=qpos[:, o : o + 3].copy(),
            object_quat=object_quat,
            object_linvel=qvel[:, ov : ov + 3].copy(),
            object_angvel=quat_rotate(object_quat, qvel[:, ov + 3 : ov + 6]),
            touching=(self._sensors[:, self._touch_at] > 0).any(axis=1) if len(self._touch_at) else None,
        )

    def _wrist_state(self, joint_pos: np.ndarray, joint_vel: np.ndarray) -> dict[str, np.ndarray]:
        """The wrist's part of the state; an arm's joints say it, by the robot's own code."""
        if self._arm is not None:
            arm = self.table.arm_index
            at = self._arm.state(joint_pos[:, arm], joint_vel[:, arm])
            return {"wrist_pos": at.pos, "wrist_quat": at.quat, "wrist_linvel": at.linvel, "wrist_angvel": at.angvel}
        w, v = self._wrist_qpos, self._wrist_qvel
        quat = self._qpos[:, w + 3 : w + 7].copy()
        return {
            "wrist_pos": self._qpos[:, w : w + 3].copy(),
            "wrist_quat": quat,
            "wrist_linvel": self._qvel[:, v : v + 3].copy(),
            "wrist_angvel": quat_rotate(quat, self._qvel[:, v + 3 : v + 6]),
        }


def _contiguous(index: list[int]) -> slice | np.ndarray:
    """A slice where the indices are consecutive (a view instead of a gather)."""
    if index == list(range(index[0], index[0] + len(index))):
        return slice(index[0], index[0] + len(index))
    return np.array(index)
