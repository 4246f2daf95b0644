"""Differential inverse kinematics of an arm with mink: a wrist twist, or wanted joint targets, to the next targets.

Needs the extra "arm" (mink, and with it MuJoCo's kinematics; no simulation runs). Every step is one quadratic program
over the joints' displacements: the hand's motion as the objective, joint ranges, speeds and distances as constraints.
Standing still always satisfies them, so there is always an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.arm import Robot
from sleight_core.arm.servo import ArmServo, ArmStatus, ArmStep
from sleight_core.errors import MissingExtraError, SleightError
from sleight_core.rotations import quat_conjugate, quat_multiply
from sleight_core.safety.limits import DEFAULT_MARGIN, JointLimits

from sleight_description.ik_model import IkModel

if TYPE_CHECKING:
    import mink

Array = NDArray[np.float64]

#: Names of what can hold an arm back, beside obstacles.
RANGE, SPEED = "end of the joint's range", "speed limit"
#: How far beyond its clearance an obstacle is taken into account (m).
DETECTION = 0.10
#: How fast a moving arm backs out of a clearance (m/s), into which curved motion along an obstacle slips.
RETREAT = 0.02


@dataclass(frozen=True)
class IkConfig:
    """How carefully the arm moves.

    Attributes:
        position_margin: Distance kept from the ends of the joints' ranges (rad).
        speed_scale: Factor on the arm's joint speeds, in (0, 1].
        lead: How far targets may run ahead of the measured joints (rad).
        table_height: Top of the table in the task frame (m), which nothing but fingers may come near; None: no table.
        table_clearance: Distance kept by arm and palm from the table (m).
        self_clearance: Distance kept between the robot's own shapes (m).
        finger_clearance: Distance that a motion of the arm keeps between fingers and table (m); None: fingers may touch
            it, as policies for a floating wrist learn to.
        approach: Share of the remaining distance to a joint's end or an obstacle that one step may use up, in (0, 1].
        singular_at: Smallest singular value of the Jacobian (m/rad, rotations times `angle_weight`) without damping.
        damping: Damping (m/rad) at a singularity.
        angle_weight: Metres of error that count as much as one radian.
        leash_pos: How far the wanted pose may run ahead of the hand on each axis of the task frame (m).
        leash_rot: Likewise (rad).
        posture_time: Time constant (s) with which free joints return to the "ready" posture.
    """

    position_margin: float = DEFAULT_MARGIN
    speed_scale: float = 1.0
    lead: float = 0.2
    table_height: float | None = 0.6
    table_clearance: float = 0.01
    self_clearance: float = 0.01
    finger_clearance: float | None = None
    approach: float = 0.2
    singular_at: float = 0.04
    damping: float = 0.05
    angle_weight: float = 0.3
    leash_pos: float = 0.01
    leash_rot: float = 0.05
    posture_time: float = 2.0


class MinkArmServo(ArmServo):
    """`ArmServo` with mink.

    The twist is integrated to a wanted pose, and the arm follows that: errors of single steps do not add up. The wanted
    pose is on a leash: where the arm cannot follow, it waits.

    Args:
        robot: A hand on an arm.
        config: How carefully it moves.

    Raises:
        MissingExtraError: mink is not installed.
        SleightError: A figure of the config is out of range.
    """

    def __init__(self, robot: Robot, config: IkConfig | None = None) -> None:
        try:
            import mink
            import qpsolvers
        except ImportError as error:
            raise MissingExtraError(str(error.name or "mink").split(".")[0], "arm") from error
        self.config = config or IkConfig()
        _check(self.config)
        super().__init__(arm_limits(robot, self.config), lead=self.config.lead)
        self._mink: Any = mink
        self._qp: Any = qpsolvers
        self.robot = robot
        self.model = IkModel(robot, self.limits)
        self._configuration = mink.Configuration(self.model.model, robot.arm_posture())
        self._ready = self.limits.clip(robot.arm_posture())
        speed = robot.table.wrist
        self._twist_cap = np.repeat([speed.linear_speed, speed.angular_speed], 3)
        weight = self.config.angle_weight
        self._weights = np.repeat([1.0, weight], 3)
        self._frame_task = mink.FrameTask("wrist", "site", position_cost=1.0, orientation_cost=weight)
        self._posture_task = mink.PostureTask(self.model.model, cost=1e-3)
        self._joint_task = mink.PostureTask(self.model.model, cost=1.0)
        self._distances: list[Any] = []
        self._limits, self._blocks = self._make_limits(mink)
        self._wanted: tuple[Array, Array] | None = None

    def _make_limits(self, mink: Any) -> tuple[list[Any], list[tuple[str, int]]]:
        """Constraints, and the name and number of rows of each block of them."""
        model, config, n = self.model, self.config, len(self.joint_names)
        limits: list[Any] = [
            mink.ConfigurationLimit(model.model, gain=config.approach),
            mink.VelocityLimit(model.model, dict(zip(self.joint_names, self.limits.velocity, strict=True))),
        ]
        blocks = [(RANGE, 2 * n), (SPEED, 2 * n)]

        def avoid(name: str, pairs: list[tuple[list[str], list[str]]], clearance: float) -> None:
            if pairs:
                limit = mink.CollisionAvoidanceLimit(
                    model.model,
                    pairs,
                    minimum_distance_from_collisions=clearance,
                    collision_detection_distance=clearance + DETECTION,
                )
                limits.append(limit)
                self._distances.append(limit)
                blocks.append((name, limit.max_num_contacts))

        if config.table_height is not None:
            model.set_table(config.table_height)
            avoid("table", [(model.rigid_shapes, ["table"])], config.table_clearance)
            if config.finger_clearance is not None:
                avoid("table under a finger", [(model.finger_shapes, ["table"])], config.finger_clearance)
        avoid("the robot itself", [([a], [b]) for a, b in model.pairs], config.self_clearance)
        return limits, blocks

    # ---------------------------------------------------------------- poses

    def wrist_pose(self) -> tuple[Array, Array]:
        """Pose of the point that twists act on at the last targets, task frame: (3,) m and (4,) wxyz."""
        transform = self._configuration.get_transform_frame_to_world("wrist", "site")
        return transform.translation().copy(), transform.rotation().wxyz.copy()

    def _started(self, targets: Array) -> None:
        self._configuration.update(targets)
        self._wanted = self.wrist_pose()

    def _sent(self, targets: Array, dt: float) -> None:
        self._configuration.update(targets)

    # ---------------------------------------------------------------- steps

    def _follow_twist(self, twist: Array, last: Array, measured: Array, dt: float, fingers: Array | None) -> ArmStep:
        config = self.config
        if fingers is not None:
            self._place_fingers(fingers, last)
        twist = np.clip(twist, -1e3 * self._twist_cap, 1e3 * self._twist_cap)  # What is more overflows.
        slowed = float(np.max(np.abs(twist) / self._twist_cap))
        twist = twist / max(1.0, slowed)
        pos, quat = self.wrist_pose()
        wanted_pos, wanted_quat = self._wanted or (pos, quat)
        linear, held = _on_leash(wanted_pos - pos, twist[:3] * dt, config.leash_pos)
        angular, twisted = _on_leash(_rotation_between(quat, wanted_quat), twist[3:] * dt, config.leash_rot)
        behind = np.concatenate([linear, angular])
        held |= twisted
        self._wanted = (pos + linear, quat_multiply(_turn(angular), quat))

        jacobian = self.model.jacobian(self._configuration.data) * self._weights[:, None]
        smallest = float(np.linalg.svd(jacobian, compute_uv=False)[-1])
        near = max(0.0, 1.0 - (smallest / config.singular_at) ** 2)
        damping = near * config.damping**2 + 1e-8
        # Slow the whole motion down rather than let one joint's speed limit bend it.
        square = jacobian.T @ jacobian + damping * np.eye(len(last))
        needed = np.linalg.solve(square, jacobian.T @ (self._weights * behind))
        excess = max(1.0, float(np.max(np.abs(needed) / (self.limits.velocity * dt))))
        goal = behind / excess
        self._frame_task.set_target(self._pose(pos + goal[:3], quat_multiply(_turn(goal[3:]), quat)))
        self._posture_task.set_target(self._ready)
        self._posture_task.gain = min(1.0, dt / config.posture_time)
        tasks = [self._frame_task, self._posture_task]
        delta, active = self._solve(tasks, dt, damping, moving=bool(np.any(twist != 0.0)))
        if delta is None:
            return ArmStep(last, ArmStatus.UNREACHABLE, "no solution")
        targets = last + delta

        # What of the motion comes about, and what is left of the leash.
        made = jacobian @ delta / self._weights
        missing = behind - made
        short = np.linalg.norm(missing[:3]) > 2e-4 or np.linalg.norm(missing[3:]) > 2e-3
        if not short:
            if slowed > 1.0 + 1e-9:
                return ArmStep(targets, ArmStatus.LIMITED, "the twist is faster than the wrist's limit")
            return ArmStep(targets, ArmStatus.OK)
        asked = np.linalg.norm(self._weights * goal)
        if held and np.linalg.norm(self._weights * made) < 0.2 * asked:
            return ArmStep(targets, ArmStatus.UNREACHABLE, f"held by {', '.join(active) or 'a singularity'}")
        if RANGE in active:
            return ArmStep(targets, ArmStatus.AT_LIMIT, ", ".join(active))
        if near > 0.0:
            return ArmStep(targets, ArmStatus.SINGULAR, f"smallest singular value {smallest:.3f}")
        return ArmStep(targets, ArmStatus.LIMITED, ", ".join(active) or SPEED)

    def _follow_joints(self, wanted: Array, last: Array, measured: Array, dt: float, fingers: Array | None) -> ArmStep:
        if fingers is not None:
            self._place_fingers(fingers, last)
        inside = self.limits.clip(wanted)
        change = inside - last
        excess = max(1.0, float(np.max(np.abs(change) / (self.limits.velocity * dt))))
        self._joint_task.set_target(last + change / excess)
        delta, active = self._solve([self._joint_task], dt, 1e-9, moving=bool(np.any(change != 0.0)))
        self._wanted = None
        if delta is None:
            return ArmStep(last, ArmStatus.UNREACHABLE, "no solution")
        short = np.abs(change - delta).max() > 1e-4
        if np.abs(inside - wanted).max() > 1e-9 or (short and RANGE in active):
            return ArmStep(last + delta, ArmStatus.AT_LIMIT, ", ".join(active) or RANGE)
        if short and excess <= 1.0 and np.linalg.norm(delta) < 0.2 * np.linalg.norm(change):
            return ArmStep(last + delta, ArmStatus.UNREACHABLE, f"held by {', '.join(active)}")
        if short:
            return ArmStep(last + delta, ArmStatus.LIMITED, ", ".join(active) or SPEED)
        return ArmStep(last + delta, ArmStatus.OK)

    def _solve(self, tasks: list[Any], dt: float, damping: float, *, moving: bool) -> tuple[Array | None, list[str]]:
        """Displacements (N,) rad, or None; and the names of the active constraints."""
        for retreat in (RETREAT * dt, 0.0) if moving else (0.0,):
            for limit in self._distances:
                # mink bounds the displacement by gain * distance / dt; what is meant is a share of the distance.
                limit.gain = self.config.approach * dt
                limit.bound_relaxation = -retreat
            problem = self._mink.build_ik(self._configuration, tasks, dt, damping, limits=self._limits)
            result = self._qp.solve_problem(problem, solver="daqp")
            if result.found and result.x is not None and np.isfinite(result.x).all():
                slack = problem.h - problem.G @ result.x
                ends = np.cumsum([rows for _, rows in self._blocks])
                tight = [np.any(part < 1e-7) for part in np.split(slack, ends[:-1])]
                active = [name for (name, _), is_tight in zip(self._blocks, tight, strict=True) if is_tight]
                return np.asarray(result.x, dtype=np.float64), active
        return None, []

    def _place_fingers(self, fingers: Array, last: Array) -> None:
        if len(fingers) == len(self.model.finger_joints):
            self.model.place_fingers(fingers)
            self._configuration.update(last)

    def _pose(self, pos: Array, quat: Array) -> mink.SE3:
        return self._mink.SE3(wxyz_xyz=np.concatenate([quat / np.linalg.norm(quat), pos]))


def arm_limits(robot: Robot, config: IkConfig) -> JointLimits:
    """Limits of a robot's arm joints alone, in the order of `table.arm_joints`."""
    arm = robot.arm
    return JointLimits(
        names=arm.joint_names,
        lower=arm.lower + config.position_margin,
        upper=arm.upper - config.position_margin,
        velocity=arm.velocity * config.speed_scale,
    )


