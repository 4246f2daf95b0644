"""The default engine: `mujoco.batch.Batch` on the CPU's threads, one model an environment."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch
from sleight_core.hand import HandTable

from sleight_sim.engines.base import InitialState, SimState
from sleight_sim.engines.layout import WorldLayout


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
        self.layout = layout = WorldLayout.of(first, table)
        self._wrist_qpos, self._object_qpos, self._object_qvel = (
            layout.wrist_qpos,
            layout.object_qpos,
            layout.object_qvel,
        )
        self._failed = np.zeros(self.num_envs, dtype=bool)

    def reset(self, ids: np.ndarray, initial: InitialState) -> None:
        """Put environments into their initial states (see `Engine.reset`)."""
        if len(ids) == 0:
            return
        self.batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        qpos = self._qpos[ids]
        self.layout.put(qpos, initial)
        self._qpos[ids] = qpos
        targets = initial.joint_pos[:, self.table.actuated_index]
        ctrl = self._ctrl[ids]
        ctrl[:, self.layout.joint_ctrl] = targets
        if self.layout.arm is None:
            ctrl[:, self.layout.wrist_ctrl] = 0.0
        self._ctrl[ids] = ctrl
        self.batch.forward(ids)

    def step(self, joint_targets: np.ndarray, wrist_twist: np.ndarray) -> None:
        """Advance one control period (see `Engine.step`)."""
        self._ctrl[:, self.layout.joint_ctrl] = joint_targets
        if self.layout.arm is None:
            self._ctrl[:, self.layout.wrist_ctrl] = wrist_twist
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
        return self.layout.read(self._qpos, self._qvel, self._sensors)
