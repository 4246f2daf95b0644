"""Forward kinematics of the fingertips, one code for simulator and robot (numpy or torch, batched)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sleight_core.hand.table import HandTable
from sleight_core.rotations import quat_rotate

Array = Any
Comp = tuple[Any, ...]


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


@dataclass(frozen=True)
class _Level:
    """One joint of every finger: the fixed transform before it, axis and column in `joint_names` + [padding]."""

    pos: np.ndarray  # (F, 3)
    quat: np.ndarray  # (F, 4)
    axis: np.ndarray  # (F, 3)
    column: np.ndarray  # (F,)
    has_rotation: bool
    has_offset: bool


class FingertipKinematics:
    """Poses and velocities of all fingertips at once; short fingers are padded with joints that never move.

    Args:
        table: The hand; its wrist pose is the pose of `table.root_body`.
    """

    def __init__(self, table: HandTable) -> None:
        self.table = table
        self.levels = _levels(table)
        self.points = np.array([finger.point for finger in table.fingers.values()])
        self.tips = np.array([finger.tip for finger in table.fingers.values()])
        body = table.body(table.grasp_center.body)
        pos, quat = pose_in_root(table, body.name)
        self.grasp_offset = pos + quat_rotate(quat, np.asarray(table.grasp_center.offset))

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
        xp = array_namespace(joint_pos, wrist_pos)
        zero = xp.zeros_like(joint_pos[:, :1])
        padded_pos = xp.concat([joint_pos, zero], axis=-1)
        padded_vel = xp.concat([joint_vel, zero], axis=-1)
        shape = (joint_pos.shape[0], len(self.points))
        p, q, v, w = (
            tuple(xp.broadcast_to(x[:, i : i + 1], shape) for i in range(x.shape[-1]))
            for x in (wrist_pos, wrist_quat, wrist_linvel, wrist_angvel)
        )
        for level in self.levels:
            if level.has_offset:
                r = _rotate(q, _columns(xp, level.pos, joint_pos))
                p = _add(p, r)
                v = _add(v, _cross(w, r))
            if level.has_rotation:
                q = _multiply(q, _columns(xp, level.quat, joint_pos))
            axis = _columns(xp, level.axis, joint_pos)
            column = level.column if xp.__name__.endswith("numpy") else xp.asarray(level.column)
            rate = padded_vel[:, column]
            w = _add(w, tuple(a * rate for a in _rotate(q, axis)))
            half = 0.5 * padded_pos[:, column]
            s = xp.sin(half)
            q = _multiply(q, (xp.cos(half), axis[0] * s, axis[1] * s, axis[2] * s))
        return Fingertips(*(xp.stack(list(c), axis=-1) for c in (p, q, v, w)))

    def grasp_center(self, wrist_pos: Array, wrist_quat: Array) -> Array:
        """Position of the grasp centre, (B, 3) m, in the wrist pose's frame."""
        xp = array_namespace(wrist_pos)
        offset = xp.asarray(self.grasp_offset, dtype=wrist_pos.dtype)
        return wrist_pos + quat_rotate(wrist_quat, xp.broadcast_to(offset, wrist_pos.shape))

    def finger_points(self, tips: Fingertips) -> Array:
        """The reward's finger points (2 cm along each distal body), (B, F, 3) m."""
        xp = array_namespace(tips.pos)
        offset = xp.asarray(self.points, dtype=tips.pos.dtype)
        return tips.pos + quat_rotate(tips.quat, xp.broadcast_to(offset, tips.pos.shape))


def _columns(xp: Any, rows: np.ndarray, like: Array) -> Comp:
    """Columns of a constant (F, n) as n arrays (1, F) of like's type."""
    return tuple(xp.asarray(rows[None, :, i], dtype=like.dtype) for i in range(rows.shape[1]))


def _add(a: Comp, b: Comp) -> Comp:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _cross(a: Comp, b: Comp) -> Comp:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _rotate(q: Comp, v: Comp) -> Comp:
    w, *u = q
    t = tuple(2.0 * c for c in _cross(tuple(u), v))
    c = _cross(tuple(u), t)
    return tuple(v[i] + w * t[i] + c[i] for i in range(3))


def _multiply(a: Comp, b: Comp) -> Comp:
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def _compose(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    quat = np.array(_multiply(tuple(a[1]), tuple(b[1])))
    return a[0] + quat_rotate(a[1], b[0]), quat / np.linalg.norm(quat)


def _unit(quat: tuple[float, ...]) -> np.ndarray:
    q = np.asarray(quat, dtype=float)
    return q / np.linalg.norm(q)


def pose_in_root(table: HandTable, body: str) -> tuple[np.ndarray, np.ndarray]:
    """Pose of a body in the root body's frame at q = 0."""
    pose = (np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
    while body != table.root_body:
        row = table.body(body)
        pose = _compose((np.asarray(row.pos, dtype=float), _unit(row.quat)), pose)
        body = row.parent
    return pose


def _levels(table: HandTable) -> list[_Level]:
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
    levels = []
    for rows in zip(*padded, strict=True):
        pos = np.array([row[0][0] for row in rows])
        quat = np.array([row[0][1] for row in rows])
        levels.append(
            _Level(
                pos=pos,
                quat=quat,
                axis=np.array([row[1] for row in rows]),
                column=np.array([row[2] for row in rows]),
                has_rotation=bool(np.any(quat[:, 1:] != 0.0)),
                has_offset=bool(np.any(pos != 0.0)),
            )
        )
    return levels
