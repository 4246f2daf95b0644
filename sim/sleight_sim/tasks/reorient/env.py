"""The vectorised cube reorientation task: what a bundle's policy sees and does, goals, and counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.action import ActionPart, ActionSpec
from sleight_core.action.spec import Command
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder, RobotState, TermSpec
from sleight_core.safety.limits import JointLimits, limit_joint_targets
from sleight_description import load_hand

from sleight_sim.tasks.reorient.config import ReorientConfig
from sleight_sim.tasks.reorient.engine import HandAndCube, ReorientEngine
from sleight_sim.tasks.reorient.goals import Goals, angle_between, random_quats
from sleight_sim.tasks.reorient.start import draw_start
from sleight_sim.tasks.reorient.world import build_world

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass
class ReorientStep:
    """What one control step gave.

    Attributes:
        obs: (B, D) float32, with the goals as they are after the step.
        angle: (B,) rad between cube and goal at the step's end, before the goal moved on.
        reached: (B,) bool: the goal was reached in this step.
        fallen: (B,) bool: the cube lies below the hand, now or before.
    """

    obs: NDArray[np.float32]
    angle: Array
    reached: Flags
    fallen: Flags


class ReorientTask:
    """The task in B environments, seen and acted on as a bundle says.

    Every step applies the limits of the robot's safety filter. An environment whose cube has fallen counts no more.

    Args:
        config: The task.
        terms: The policy's observation.
        parts: The policy's action; without a wrist twist, for the hand is fixed.
        count: B.
        seed: Seed of starts, goals and errors.
        num_threads: Threads; 0 for one a core.

    Raises:
        SleightError: Observation or action do not fit the hand, or the action moves the wrist.
    """

    def __init__(
        self,
        config: ReorientConfig,
        terms: Sequence[TermSpec],
        parts: Sequence[ActionPart],
        count: int,
        *,
        seed: int = 0,
        num_threads: int = 0,
    ) -> None:
        self.config = config
        self.table: HandTable = load_hand(config.hand)
        if any(part.rule == "twist" for part in parts):
            raise SleightError("the hand is fixed in this task, but the policy commands a wrist twist")
        self.num_envs = count
        self.rng = np.random.default_rng(seed)
        self.observation = ObservationBuilder(self.table, terms)
        self.action = ActionSpec(self.table, parts)
        self.limits = JointLimits.from_table(self.table, margin=config.margin)
        model = build_world(self.table, config)
        self.engine = ReorientEngine(self.table, model, count, substeps=config.substeps, num_threads=num_threads)
        self.goals = Goals(config.goal, count, self.rng)
        actuated = len(self.table.actuated_joint_names)
        self.targets = np.zeros((count, actuated))
        self.last_action = np.zeros((count, self.action.size))
        self.last_output = np.zeros((count, actuated))
        #: Goals reached so far, and the control steps before the cube fell, (B,).
        self.rotations = np.zeros(count, dtype=int)
        self.steps = np.zeros(count, dtype=int)
        self.fallen = np.zeros(count, dtype=bool)
        self.sim: HandAndCube

    def reset(self) -> NDArray[np.float32]:
        """Start new episodes in all environments; return observations (B, D)."""
        ids = np.arange(self.num_envs)
        joints, cube = draw_start(self.table, self.config, self.num_envs, self.rng)
        self.targets = joints[:, self.table.actuated_index]
        self.engine.reset(ids, joints, self.targets, cube, random_quats(self.num_envs, self.rng))
        self.goals.reset(ids)
        for array in (self.last_output, self.last_action, self.rotations, self.steps, self.fallen):
            array[:] = 0
        self.sim = self.engine.state()
        return self.observe()

    def step(self, action: NDArray[np.floating]) -> ReorientStep:
        """Advance one control step under policy outputs (B, A)."""
        config, yaw = self.config, np.zeros(self.num_envs)
        raw = np.asarray(action, dtype=np.float64)
        wanted = self.action.decode(raw, yaw, self.targets)
        sent = limit_joint_targets(wanted.joint_targets, self.targets, self.limits, config.control_period)
        self.last_action = self.action.encode(Command(sent, np.zeros((self.num_envs, 6))), yaw, self.targets)
        self.last_output = self.action.joint_outputs(raw)
        self.targets = sent
        self.engine.step(sent)
        self.sim = sim = self.engine.state()
        below = sim.cube_pos[:, 2] < config.mount[2] - config.fall_depth
        self.fallen |= below | ~np.isfinite(sim.cube_pos).all(axis=-1)
        angle = angle_between(sim.cube_quat, self.goals.quat)
        near = angle < config.goal.threshold
        reached = near & ~self.fallen
        self.rotations += reached
        self.steps += ~self.fallen
        self.goals.advance(near, config.control_period)
        return ReorientStep(self.observe(), angle, reached, self.fallen.copy())

    def observe(self) -> NDArray[np.float32]:
        """Return what the policy sees now, (B, D)."""
        return self.observation.compute(self.robot_state())

    def robot_state(self) -> RobotState:
        """What the robot would know now, with the errors of the task's `sight`."""
        sim, b, sight, rng = self.sim, self.num_envs, self.config.sight, self.rng
        joints, pos, quat = sim.joint_pos, sim.cube_pos, sim.cube_quat
        if sight.joints:
            joints = joints + rng.uniform(-sight.joints, sight.joints, joints.shape)
        if sight.position:
            pos = pos + rng.uniform(-sight.position, sight.position, pos.shape)
        if sight.orientation:
            quat = quat + rng.normal(0.0, sight.orientation, quat.shape)
            quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
        return RobotState(
            joint_pos=joints,
            joint_vel=sim.joint_vel,
            wrist_pos=np.tile(self.config.root_pos, (b, 1)),
            wrist_quat=np.tile(self.config.wrist_quat, (b, 1)),
            wrist_linvel=np.zeros((b, 3)),
            wrist_angvel=np.zeros((b, 3)),
            fingertip_wrench=np.zeros((b, len(self.table.fingers), 6)),
            canonical_yaw=np.zeros(b),
            last_action=self.last_action,
            object_pos=pos,
            goal_pos=np.tile(np.add(self.config.mount, self.config.cube.start), (b, 1)),
            object_quat=quat,
            goal_quat=self.goals.quat,
            joint_targets=self.targets,
            last_output=self.last_output,
        )
