"""Where a hand could grasp an object: wrist poses over its hull, palm to the surface, fingers fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sleight_core.rotations import quat_rotate

from sleight_sim.grasps.distance import DistanceGrid
from sleight_sim.grasps.gripping import GripLibrary, press_directions
from sleight_sim.grasps.hand_shape import PALM_NORMAL, HandShape
from sleight_sim.grasps.proposal import follow_couplings
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

#: Jitter of the palm's direction about the inward normal (rad), and of a roll that lays the fingers around the object.
_TILT, _ROLL = 0.35, 0.35
#: Share of the rolls that wrap the fingers around the object's long axis; the others are free.
_ALIGNED = 0.6
#: How near the approach passes the centre of mass (m).
_BESIDE = 0.035
#: Which point of the hand is put into the object: 0 the grasp centre at the palm, 1 the one between the fingertips.
_AIM = (0.1, 1.1)
#: How deep under the surface it is put at most (m).
_DEPTH = 0.045
#: The palm comes this near (m), and is moved back by up to `_REACH` until it does.
_CLEARANCE, _STEP, _REACH = 0.002, 0.004, 0.12
#: Postures among which each finger's is chosen.
LIBRARY = 384
#: Wrists for which joints are fitted, for each candidate that is kept.
_FITTED = 3
#: How hard hands press, as a share of `world.PRESS`: a ball springs out of a firm grip, a bottle needs one.
_HARD = (0.3, 1.0)
#: Clearance of the open hand over the table (m).
TABLE_CLEARANCE = 0.003


@dataclass(frozen=True)
class Candidates:
    """Hands that just touch an object, or nearly.

    Attributes:
        positions: (N, 3) of the root body in the object frame (m).
        quats: (N, 4) wxyz.
        joints: (N, J) rad.
        press: (N, A) how each motor takes part when the fingers press (`press_directions`), times how hard they press.
        planes: (N, 4) the table that each is for; NaN in free space.
    """

    positions: Array
    quats: Array
    joints: Array
    press: Array
    planes: Array

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, keep: NDArray[Any]) -> Candidates:
        """Return the candidates that a mask or index array names."""
        return Candidates(
            self.positions[keep], self.quats[keep], self.joints[keep], self.press[keep], self.planes[keep]
        )


class WristSampler:
    """Draws candidates for one object and one hand.

    Args:
        shape: The hand.
        thing: The object.
        on_table: Only hands that stay over the table on which the object rests in one of its poses.
    """

    def __init__(self, shape: HandShape, thing: ObjectSpec, *, on_table: bool = False) -> None:
        self.shape = shape
        self.thing = thing
        self.on_table = on_table
        self.grid = DistanceGrid(thing)
        self.library = GripLibrary(shape, LIBRARY, np.random.default_rng(0))
        self._palm = np.flatnonzero(shape.sphere_fingers < 0)
        self._hull = trimesh.convex.convex_hull(thing.pieces.reshape(-1, 3))
        spread = np.cov(thing.pieces.reshape(-1, 3).T)
        self._long = np.linalg.eigh(spread)[1][:, -1]

    def draw(self, count: int, rng: np.random.Generator) -> Candidates:
        """Return at most `count` candidates: of more wrists, those whose fingers fit the object best."""
        wanted = _FITTED * count
        # Two of three wrists are under the table; that is soon seen, while fitting takes its time.
        many = 3 * wanted if self.on_table else wanted
        points, inward = self._aims(many, rng)
        tilt = Rotation.from_rotvec(rng.normal(0.0, _TILT / np.sqrt(2.0), (many, 3)))
        quats = self._orient(tilt.apply(inward), rng)
        share = rng.uniform(*_AIM, (many, 1))
        aim = (1.0 - share) * self.shape.offset + share * self.shape.pinch
        positions = points - quat_rotate(quats, aim) + rng.normal(0.0, 0.006, (many, 3))
        positions, clear = self._back_off(positions, quats)
        planes = self._planes(many, rng)
        local, radii = self._palm_spheres()
        palms = quat_rotate(np.repeat(quats[:, None], len(local), axis=1), local[None]) + positions[:, None]
        rows = np.flatnonzero(clear & self._over_table(palms, radii, planes))[:wanted]
        joints, energy = self.library.fit(positions[rows], quats[rows], planes[rows], self.grid, self.thing.com, rng)
        hard = _HARD[0] * (_HARD[1] / _HARD[0]) ** rng.random(len(rows))
        fitted = self._candidates(positions[rows], quats[rows], joints, planes[rows], hard)
        over = self.over_table(fitted)
        order = np.argsort(np.where(over, energy, np.inf), kind="stable")[: min(count, int(over.sum()))]
        return fitted.select(order)

    def vary(self, parents: Candidates, size: float, rng: np.random.Generator) -> Candidates:
        """Return a changed copy of each parent.

        Args:
            parents: Candidates.
            size: Standard deviation of the change: 1 is 8 mm, 0.15 rad, 0.1 rad in the joints, and a third of
                the pressure.
            rng: Random numbers.
        """
        n = len(parents)
        turn = Rotation.from_rotvec(rng.normal(0.0, 0.15 * size, (n, 3)))
        quats = (turn * Rotation.from_quat(parents.quats, scalar_first=True)).as_quat(scalar_first=True)
        positions = turn.apply(parents.positions) + rng.normal(0.0, 0.008 * size, (n, 3))
        table = self.shape.table
        joints = np.clip(parents.joints + rng.normal(0.0, 0.1 * size, parents.joints.shape), table.lower, table.upper)
        positions, _ = self._back_off(positions, quats)
        hard = np.abs(parents.press).max(axis=1) * np.exp(rng.normal(0.0, 0.3 * size, n))
        joints = follow_couplings(joints, table)
        return self._candidates(positions, quats, joints, parents.planes, np.clip(hard, *_HARD))

    def over_table(self, drawn: Candidates) -> NDArray[np.bool_]:
        """Whether each hand (N,) stays over its table; true without one."""
        centres, radii = self.shape.spheres(drawn.joints)
        quats = np.repeat(drawn.quats[:, None], centres.shape[1], axis=1)
        return self._over_table(quat_rotate(quats, centres) + drawn.positions[:, None], radii, drawn.planes)

    def _candidates(self, positions: Array, quats: Array, joints: Array, planes: Array, hard: Array) -> Candidates:
        press = press_directions(self.shape, self.grid, positions, quats, joints)
        return Candidates(positions, quats, joints, hard[:, None] * press, planes)

    def _palm_spheres(self) -> tuple[Array, Array]:
        """Centres (P, 3) in the root body's frame and radii (P,) of the palm's spheres (m)."""
        local, radii = self.shape.spheres(np.zeros((1, len(self.shape.table.joint_names))))
        return local[0, self._palm], radii[self._palm]

    def _back_off(self, positions: Array, quats: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Move hands whose palm touches the object back along its normal, to the first place where it does not.

        Returns:
            Positions (N, 3), and whether there is such a place within reach (N,).
        """
        local, radii = self._palm_spheres()
        centres = quat_rotate(np.repeat(quats[:, None], len(local), axis=1), local[None]) + positions[:, None]
        back = -quat_rotate(quats, np.tile(PALM_NORMAL, (len(quats), 1)))
        reach = np.full(len(quats), np.nan)
        for offset in np.arange(0.0, _REACH, _STEP):
            rows = np.flatnonzero(np.isnan(reach))
            if not len(rows):
                break
            clear = (self.grid(centres[rows] + offset * back[rows][:, None]) - radii).min(axis=1) >= _CLEARANCE
            reach[rows[clear]] = offset
        return positions + np.nan_to_num(reach)[:, None] * back, np.isfinite(reach)

    @staticmethod
    def _over_table(centres: Array, radii: Array, planes: Array) -> NDArray[np.bool_]:
        height = np.einsum("npi,ni->np", centres, planes[:, :3]) + planes[:, 3:] - radii
        return np.isnan(planes[:, 0]) | (height.min(axis=1) >= TABLE_CLEARANCE)

    def _aims(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Points (N, 3) under the hull and directions (N, 3) inwards, most of them towards the centre of mass."""
        many = 6 * count
        face = rng.choice(len(self._hull.faces), size=many, p=self._hull.area_faces / self._hull.area)
        u, v = np.sqrt(rng.random(many)), rng.random(many)
        a, b, c = np.moveaxis(self._hull.triangles[face], 1, 0)
        points = (1 - u)[:, None] * a + (u * (1 - v))[:, None] * b + (u * v)[:, None] * c
        inward = -self._hull.face_normals[face]
        aside = np.linalg.norm(np.cross(self.thing.com - points, inward), axis=1)
        weight = np.exp(-0.5 * (aside / _BESIDE) ** 2) + 1e-9
        chosen = rng.choice(many, size=count, replace=False, p=weight / weight.sum())
        points, inward = points[chosen], inward[chosen]
        return points + np.minimum(0.5 * self._thickness(points, inward), _DEPTH)[:, None] * inward, inward

    def _thickness(self, points: Array, inward: Array) -> Array:
        """How thick (N,) the hull is along directions from points on it (m)."""
        normals = self._hull.face_normals
        ahead = np.einsum("fi,fi->f", normals, self._hull.triangles[:, 0]) - points @ normals.T
        along = inward @ normals.T
        return np.where(along > 1e-6, ahead / np.maximum(along, 1e-6), np.inf).min(axis=1)

    def _orient(self, inward: Array, rng: np.random.Generator) -> Array:
        """Quaternions (N, 4) that turn the palm's normal to `inward` (N, 3)."""
        count = len(inward)
        y = -inward  # the palm looks along -y
        wrap = np.tile(self._long, (count, 1)) * rng.choice([-1.0, 1.0], (count, 1))
        free = rng.normal(size=(count, 3))
        x = np.where(rng.random((count, 1)) < _ALIGNED, wrap, free)
        x -= np.einsum("ni,ni->n", x, y)[:, None] * y
        flat = np.linalg.norm(x, axis=1) < 0.15
        x[flat] = np.cross(y[flat], free[flat])
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        frames = Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=-1))
        roll = Rotation.from_rotvec(rng.normal(0.0, _ROLL, (count, 1)) * y)
        return (roll * frames).as_quat(scalar_first=True)

    def _planes(self, count: int, rng: np.random.Generator) -> Array:
        """Tables (N, 4) of resting poses, as often as they come about; NaN in free space."""
        if not self.on_table:
            return np.full((count, 4), np.nan)
        stable = self.thing.stable_poses
        pose = rng.choice(len(stable), size=count, p=stable.probabilities)
        return resting_planes(self.thing)[pose]


def resting_planes(thing: ObjectSpec) -> Array:
    """Table planes (K, 4) of an object's resting poses in its frame, as `DatasetGrasps.planes`."""
    stable = thing.stable_poses
    up = Rotation.from_quat(stable.quats, scalar_first=True).inv().apply([0.0, 0.0, 1.0])
    return np.column_stack([up, stable.heights])
