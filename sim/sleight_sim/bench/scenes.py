"""Tabletop scenes as calibrated depth cameras see them, and what goes wrong in them, for figures and for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sleight_core.hand import HandTable
from sleight_core.hand.shapes import HandShapes, PlacedShapes
from sleight_core.perception import CameraView
from sleight_core.rotations import quat_multiply, quat_rotate, quat_to_matrix, yaw_quat
from sleight_description import load_hand
from sleight_description.mjcf import add_hand

from sleight_sim.objects.mjcf import add_object
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.sensors.depth import DepthCamera, DepthNoise, default_rig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

Array = NDArray[np.float64]

#: Grasp centre in the hand's root frame (m).
GRASP = np.array([0.0, -0.02, 0.08])
#: Where an object is that is not there (m): under the table.
NOWHERE = np.array([0.0, 0.0, -5.0])
BOX, CYLINDER, SPHERE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_SPHERE
#: Things beside the object: type, size (m, as MuJoCo has it) and place on the table. One is larger than any object.
CLUTTER = (
    (BOX, (0.09, 0.05, 0.09), (0.0, 0.24)),
    (CYLINDER, (0.03, 0.06, 0.0), (0.17, -0.08)),
    (SPHERE, (0.03, 0.0, 0.0), (-0.17, -0.10)),
    (BOX, (0.07, 0.04, 0.008), (0.02, -0.21)),
    (BOX, (0.015, 0.08, 0.015), (-0.20, 0.05)),
)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong in a scene.

    Attributes:
        clutter: Whether other things stand on the table.
        noise: Errors of the depth.
        holes: Round holes in each depth picture, of up to an eighth of its height.
        turn_deg, shift: How far the second camera is turned (degrees) and moved (m) after `moved_at` clouds.
        moved_at: See there.
    """

    clutter: bool = False
    noise: DepthNoise = DepthNoise()
    holes: int = 0
    turn_deg: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    moved_at: int = 5


#: The scenes of which the figures speak. The depth's noise is that of a good camera unless it says otherwise.
SCENES = {
    "plain": Trouble(),
    "clutter": Trouble(clutter=True),
    "noise": Trouble(noise=DepthNoise(sigma=0.002, sigma_z2=0.004)),
    "holes": Trouble(noise=DepthNoise(dropout=0.3), holes=8),
    "flying pixels": Trouble(noise=DepthNoise(edge_dropout=0.1, flying=0.6)),
    "moved camera": Trouble(turn_deg=3.0, shift=(0.01, 0.0, 0.015)),
}