def _check(config: IkConfig) -> None:
    positive = ("lead", "singular_at", "damping", "angle_weight", "leash_pos", "leash_rot", "posture_time")
    wrong = [name for name in positive if not 0.0 < getattr(config, name) < np.inf]
    wrong += [name for name in ("speed_scale", "approach") if not 0.0 < getattr(config, name) <= 1.0]
    wrong += [
        name for name in ("position_margin", "table_clearance", "self_clearance") if not getattr(config, name) >= 0
    ]
    if wrong:
        raise SleightError("inverse kinematics: figures out of range", value={n: getattr(config, n) for n in wrong})


def _on_leash(behind: Array, step: Array, leash: float) -> tuple[Array, bool]:
    """How far the wanted pose is ahead after a step (3,), and whether the leash held it.

    Each axis of the task frame has a leash of its own: what cannot be followed on one (the table under the hand, the
    edge of the arm's reach) neither stops the others nor makes them forget where they belong.
    """
    ahead = behind + step
    inside = np.clip(ahead, -leash, leash)
    return inside, bool(np.any(inside != ahead))


def _turn(vector: Array) -> Array:
    """Quaternion of a rotation vector (rad)."""
    angle = float(np.linalg.norm(vector))
    return np.concatenate([[np.cos(0.5 * angle)], 0.5 * np.sinc(0.5 * angle / np.pi) * vector])


def _rotation_between(first: Array, second: Array) -> Array:
    """Rotation vector (rad, in the outer frame's axes) that turns `first` into `second`."""
    q = quat_multiply(second, quat_conjugate(first))
    q = q if q[0] >= 0 else -q
    length = float(np.linalg.norm(q[1:]))
    return q[1:] * (2.0 if length < 1e-12 else 2.0 * np.arctan2(length, q[0]) / length)
