"""What depth cameras see of an object, fast enough for training: no rays, whole batches of environments at once.

A point of the object's surface is seen by a camera that its normal faces, when neither another part of the object nor
the hand lies between. Which parts of an object hide each other from which side is worked out once an object
(`surface.py`); the hand is drawn into a coarse depth picture around the object. `compare.py` measures the result
against ray-cast cameras.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sleight_core.hand import HandTable

from sleight_sim.engines.base import SimState
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.sensors.depth import DepthCamera, default_rig
from sleight_sim.sensors.stream import EXACT_CLOUD as EXACT_CLOUD
from sleight_sim.sensors.stream import PAPER_CLOUD as PAPER_CLOUD
from sleight_sim.sensors.stream import CloudModel as CloudModel
from sleight_sim.sensors.stream import CloudStream
from sleight_sim.sensors.surface import HandPoints, ObjectSurface, object_surface, sphere_directions, swapped_matrix

Array = NDArray[np.float32]

#: The hand's depth picture: cells a side, and their size as a tangent (7 mm at half a metre).
GRID = 32
CELL = 0.014
#: A point is hidden by a hand that is nearer to the camera by more (m).
BEHIND = 0.006
#: Least cosine between a surface's normal and the ray at which a depth camera measures it.
GRAZING = 0.12
#: Points lower than this over the table are taken for the table (m), as in the perception pipeline.
TABLE_GAP = 0.006


class Visibility:
    """Which surface points of the objects the cameras see.

    Args:
        table: The hand.
        objects: The object of each of B environments.
        count: M, points of each surface.
        cameras: C depth cameras; their pictures' sizes do not matter.
        table_height: Height of the table's top (m).
    """

    def __init__(
        self,
        table: HandTable,
        objects: Sequence[ObjectSpec],
        count: int,
        cameras: Sequence[DepthCamera] | None = None,
        table_height: float = 0.6,
    ) -> None:
        cameras = default_rig(table_height=table_height) if cameras is None else cameras
        self.eyes = np.stack([camera.pose[0] for camera in cameras]).astype(np.float32)
        turns = [Rotation.from_quat(camera.pose[1], scalar_first=True).as_matrix() for camera in cameras]
        self._optical = np.stack(turns).astype(np.float32)
        distinct = {id(thing): thing for thing in objects}
        rows = {key: row for row, key in enumerate(distinct)}
        surfaces: list[ObjectSurface] = [object_surface(thing, count) for thing in distinct.values()]
        self._which = np.array([rows[id(thing)] for thing in objects])
        self._points = np.stack([surface.points for surface in surfaces])
        self._normals = np.stack([surface.normals for surface in surfaces])
        self._open = np.stack([surface.open for surface in surfaces])
        self._directions = sphere_directions().T.copy()
        self._hand = HandPoints(table)
        self._floor = table_height + TABLE_GAP

    def points(self, ids: NDArray, pos: NDArray, quat: NDArray) -> Array:
        """Return the surface points (n, M, 3) m, task frame, of environments ids (n,) with their objects posed."""
        turn = swapped_matrix(quat)
        return self._points[self._which[ids]] @ turn + pos[:, None].astype(np.float32)

    def seen(
        self,
        ids: NDArray,
        points: Array,
        pos: NDArray,
        quat: NDArray,
        joint_pos: NDArray,
        wrist_pos: NDArray,
        wrist_quat: NDArray,
    ) -> NDArray[np.bool_]:
        """Say which points each camera sees.

        Args:
            ids: (n,) environments.
            points: (n, M, 3) m, what `points` gave for them.
            pos: (n, 3) m, the objects' origins in the task frame.
            quat: (n, 4) wxyz, their orientations.
            joint_pos: (n, J) rad.
            wrist_pos: (n, 3) m, the hand's root body.
            wrist_quat: (n, 4) wxyz.

        Returns:
            (n, C, M).
        """
        which, turn = self._which[ids], swapped_matrix(quat)
        normals = self._normals[which] @ turn
        to_eye = self.eyes[None] - pos[:, None].astype(np.float32)
        distance = np.linalg.norm(to_eye, axis=-1)
        facing = np.swapaxes(normals @ self.eyes.T, 1, 2) - np.einsum("nmx,nmx->nm", normals, points)[:, None]
        seen = facing > GRAZING * distance[..., None]
        # Rows times the matrix that is not transposed are turned back: from the task's frame into the object's.
        towards = to_eye @ np.swapaxes(turn, 1, 2)
        seen &= self._open[which[:, None], (towards @ self._directions).argmax(axis=-1)]
        seen &= (points[..., 2] > self._floor)[:, None]
        return seen & ~self._behind_hand(points, pos, self._hand.place(joint_pos, wrist_pos, wrist_quat))

    def _behind_hand(self, points: Array, pos: NDArray, hand: Array) -> NDArray[np.bool_]:
        """(n, C, M): the hand's points (n, H, 3) lie between a point and a camera."""
        n, m, _ = points.shape
        hidden = np.zeros((n, len(self.eyes), m), dtype=bool)
        base = (np.arange(n, dtype=np.int32) * (GRID * GRID))[:, None]
        reach = GRID * CELL * 1.5
        for c, (eye, optical) in enumerate(zip(self.eyes, self._optical, strict=True)):
            centre = (pos.astype(np.float32) - eye) @ optical
            middle = centre[:, :2] / centre[:, 2:]
            inside, cell, depth = _cells(hand, eye, optical, middle)
            inside &= depth < centre[:, 2:] + reach
            picture = np.full(n * GRID * GRID, np.inf, dtype=np.float32)
            np.minimum.at(picture, (cell + base)[inside], depth[inside])
            inside, cell, depth = _cells(points, eye, optical, middle)
            hidden[:, c] = inside & (picture[np.where(inside, cell + base, 0)] < depth - BEHIND)
        return hidden


