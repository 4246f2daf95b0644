"""The vectorised grasp task over any engine: timing, resets, observation, reward and counting.

What happens in every step is computed where the engine's states are: numpy on the host, or torch on a GPU. Starts of
episodes are drawn on the host, few at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from sleight_core.action import Command
from sleight_core.arrays import constant, host, integers, namespace, zeros
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder, RobotState
from sleight_core.observation.spec import term_specs
from sleight_core.observation.terms import Frame
from sleight_core.rotations import quat_multiply, quat_rotate, rotate_z, yaw_quat
from sleight_core.safety.limits import JointLimits, WristLimits, limit_joint_targets, limit_twist

from sleight_sim.engines import Engine, InitialState, SimState
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.grasp.arm import ArmCarrier, task_action
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.metrics import GraspMetrics
from sleight_sim.tasks.grasp.perception_model import PerceivedPosition
from sleight_sim.tasks.grasp.rewards import RewardInputs, base_reward
from sleight_sim.tasks.grasp.start import aligned_yaw, pose_minor_axes, pose_probabilities
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

Array = Any

ALL = slice(None)
#: Control steps between two changes of the force that pulls at a lifted object; the height (m) that counts as lifted.
PUSH_STEPS = 20
PUSH_HEIGHT = 0.03

#: Palm down, fingers horizontal: the hand's start before it is turned by the episode's yaw (resdex_facts 1.2).
PALM_DOWN = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])


@dataclass
class EpisodeResult:
    """Episodes that ended in a step, on the host.

    Attributes:
        ids: (n,) environments.
        held, ever: (n,) bool.
        highest: (n,) m over the table.
        counted: (n,) bool: the episode started as on the robot.
        touched: (n,) bool: an arm touched the table or the robot itself.
    """

    ids: Array
    held: Array
    ever: Array
    highest: Array
    counted: Array
    touched: Array

    def select(self, rows: Array) -> EpisodeResult:
        """Return some of the episodes."""
        return EpisodeResult(*(values[rows] for values in vars(self).values()))


@dataclass
class StepResult:
    """What one control step gave, in the engine's kind of arrays.

    Attributes:
        obs: (B, O) float32 actor observations (of the new episode where one ended).
        critic: (B, C) float32 privileged observations.
        reward: (B,) float32.
        done: (B,) bool.
        terms: Mean of each reward term.
        ended: The episodes that ended, or None.
    """

    obs: Array
    critic: Array
    reward: Array
    done: Array
    terms: dict[str, float] = field(default_factory=dict)
    ended: EpisodeResult | None = None


class CloudSource(Protocol):
    """What perception would report of the objects' surfaces (see `sleight_sim.sensors.visible`)."""

    @property
    def current(self) -> Array:
        """(B, N, 3) m in the task frame, as reported last."""
        ...

    def reset(self, ids: Array, sim: SimState, /) -> None:
        """Start new episodes in environments ids (n,)."""
        ...

    def update(self, sim: SimState, /) -> None:
        """Advance one control step."""
        ...


