"""One mechanism in every environment: its joints, its place and its handle in the arrays of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray
from sleight_core.rotations import quat_multiply, quat_rotate

from sleight_sim.tasks.compose.contacts import MECHANISM
from sleight_sim.tasks.compose.world import ComposeWorld

Array = NDArray[np.float64]
Ids = NDArray[np.integer]


@dataclass(frozen=True)
class MechanismState:
    """Mechanisms of all environments, joints from base to handle.

    Attributes:
        joint_pos, joint_vel: (B, M) rad and rad/s, or m and m/s.
        base_pos, base_quat: (B, 3) m, (B, 4) wxyz of the base in the task frame.
        handle_pos, handle_quat: (B, 3) m, (B, 4) wxyz of the handle in the task frame.
    """

    joint_pos: Array
    joint_vel: Array
    base_pos: Array
    base_quat: Array
    handle_pos: Array
    handle_quat: Array


class MechanismChain:
    """The joints from base to handle of the mechanism that all environments have at one place of their lists.

    Args:
        batch: The physics of the worlds.
        worlds: (B,) one for each environment.
        index: Which of their mechanisms.

    Attributes:
        joint_names: The M joints, from base to handle.
        lower, upper, joint_start: (B, M) ranges of the joints and where they start, rad or m.
    """

    def __init__(self, batch: Batch, worlds: Sequence[ComposeWorld], index: int) -> None:
        mechanisms = [world.mechanisms[index] for world in worlds]
        first = mechanisms[0]
        model, prefix = worlds[0].model, first.prefix
        self.joint_names = tuple(link.name for link in first.links)
        names = [prefix + name for name in self.joint_names]
        self.at = np.array([int(model.joint(name).qposadr[0]) for name in names])
        self.dof = np.array([int(model.joint(name).dofadr[0]) for name in names])
        self._hinge = [link.hinge for link in first.links]
        links = [mechanism.links for mechanism in mechanisms]
        self._axes = np.array([[link.axis for link in row] for row in links])
        self._origins = np.array([[link.origin for link in row] for row in links])
        self._handles = np.array([mechanism.handle for mechanism in mechanisms])
        self.lower = np.array([[link.lower for link in row] for row in links])
        self.upper = np.array([[link.upper for link in row] for row in links])
        self.joint_start = np.array([[link.start for link in row] for row in links])
        self._mocap = int(model.body_mocapid[model.body(prefix + MECHANISM).id])
        self._qpos, self._qvel = batch.bind("qpos"), batch.bind("qvel")
        self._base_pos, self._base_quat = batch.bind("mocap_pos"), batch.bind("mocap_quat")

    def place(self, ids: Ids, pos: Array, quat: Array) -> None:
        """Put bases of environments ids (n,) at (n, 3) m and (n, 4) wxyz, task frame; the physics see it next."""
        self._base_pos[ids, self._mocap] = pos
        self._base_quat[ids, self._mocap] = quat

    def put(self, ids: Ids, positions: Array) -> None:
        """Put joints of environments ids (n,) at (n, M), at rest; the physics see it next."""
        self._qpos[ids[:, None], self.at] = positions
        self._qvel[ids[:, None], self.dof] = 0.0

    def state(self) -> MechanismState:
        """The mechanisms now."""
        joints = self._qpos[:, self.at].copy()
        base = self._base_pos[:, self._mocap].copy(), self._base_quat[:, self._mocap].copy()
        return MechanismState(joints, self._qvel[:, self.dof].copy(), *base, *self.handle_pose(joints))

    def handle_pose(self, joints: Array) -> tuple[Array, Array]:
        """Where the handles are, or would be, with the joints at (B, M).

        Returns:
            Positions (B, 3) m and orientations (B, 4) wxyz in the task frame.
        """
        pos, quat = self._base_pos[:, self._mocap].copy(), self._base_quat[:, self._mocap].copy()
        for i, hinge in enumerate(self._hinge):
            pos = pos + quat_rotate(quat, self._origins[:, i])
            value, axis = joints[:, i : i + 1], self._axes[:, i]
            if hinge:
                turn = np.concatenate([np.cos(0.5 * value), np.sin(0.5 * value) * axis], axis=-1)
                quat = quat_multiply(quat, turn)
            else:
                pos = pos + quat_rotate(quat, value * axis)
        return pos + quat_rotate(quat, self._handles), quat
