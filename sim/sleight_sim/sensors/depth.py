"""Depth cameras by ray casting: no OpenGL, no display, the same picture on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation
from sleight_core.errors import SleightError

Array = NDArray[np.float64]

#: Geom groups that a camera sees: all but the hidden stand-ins of object pieces (group 5) and sites' group 4.
SEEN_GROUPS = np.array([1, 1, 1, 1, 0, 0], dtype=np.uint8)


@dataclass(frozen=True)
class DepthNoise:
    """Errors of a depth camera, about those of an active stereo camera at half a metre.

    Attributes:
        sigma: Standard deviation of the depth at any distance (m).
        sigma_z2: What is added to it for each square metre of squared depth (1/m).
        dropout: Share of pixels without a depth.
        edge_jump: Depth step between neighbours (m) that makes an edge; 0 switches edge errors off.
        edge_dropout: Share of edge pixels without a depth.
        flying: Share of edge pixels whose depth lies between foreground and background ("flying pixels").
    """

    sigma: float = 0.0005
    sigma_z2: float = 0.0015
    dropout: float = 0.01
    edge_jump: float = 0.02
    edge_dropout: float = 0.3
    flying: float = 0.1

    @classmethod
    def none(cls) -> DepthNoise:
        """A perfect camera."""
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def cast_rays(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    eye: Array,
    directions: Array,
    reach: float,
    geom: NDArray[np.int32],
    dist: Array,
) -> None:
    """Cast rays from one point, and write what each meets first.

    Args:
        model: The world.
        data: Its state with current geom poses.
        eye: (3,) m, where they start.
        directions: (R, 3) unit vectors.
        reach: Distance from which on nothing is of interest (m).
        geom: (R,) filled with the geom that is met, -1 for none.
        dist: (R,) filled with the distance to it (m), -1 for none.
    """
    mujoco.mj_multiRay(
        model,
        data,
        np.asarray(eye, dtype=np.float64)[:, None],
        np.ascontiguousarray(directions, dtype=np.float64).reshape(-1, 1),
        SEEN_GROUPS[:, None],
        True,
        -1,
        geom[:, None],
        dist[:, None],
        None,
        len(dist),
        reach,
    )


class DepthCamera:
    """A pinhole depth camera that casts one ray a pixel.

    Args:
        name: Its clouds are in frame `<name>_optical`.
        position: (3,) m in the task frame.
        look_at: (3,) m, the point in the middle of the picture, with the picture's x axis horizontal.
        quat: (4,) wxyz, optical frame -> task frame; give this or `look_at`.
        width: Columns.
        height: Rows.
        fovy_deg: Vertical field of view, degrees.
        noise: Errors; none by default.
        depth_range: Nearest and furthest depth that gives a point, m.

    Attributes:
        name: As given.
        width: As given.
        height: As given.
        focal: Focal length, pixels.
        pose: Position (3,) m and orientation (4,) wxyz of the optical frame (x right, y down, z forward) in the task
            frame.
        directions: (height * width, 3) unit vectors of the pixels' rays in the task frame.

    Raises:
        SleightError: for a pose or sizes that make no camera.
    """

    def __init__(
        self,
        name: str,
        position: ArrayLike,
        look_at: ArrayLike | None = None,
        *,
        quat: ArrayLike | None = None,
        width: int = 112,
        height: int = 84,
        fovy_deg: float = 42.0,
        noise: DepthNoise | None = None,
        depth_range: tuple[float, float] = (0.15, 2.0),
    ) -> None:
        eye = np.asarray(position, dtype=np.float64)
        if eye.shape != (3,) or not np.isfinite(eye).all():
            raise SleightError(f"camera '{name}' has no position", value=position, remedy="three finite numbers, m")
        if width < 1 or height < 1 or not 1.0 <= fovy_deg <= 170.0:
            raise SleightError(f"camera '{name}' has no picture", value=f"{width} x {height} pixels, {fovy_deg} deg")
        if (look_at is None) == (quat is None):
            raise SleightError(f"camera '{name}' needs either a point to look at or an orientation")
        if quat is None:
            axes = _axes_towards(np.asarray(look_at, dtype=np.float64) - eye, name)
        else:
            given = np.asarray(quat, dtype=np.float64)
            if given.shape != (4,) or not abs(np.linalg.norm(given) - 1.0) < 0.01:
                raise SleightError(f"camera '{name}' needs a unit quaternion w x y z", value=quat)
            axes = Rotation.from_quat(given, scalar_first=True).as_matrix()
        self.name = name
        self.width = width
        self.height = height
        self.noise = noise or DepthNoise.none()
        self.focal = 0.5 * height / np.tan(np.deg2rad(fovy_deg) / 2.0)
        self.pose = (eye, Rotation.from_matrix(axes).as_quat(scalar_first=True))
        self._range = depth_range
        u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2.0, np.arange(height) + 0.5 - height / 2.0)
        # Ray directions with depth 1, so that a point is its depth times its direction.
        self._optical = np.stack([u / self.focal, v / self.focal, np.ones_like(u)], axis=-1).reshape(-1, 3)
        self._length = np.linalg.norm(self._optical, axis=1)
        self.directions = np.ascontiguousarray((self._optical / self._length[:, None]) @ axes.T)
        self._geom = np.empty(width * height, dtype=np.int32)
        self._dist = np.empty(width * height)

    def render(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator | None = None
    ) -> NDArray[np.float32]:
        """Return the depth picture (height, width), m along the optical axis; nan where there is none.

        Args:
            model: The world.
            data: Its state with current geom poses (after `mj_kinematics` or `mj_forward`); use a copy if a physics
                thread writes the original.
            rng: Draws the noise; without it the picture is perfect.
        """
        reach = self._range[1] * float(self._length.max())
        cast_rays(model, data, self.pose[0], self.directions, reach, self._geom, self._dist)
        depth = np.where(self._geom >= 0, self._dist / self._length, np.nan).reshape(self.height, self.width)
        if rng is not None:
            depth = _disturb(depth, self.noise, rng)
        near, far = self._range
        with np.errstate(invalid="ignore"):
            depth[(depth < near) | (depth > far)] = np.nan
        return depth.astype(np.float32)

    @property
    def geoms(self) -> NDArray[np.int32]:
        """Which geom each pixel of the last picture shows, (height, width); -1 for none."""
        return self._geom.reshape(self.height, self.width).copy()

    def points_optical(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the points (N, 3) of a depth picture in the optical frame (m), without pixels that have no depth."""
        flat = depth.reshape(-1)
        valid = np.isfinite(flat)
        return (self._optical[valid] * flat[valid, None]).astype(np.float32)

    def points_world(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the points (N, 3) of a depth picture in the task frame (m)."""
        return to_world(self.points_optical(depth), self.pose)


def to_world(points: NDArray[np.float32], pose: tuple[Array, Array]) -> NDArray[np.float32]:
    """Return points (N, 3) moved from a camera's optical frame into the task frame by its pose (position, wxyz)."""
    matrix = Rotation.from_quat(pose[1], scalar_first=True).as_matrix()
    return (points @ matrix.T + pose[0]).astype(np.float32)


def default_rig(
    noise: DepthNoise | None = None, *, width: int = 112, height: int = 84, table_height: float = 0.6
) -> list[DepthCamera]:
    """Return three cameras around the table, low enough to look under a hand that comes from above.

    They are those of the profile `shadow_sim.yaml`. With two on opposite sides, both ends of a long object that lies
    across can be hidden by the hand, and nothing tells how far it slid.

    Args:
        noise: Errors; `DepthNoise()` for realistic ones.
        width: Columns of each.
        height: Rows of each.
        table_height: Height of the table's top, m.
    """
    centre = np.array([0.0, 0.0, table_height + 0.09])
    rig = []
    for name, azimuth in (("front", -90.0), ("left", 30.0), ("right", 150.0)):
        a = np.deg2rad(azimuth)
        eye = np.array([0.5 * np.cos(a), 0.5 * np.sin(a), table_height + 0.26])
        rig.append(DepthCamera(name, eye, centre, width=width, height=height, noise=noise))
    return rig


def _axes_towards(forward: Array, name: str) -> Array:
    """Return the rotation matrix (3, 3) optical -> task frame of a camera that looks along `forward`."""
    length = float(np.linalg.norm(forward))
    if forward.shape != (3,) or not length > 1e-9:
        raise SleightError(f"camera '{name}' looks at its own position", value=forward)
    z = forward / length
    x = np.cross(z, [0.0, 0.0, 1.0])
    x = np.array([1.0, 0.0, 0.0]) if np.linalg.norm(x) < 1e-6 else x / np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])


def _disturb(depth: Array, noise: DepthNoise, rng: np.random.Generator) -> Array:
    """Return a depth picture (H, W) with noise, holes and edge errors."""
    out = depth.copy()
    if noise.sigma > 0 or noise.sigma_z2 > 0:
        out += rng.standard_normal(depth.shape) * (noise.sigma + noise.sigma_z2 * depth**2)
    if noise.edge_jump > 0:
        behind = np.where(np.isnan(depth), np.inf, depth)
        padded = np.pad(behind, 1, mode="edge")
        up, down, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
        furthest = np.maximum(np.maximum(up, down), np.maximum(left, right))
        with np.errstate(invalid="ignore"):
            # The second difference: a table seen at a grazing angle has large steps, but no edge.
            edge = np.maximum(up + down, left + right) - 2.0 * behind > noise.edge_jump
        draw = rng.random(depth.shape)
        flies = edge & np.isfinite(furthest) & (draw < noise.flying)
        out[flies] += (furthest[flies] - behind[flies]) * rng.random(int(flies.sum()))
        out[edge & (draw > 1.0 - noise.edge_dropout)] = np.nan
    if noise.dropout > 0:
        out[rng.random(depth.shape) < noise.dropout] = np.nan
    return out