class TabletopScene:
    """A hand, an object and other things on a table.

    Args:
        thing: The object.
        seed: Seed of the cameras' errors.
        trouble: What goes wrong.
        width: Columns of each camera.
        height: Rows of each camera.
        cameras: Other cameras than the rig of the profiles.
    """

    def __init__(
        self,
        thing: ObjectSpec,
        seed: int = 0,
        trouble: Trouble | None = None,
        *,
        width: int = 112,
        height: int = 84,
        cameras: Sequence[DepthCamera] | None = None,
    ) -> None:
        self.thing = thing
        self.trouble = trouble or Trouble()
        self.table = load_hand("shadow")
        self.rng = np.random.default_rng(seed)
        self.cameras = list(cameras or default_rig(self.trouble.noise, width=width, height=height))
        self._where = list(self.cameras)
        self.model = _world(self.table, thing, CLUTTER if self.trouble.clutter else ())
        self.data = mujoco.MjData(self.model)
        self._shapes = HandShapes(self.table)
        self._joints = [int(self.model.joint(name).qposadr[0]) for name in self.table.joint_names]
        self._clouds = 0
        self.set_hand(np.array([0.0, 0.0, TABLE_HEIGHT + 0.24]))

    def rest(self, pose: int, yaw: float, xy: Sequence[float]) -> Array:
        """Put the object into a resting pose; returns its position."""
        stable = self.thing.stable_poses
        position = np.array([*xy, TABLE_HEIGHT + stable.heights[pose]])
        self.set_object(position, quat_multiply(yaw_quat(np.asarray(yaw)), stable.quats[pose]))
        return position

    def set_object(self, position: Array, quat: Array | None = None) -> None:
        """Put the object somewhere, m and wxyz; without an orientation it keeps that which it has."""
        self.position = np.asarray(position, dtype=float)
        self.quat = self.quat if quat is None else quat
        self.data.joint("object").qpos[:] = [*self.position, *self.quat]

    def set_hand(self, wrist: Array, quat: Array = PALM_DOWN, joints: Array | None = None) -> None:
        """Put the hand's root somewhere, m and wxyz, with these joint angles (rad) or all at 0."""
        self.joints = np.zeros(len(self._joints)) if joints is None else joints
        self.wrist, self.wrist_quat = wrist, quat
        self.data.joint("wrist").qpos[:] = [*wrist, *quat]
        self.data.qpos[self._joints] = self.joints

    def move_camera(self, index: int, turn_deg: float, shift: Sequence[float]) -> None:
        """Move a camera without telling anybody: its clouds go on being placed where it was."""
        camera = self.cameras[index]
        turn = Rotation.from_rotvec(np.deg2rad([turn_deg, 0.0, 0.0]))
        quat = Rotation.from_quat(camera.pose[1], scalar_first=True) * turn
        self._where[index] = DepthCamera(
            camera.name,
            camera.pose[0] + np.asarray(shift),
            quat=quat.as_quat(scalar_first=True),
            width=camera.width,
            height=camera.height,
            fovy_deg=float(np.rad2deg(2.0 * np.arctan(0.5 * camera.height / camera.focal))),
            noise=camera.noise,
        )

    def look(self) -> tuple[list[CameraView], list[PlacedShapes]]:
        """Return what each camera sees now, and the hand's shapes."""
        trouble = self.trouble
        if self._clouds == trouble.moved_at and (trouble.turn_deg or any(trouble.shift)):
            self.move_camera(1, trouble.turn_deg, trouble.shift)
        self._clouds += 1
        mujoco.mj_kinematics(self.model, self.data)
        views = []
        for known, real in zip(self.cameras, self._where, strict=True):
            depth = real.render(self.model, self.data, self.rng)
            for _ in range(trouble.holes):
                _pierce(depth, self.rng)
            pose = known.pose
            views.append(CameraView(known.name, known.points_optical(depth), quat_to_matrix(pose[1]), pose[0]))
        return views, self._shapes.place(self.joints, self.wrist, self.wrist_quat)

    def grasp_and_lift(self, frames: int = 36) -> Iterator[int]:
        """Yield after every frame of: hand comes down over the object, closes, lifts it by 20 cm and turns."""
        start, reach = self.wrist.copy(), self.position - quat_rotate(PALM_DOWN, GRASP) + [0.0, 0.0, 0.015]
        grip = self.table.posture("power_grasp")
        at, quat = self.position.copy(), self.quat.copy()
        down, close = frames // 3, frames // 2
        for k in range(frames):
            if k < down:
                self.set_hand(start + (reach - start) * (k + 1) / down)
            elif k < close:
                self.set_hand(reach, PALM_DOWN, grip * (k + 1 - down) / (close - down))
            else:
                share = (k + 1 - close) / (frames - close)
                turn, lift = yaw_quat(np.asarray(0.5 * share)), np.array([0.02, -0.01, 0.2]) * share
                self.set_object(at + lift, quat_multiply(turn, quat))
                self.set_hand(at + lift + quat_rotate(turn, reach - at), quat_multiply(turn, PALM_DOWN), grip)
            yield k


def merged(views: Sequence[CameraView]) -> NDArray[np.float32]:
    """Return all points (N, 3) of views in the task frame, m."""
    rows = []
    for view in views:
        assert view.turn is not None and view.origin is not None
        rows.append((view.points @ view.turn.T + view.origin).astype(np.float32))
    return np.concatenate(rows)


def _world(hand: HandTable, thing: ObjectSpec, clutter: Sequence[tuple]) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, pos=[0, 0, TABLE_HEIGHT], size=[0.5, 0.5, 0.1])
    for kind, size, place in clutter:
        height = {BOX: size[2], CYLINDER: size[1], SPHERE: size[0]}[kind]
        spec.worldbody.add_geom(type=kind, size=size, pos=[*place, TABLE_HEIGHT + height])
    add_hand(spec, hand)
    body = spec.worldbody.add_body(name="object", pos=NOWHERE)
    body.add_freejoint(name="object")
    add_object(spec, body, thing, len(thing.pieces))
    return spec.compile()


def _pierce(depth: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Take a round hole out of a depth picture."""
    height, width = depth.shape
    v, u = np.ogrid[:height, :width]
    radius = rng.uniform(1.0, height / 16.0)
    depth[(v - rng.uniform(0, height)) ** 2 + (u - rng.uniform(0, width)) ** 2 < radius**2] = np.nan