def _cells(points: Array, eye: Array, optical: Array, middle: Array) -> tuple[NDArray[np.bool_], NDArray, Array]:
    """Where points (n, K, 3) lie in pictures around `middle` (n, 2): inside or not, cell and depth, each (n, K)."""
    shape = points.shape[:-1]
    # Coordinates as separate rows: what follows then runs through contiguous memory.
    x, y, depth = (optical.T @ points.reshape(-1, 3).T - (eye @ optical)[:, None]).reshape(3, *shape)
    scale = np.float32(1.0 / CELL) / np.maximum(depth, np.float32(0.05))
    # Shifted by a picture's side, so that cutting the fraction off is rounding down.
    offset = np.float32(1.5 * GRID) - middle * np.float32(1.0 / CELL)
    columns = (x * scale + offset[:, :1]).astype(np.int32) - GRID
    rows = (y * scale + offset[:, 1:]).astype(np.int32) - GRID
    # As unsigned numbers, negative ones are too large as well.
    inside = (columns.view(np.uint32) < GRID) & (rows.view(np.uint32) < GRID)
    return inside, rows * GRID + columns, depth


class _ObjectView:
    """The objects as a stream of clouds looks at them."""

    def __init__(self, visibility: Visibility, joints: int) -> None:
        self._visibility = visibility
        self.eyes = visibility.eyes
        self.sizes = (3, 4, joints, 3, 4)

    def watched(self, state: SimState) -> tuple[NDArray, ...]:
        return state.object_pos, state.object_quat, state.joint_pos, state.wrist_pos, state.wrist_quat

    def look(
        self, ids: NDArray, watched: tuple[NDArray, ...], *, whole: bool = False
    ) -> tuple[Array, NDArray[np.bool_]]:
        pos, quat, joint_pos, wrist_pos, wrist_quat = watched
        points = self._visibility.points(ids, pos, quat)
        if whole:
            return points, np.ones((len(points), 1, points.shape[1]), dtype=bool)
        return points, self._visibility.seen(ids, points, pos, quat, joint_pos, wrist_pos, wrist_quat)


class VisibleClouds(CloudStream):
    """Perceived clouds of the objects of all environments over time.

    Args:
        model: The errors.
        table: The hand.
        objects: The object of each of B environments.
        count: N, points of a cloud.
        seed: Seed of the errors.
        cameras: Default: those of the simulated robot.
    """

    def __init__(
        self,
        model: CloudModel,
        table: HandTable,
        objects: Sequence[ObjectSpec],
        count: int,
        *,
        seed: int = 0,
        cameras: Sequence[DepthCamera] | None = None,
    ) -> None:
        visibility = Visibility(table, objects, count * (1 if model.whole else model.spare), cameras)
        super().__init__(model, _ObjectView(visibility, len(table.joint_names)), count, len(objects), seed=seed)
