"""Which joints a hand at a wrist pose needs so that its fingers meet an object, and which way they then press."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.rotations import quat_conjugate, quat_rotate, quat_to_matrix

from sleight_sim.grasps.distance import DistanceGrid
from sleight_sim.grasps.hand_shape import HandShape
from sleight_sim.grasps.proposal import follow_couplings

Array = NDArray[np.float64]

#: A finger at a distance, or in the object, costs 1 for each of these (m).
_APART, _INSIDE = 0.004, 0.002
#: Fingers that come nearer to the table than this (m) cost as if they were in the object: they move while they close.
_ROOM = 0.006
#: Postures of a finger that are combined, the best by that cost, and combinations that are compared.
_BEST, _COMBINED = 6, 64
#: A finger that costs more does not count as touching.
_TOUCHING = 2.5
#: Weight of the torque about the centre of mass (per m) against the force, in the balance of the contacts.
_TORQUE = 15.0
#: Weight of the fingers' costs, per finger, against that balance.
_FIT = 0.15
#: A finger farther from the object than this (m) closes as the hand does, not along the surface's normal.
_FAR = 0.02
_STEP = 1e-3


class GripLibrary:
    """Postures of a hand, of which each finger's can be taken alone.

    Args:
        shape: The hand.
        size: Number of postures.
        rng: Random numbers.
    """

    def __init__(self, shape: HandShape, size: int, rng: np.random.Generator) -> None:
        self.shape = shape
        self.joints = shape.random_postures(size, rng)
        self.centres, self.radii = shape.spheres(self.joints)
        self._members = [np.flatnonzero(shape.sphere_fingers == f) for f in range(len(shape.table.fingers))]
        self._distal = [np.flatnonzero(shape.sphere_distal[members]) for members in self._members]
        names = shape.table.joint_names
        self._columns = [[names.index(joint) for joint in row.joints] for row in shape.table.fingers.values()]
        self._thumb = shape.table.finger_names.index(shape.opposing)

    def fit(
        self,
        positions: Array,
        quats: Array,
        planes: Array,
        grid: DistanceGrid,
        com: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        """Choose joints for hands at wrist poses in the object frame.

        For each finger the postures that bring its last link to the surface without cutting into the object are
        found; of random combinations of them, the one whose forces and torques come nearest to balance is taken.

        Args:
            positions: (N, 3) m.
            quats: (N, 4).
            planes: (N, 4) tables, from which fingers keep away; NaN in free space.
            grid: Distances to the object.
            com: (3,) its centre of mass (m).
            rng: Random numbers.

        Returns:
            Joints (N, J) rad, and the energy (N,) of each choice, lower is better.
        """
        count, size, fingers = len(positions), len(self.joints), len(self._members)
        joints, energy = np.empty((count, self.joints.shape[1])), np.empty(count)
        for i in range(count):
            # In the object's frame: every posture's spheres at once, one hand at a time.
            centres = self.centres @ quat_to_matrix(quats[i]).T + positions[i]
            gaps = grid.nearest(centres) - self.radii
            room = np.nan_to_num(centres @ planes[i, :3] + planes[i, 3] - self.radii, nan=np.inf)
            costs = np.empty((fingers, size))
            touching = np.empty((fingers, size), dtype=np.intp)
            for f, (members, distal) in enumerate(zip(self._members, self._distal, strict=True)):
                tips = gaps[:, members[distal]]
                touching[f] = members[distal[tips.argmin(axis=1)]]
                inside = np.maximum(-gaps[:, members].min(axis=1) - 0.001, 0.0)
                low = np.maximum(_ROOM - room[:, members].min(axis=1), 0.0)
                costs[f] = np.abs(tips.min(axis=1)) / _APART + (inside + low) / _INSIDE
            best = np.argsort(costs, axis=1, kind="stable")[:, :_BEST]
            picks = rng.integers(0, _BEST, (_COMBINED, fingers))
            rows = best[np.arange(fingers), picks]  # (C, F) postures
            cost = costs[np.arange(fingers), rows]
            at = centres[rows, touching[np.arange(fingers), rows]]
            total = self._balance(at, -grid.gradient(at), cost < _TOUCHING, com) + _FIT * np.minimum(cost, 4.0).sum(1)
            winner = int(total.argmin())
            energy[i] = total[winner]
            for f, columns in enumerate(self._columns):
                joints[i, columns] = self.joints[rows[winner, f]][columns]
        return joints, energy

    def _balance(self, points: Array, inward: Array, touching: NDArray[np.bool_], com: Array) -> Array:
        """How far unit forces at points (C, F, 3) along `inward` are from balance (C,); the thumb bears half."""
        others = touching.sum(axis=1) - touching[:, self._thumb]
        share = touching / np.maximum(others, 1)[:, None]
        share[:, self._thumb] = touching[:, self._thumb]
        force = np.einsum("cf,cfi->ci", share, inward)
        torque = np.einsum("cf,cfi->ci", share, np.cross(points - com, inward))
        alone = 2.0 * (~touching[:, self._thumb]) + 1.0 * (others < 2)
        return np.linalg.norm(force, axis=1) + _TORQUE * np.linalg.norm(torque, axis=1) + alone


def press_directions(shape: HandShape, grid: DistanceGrid, positions: Array, quats: Array, joints: Array) -> Array:
    """Return how each motor takes part when the fingers press on an object, (N, A) in [-1, 1].

    A finger presses with its last link along the inward normal of the surface there: the torques of a force are the
    columns of its Jacobian along it. A finger that is not near the object closes as in the power grasp.

    Args:
        shape: The hand.
        grid: Distances to the object.
        positions: (N, 3) wrists in the object frame (m).
        quats: (N, 4).
        joints: (N, J) rad.
    """
    table = shape.table
    count = len(joints)
    centres, radii = shape.spheres(joints)
    turn = np.repeat(quats[:, None], centres.shape[1], axis=1)
    inside = quat_rotate(turn, centres) + positions[:, None]
    gaps = grid(inside) - radii
    rows = np.arange(count)
    points, inward, near = [], [], []
    for f in range(len(table.fingers)):
        distal = np.flatnonzero((shape.sphere_fingers == f) & shape.sphere_distal)
        closest = distal[gaps[:, distal].argmin(axis=1)]
        points.append(closest)
        inward.append(quat_rotate(quat_conjugate(quats), -grid.gradient(inside[rows, closest])))
        near.append(gaps[rows, closest] < _FAR)
    press = np.zeros((count, len(shape.motors)))
    for a, name in enumerate(shape.motors):
        f = next(k for k, row in enumerate(table.fingers.values()) if name in row.joints)
        moved = joints.copy()
        moved[:, table.actuated_index[a]] += _STEP
        # Not cut off at the limits: at a limit the derivative is wanted, too.
        moved = follow_couplings(moved, table, limited=False)
        change = (shape.spheres(moved)[0][rows, points[f]] - centres[rows, points[f]]) / _STEP
        press[:, a] = np.einsum("ni,ni->n", change, inward[f])
    for f, row in enumerate(table.fingers.values()):
        columns = [a for a, name in enumerate(shape.motors) if name in row.joints]
        most = np.abs(press[:, columns]).max(axis=1, keepdims=True)
        along = press[:, columns] / np.maximum(most, 1e-6)
        press[:, columns] = np.where(near[f][:, None], along, shape.closing[columns])
    return press
