"""Forward kinematics and Jacobian of an arm, one code for simulator and robot (numpy or torch, batched)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sleight_core.arm.table import ArmTable
from sleight_core.arrays import namespace
from sleight_core.errors import SleightError
from sleight_core.hand.table import Body, HandTable
from sleight_core.rotations import quat_multiply, quat_rotate

Array = Any
_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class FrameState:
    """Pose and velocity of a frame, in the frame that the chain starts from.

    Attributes:
        pos: (B, 3) m.
        quat: (B, 4) wxyz.
        linvel: (B, 3) m/s of the frame's origin.
        angvel: (B, 3) rad/s.
    """

    pos: Array
    quat: Array
    linvel: Array
    angvel: Array


class ArmKinematics:
    """A chain of hinges from "world" to a frame at its end.

    Args:
        bodies: All links; those between "world" and `body` are the chain.
        joint_names: Order of the joint vectors: all joints of the chain.
        body: The last link.
        pos: Origin of the end frame in the last link (m).
        quat: Its orientation there (wxyz).

    Raises:
        SleightError: The chain's joints are not `joint_names`.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        joint_names: Sequence[str],
        body: str,
        pos: Sequence[float] = (0.0, 0.0, 0.0),
        quat: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
    ) -> None:
        rows = {row.name: row for row in bodies}
        chain: list[Body] = []
        name = body
        while name != "world":
            if name not in rows:
                raise SleightError("no such link in the chain", value=name)
            chain.insert(0, rows[name])
            name = chain[0].parent
        found = [row.joint.name for row in chain if row.joint]
        if sorted(found) != sorted(joint_names):
            raise SleightError(f"joints between the base and '{body}'", value=found, remedy=f"not {list(joint_names)}")
        self.joint_names = tuple(joint_names)
        self._links: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]] = []
        fixed = (np.zeros(3), _IDENTITY)
        for row in chain:
            fixed = _compose(fixed, (np.asarray(row.pos, dtype=float), _unit(row.quat)))
            if row.joint:
                axis = np.asarray(row.joint.axis, dtype=float)
                column = self.joint_names.index(row.joint.name)
                self._links.append((*fixed, axis / np.linalg.norm(axis), column))
                fixed = (np.zeros(3), _IDENTITY)
        self._end = _compose(fixed, (np.asarray(pos, dtype=float), _unit(quat)))

    @classmethod
    def of_tool(cls, table: ArmTable) -> ArmKinematics:
        """From an arm's base link to its tool frame."""
        tool = table.tool
        return cls(table.bodies, table.joint_names, tool.body, tool.pos, tool.quat)

    @classmethod
    def of_wrist(cls, table: HandTable) -> ArmKinematics:
        """From the task frame to the root body of a hand that an arm carries; joints are `table.arm_joints`.

        Raises:
            SleightError: The hand is on a floating wrist.
        """
        if table.wrist_mode != "arm":
            raise SleightError(f"hand '{table.name}' is on no arm", value=table.wrist_mode)
        return cls(table.bodies, table.arm_joints, table.root_body)

    def pose(self, joint_pos: Array) -> tuple[Array, Array]:
        """Pose of the end frame.

        Args:
            joint_pos: (B, N) rad, in the order of `joint_names`.

        Returns:
            Positions (B, 3) m and quaternions (B, 4) wxyz.
        """
        return self._forward(joint_pos)[:2]

    def state(self, joint_pos: Array, joint_vel: Array) -> FrameState:
        """Pose and velocity of the end frame; joint positions (B, N) rad and velocities (B, N) rad/s."""
        xp = namespace(joint_pos)
        pos, quat, jacobian = self.pose_jacobian(joint_pos)
        twist = xp.sum(jacobian * joint_vel[:, None, :], axis=-1)
        return FrameState(pos, quat, twist[:, :3], twist[:, 3:])

    def jacobian(self, joint_pos: Array) -> Array:
        """(B, 6, N): linear (m/rad) and angular velocity of the end frame, in the axes of the chain's start."""
        return self.pose_jacobian(joint_pos)[2]

    def pose_jacobian(self, joint_pos: Array) -> tuple[Array, Array, Array]:
        """What `pose` and `jacobian` give, computed once."""
        xp = namespace(joint_pos)
        pos, quat, origins, axes = self._forward(joint_pos)
        columns: list[Array] = [None] * len(self.joint_names)
        for (_, _, _, column), origin, axis in zip(self._links, origins, axes, strict=True):
            arm = pos - origin
            linear = xp.stack(
                [
                    axis[:, 1] * arm[:, 2] - axis[:, 2] * arm[:, 1],
                    axis[:, 2] * arm[:, 0] - axis[:, 0] * arm[:, 2],
                    axis[:, 0] * arm[:, 1] - axis[:, 1] * arm[:, 0],
                ],
                axis=-1,
            )
            columns[column] = xp.concat([linear, axis], axis=-1)
        return pos, quat, xp.stack(columns, axis=-1)

    def _forward(self, joint_pos: Array) -> tuple[Array, Array, list[Array], list[Array]]:
        """End pose, and each joint's origin and axis."""
        xp = namespace(joint_pos)

        def constant(values: np.ndarray) -> Array:
            row = xp.asarray(values[None, :], dtype=joint_pos.dtype)
            return xp.broadcast_to(row, (joint_pos.shape[0], len(values)))

        pos, quat = constant(np.zeros(3)), constant(_IDENTITY)
        origins, axes = [], []
        for offset, turn, axis, column in self._links:
            pos = pos + quat_rotate(quat, constant(offset))
            quat = quat_multiply(quat, constant(turn))
            origins.append(pos)
            axes.append(quat_rotate(quat, constant(axis)))
            half = 0.5 * joint_pos[:, column : column + 1]
            quat = quat_multiply(quat, xp.concat([xp.cos(half), xp.sin(half) * constant(axis)], axis=-1))
        offset, turn = self._end
        pos = pos + quat_rotate(quat, constant(offset))
        return pos, quat_multiply(quat, constant(turn)), origins, axes


def _unit(quat: Sequence[float]) -> np.ndarray:
    q = np.asarray(quat, dtype=float)
    return q / np.linalg.norm(q)


def _compose(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return a[0] + quat_rotate(a[1], b[0]), quat_multiply(a[1], b[1])
