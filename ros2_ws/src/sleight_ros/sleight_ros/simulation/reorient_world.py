"""The cube reorientation task as one world in real time, that looks like a robot driver and a tracker from outside."""

from __future__ import annotations

import mujoco
import numpy as np
from sleight_core.hand import HandTable
from sleight_sim.tasks.reorient.config import CubeConfig, ReorientConfig
from sleight_sim.tasks.reorient.goals import Goals, angle_between, random_quats
from sleight_sim.tasks.reorient.start import draw_start
from sleight_sim.tasks.reorient.world import build_world

from sleight_ros.simulation.world import World


class ReorientWorld(World[CubeConfig]):
    """A fixed hand, palm up, a cube and its goals.

    Args:
        table: The hand.
        config: The task.

    Attributes:
        goals: One goal.
        rotations: Goals reached since the start, until the cube fell.
        fallen: Whether it has.
    """

    def __init__(self, table: HandTable, config: ReorientConfig) -> None:
        self.config = config
        self.rotations = 0
        self.fallen = False
        self.goals = Goals(config.goal, 1, np.random.default_rng(0))
        super().__init__(table, config.cube, timestep=config.timestep, substeps=config.substeps)

    def compile(self, thing: CubeConfig) -> mujoco.MjModel:
        """Compile the world of a cube."""
        return build_world(self.table, self.config.model_copy(update={"cube": thing}))

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a start and a goal as the task does."""
        mujoco.mj_resetData(self.model, self.data)
        joints, cube = draw_start(self.table, self.config, 1, rng)
        self.place((cube[0], random_quats(1, rng)[0]), joints[0])
        self.goals = Goals(self.config.goal, 1, rng)
        self.rotations, self.fallen = 0, False

    def command_twist(self, twist: np.ndarray) -> None:
        """The wrist is fixed."""

    def count(self) -> None:
        """Count a goal that is reached, and move on to the next."""
        pos, quat = self.object_pose()
        self.fallen |= bool(pos[2] < self.config.mount[2] - self.config.fall_depth)
        near = angle_between(quat[None], self.goals.quat) < self.config.goal.threshold
        self.rotations += bool(near[0]) and not self.fallen
        self.goals.advance(near, self.config.control_period)

    @property
    def succeeded(self) -> bool:
        """Whether the cube is still on the hand."""
        return not self.fallen

    def wrist(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Position, orientation (wxyz), linear and angular velocity of the hand's root body, task frame."""
        return np.array(self.config.root_pos), np.array(self.config.wrist_quat), np.zeros(3), np.zeros(3)
