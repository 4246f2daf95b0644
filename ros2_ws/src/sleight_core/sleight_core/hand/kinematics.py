"""Forward kinematics of the fingertips, one code for simulator and robot (numpy or torch, batched).

A robot asks for one hand at a time, and then the number of calls counts, not that of the operations. So every
quaternion product and every rotation is a row times a constant matrix: both are linear in the products of the elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sleight_core.arrays import Constants, namespace
from sleight_core.hand.table import HandTable, PalmPoint
from sleight_core.rotations import quat_rotate

Array = Any


@dataclass(frozen=True)
class Fingertips:
    """State of the distal bodies' origins, in the frame of the wrist pose that was given.

    Attributes:
        pos: (B, F, 3) m.
        quat: (B, F, 4) wxyz.
        linvel: (B, F, 3) m/s.
        angvel: (B, F, 3) rad/s.
    """

    pos: Array
    quat: Array
    linvel: Array
    angvel: Array


class _Chains(NamedTuple):
    """The chains of F fingers as L levels of one joint each, on one kind of array.

    Attributes:
        columns: (L F,) column of `joint_names` + [padding].
        still, turned: (L, F, 4, 1) fixed rotation before a joint, alone and times its axis: cos and sin mix them.
        arms: (L, F, 6, 16) products of a quaternion's elements to offset and axis of the level, rotated by it.
        product: (4, 16) products of two quaternions' elements to their product.
        cross: (3, 9) products of two vectors' elements to their cross product.
    """

    columns: Array
    still: Array
    turned: Array
    arms: Array
    product: Array
    cross: Array


class FingertipKinematics:
    """Poses and velocities of all fingertips at once; short fingers are padded with joints that never move.

    Args:
        table: The hand; its wrist pose is the pose of `table.root_body`.
    """

    def __init__(self, table: HandTable) -> None:
        self.table = table
        self._chains = Constants(*_chains(table))
        self.points = np.array([finger.point for finger in table.fingers.values()])
        self.tips = np.array([finger.tip for finger in table.fingers.values()])
        self.grasp_offset = _offset_in_root(table, table.grasp_center)
        self.point_offsets = {name: _offset_in_root(table, point) for name, point in table.points.items()}
        #: Lower and upper limits of the joints, rad.
        self.range = Constants(table.lower, table.upper)
        self._fixed = Constants(self.points, self.grasp_offset, self.tips)
        self._offsets = {name: Constants(offset) for name, offset in self.point_offsets.items()}

    def fingertips(
        self,
        joint_pos: Array,
        joint_vel: Array,
        wrist_pos: Array,
        wrist_quat: Array,
        wrist_linvel: Array,
        wrist_angvel: Array,
    ) -> Fingertips:
        """Compute the distal bodies' states.

        Args:
            joint_pos: (B, J) rad, in the order of `table.joint_names`.
            joint_vel: (B, J) rad/s.
            wrist_pos: (B, 3) m, any frame; the result is in the same one.
            wrist_quat: (B, 4) wxyz.
            wrist_linvel: (B, 3) m/s of the wrist's origin.
            wrist_angvel: (B, 3) rad/s.
        """
        xp = namespace(joint_pos, wrist_pos)
        of = _Chains(*self._chains.like(joint_pos))
        levels, fingers, batch = of.still.shape[0], of.still.shape[1], joint_pos.shape[0]
        zero = xp.zeros_like(joint_pos[:, :1])
        shape = (levels, fingers, 1, batch)
        half = 0.5 * xp.concat([joint_pos, zero], axis=-1).T[of.columns].reshape(shape)
        rate = xp.concat([joint_vel, zero], axis=-1).T[of.columns].reshape(shape)
        turns = xp.cos(half) * of.still + xp.sin(half) * of.turned
        # The batch is the last axis, (F, n, B), so that it stays the innermost loop.
        root, q, linvel, angvel = (x.T[None] for x in (wrist_pos, wrist_quat, wrist_linvel, wrist_angvel))
        p = root
        axes, origins = [], []
        for level in range(levels):
            found = of.arms[level] @ _products(q, q)
            p = p + found[:, :3]
            origins.append(p)
            axes.append(found[:, 3:])
            q = of.product @ _products(q, turns[level])
        spins = rate * xp.stack(axes)
        w = angvel + xp.sum(spins, axis=0)
        swung = of.cross @ _products(spins, p[None] - xp.stack(origins))
        v = linvel + of.cross @ _products(angvel, p - root) + xp.sum(swung, axis=0)
        return Fingertips(*(c.swapaxes(1, 2).swapaxes(0, 1) for c in (p, q, v, w)))

    def grasp_center(self, wrist_pos: Array, wrist_quat: Array) -> Array:
        """Position of the grasp centre, (B, 3) m, in the wrist pose's frame."""
        return _attached(self._fixed.like(wrist_pos)[1], wrist_pos, wrist_quat)

    def point(self, name: str, wrist_pos: Array, wrist_quat: Array) -> Array:
        """Position of one of the table's `points`, (B, 3) m, in the wrist pose's frame.

        Raises:
            SleightError: The hand has no such point.
        """
        self.table.point(name)
        return _attached(self._offsets[name].like(wrist_pos)[0], wrist_pos, wrist_quat)

    def finger_points(self, tips: Fingertips) -> Array:
        """The reward's finger points (2 cm along each distal body), (B, F, 3) m."""
        offset = self._fixed.like(tips.pos)[0]
        return tips.pos + quat_rotate(tips.quat, offset)

    def tip_points(self, tips: Fingertips) -> Array:
        """Positions of the fingertips, (B, F, 3) m."""
        offset = self._fixed.like(tips.pos)[2]
        return tips.pos + quat_rotate(tips.quat, offset)


