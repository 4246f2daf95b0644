"""How different the grasps of a set are: of joints, of directions, and whether a set is worth its size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.rotations import quat_rotate

from sleight_sim.grasps.hand_shape import PALM_NORMAL
from sleight_sim.grasps.proposal import GraspProposals

Array = NDArray[np.float64]

#: Bins of a joint's range for its entropy.
BINS = 16
#: Weight of the joints' distance (rad, root mean square) against an angle between wrists (rad) and metres over 0.1.
_JOINT_WEIGHT = 1.0


@dataclass(frozen=True)
class Diversity:
    """How different proposals are; NaN for fewer than two.

    Attributes:
        joint_entropy: Mean over the joints of the entropy (bits) of their positions in `BINS` bins of their range,
            corrected for the number of grasps (Miller and Madow); at most 4.
        direction_spread: 1 minus the length of the mean of the palms' directions in the object frame: 0 if all come
            from one side, 1 if from all sides.
        wrist_angle: Median over pairs of the angle between the wrists (rad).
    """

    joint_entropy: float
    direction_spread: float
    wrist_angle: float

    def page(self) -> dict[str, float | None]:
        """Return the figures for a JSON file."""
        return {name: round(value, 4) if np.isfinite(value) else None for name, value in vars(self).items()}


def diversity(grasps: GraspProposals) -> Diversity:
    """Measure proposals of one object."""
    count = len(grasps)
    if count < 2:
        return Diversity(float("nan"), float("nan"), float("nan"))
    table = grasps.table
    share = (grasps.joints - table.lower) / (table.upper - table.lower)
    entropy = np.mean([_entropy(column) for column in share[:, table.actuated_index].T])
    directions = quat_rotate(grasps.wrist_quats, np.tile(PALM_NORMAL, (count, 1)))
    angles = _wrist_angles(grasps.wrist_quats)[np.triu_indices(count, 1)]
    spread = 1.0 - float(np.linalg.norm(directions.mean(axis=0)))
    return Diversity(float(entropy), spread, float(np.median(angles)))


def spread_out(grasps: GraspProposals, count: int) -> NDArray[np.intp]:
    """Choose `count` proposals: the one with the best score, then always the one farthest from all chosen.

    The distance adds the angle between the wrists (rad), the distance between them (in 0.1 m) and the root mean square
    of the joints' differences (rad).
    """
    if count < 1:
        return np.zeros(0, dtype=np.intp)
    gap = np.linalg.norm(grasps.wrist_positions[:, None] - grasps.wrist_positions[None], axis=-1) / 0.1
    bend = np.sqrt(np.square(grasps.joints[:, None] - grasps.joints[None]).mean(axis=-1))
    apart = _wrist_angles(grasps.wrist_quats) + gap + _JOINT_WEIGHT * bend
    chosen = [int(np.argmax(np.nan_to_num(grasps.scores)))]
    near = apart[chosen[0]].copy()
    while len(chosen) < count:
        near[chosen[-1]] = -1.0
        chosen.append(int(near.argmax()))
        near = np.minimum(near, apart[chosen[-1]])
    return np.array(chosen, dtype=np.intp)


def _wrist_angles(quats: Array) -> Array:
    """Angles (N, N) between orientations (rad)."""
    return 2.0 * np.arccos(np.clip(np.abs(quats @ quats.T), 0.0, 1.0))


def _entropy(share: Array) -> float:
    """Entropy (bits) of numbers in [0, 1]."""
    counts = np.bincount(np.clip((share * BINS).astype(int), 0, BINS - 1), minlength=BINS)
    p = counts[counts > 0] / len(share)
    return float(min(-(p * np.log2(p)).sum() + (len(p) - 1) / (2.0 * len(share) * np.log(2.0)), np.log2(BINS)))
