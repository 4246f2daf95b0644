"""What the generator must know of a hand, all of it from the hand table: how it closes, and where its surface is."""

from __future__ import annotations

from functools import cached_property

import mujoco
import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.hand.kinematics import FingertipKinematics
from sleight_description.mjcf import add_hand

from sleight_sim.grasps.proposal import follow_couplings

Array = NDArray[np.float64]

#: Every hand here: the palm looks along its -y, the fingers point along its z, and they curl about its x.
PALM_NORMAL = np.array([0.0, -1.0, 0.0])
_POSTURES = ("open", "power_grasp")
#: Spheres along a capsule.
_CAPSULE = (-1.0, 0.0, 1.0)


class HandShape:
    """A hand on a wrist that can be put anywhere.

    Args:
        table: The hand.

    Attributes:
        power: (J,) the power grasp (rad).
        closing: (A,) direction in which each motor closes: -1, 1, or 0 for joints that keep their place.
        opposing: The finger that opposes the others, the thumb.
        offset: (3,) grasp centre in the root body's frame (m).
        pinch: (3,) point between the thumb's tip and the others in the power grasp, in the same frame (m).

    Raises:
        SleightError: for a hand on an arm, a hand of one finger, or one whose table has no power grasp.
    """

    def __init__(self, table: HandTable) -> None:
        if table.wrist_mode != "floating":
            raise SleightError(
                "grasps are proposed for a hand whose wrist is free",
                value=table.name,
                remedy="name the hand without its arm, e.g. --hand leap; its wrist poses are goals for any arm",
            )
        missing = [name for name in _POSTURES if name not in table.postures]
        if missing or len(table.fingers) < 2:
            raise SleightError(
                f"hand '{table.name}' cannot be closed: its table needs two fingers and the postures open, power_grasp",
                value=f"{len(table.fingers)} fingers, without {', '.join(missing)}",
            )
        self.table = table
        self.kinematics = FingertipKinematics(table)
        self.offset = np.asarray(self.kinematics.grasp_offset, dtype=np.float64)
        self.power = table.posture("power_grasp")
        moved = self.power - table.posture("open")
        self.closing = np.sign(np.where(np.abs(moved) > 0.02, moved, 0.0))[table.actuated_index]
        self.opposing = self._find_opposing()
        tips, thumb = self._tips(self.power), table.finger_names.index(self.opposing)
        self.pinch = 0.5 * (tips[thumb] + np.delete(tips, thumb, axis=0).mean(axis=0))

    @cached_property
    def force_lead(self) -> Array:
        """(A,) how far a target may be ahead of its joint for the joint's full effort (rad)."""
        rows = [(self.table.joint(name).effort, self.table.dynamics(name).kp) for name in self.motors]
        return np.array([effort / stiffness for effort, stiffness in rows])

    @property
    def motors(self) -> tuple[str, ...]:
        """The joints that have a motor."""
        return self.table.actuated_joint_names

    def random_postures(self, count: int, rng: np.random.Generator) -> Array:
        """Return joints (N, J): fingers anywhere between straight and closed, the thumb anywhere (rad)."""
        table = self.table
        share = rng.uniform(0.0, 1.5, (count, len(table.joint_names)))
        spread = rng.normal(0.0, 0.12, share.shape)
        joints = np.where(np.abs(self.power) < 1e-9, spread, share * self.power)
        columns = [table.joint_names.index(name) for name in table.fingers[self.opposing].joints]
        joints[:, columns] = rng.uniform(table.lower[columns], table.upper[columns], (count, len(columns)))
        return follow_couplings(np.clip(joints, table.lower, table.upper), table)

    def spheres(self, joints: Array) -> tuple[Array, Array]:
        """Return centres (N, P, 3) and radii (P,) of spheres on the collision shapes, in the root body's frame (m)."""
        model, data = self._model
        count, local, radii, owner = len(joints), *self._samples
        centres = np.empty((count, len(radii), 3))
        columns = [int(model.joint(name).qposadr[0]) for name in self.table.joint_names]
        for i in range(count):
            data.qpos[columns] = joints[i]
            mujoco.mj_kinematics(model, data)
            turn = data.geom_xmat.reshape(-1, 3, 3)[owner]
            centres[i] = np.einsum("pij,pj->pi", turn, local) + data.geom_xpos[owner]
        return centres, radii

    @cached_property
    def sphere_fingers(self) -> NDArray[np.intp]:
        """(P,) the finger that carries each of `spheres`, -1 for the palm."""
        return np.array([self._body_finger(name) for name in self._sphere_bodies])

    @cached_property
    def sphere_distal(self) -> NDArray[np.bool_]:
        """(P,) which of `spheres` are on the last link of a finger."""
        last = {finger.distal_body for finger in self.table.fingers.values()}
        return np.array([name in last for name in self._sphere_bodies])

    @property
    def _sphere_bodies(self) -> list[str]:
        model, _ = self._model
        return [model.body(int(model.geom_bodyid[g])).name for g in self._samples[2]]

    def _body_finger(self, name: str) -> int:
        while name != self.table.root_body:
            row = self.table.body(name)
            for k, finger in enumerate(self.table.fingers.values()):
                if row.joint and row.joint.name in finger.joints:
                    return k
            name = row.parent
        return -1

    @cached_property
    def _model(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        add_fixed_hand(spec, self.table)
        model = spec.compile()
        return model, mujoco.MjData(model)

    @cached_property
    def _samples(self) -> tuple[Array, Array, NDArray[np.intp]]:
        """Centres (P, 3) in the geoms' frames, radii (P,) and geoms (P,) of the spheres."""
        model, _ = self._model
        kind = mujoco.mjtGeom
        centres, radii, owner = [], [], []
        for g in range(model.ngeom):
            size = model.geom_size[g]
            if model.geom_type[g] == kind.mjGEOM_BOX:
                grid = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
                # Corners and middles of sides; edges lie between them.
                found = grid[np.isin(np.abs(grid).sum(axis=1), (1.0, 3.0))] * size
                radius = 0.0
            else:
                length = size[1] if model.geom_type[g] == kind.mjGEOM_CAPSULE else 0.0
                found = np.array([[0.0, 0.0, length * t] for t in (_CAPSULE if length else (0.0,))])
                radius = float(size[0])
            centres.append(found)
            radii += [radius] * len(found)
            owner += [g] * len(found)
        return np.concatenate(centres), np.array(radii), np.array(owner, dtype=np.intp)

    def _find_opposing(self) -> str:
        """Return the finger whose tip moves least with the others when the hand closes."""
        table = self.table
        ends = [self._tips(table.posture(name)) for name in _POSTURES]
        moves = ends[1] - ends[0]
        moves /= np.maximum(np.linalg.norm(moves, axis=1, keepdims=True), 1e-9)
        together = (moves @ moves.T).sum(axis=1)
        return table.finger_names[int(np.argmin(together))]

    def _tips(self, joints: Array) -> Array:
        zero = np.zeros((1, 3))
        rest = np.array([[1.0, 0.0, 0.0, 0.0]])
        tips = self.kinematics.fingertips(joints[None], np.zeros_like(joints)[None], zero, rest, zero, zero)
        return np.asarray(self.kinematics.finger_points(tips))[0]


def add_fixed_hand(spec: mujoco.MjSpec, table: HandTable) -> mujoco.MjsBody:
    """Add a hand whose root body stays at the origin: `add_hand` without the free wrist and its servo."""
    root = add_hand(spec, table)
    for actuator in [one for one in spec.actuators if one.name.startswith("wrist_")]:
        spec.delete(actuator)
    spec.delete(spec.joint("wrist"))
    return root
