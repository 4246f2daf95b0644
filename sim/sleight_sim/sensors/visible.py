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
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial.transform import Rotation
from sleight_core.hand import HandTable

from sleight_sim.engines.base import SimState
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.sensors.depth import DepthCamera, default_rig
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


class CloudModel(BaseModel):
    """How the perceived cloud of an object comes about, and its errors; ranges are drawn once an episode.

    Attributes:
        whole: Points of the whole surface, as if nothing hid anything: the paper's setting (resdex_facts 2.4).
        noise: Standard deviation of each coordinate (m).
        dropout: Largest share of the seen points that is missing.
        blind: Chance that a camera is missing.
        period: Control steps between two clouds (4: a 15 Hz camera).
        latency: Largest age of a cloud when it arrives, in control steps; drawn from 0..latency.
        shift: Largest error of each camera's position along each axis (m).
        tilt: Largest error of each camera's orientation (degrees).
        spare: Points of the surface for each point of a cloud; what is hidden takes its share of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole: bool = False
    noise: float = Field(default=0.001, ge=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    blind: float = Field(default=0.1, ge=0, lt=1)
    period: int = Field(default=4, ge=1)
    latency: int = Field(default=3, ge=0, le=15)
    shift: float = Field(default=0.01, ge=0)
    tilt: float = Field(default=2.0, ge=0, le=10)
    spare: int = Field(default=3, ge=1)


#: Cameras without errors or delay.
EXACT_CLOUD = CloudModel(noise=0.0, dropout=0.0, blind=0.0, period=1, latency=0, shift=0.0, tilt=0.0)
#: The paper's clouds: the whole surface, every step.
PAPER_CLOUD = EXACT_CLOUD.model_copy(update={"whole": True})


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


class VisibleClouds:
    """Perceived clouds of all environments over time: camera period, delay and errors included.

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
        self.model = model
        self.count = count
        self.visibility = Visibility(table, objects, count * (1 if model.whole else model.spare), cameras)
        self.rng = np.random.default_rng((seed, 13))
        b, c = len(objects), len(self.visibility.eyes)
        depth = model.latency + 1
        sizes = (3, 4, len(table.joint_names), 3, 4)
        self._past = [np.zeros((depth, b, size), dtype=np.float32) for size in sizes]
        self._newest = self._step = 0
        self._latency = np.zeros(b, dtype=int)
        self._phase = np.zeros(b, dtype=int)
        self._missing = np.zeros(b, dtype=np.float32)
        self._on = np.ones((b, c), dtype=bool)
        self._shift = np.zeros((b, c, 3), dtype=np.float32)
        self._tilt = np.zeros((b, c, 3), dtype=np.float32)
        self._current = np.zeros((b, count, 3), dtype=np.float32)
        #: (B,) points that the newest cloud was chosen from; fewer than N are repeated.
        self.seen_points = np.zeros(b, dtype=int)

    @property
    def current(self) -> Array:
        """(B, N, 3) m in the task frame: the clouds reported last. A view: copy what is to be kept."""
        return self._current

    def reset(self, ids: NDArray, sim: SimState) -> None:
        """Start new episodes in environments ids (n,), whose states `sim` shows; each sees its first cloud at once."""
        model, rng, n = self.model, self.rng, len(ids)
        for past, now in zip(self._past, _watched(sim), strict=True):
            past[:, ids] = now[ids]
        self._latency[ids] = rng.integers(0, model.latency + 1, n)
        self._phase[ids] = rng.integers(0, model.period, n)
        self._missing[ids] = rng.uniform(0.0, model.dropout, n)
        on = rng.random((n, self._on.shape[1])) >= model.blind
        on[~on.any(axis=1)] = True
        self._on[ids] = on
        self._shift[ids] = rng.uniform(-model.shift, model.shift, (n, *self._shift.shape[1:]))
        axis = rng.normal(size=(n, *self._tilt.shape[1:]))
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        self._tilt[ids] = axis * np.deg2rad(model.tilt) * rng.random(axis.shape[:-1])[..., None]
        self._look(ids, fresh=True)

    def update(self, sim: SimState) -> None:
        """Advance one control step to the states in `sim`."""
        self._step += 1
        self._newest = (self._newest + 1) % len(self._past[0])
        for past, now in zip(self._past, _watched(sim), strict=True):
            past[self._newest] = now
        due = np.flatnonzero((self._step + self._phase) % self.model.period == 0)
        if len(due):
            with np.errstate(invalid="ignore"):  # where the physics has diverged; such an episode ends here
                self._look(due)

    def _look(self, ids: NDArray, *, fresh: bool = False) -> None:
        """Take the clouds of environments ids (n,); where nothing is seen, the last cloud stays."""
        model, rng = self.model, self.rng
        when = (self._newest - self._latency[ids]) % len(self._past[0])
        pos, quat, *hand = (past[when, ids] for past in self._past)
        points = self.visibility.points(ids, pos, quat)
        n, m, _ = points.shape
        if model.whole:
            seen = np.ones((n, 1, m), dtype=bool)
        else:
            seen = self.visibility.seen(ids, points, pos, quat, *hand) & self._on[ids][..., None]
            if model.dropout:
                seen &= (rng.random((n, m), dtype=np.float32) >= self._missing[ids, None])[:, None]
        key = rng.random((n, m), dtype=np.float32)
        any_camera = np.logical_or.reduce(seen, axis=1)
        counts = any_camera.sum(axis=1)
        if fresh:
            any_camera = any_camera | (counts == 0)[:, None]
            counts = np.where(counts == 0, m, counts)
        # Those that are seen come first, in an order drawn anew.
        order = np.argsort(key + 2.0 * ~any_camera, axis=1)
        turn = np.arange(self.count)[None] % np.maximum(counts, 1)[:, None]
        chosen = np.take_along_axis(order, turn, axis=1)
        cloud = np.take_along_axis(points, chosen[..., None], axis=1)
        if model.shift or model.tilt:
            cloud += self._camera_error(ids, cloud, seen, chosen)
        if model.noise:
            cloud += model.noise * rng.standard_normal(cloud.shape, dtype=np.float32)
        good = counts > 0
        self._current[ids[good]] = cloud[good]
        self.seen_points[ids] = counts

    def _camera_error(self, ids: NDArray, cloud: Array, seen: NDArray[np.bool_], chosen: NDArray[np.intp]) -> Array:
        """How far points (n, N, 3) are off because their cameras are not where they are believed to be."""
        n, c, _ = seen.shape
        rows = np.arange(n)[:, None]
        # Where several cameras see a point, any of them may have measured it.
        weight = self.rng.random((n, c, self.count), dtype=np.float32) + seen[rows[..., None], np.arange(c)[:, None],
                                                                              chosen[:, None]]  # fmt: skip
        camera = weight.argmax(axis=1)
        which = ids[:, None], camera
        # Angles are small: turning is a cross product.
        return self._shift[which] + np.cross(self._tilt[which], cloud - self.visibility.eyes[camera])


def _watched(sim: SimState) -> tuple[NDArray, ...]:
    return sim.object_pos, sim.object_quat, sim.joint_pos, sim.wrist_pos, sim.wrist_quat
