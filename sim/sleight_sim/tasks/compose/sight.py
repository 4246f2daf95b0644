"""What depth cameras see of a DexCompose world: object and mechanism, as the hand and their own parts leave them open.

Points are spread over the surfaces of all parts and move with their bodies, so with the mechanism's joints. A ray from
each camera to each of them tells exactly whether anything lies between; that is a hundredth of the rays of a picture.
The table and the hand are not in the cloud: perception takes both out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sleight_sim.sensors.depth import DepthCamera, cast_rays, default_rig
from sleight_sim.sensors.primitives import surface_area, surface_points
from sleight_sim.sensors.visible import GRAZING, TABLE_GAP
from sleight_sim.tasks.compose.company import Company
from sleight_sim.tasks.compose.engine import ComposeEngine
from sleight_sim.tasks.compose.world import ComposeWorld
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

Array = NDArray[np.float32]

#: A point is seen when its ray is stopped no more than this before it (m).
_CLOSE = 0.0015
#: Widths of the mechanism base's position and orientation.
_BASE = (3, 4)


@dataclass(frozen=True)
class SceneSurface:
    """Points over all that a world holds besides hand and table.

    Attributes:
        geoms: (M,) the geom that each is on.
        points: (M, 3) m, in its geom's frame.
        normals: (M, 3) unit vectors that point outwards, in its geom's frame.
    """

    geoms: NDArray[np.intp]
    points: NDArray[np.float64]
    normals: NDArray[np.float64]


def scene_surface(world: ComposeWorld, count: int, seed: int = 0) -> SceneSurface:
    """Draw points of a world's surfaces, each part's share being its area's; the same ones for the same seed."""
    model, rng = world.model, np.random.default_rng((seed, count))
    links = () if world.mechanism is None else world.mechanism.links
    bodies = {model.body(name).id for name in ("object", *(("base",) if links else ()))}
    bodies |= {model.body(f"{link.name}_body").id for link in links}
    mine = [i for i in range(model.ngeom) if int(model.geom_bodyid[i]) in bodies and model.geom_rgba[i, 3] > 0.0]
    areas = np.array([surface_area(int(model.geom_type[i]), model.geom_size[i]) for i in mine])
    bounds = np.round(np.cumsum(areas) / areas.sum() * count).astype(int)
    counts = np.diff(bounds, prepend=0)
    parts = [
        surface_points(int(model.geom_type[i]), model.geom_size[i], n, rng) for i, n in zip(mine, counts, strict=True)
    ]
    points, normals = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return SceneSurface(np.repeat(mine, counts), points, normals)


class SceneView:
    """The worlds of an engine as cameras see them (a `sleight_sim.sensors.stream.View`).

    Args:
        engine: B worlds.
        count: M, points of each world's surfaces.
        cameras: C depth cameras; default: those of the simulated robot.
        seed: Of the points.
        company: Things of other tasks that are in sight.
    """

    def __init__(
        self,
        engine: ComposeEngine,
        count: int,
        cameras: Sequence[DepthCamera] | None = None,
        *,
        seed: int = 0,
        company: Company | None = None,
    ) -> None:
        self._company = company
        worlds = engine.worlds if company is None else company.worlds
        self._cameras = default_rig() if cameras is None else list(cameras)
        self.eyes = np.stack([camera.pose[0] for camera in self._cameras]).astype(np.float32)
        self._turns = [Rotation.from_quat(camera.pose[1], scalar_first=True).as_matrix() for camera in self._cameras]
        distinct = {id(world): world for world in worlds}
        rows = {key: row for row, key in enumerate(distinct)}
        self._which = [rows[id(world)] for world in worlds]
        self._models = [world.model for world in distinct.values()]
        self._data = [mujoco.MjData(model) for model in self._models]
        self._surfaces = [scene_surface(world, count, seed) for world in distinct.values()]
        self._count = count
        self.sizes: tuple[int, ...] = (max(model.nq for model in self._models), *_BASE)

    def watched(self, state: ComposeEngine) -> tuple[NDArray, ...]:
        """Generalised positions, and where the mechanisms' bases are."""
        own = [state.positions(), *(np.zeros((state.num_envs, size)) for size in _BASE)]
        if state.joint_names:
            mechanism = state.mechanism_state()
            own[1:] = mechanism.base_pos, mechanism.base_quat
        return tuple(own) if self._company is None else self._company.join(*own)

    def look(
        self, ids: NDArray, watched: tuple[NDArray, ...], *, whole: bool = False
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Points (n, M, 3) m and which of them each camera sees, see `View.look`."""
        n, m, c = len(ids), self._count, len(self._cameras)
        points = np.zeros((n, m, 3), dtype=np.float32)
        seen = np.zeros((n, 1 if whole else c, m), dtype=bool)
        for k, env in enumerate(ids):
            which = self._which[int(env)]
            placed = self._place(which, *(part[k] for part in watched))
            if placed is None:
                continue
            points[k] = placed[0]
            seen[k] = True if whole else self._visible(which, *placed)
        return points, seen

    def _place(
        self, which: int, positions: NDArray, base_pos: NDArray, base_quat: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Put a world into a state; points and normals (M, 3) in the task frame, or None where the physics diverged."""
        if not np.isfinite(positions).all():
            return None
        model, data, surface = self._models[which], self._data[which], self._surfaces[which]
        data.qpos[:] = positions[: model.nq]
        if model.nmocap:
            data.mocap_pos[0], data.mocap_quat[0] = base_pos, base_quat
        mujoco.mj_kinematics(model, data)
        turns = data.geom_xmat[surface.geoms].reshape(-1, 3, 3)
        points = np.einsum("mij,mj->mi", turns, surface.points) + data.geom_xpos[surface.geoms]
        return points, np.einsum("mij,mj->mi", turns, surface.normals)

    def _visible(self, which: int, points: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points (M, 3) each camera sees, (C, M), in the world that `_place` has just placed."""
        seen = np.zeros((len(self._cameras), len(points)), dtype=bool)
        over = points[:, 2] > TABLE_HEIGHT + TABLE_GAP
        for k, (camera, turn) in enumerate(zip(self._cameras, self._turns, strict=True)):
            eye = camera.pose[0]
            way = points - eye
            distance = np.linalg.norm(way, axis=-1)
            facing = -np.einsum("mi,mi->m", way, normals) > GRAZING * distance
            rows = np.flatnonzero(over & facing & _in_picture(camera, way @ turn))
            if not len(rows):
                continue
            geom, dist = np.empty(len(rows), dtype=np.int32), np.empty(len(rows))
            directions = way[rows] / distance[rows, None]
            reach = float(distance[rows].max()) + 0.01
            cast_rays(self._models[which], self._data[which], eye, directions, reach, geom, dist)
            seen[k, rows] = (geom < 0) | (dist > distance[rows] - _CLOSE)
        return seen


def _in_picture(camera: DepthCamera, optical: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points (M, 3) of a camera's optical frame lie in its picture."""
    x, y, depth = optical.T
    ahead = depth > 1e-6
    scale = camera.focal / np.where(ahead, depth, 1.0)
    return ahead & (np.abs(x * scale) < 0.5 * camera.width) & (np.abs(y * scale) < 0.5 * camera.height)
