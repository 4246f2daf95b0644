"""Tabletop scenes seen by simulated cameras."""

from collections.abc import Sequence

import mujoco
import numpy as np
from sleight_core.hand.shapes import HandShapes, PlacedShapes
from sleight_core.rotations import quat_multiply, quat_rotate, yaw_quat
from sleight_description import load_hand
from sleight_sim.objects import ObjectSpec
from sleight_sim.sensors.depth import DepthCamera, DepthNoise, default_rig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, build_model

#: Grasp centre in the hand's root frame (m).
GRASP = np.array([0.0, -0.02, 0.08])


class Scene:
    """A hand and an object over the table, in poses that a test sets."""

    def __init__(self, thing: ObjectSpec, seed: int = 0, cameras: Sequence[DepthCamera] | None = None) -> None:
        self.thing = thing
        self.table = load_hand("shadow")
        self.model = build_model(self.table, thing)
        self.data = mujoco.MjData(self.model)
        self.cameras = list(cameras or default_rig(DepthNoise()))
        self.rng = np.random.default_rng(seed)
        self._shapes = HandShapes(self.table)
        self._joints = [int(self.model.joint(name).qposadr[0]) for name in self.table.joint_names]
        self.set_hand(np.array([0.0, 0.0, TABLE_HEIGHT + 0.24]))

    def rest(self, pose: int, yaw: float, xy: Sequence[float]) -> np.ndarray:
        """Put the object into a resting pose; returns its position."""
        stable = self.thing.stable_poses
        position = np.array([*xy, TABLE_HEIGHT + stable.heights[pose]])
        self.set_object(position, quat_multiply(yaw_quat(np.asarray(yaw)), stable.quats[pose]))
        return position

    def set_object(self, position: np.ndarray, quat: np.ndarray) -> None:
        self.position, self.quat = position, quat
        self.data.joint("object").qpos[:] = [*position, *quat]

    def set_hand(self, wrist: np.ndarray, quat: np.ndarray = PALM_DOWN, joints: np.ndarray | None = None) -> None:
        self.joints = np.zeros(len(self._joints)) if joints is None else joints
        self.wrist, self.wrist_quat = wrist, quat
        self.data.joint("wrist").qpos[:] = [*wrist, *quat]
        self.data.qpos[self._joints] = self.joints

    def look(self) -> tuple[np.ndarray, list[PlacedShapes]]:
        """Cloud (N, 3) float32 of all cameras in the task frame, and the hand's shapes."""
        mujoco.mj_kinematics(self.model, self.data)
        views = [camera.points_world(camera.render(self.model, self.data, self.rng)) for camera in self.cameras]
        return np.concatenate(views), self._shapes.place(self.joints, self.wrist, self.wrist_quat)

    def grasp_and_lift(self, frames: int = 36):
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
