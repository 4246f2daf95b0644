"""Grasps of the public datasets as plain arrays, joints by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sleight_core.errors import SleightError

from sleight_sim.objects.scaled import SCALES

Array = NDArray[np.float64]

#: Joints of the datasets' hand, the Shadow Hand, in their order (resdex_facts 6.1).
DATASET_JOINTS = (
    *("FFJ3", "FFJ2", "FFJ1", "FFJ0", "MFJ3", "MFJ2", "MFJ1", "MFJ0", "RFJ3", "RFJ2", "RFJ1", "RFJ0"),
    *("LFJ4", "LFJ3", "LFJ2", "LFJ1", "LFJ0", "THJ4", "THJ3", "THJ2", "THJ1", "THJ0"),
)
_WRIST = ("WRJRx", "WRJRy", "WRJRz", "WRJTx", "WRJTy", "WRJTz")


@dataclass(frozen=True)
class DatasetGrasps:
    """Grasps of one object at one scale; object frame, m, rad, wxyz.

    Attributes:
        joints: (N, 22) joint positions, in the order of `DATASET_JOINTS`. The coupling of J0 to J1 is not in them.
        wrist_positions: (N, 3) palm origin in the object frame.
        wrist_quats: (N, 4) palm orientation in the object frame.
        planes: (N, 4) table planes (a, b, c, d): a x + b y + c z + d >= 0 is above the table, (a, b, c) is its unit
            normal, and d the height of the object's origin above it. NaN for grasps in free space.
        scale: Metres per unit of the object's mesh.
    """

    joints: Array
    wrist_positions: Array
    wrist_quats: Array
    planes: Array
    scale: float

    def __len__(self) -> int:
        return len(self.joints)

    def resting_quats(self) -> Array:
        """Return (N, 4) object -> task frame rotations that lay each plane down, yaw as ResDex has it (facts 6.1)."""
        up = self.planes[:, :3] / np.linalg.norm(self.planes[:, :3], axis=1, keepdims=True)
        zero = np.zeros(len(up))
        steep = up[:, 2] ** 2 <= 0.5
        across = np.where(
            steep[:, None],
            np.column_stack([-up[:, 1], up[:, 0], zero]),
            np.column_stack([-up[:, 2], zero, up[:, 0]]),
        )
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        rows = np.stack([np.cross(across, up), across, up], axis=1)
        return Rotation.from_matrix(rows).as_quat(scalar_first=True)

    def select(self, keep: NDArray[Any]) -> DatasetGrasps:
        """Return the grasps that a mask or index array names."""
        return DatasetGrasps(
            self.joints[keep], self.wrist_positions[keep], self.wrist_quats[keep], self.planes[keep], self.scale
        )


def known_scale(value: Any, where: Path) -> float:
    """Return the dataset scale nearest to a number.

    Raises:
        SleightError: if it is none of `SCALES`.
    """
    number = float(value) if isinstance(value, int | float) else float("nan")
    near = min(SCALES, key=lambda scale: abs(scale - number)) if np.isfinite(number) else SCALES[0]
    if not abs(near - number) < 1e-3:
        raise SleightError("no scale of the dataset", value=f"{value} in {where}", remedy=f"they are {SCALES}")
    return near


def stack(rows: Sequence[tuple[Any, Any]], scale: float, where: Path) -> DatasetGrasps:
    """Assemble grasps from (qpos dictionary, plane or None) pairs.

    Raises:
        SleightError: for missing joints, numbers that are not finite, or a wrong plane.
    """
    joints, positions, turns, planes = [], [], [], []
    for qpos, plane in rows:
        values = _joint_values(qpos, where)
        joints.append([values[name] for name in DATASET_JOINTS])
        turns.append([values[name] for name in _WRIST[:3]])
        positions.append([values[name] for name in _WRIST[3:]])
        planes.append([np.nan] * 4 if plane is None else _plane(plane, where))
    quats = Rotation.from_euler("xyz", np.array(turns)).as_quat(scalar_first=True) if turns else np.zeros((0, 4))
    return DatasetGrasps(
        np.array(joints, dtype=np.float64).reshape(-1, len(DATASET_JOINTS)),
        np.array(positions, dtype=np.float64).reshape(-1, 3),
        quats.reshape(-1, 4),
        np.array(planes, dtype=np.float64).reshape(-1, 4),
        scale,
    )


def _joint_values(qpos: Any, where: Path) -> dict[str, float]:
    if not isinstance(qpos, Mapping):
        raise SleightError("a grasp without joint positions", value=where)
    values = {str(name).removeprefix("robot0:"): value for name, value in qpos.items()}
    missing = [name for name in (*DATASET_JOINTS, *_WRIST) if name not in values]
    if missing:
        raise SleightError("a grasp lacks joints", value=f"{where}: {', '.join(missing[:5])}")
    out = {name: values[name] for name in (*DATASET_JOINTS, *_WRIST)}
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in out.values()):
        raise SleightError("a grasp has joint positions that are not finite numbers", value=where)
    return out


def _plane(plane: Any, where: Path) -> list[float]:
    try:
        values = np.asarray(plane, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != (4,) or not np.isfinite(values).all() or not 0.9 < np.linalg.norm(values[:3]) < 1.1:
        raise SleightError("a grasp's table plane is not four numbers with a unit normal", value=where)
    return values.tolist()
