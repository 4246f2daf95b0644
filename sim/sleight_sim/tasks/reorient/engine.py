"""Worlds of one cube reorientation model on the CPU's threads."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray
from sleight_core.hand import HandTable

Array = NDArray[np.float64]
Ids = NDArray[np.integer]


@dataclass(frozen=True)
class HandAndCube:
    """The state of B environments, task frame.

    Attributes:
        joint_pos, joint_vel: (B, J) rad, rad/s, in the order of the table's `joint_names`.
        cube_pos, cube_quat: (B, 3) m, (B, 4) wxyz.
    """

    joint_pos: Array
    joint_vel: Array
    cube_pos: Array
    cube_quat: Array


class ReorientEngine:
    """Runs B copies of one model.

    Args:
        table: The hand in the model.
        model: Made by `build_world`.
        count: B.
        substeps: Physics steps in a control period.
        num_threads: Threads; 0 for one a core.
    """

    def __init__(
        self, table: HandTable, model: mujoco.MjModel, count: int, *, substeps: int, num_threads: int = 0
    ) -> None:
        self.num_envs = count
        self.substeps = substeps
        self.batch = Batch(model, count, num_threads)
        self._qpos, self._qvel, self._ctrl = (self.batch.bind(name) for name in ("qpos", "qvel", "ctrl"))
        joints = [model.joint(name) for name in table.joint_names]
        self._joint_qpos = np.array([int(joint.qposadr[0]) for joint in joints])
        self._joint_qvel = np.array([int(joint.dofadr[0]) for joint in joints])
        self._cube = int(model.joint("object").qposadr[0])
        self._actuators = np.array([model.actuator(f"act_{name}").id for name in table.actuated_joint_names])

    def reset(self, ids: Ids, joint_pos: Array, targets: Array, cube_pos: Array, cube_quat: Array) -> None:
        """Put environments ids (n,) at rest: joints (n, J) and targets (n, A) rad, cubes (n, 3) m, (n, 4) wxyz."""
        self.batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._qpos[ids[:, None], self._joint_qpos] = joint_pos
        self._qpos[ids, self._cube : self._cube + 3] = cube_pos
        self._qpos[ids, self._cube + 3 : self._cube + 7] = cube_quat
        self._ctrl[ids[:, None], self._actuators] = targets
        self.batch.forward(ids)

    def step(self, targets: Array) -> None:
        """Advance one control period under joint targets (B, A) rad."""
        self._ctrl[:, self._actuators] = targets
        self.batch.step(nstep=self.substeps)

    def state(self) -> HandAndCube:
        """Copy the current state."""
        c = self._cube
        return HandAndCube(
            self._qpos[:, self._joint_qpos],
            self._qvel[:, self._joint_qvel],
            self._qpos[:, c : c + 3].copy(),
            self._qpos[:, c + 3 : c + 7].copy(),
        )

    def positions(self) -> Array:
        """Generalised positions (B, nq), for recording."""
        return self._qpos.copy()