def _attached(offset: Array, wrist_pos: Array, wrist_quat: Array) -> Array:
    """Position (B, 3) of a point that is fixed to the hand's root body at `offset` (3,) m."""
    return wrist_pos + quat_rotate(wrist_quat, offset)


def _products(a: Array, b: Array) -> Array:
    """All products of the elements of a (..., m, B) and b (..., n, B), (..., m n, B)."""
    both = a[..., :, None, :] * b[..., None, :, :]
    return both.reshape(*both.shape[:-3], -1, both.shape[-1])


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return np.array(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def _compose(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    quat = _multiply(a[1], b[1])
    return a[0] + quat_rotate(a[1], b[0]), quat / np.linalg.norm(quat)


def _unit(quat: tuple[float, ...]) -> np.ndarray:
    q = np.asarray(quat, dtype=float)
    return q / np.linalg.norm(q)


def _offset_in_root(table: HandTable, point: PalmPoint) -> np.ndarray:
    pos, quat = pose_in_root(table, point.body)
    return pos + quat_rotate(quat, np.asarray(point.offset))


def pose_in_root(table: HandTable, body: str) -> tuple[np.ndarray, np.ndarray]:
    """Pose of a body in the root body's frame at q = 0."""
    pose = (np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
    while body != table.root_body:
        row = table.body(body)
        pose = _compose((np.asarray(row.pos, dtype=float), _unit(row.quat)), pose)
        body = row.parent
    return pose


def center_of_mass(table: HandTable) -> np.ndarray:
    """Centre of mass of the hand, without the arm, at q = 0 in the root body's frame, (3,) m."""
    total, moment = 0.0, np.zeros(3)
    within: set[str] = {table.root_body}
    for row in table.bodies:
        if row.parent in within:
            within.add(row.name)
        elif row.name != table.root_body:
            continue  # A link of the arm.
        pos, quat = pose_in_root(table, row.name)
        moment += row.inertial.mass * (pos + quat_rotate(quat, np.asarray(row.inertial.com)))
        total += row.inertial.mass
    return moment / total


def _chains(table: HandTable) -> _Chains:
    """Align the fingers' chains at their ends, padding at the palm's side with joints that never move."""
    chains = []
    for finger in table.fingers.values():
        rows = []
        name = finger.distal_body
        while name != table.root_body:
            rows.append(table.body(name))
            name = rows[-1].parent
        chain = []
        pose = (np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
        for row in reversed(rows):
            pose = _compose(pose, (np.asarray(row.pos, dtype=float), _unit(row.quat)))
            if row.joint:
                axis = np.asarray(row.joint.axis, dtype=float)
                chain.append((pose, axis / np.linalg.norm(axis), table.joint_names.index(row.joint.name)))
                pose = (np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
        chains.append(chain)
    depth = max(map(len, chains))
    still = ((np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0])), np.array([1.0, 0.0, 0.0]), len(table.joint_names))
    padded = [[still] * (depth - len(chain)) + chain for chain in chains]
    levels = list(zip(*padded, strict=True))
    pos = np.array([[row[0][0] for row in level] for level in levels])
    quat = np.array([[row[0][1] for row in level] for level in levels])
    axis = np.array([[row[1] for row in level] for level in levels])
    unit = np.eye(4)
    conjugate = np.array([1.0, -1.0, -1.0, -1.0])
    product = np.array([_multiply(unit[i], unit[j]) for i in range(4) for j in range(4)])
    # What the product of two elements of a quaternion contributes to the matrix (3, 3) of its rotation.
    rotation = np.array(
        [
            [_multiply(_multiply(unit[i], unit[k]), conjugate * unit[j])[1:] for k in (1, 2, 3)]
            for i in range(4)
            for j in range(4)
        ]
    )
    sine = np.concatenate([np.zeros_like(axis[..., :1]), axis], axis=-1)
    turned = np.array([[_multiply(*pair) for pair in zip(*rows, strict=True)] for rows in zip(quat, sine, strict=True)])
    rows = np.stack([pos, quat_rotate(quat, axis)], axis=-2)
    return _Chains(
        columns=np.array([[row[2] for row in level] for level in levels]).reshape(-1),
        still=quat[..., None],
        turned=turned[..., None],
        arms=np.einsum("rkc,lfak->lfacr", rotation, rows).reshape(*pos.shape[:2], 6, 16),
        product=product.T.copy(),
        cross=np.array([np.cross(np.eye(3)[i], np.eye(3)[j]) for i in range(3) for j in range(3)]).T.copy(),
    )
