"""How well the fast model of visibility agrees with ray-cast depth cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from sleight_core.hand import HandTable

from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.sensors.depth import DepthCamera, default_rig
from sleight_sim.sensors.visible import TABLE_GAP, Visibility
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, build_model

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Overlap:
    """How two clouds of one scene agree.

    Attributes:
        real: Share of the modelled points that have a ray-cast point nearby; the rest are seen by the model alone.
        complete: Share of the ray-cast points that have a modelled point nearby; the rest the model misses.
        modelled: Number of modelled points.
        cast: Number of ray-cast points.
    """

    real: float
    complete: float
    modelled: int
    cast: int

    @property
    def share(self) -> float:
        """Mean of both shares."""
        return 0.5 * (self.real + self.complete)


def cloud_overlap(modelled: NDArray, cast: NDArray, radius: float = 0.01) -> Overlap:
    """Compare two clouds (N, 3) and (M, 3) by nearest neighbours within `radius` (m); 0 where one is empty."""
    if not len(modelled) or not len(cast):
        same = float(len(modelled) == len(cast))
        return Overlap(same, same, len(modelled), len(cast))
    real = KDTree(cast).query(modelled)[0] < radius
    complete = KDTree(modelled).query(cast)[0] < radius
    return Overlap(float(real.mean()), float(complete.mean()), len(modelled), len(cast))


def compare_visibility(
    table: HandTable,
    thing: ObjectSpec,
    object_pose: tuple[Array, Array],
    wrist_pose: tuple[Array, Array],
    joint_pos: Array,
    *,
    count: int = 384,
    cameras: Sequence[DepthCamera] | None = None,
    radius: float = 0.01,
) -> Overlap:
    """Compare what the model and ray-cast cameras without noise see of an object on the table.

    Args:
        table: The hand.
        thing: The object.
        object_pose: (3,) m and (4,) wxyz, task frame.
        wrist_pose: (3,) m and (4,) wxyz of the hand's root body.
        joint_pos: (J,) rad.
        count: Points of the surface that the model knows.
        cameras: Default: those of the simulated robot.
        radius: Distance at which points count as the same place (m).
    """
    cameras = default_rig() if cameras is None else cameras
    model = build_model(table, thing)
    data = mujoco.MjData(model)
    data.joint("object").qpos[:] = np.concatenate(object_pose)
    data.joint("wrist").qpos[:] = np.concatenate(wrist_pose)
    for name, angle in zip(table.joint_names, joint_pos, strict=True):
        data.joint(name).qpos[:] = angle
    mujoco.mj_kinematics(model, data)
    body = model.body("object").id
    parts = []
    for camera in cameras:
        depth = camera.render(model, data)
        depth[~np.isin(camera.geoms, np.flatnonzero(model.geom_bodyid == body))] = np.nan
        parts.append(camera.points_world(depth))
    cast = np.concatenate(parts)
    cast = cast[cast[:, 2] > TABLE_HEIGHT + TABLE_GAP]

    visibility = Visibility(table, [thing], count, cameras)
    one = np.zeros(1, dtype=int)
    pos, quat = (part[None] for part in object_pose)
    points = visibility.points(one, pos, quat)
    hand = (joint_pos[None], *(part[None] for part in wrist_pose))
    seen = visibility.seen(one, points, pos, quat, *hand)[0].any(axis=0)
    return cloud_overlap(points[0][seen], cast, radius)
