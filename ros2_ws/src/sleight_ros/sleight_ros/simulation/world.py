"""Worlds in MuJoCo, stepped a physics step at a time, that look like a robot driver from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import mujoco
import numpy as np
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_multiply, quat_rotate, yaw_quat
from sleight_sim.objects.spec import ObjectSpec
from sleight_sim.tasks.grasp.arm import ArmCarrier
from sleight_sim.tasks.grasp.config import GraspTaskConfig
from sleight_sim.tasks.grasp.env import PALM_DOWN
from sleight_sim.tasks.grasp.metrics import GraspMetrics
from sleight_sim.tasks.grasp.start import aligned_yaw, pose_minor_axes, pose_probabilities
from sleight_sim.worlds.tabletop import TABLE_HEIGHT, SolverOptions, build_model

WRIST_AXES = ("vx", "vy", "vz", "wx", "wy", "wz")


@dataclass(frozen=True)
class RobotReading:
    """What the robot's own sensors say, task frame.

    Attributes:
        joint_pos, joint_vel: (J,) rad, rad/s, in the order of the table's `joint_names`.
        wrist_pos, wrist_quat, wrist_linvel, wrist_angvel: Pose (wxyz) and velocity of the root body.
        wrenches: (F, 6) N and N m in the distal bodies' frames.
    """

    joint_pos: np.ndarray
    joint_vel: np.ndarray
    wrist_pos: np.ndarray
    wrist_quat: np.ndarray
    wrist_linvel: np.ndarray
    wrist_angvel: np.ndarray
    wrenches: np.ndarray


@dataclass(frozen=True)
class TaskVerdict:
    """What came of one task of an episode: the fields of sleight_msgs/SkillRecord, as the simulator judges them."""

    skill: str
    kept: bool
    succeeded: bool


class Thing(Protocol):
    """What the hand is to move."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


OneThing = TypeVar("OneThing", bound=Thing)


