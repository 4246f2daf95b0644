"""Where the collision primitives of a hand and its arm are: to take the robot out of a point cloud, or to draw it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sleight_core.errors import SleightError
from sleight_core.hand.table import HandTable
from sleight_core.rotations import quat_multiply, quat_rotate


@dataclass(frozen=True)
class PlacedShapes:
    """All primitives of one type, in the frame of the wrist pose that was given.

    Attributes:
        kind: "box", "capsule" or "sphere".
        names: Names in the hand table.
        pos: (..., N, 3) m, centres.
        quat: (..., N, 4) wxyz.
        size: (N, 3) m. A box: half extents. A capsule: radius, half length along local z, 0. A sphere: radius, 0, 0.
    """

    kind: str
    names: tuple[str, ...]
    pos: np.ndarray
    quat: np.ndarray
    size: np.ndarray


class HandShapes:
    """Forward kinematics of every link and of the primitives on it.

    Args:
        table: The hand; joints are given in the order of `table.joint_names`.
    """

    def __init__(self, table: HandTable) -> None:
        self.table = table
        self.body_names = tuple(body.name for body in table.bodies)
        place = {name: i for i, name in enumerate(self.body_names)}
        self._parents = [place.get(body.parent, -1) for body in table.bodies]
        self._pos = [np.asarray(body.pos, dtype=float) for body in table.bodies]
        self._quat = [_unit(body.quat) for body in table.bodies]
        self._axes = [None if body.joint is None else _direction(body.joint.axis) for body in table.bodies]
        self._columns = [
            -1 if body.joint is None else table.joint_names.index(body.joint.name) for body in table.bodies
        ]
        rows = [(place[body.name], shape) for body in table.bodies for shape in body.collisions]
        self._kinds = {}
        for kind in ("box", "capsule", "sphere"):
            mine = [(body, shape) for body, shape in rows if shape.type == kind]
            if mine:
                self._kinds[kind] = (
                    tuple(shape.name for _, shape in mine),
                    np.array([body for body, _ in mine]),
                    np.array([shape.pos for _, shape in mine], dtype=float),
                    np.array([_unit(shape.quat) for _, shape in mine]),
                    np.array([list(shape.size) + [0.0] * (3 - len(shape.size)) for _, shape in mine]),
                )

    def bodies(
        self, joint_pos: np.ndarray, wrist_pos: np.ndarray | None = None, wrist_quat: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Poses of all links, in the order of `body_names`.

        Args:
            joint_pos: (..., J) rad.
            wrist_pos: (..., 3) m, pose of the root body. A hand on an arm needs none: its joints say where it is.
            wrist_quat: (..., 4) wxyz.

        Returns:
            Positions (..., N, 3) m and quaternions (..., N, 4) wxyz, in the wrist pose's frame; the task frame without
            one.

        Raises:
            SleightError: A hand on a floating wrist without a wrist pose.
        """
        given = wrist_pos is not None and wrist_quat is not None
        if not given and self.table.wrist_mode == "floating":
            raise SleightError(f"hand '{self.table.name}' has a floating wrist: its shapes need the wrist's pose")
        batch = joint_pos.shape[:-1]
        # The links come first, so that each is one block of memory.
        pos = np.empty((len(self.body_names), *batch, 3))
        quat = np.empty((len(self.body_names), *batch, 4))
        for i, name in enumerate(self.body_names):
            if name == self.table.root_body and given:
                pos[i], quat[i] = wrist_pos, wrist_quat
                continue
            parent = self._parents[i]
            if parent < 0:
                pos[i], q = self._pos[i], self._quat[i]
            else:
                pos[i] = pos[parent] + quat_rotate(quat[parent], self._pos[i])
                q = quat_multiply(quat[parent], self._quat[i])
            axis = self._axes[i]
            if axis is not None:
                half = 0.5 * joint_pos[..., self._columns[i], None]
                q = quat_multiply(q, np.concatenate([np.cos(half), np.sin(half) * axis], axis=-1))
            quat[i] = q
        return np.moveaxis(pos, 0, -2), np.moveaxis(quat, 0, -2)

    def place(
        self, joint_pos: np.ndarray, wrist_pos: np.ndarray | None = None, wrist_quat: np.ndarray | None = None
    ) -> list[PlacedShapes]:
        """Place all collision primitives; arguments as in `bodies`."""
        pos, quat = self.bodies(joint_pos, wrist_pos, wrist_quat)
        return [
            PlacedShapes(
                kind,
                names,
                pos[..., body, :] + quat_rotate(quat[..., body, :], local_pos),
                quat_multiply(quat[..., body, :], local_quat),
                size,
            )
            for kind, (names, body, local_pos, local_quat, size) in self._kinds.items()
        ]


def _unit(quat: tuple[float, ...]) -> np.ndarray:
    q = np.asarray(quat, dtype=float)
    return q / np.linalg.norm(q)


def _direction(axis: tuple[float, ...]) -> np.ndarray:
    v = np.asarray(axis, dtype=float)
    return v / np.linalg.norm(v)
