"""The cube reorientation task as one world in real time, that looks like a robot driver and a tracker from outside."""

from __future__ import annotations

import mujoco
import numpy as np
from sleight_core.hand import HandTable
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.reorient.config import ReorientConfig
from sleight_sim.tasks.reorient.goals import Goals, angle_between, random_quats
from sleight_sim.tasks.reorient.start import draw_start
from sleight_sim.tasks.reorient.world import build_world

from sleight_ros.simulation.world import RobotReading


class ReorientWorld:
    """A fixed hand, palm up, a cube and its goals (`sleight_ros.simulation.world.World`).

    Args:
        table: The hand.
        config: The task.

    Attributes:
        goals: One goal.
        rotations: Goals reached since the start, until the cube fell.
        fallen: Whether it has.
    """

    name = "cube"

    def __init__(self, table: HandTable, config: ReorientConfig) -> None:
        self.table = table
        self.config = config
        self.model = build_world(table, config)
        self.data = mujoco.MjData(self.model)
        self.rotations = 0
        self.fallen = False
        self.goals = Goals(config.goal, 1, np.random.default_rng(0))
        joints = [self.model.joint(name) for name in table.joint_names]
        self._qpos = np.array([int(joint.qposadr[0]) for joint in joints])
        self._qvel = np.array([int(joint.dofadr[0]) for joint in joints])
        self._ctrl = np.array([self.model.actuator(f"act_{name}").id for name in table.actuated_joint_names])
        self._cube = int(self.model.joint("object").qposadr[0])
        self._wrench_at = int(self.model.sensor(f"{table.finger_names[0]}_force").adr[0])

    @property
    def substeps(self) -> int:
        """Physics steps in a control period."""
        return self.config.substeps

    @property
    def timestep(self) -> float:
        """Physics step, s."""
        return self.config.timestep

    @property
    def finite(self) -> bool:
        """Whether the physics is still sane."""
        return bool(np.isfinite(self.data.qpos).all())

    @property
    def succeeded(self) -> bool:
        """Whether the cube is still on the hand."""
        return not self.fallen

    def prepare(self, thing: ObjectSpec | None) -> None:
        """There is one cube only."""

    def load(self, thing: ObjectSpec | None) -> None:
        """There is one cube only."""

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a start and a goal as the task does."""
        mujoco.mj_resetData(self.model, self.data)
        joints, cube = draw_start(self.table, self.config, 1, rng)
        self.data.qpos[self._qpos] = joints[0]
        self.data.ctrl[self._ctrl] = joints[0, self.table.actuated_index]
        c = self._cube
        self.data.qpos[c : c + 3] = cube[0]
        self.data.qpos[c + 3 : c + 7] = random_quats(1, rng)[0]
        mujoco.mj_forward(self.model, self.data)
        self.goals = Goals(self.config.goal, 1, rng)
        self.rotations, self.fallen = 0, False

    def command_joints(self, targets: np.ndarray) -> None:
        """Set the joint targets (A,) rad."""
        self.data.ctrl[self._ctrl] = targets

    def command_twist(self, twist: np.ndarray) -> None:
        """The wrist is fixed."""

    def step(self) -> None:
        """Advance one physics step."""
        mujoco.mj_step(self.model, self.data)

    def count(self) -> None:
        """Count a goal that is reached, and move on to the next."""
        pos, quat = self.object_pose()
        self.fallen |= bool(pos[2] < self.config.mount[2] - self.config.fall_depth)
        near = angle_between(quat[None], self.goals.quat) < self.config.goal.threshold
        self.rotations += bool(near[0]) and not self.fallen
        self.goals.advance(near, self.config.control_period)

    def read(self) -> RobotReading:
        """Copy what the robot's sensors say now."""
        fingers = len(self.table.finger_names)
        return RobotReading(
            joint_pos=self.data.qpos[self._qpos],
            joint_vel=self.data.qvel[self._qvel],
            wrist_pos=np.array(self.config.root_pos),
            wrist_quat=np.array(self.config.wrist_quat),
            wrist_linvel=np.zeros(3),
            wrist_angvel=np.zeros(3),
            wrenches=self.data.sensordata[self._wrench_at : self._wrench_at + 6 * fingers].reshape(fingers, 6).copy(),
        )

    def object_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """True position (3,) m and orientation (4,) wxyz of the cube."""
        c = self._cube
        return self.data.qpos[c : c + 3].copy(), self.data.qpos[c + 3 : c + 7].copy()