class World(ABC, Generic[OneThing]):
    """A hand and one object at a time, stepped a physics step at a time: what `RealtimeWorld` runs.

    Args:
        table: The hand.
        thing: The first object.
        timestep: Physics step, s.
        substeps: Physics steps in a control period.

    Attributes:
        thing: The object that is there.
        model, data: MuJoCo's.
    """

    def __init__(self, table: HandTable, thing: OneThing, *, timestep: float, substeps: int) -> None:
        self.table = table
        self.timestep = timestep
        self.substeps = substeps
        self._models: dict[str, mujoco.MjModel] = {}
        self.load(thing)

    @abstractmethod
    def compile(self, thing: OneThing) -> mujoco.MjModel:
        """Compile the world of an object: the hand's joints, servos and sensors, and the free joint "object"."""

    @abstractmethod
    def reset(self, rng: np.random.Generator) -> None:
        """Draw a start as the task does."""

    @abstractmethod
    def command_twist(self, twist: np.ndarray) -> None:
        """Set the wrist twist (6,) in the task frame, m/s and rad/s."""

    @abstractmethod
    def count(self) -> None:
        """Take one control step into the episode's success figures."""

    @property
    @abstractmethod
    def succeeded(self) -> bool:
        """Whether the episode is a success, if it ends now."""

    @abstractmethod
    def wrist(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Position, orientation (wxyz), linear and angular velocity of the hand's root body, task frame."""

    def privileged(self) -> dict[str, np.ndarray]:
        """What only a simulator knows and a policy may see in simulation, by the names of its terms."""
        return {}

    @property
    def verdicts(self) -> tuple[TaskVerdict, ...]:
        """What came of each task of a composition up to now; empty in most worlds."""
        return ()

    def model_for(self, thing: OneThing) -> mujoco.MjModel:
        """The compiled world of an object; compiled once."""
        if thing.name not in self._models:
            self._models[thing.name] = self.compile(thing)
        return self._models[thing.name]

    def load(self, thing: OneThing) -> None:
        """Put another object there; follow with `reset`."""
        self.thing = thing
        self.model = model = self.model_for(thing)
        self.data = mujoco.MjData(model)
        table = self.table
        joints = [model.joint(name) for name in table.joint_names]
        self._joint_qpos = np.array([int(joint.qposadr[0]) for joint in joints])
        self._joint_qvel = np.array([int(joint.dofadr[0]) for joint in joints])
        self._object_qpos = int(model.joint("object").qposadr[0])
        self._joint_ctrl = np.array([model.actuator(f"act_{name}").id for name in table.actuated_joint_names])
        self._wrench_at = int(model.sensor(f"{table.finger_names[0]}_force").adr[0])

    def place(self, thing: tuple[np.ndarray, np.ndarray], joints: np.ndarray) -> None:
        """Put object and fingers at rest where they start.

        Args:
            thing: Position (3,) m and orientation (4,) wxyz of the object.
            joints: (J,) rad, inside their limits.
        """
        data, o = self.data, self._object_qpos
        data.qpos[o : o + 3], data.qpos[o + 3 : o + 7] = thing
        data.qpos[self._joint_qpos] = joints
        data.ctrl[self._joint_ctrl] = joints[self.table.actuated_index]
        mujoco.mj_forward(self.model, data)

    def command_joints(self, targets: np.ndarray) -> None:
        """Set the joint targets (A,) rad."""
        self.data.ctrl[self._joint_ctrl] = targets

    def step(self) -> None:
        """Advance one physics step."""
        mujoco.mj_step(self.model, self.data)

    def read(self) -> RobotReading:
        """Copy what the robot's sensors say now."""
        data, fingers = self.data, len(self.table.finger_names)
        pos, quat, linvel, angvel = self.wrist()
        return RobotReading(
            joint_pos=data.qpos[self._joint_qpos],
            joint_vel=data.qvel[self._joint_qvel],
            wrist_pos=pos,
            wrist_quat=quat,
            wrist_linvel=linvel,
            wrist_angvel=angvel,
            wrenches=data.sensordata[self._wrench_at : self._wrench_at + 6 * fingers].reshape(fingers, 6).copy(),
        )

    def object_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """True position (3,) m and orientation (4,) wxyz of the object."""
        o = self._object_qpos
        return self.data.qpos[o : o + 3].copy(), self.data.qpos[o + 3 : o + 7].copy()

    @property
    def finite(self) -> bool:
        """Whether the physics is still sane."""
        return bool(np.isfinite(self.data.qpos).all())


class MovingHandWorld(World[OneThing]):
    """A hand that moves over a table, with the timing and the success of the grasp task.

    Models of a floating hand have the free joint "wrist" and servos of its velocity; an arm's joints are the hand's.

    Args:
        table: The hand.
        config: The task.
        thing: What lies on the table first.
    """

    def __init__(self, table: HandTable, config: GraspTaskConfig, thing: OneThing) -> None:
        self.config = config
        self.metrics = GraspMetrics(1, config.success_radius, config.hold_steps)
        self.goal = np.asarray(config.goal)
        #: For a hand on an arm: how its joints place it at the start, and where they have it.
        self._carrier = ArmCarrier(table, config.control_period) if table.arm_joints else None
        timestep = config.control_period / config.substeps
        super().__init__(table, thing, timestep=timestep, substeps=config.substeps)

    def load(self, thing: OneThing) -> None:
        """Put another object on the table; follow with `reset`."""
        super().load(thing)
        if self._carrier is None:
            wrist = self.model.joint("wrist")
            self._wrist_qpos, self._wrist_qvel = int(wrist.qposadr[0]), int(wrist.dofadr[0])
            self._wrist_ctrl = np.array([self.model.actuator(f"wrist_{axis}").id for axis in WRIST_AXES])

    def place_hand(
        self, wrist: tuple[np.ndarray, np.ndarray], thing: tuple[np.ndarray, np.ndarray], joints: np.ndarray
    ) -> None:
        """Put hand and object at rest where they start.

        Args:
            wrist: Position (3,) m and orientation (4,) wxyz of the hand's root; an arm's joints go there.
            thing: The same of the object.
            joints: (J,) rad, inside their limits; those of an arm are found.
        """
        if self._carrier is not None:
            joints[self.table.arm_index] = self._carrier.start(wrist[0][None], wrist[1][None])[0]
        else:
            w = self._wrist_qpos
            self.data.qpos[w : w + 3], self.data.qpos[w + 3 : w + 7] = wrist
            self.data.ctrl[self._wrist_ctrl] = 0.0
        self.place(thing, joints)
        self.metrics.reset(np.array([0]))

    def command_twist(self, twist: np.ndarray) -> None:
        """Set the wrist twist (6,) in the task frame, m/s and rad/s; an arm takes none."""
        if self._carrier is None:
            self.data.ctrl[self._wrist_ctrl] = twist

    def count(self) -> None:
        """Take one control step into the episode's success figures."""
        pos = self.object_pose()[0]
        distance = np.array([np.linalg.norm(pos - self.goal)])
        self.metrics.update(distance, np.array([pos[2] - TABLE_HEIGHT]))

    @property
    def succeeded(self) -> bool:
        """Whether the object is being held at the goal."""
        return bool(self.metrics.held[0])

    def wrist(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Position, orientation (wxyz), linear and angular velocity of the hand's root body, task frame."""
        q, v = self.data.qpos, self.data.qvel
        if self._carrier is not None:
            arm = self.table.arm_index
            at = self._carrier.kinematics.state(q[self._joint_qpos][None, arm], v[self._joint_qvel][None, arm])
            return at.pos[0], at.quat[0], at.linvel[0], at.angvel[0]
        w, u = self._wrist_qpos, self._wrist_qvel
        quat = q[w + 3 : w + 7].copy()
        return q[w : w + 3].copy(), quat, v[u : u + 3].copy(), quat_rotate(quat, v[u + 3 : u + 6].copy())


class TabletopWorld(MovingHandWorld[ObjectSpec]):
    """Hand, table and one object, with the timing and the starts of the grasp task."""

    def compile(self, thing: ObjectSpec) -> mujoco.MjModel:
        """Compile the world of an object."""
        options = SolverOptions(timestep=self.timestep, elliptic=self.config.cone == "elliptic")
        return build_model(self.table, thing, options)

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a start as the task does: a stable pose of the object, dropped near the centre, the hand across it."""
        config, table = self.config, self.table
        mujoco.mj_resetData(self.model, self.data)
        poses = self.thing.stable_poses
        k = rng.choice(len(poses), p=pose_probabilities(self.thing, config.poses))
        turn = rng.uniform(-np.pi, np.pi)
        minor = pose_minor_axes(self.thing)[k] + turn if config.start_yaw == "aligned" else np.nan
        largest = np.pi if self._carrier is None else config.arm.max_yaw
        yaw = aligned_yaw(np.array([minor]), config.yaw_noise, rng, largest)[0]
        height = TABLE_HEIGHT + max(config.start_height, poses.heights[k] + 0.002)
        thing = np.append(rng.uniform(-config.object_xy, config.object_xy, 2), height)
        wrist = np.append(rng.uniform(-config.wrist_xy, config.wrist_xy, 2), TABLE_HEIGHT + config.wrist_height)
        self.place_hand(
            (wrist, quat_multiply(yaw_quat(np.asarray(yaw)), PALM_DOWN)),
            (thing, quat_multiply(yaw_quat(np.asarray(turn)), poses.quats[k])),
            np.clip(np.zeros(len(table.joint_names)), table.lower, table.upper),
        )