class GraspTask:
    """The grasp task for B environments.

    Every step applies the limit functions of the robot's safety filter, and `last_action` is what they let through.

    Args:
        engine: B worlds, environment i holding `objects[i]`.
        objects: The object of each environment.
        config: The task.
        seed: Seed of starts, delays and sensor errors.
    """

    def __init__(self, engine: Engine, objects: list[ObjectSpec], config: GraspTaskConfig, seed: int = 0) -> None:
        self.engine = engine
        self.objects = objects
        self.config = config
        self.table: HandTable = engine.table
        self.num_envs = b = engine.num_envs
        self.rng = np.random.default_rng(seed)
        self.action_spec = task_action(self.table, config)
        self.observation = ObservationBuilder(self.table, term_specs(self.table, config.terms))
        self.critic_observation = ObservationBuilder(
            self.table, term_specs(self.table, config.critic_terms), self.observation.kinematics
        )
        self.joint_limits = JointLimits.from_table(self.table)
        self.wrist_limits = WristLimits.from_table(self.table)
        #: An array of the engine's kind, type and device, for making others.
        self.like = like = engine.state().object_pos
        self.metrics = GraspMetrics(b, config.success_radius, config.hold_steps, like)
        self.perceived = PerceivedPosition(config.perception, b, self.rng, like)
        self.goal = constant(np.tile(np.asarray(config.goal), (b, 1)), like)
        self.step_count = integers(np.zeros(b, dtype=int), like)
        self.yaw = zeros((b,), like)
        self.rest_height = zeros((b,), like)
        self.sent_targets = zeros((b, len(self.table.actuated_joint_names)), like)
        self.sent_twist = zeros((b, 6), like)
        self.last_action = zeros((b, self.action_spec.size), like)
        #: What else is known of each environment's object, (B, ...) by name: privileged, and the same in all episodes.
        self.known: dict[str, Array] = {}
        #: What cameras would see of the objects; None where no observation asks for it.
        self.clouds: CloudSource | None = None
        #: Environments whose episode started as on the robot, and so counts for success.
        self.counted = np.ones(b, dtype=bool)
        self.touched = np.zeros(b, dtype=bool)
        #: (B,) Vertical part of what was sent to wrist or arm, as a share of the wrist's speed (the paper's a_z).
        self.vertical = zeros((b,), like)
        self._arm = ArmCarrier(self.table, config.control_period) if self.table.arm_joints else None
        self._fingers = slice(0, len(self.table.joint_names) - len(self.table.arm_joints))
        self._delayed = integers(np.zeros(b, dtype=bool), like)
        self._palm_to_grasp = quat_rotate(PALM_DOWN, self.observation.kinematics.grasp_offset)
        self._pending = zeros((b, self.action_spec.size), like)
        distinct = {id(thing): thing for thing in objects}
        axes = {key: pose_minor_axes(thing) for key, thing in distinct.items()}
        chances = {key: pose_probabilities(thing, config.poses) for key, thing in distinct.items()}
        self._weight = np.array([9.81 * thing.mass for thing in objects])
        self._push = np.zeros((b, 3))
        self._age = 0
        self._minor_axes = [axes[id(thing)] for thing in objects]
        self._pose_probabilities = [chances[id(thing)] for thing in objects]
        self._posture = self.table.posture(config.reward.grasp_posture)[self._fingers]
        self.sim: SimState
        self._frame: Frame

    @property
    def num_obs(self) -> int:
        """Length of the actor's observation."""
        return self.observation.size

    @property
    def num_actions(self) -> int:
        """Length of the action."""
        return self.action_spec.size

    def reset(self, ids: np.ndarray | None = None, *, random_progress: bool = False) -> tuple[Array, Array]:
        """Start new episodes.

        Args:
            ids: Environments, or None for all.
            random_progress: Give the episodes random ages, so that later resets spread out.

        Returns:
            Actor and critic observations of all environments.
        """
        ids = np.arange(self.num_envs) if ids is None else ids
        self._start(ids)
        if random_progress:
            ages = self.rng.integers(0, self.config.episode_steps, len(ids))
            self.step_count[integers(ids, self.like)] = integers(ages, self.like)
        self.sim = self.engine.state()
        if self.clouds is not None:
            self.clouds.reset(ids, self.sim)
        return self._observe(self.perceived.current)

    def step(self, action: Array) -> StepResult:
        """Advance one control step.

        Args:
            action: (B, A) policy outputs; clipped to [-1, 1].
        """
        config = self.config
        raw = constant(action, self.like)
        xp = namespace(raw)
        wanted = xp.clip(raw, -1.0, 1.0)
        excess = xp.square(raw - wanted).mean(axis=-1)
        wanted, self._pending = xp.where(self._delayed[:, None], self._pending, wanted), wanted
        command = self.action_spec.decode(wanted, self.yaw, self.sent_targets, self.sim.joint_pos)
        targets = limit_joint_targets(
            command.joint_targets, self.sent_targets, self.joint_limits, config.control_period
        )
        twist = limit_twist(command.wrist_twist, self.sent_twist, self.wrist_limits, config.control_period)
        executed = self.action_spec.encode(Command(targets, twist), self.yaw, self.sent_targets)
        change = xp.square(executed - self.last_action).mean(axis=-1)
        arm = self._arm
        self.vertical = executed[:, 2] if arm is None else arm.vertical_speed(self.sent_targets, targets)
        self.sent_targets, self.sent_twist, self.last_action = targets, twist, executed
        if config.randomisation.push:
            self._pull()
        self.engine.step(targets, twist)
        self.step_count += 1
        self.sim = sim = self.engine.state()
        if sim.touching is not None:
            self.touched |= sim.touching
        perceived = self.perceived.update(sim.object_pos)
        if self.clouds is not None:
            self.clouds.update(sim)

        state = self._robot_state(perceived)
        frame = self.observation.frame(state)
        goal_distance = xp.linalg.vector_norm(sim.object_pos - self.goal, axis=-1)
        self.metrics.update(goal_distance, sim.object_pos[:, 2] - TABLE_HEIGHT)
        terms = base_reward(
            RewardInputs(
                object_pos=frame.rotate(sim.object_pos),
                grasp_center=frame.grasp_center,
                finger_points=self.observation.kinematics.finger_points(frame.fingertips),
                joint_pos=sim.joint_pos[:, self._fingers],
                goal_pos=frame.goal_pos,
                vertical_command=self.vertical,
                action_change=change,
                excess=excess,
                rest_height=self.rest_height,
                touching=sim.touching,
            ),
            config.reward,
            self._posture,
        )
        reward = sum(terms.values(), zeros((self.num_envs,), self.like))
        failed = self.engine.failed()
        done = (self.step_count >= config.episode_steps) | failed
        ended = None
        obs, critic = self.observation.compute(state, frame), self.critic_observation.compute(state, frame)
        ids = np.flatnonzero(host(done))
        if len(ids):
            where = integers(ids, self.like)
            counted = self.counted[ids].copy()
            reward = xp.where(failed, xp.zeros_like(reward), reward)
            held = self.metrics.held[where] & ~failed[where]
            ended = EpisodeResult(
                ids,
                host(held),
                host(self.metrics.ever[where]),
                host(self.metrics.highest[where]),
                counted,
                self.touched[ids].copy(),
            )
            self._start(ids)
            self.sim = self.engine.state()
            if self.clouds is not None:
                self.clouds.reset(ids, self.sim)
            obs[where], critic[where] = self._observe(self.perceived.current, where)
        means = host(xp.stack([value.mean() for value in terms.values()])).tolist()
        return StepResult(obs, critic, xp.astype(reward, xp.float32), done, dict(zip(terms, means, strict=True)), ended)

    def _pull(self) -> None:
        """Pull at the lifted objects, so that only a firm grasp lasts."""
        if self._age % PUSH_STEPS == 0:
            direction = self.rng.normal(size=(self.num_envs, 3))
            direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
            size = self.config.randomisation.push * self._weight * self.rng.random(self.num_envs)
            self._push = direction * size[:, None]
        self._age += 1
        lifted = self.sim.object_pos[:, 2] > self.rest_height + PUSH_HEIGHT
        self.engine.apply_force(lifted[:, None] * constant(self._push, self.like))

    def _observe(self, perceived: Array, ids: Array | slice = ALL) -> tuple[Array, Array]:
        state = self._robot_state(perceived, ids)
        frame = self.observation.frame(state)
        return self.observation.compute(state, frame), self.critic_observation.compute(state, frame)

    def _robot_state(self, perceived: Array, ids: Array | slice = ALL) -> RobotState:
        sim, noise = self.sim, self.config.randomisation
        joint_pos, wrench = sim.joint_pos[ids], sim.fingertip_wrench[ids]
        if noise.joint_noise:
            joint_pos = joint_pos + self._noise(noise.joint_noise, joint_pos)
        if noise.wrench_noise:
            wrench = wrench + self._noise(noise.wrench_noise, wrench)
        left = (self.config.episode_steps - self.step_count[ids]) * self.config.control_period
        return RobotState(
            joint_pos=joint_pos,
            joint_vel=sim.joint_vel[ids],
            wrist_pos=sim.wrist_pos[ids],
            wrist_quat=sim.wrist_quat[ids],
            wrist_linvel=sim.wrist_linvel[ids],
            wrist_angvel=sim.wrist_angvel[ids],
            fingertip_wrench=wrench,
            canonical_yaw=self.yaw[ids],
            last_action=self.last_action[ids],
            object_pos=perceived[ids],
            goal_pos=self.goal[ids],
            object_cloud=None if self.clouds is None else self.clouds.current[ids],
            privileged={
                **{name: constant(value, self.like)[ids] for name, value in self.known.items()},
                "object_pos": sim.object_pos[ids],
                "object_quat": sim.object_quat[ids],
                "object_linvel": sim.object_linvel[ids],
                "object_angvel": sim.object_angvel[ids],
                "time_left": left[:, None],
            },
        )

    def _noise(self, size: float, like: Array) -> Array:
        """Normal noise for an array in every step: on a GPU drawn there, from torch's generator."""
        if isinstance(like, np.ndarray):
            return self.rng.normal(0.0, size, like.shape)
        return namespace(like).empty_like(like).normal_(0.0, size)

    def _start(self, ids: np.ndarray) -> None:
        """Draw and apply new starts for environments ids."""
        config, rng, n = self.config, self.rng, len(ids)
        object_quat, rest, minor = np.empty((n, 4)), np.empty(n), np.empty(n)
        for row, i in enumerate(ids):
            poses = self.objects[i].stable_poses
            k = rng.choice(len(poses), p=self._pose_probabilities[i])
            object_quat[row], rest[row] = poses.quats[k], poses.heights[k]
            minor[row] = self._minor_axes[i][k]
        turn = rng.uniform(-np.pi, np.pi, n)
        object_quat = quat_multiply(yaw_quat(turn), object_quat)
        minor = minor + turn if config.start_yaw == "aligned" else np.full(n, np.nan)
        yaw = aligned_yaw(minor, config.yaw_noise, rng, np.pi if self._arm is None else config.arm.max_yaw)
        object_pos = np.empty((n, 3))
        object_pos[:, :2] = rng.uniform(-config.object_xy, config.object_xy, (n, 2))
        object_pos[:, 2] = TABLE_HEIGHT + np.maximum(config.start_height, rest + 0.002)
        wrist_pos = np.empty((n, 3))
        wrist_pos[:, :2] = rng.uniform(-config.wrist_xy, config.wrist_xy, (n, 2))
        wrist_pos[:, 2] = TABLE_HEIGHT + config.wrist_height
        near = rng.random(n) < config.near_start
        if near.any():
            offset = rotate_z(np.tile(self._palm_to_grasp, (n, 1)), yaw)
            object_pos[near, 2] = TABLE_HEIGHT + rest[near] + 0.001
            wrist_pos[near, :2] = object_pos[near, :2] - offset[near, :2] + rng.uniform(-0.01, 0.01, (n, 2))[near]
            low = TABLE_HEIGHT + 2.0 * rest + config.near_gap + rng.uniform(0.0, 0.045, n)
            wrist_pos[near, 2] = np.minimum(low, wrist_pos[:, 2])[near]
        joint_pos = np.zeros((n, len(self.table.joint_names)))
        if config.joint_start_noise:
            joint_pos += rng.uniform(-config.joint_start_noise, config.joint_start_noise, joint_pos.shape)
        joint_pos = np.clip(joint_pos, self.table.lower, self.table.upper)
        wrist_quat = quat_multiply(yaw_quat(yaw), np.tile(PALM_DOWN, (n, 1)))
        if self._arm is not None:
            joint_pos[:, self.table.arm_index] = self._arm.start(wrist_pos, wrist_quat)
        self.engine.reset(ids, InitialState(joint_pos, wrist_pos, wrist_quat, object_pos, object_quat))

        targets = self.joint_limits.clip(joint_pos[:, self.table.actuated_index])
        sent = self.action_spec.encode(Command(targets, np.zeros((n, 6))), yaw, targets)
        like, where = self.like, integers(ids, self.like)
        self.yaw[where] = constant(yaw, like)
        self.rest_height[where] = constant(TABLE_HEIGHT + rest, like)
        self.step_count[where] = 0
        self.sent_targets[where] = constant(targets, like)
        self.sent_twist[where] = 0.0
        self.last_action[where] = self._pending[where] = constant(sent, like)
        self.counted[ids] = ~near
        self.touched[ids] = False
        self._delayed[where] = integers(rng.random(n) < 0.5 * config.randomisation.action_delay, like)
        self.metrics.reset(where)
        self.perceived.reset(ids, object_pos)
