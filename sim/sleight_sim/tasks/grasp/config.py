"""Configuration of the tabletop grasp task; the defaults are the paper's scene (ResDex A.2, resdex_facts 1 and 4)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sleight_sim.worlds.tabletop import TABLE_HEIGHT


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProposalReward(_Config):
    """What the reward of ResDex's first stage makes of a grasp proposal (resdex_facts 4, `residual_grasp`).

    The move reward asks for all three thresholds besides the usual ones, and the lift reward for an object that has
    left the table; at `lift_top` it is `lift_reward` whatever the wrist does.

    Attributes:
        position: Weight of the L1 distance of the grasp centre from where the proposal has it, in the object's frame.
        rotation: Weight of the angle between the wrist and the proposal's, in the object's frame.
        joints: Weight of the L1 distance of the joints to the proposal's.
        max_position, max_rotation, max_joints: Thresholds of the flags (m, rad, rad).
        lift_clearance: Height over the object's rest above which it counts as lifted (m).
        lift_top, lift_reward: Height of the object over the table (m), and the lift reward from there on.
    """

    position: float = 0.30
    rotation: float = 0.02
    joints: float = 0.05
    max_position: float = 0.4
    max_rotation: float = 1.0
    max_joints: float = 6.0
    lift_clearance: float = 0.003
    lift_top: float = 0.2
    lift_reward: float = 0.2


class RewardConfig(_Config):
    """Weights of the base-policy reward (A.2), and our additions (zero them for the paper's reward).

    Attributes:
        pose: Weight of the L1 distance of the joints to the grasp posture (r_pose).
        reach_hand: Weight of the distance object - grasp centre (r_reach).
        reach_fingers: Weight of the summed distances object - finger points (r_reach).
        lift, lift_force: r_lift: constant, and factor on the wrist's vertical command.
        move: r_move: constant; the distance to the goal counts twice.
        bonus: Weight of r_bonus.
        max_finger_sum, max_hand, max_pose: Thresholds of the flags (m, m, rad).
        height, height_reach: Ours: reward for each metre gained, up to the goal's height; it fades with the distance
            beside the goal over `height_reach` (m).
        enclose, enclose_radius: Ours: for each fingertip within this radius (m) of the object's centre.
        settle, settle_reach: Ours: reward at the goal itself, fading with the distance over `settle_reach` (m); the
            paper's bonus is nearly flat inside its 5 cm, and the policy stays at their edge.
        overshoot: Ours: cost for each metre above the goal.
        action_rate: Ours: cost of the mean squared change of the action.
        saturation: Ours: cost of the mean squared excess of the network's output over [-1, 1].
        touching: Ours, for a hand on an arm: cost while arm or palm touch the table, or the arm the robot itself.
        grasp_posture: Named posture of the hand table that r_pose points at.
        proposal: Reward for grasping as a proposal says, or None; needs a `ProposalGraspTask` (docs/proposals.md).
    """

    pose: float = 0.05
    reach_hand: float = 1.0
    reach_fingers: float = 0.5
    lift: float = 0.1
    lift_force: float = 0.3
    move: float = 0.9
    bonus: float = 1.0
    max_finger_sum: float = 0.6
    max_hand: float = 0.12
    max_pose: float = 6.0
    height: float = 40.0
    height_reach: float = Field(default=0.15, gt=0)
    enclose: float = 0.05
    enclose_radius: float = 0.065
    settle: float = 3.0
    settle_reach: float = Field(default=0.04, gt=0)
    overshoot: float = 15.0
    action_rate: float = 0.02
    saturation: float = 0.05
    touching: float = 1.0
    grasp_posture: str = "power_grasp"
    proposal: ProposalReward | None = None


#: The reward of ResDex's first stage as the public code has it (resdex_facts 4); the paper's has the reach terms too.
STAGE_1_REWARD = RewardConfig(
    pose=0.0,
    reach_hand=0.0,
    reach_fingers=0.0,
    lift_force=0.1,
    height=0.0,
    enclose=0.0,
    settle=0.0,
    overshoot=0.0,
    action_rate=0.0,
    saturation=0.0,
    proposal=ProposalReward(),
)


class PerceptionModel(_Config):
    """How the perceived object position differs from the true one.

    Attributes:
        bias: Standard deviation of a constant offset an episode (m, per axis).
        noise: Standard deviation of each measurement (m, per axis).
        period: Control steps between two measurements (4: a 15 Hz camera).
        latency: Largest age of a measurement when it arrives, in control steps; drawn from 1..latency an episode.
    """

    bias: float = Field(default=0.004, ge=0)
    noise: float = Field(default=0.002, ge=0)
    period: int = Field(default=4, ge=1)
    latency: int = Field(default=3, ge=0, le=15)


EXACT_PERCEPTION = PerceptionModel(bias=0.0, noise=0.0, period=1, latency=0)


class RandomisationConfig(_Config):
    """Ranges drawn once an environment (physics) or an episode (start, delay); (1, 1) and 0 switch a row off.

    `push` is the largest force that pulls at a lifted object, as a share of its weight; it turns thrice a second.
    `size` scales the object, `stretch` each of its axes on top, so that a policy of one object meets many proportions.
    """

    size: tuple[float, float] = (1.0, 1.0)
    stretch: tuple[float, float] = (1.0, 1.0)
    mass: tuple[float, float] = (1.0, 1.0)
    friction: tuple[float, float] = (1.0, 1.0)
    stiffness: tuple[float, float] = (1.0, 1.0)
    damping: tuple[float, float] = (1.0, 1.0)
    wrist_gain: tuple[float, float] = (1.0, 1.0)
    action_delay: int = Field(default=0, ge=0, le=1)
    joint_noise: float = 0.0
    wrench_noise: float = 0.0
    push: float = 0.0


#: Used in training, so that a policy survives another robot, camera and computer.
ROBUST = RandomisationConfig(
    size=(0.8, 1.25),
    stretch=(0.8, 1.3),
    mass=(0.7, 1.6),
    friction=(0.4, 1.2),
    stiffness=(0.8, 1.25),
    damping=(0.7, 1.4),
    wrist_gain=(0.8, 1.25),
    action_delay=1,
    joint_noise=0.005,
    wrench_noise=0.02,
    push=1.0,
)
NOMINAL = RandomisationConfig()


class ArmConfig(_Config):
    """How the task differs for a hand on an arm; without meaning for a floating wrist.

    Attributes:
        action: "joints": joint targets, as the paper has them for the LEAP Hand (B.2); "pose": the floating wrist's
            twist, turned into the arm's joint targets by its Jacobian. Targets of the arm's joints are sent either way.
        joint_step: "joints": how far the arm's targets may move in a control step (rad).
        lead: How far the arm's targets may run ahead of its joints (rad).
        max_yaw: Half range of the hand's start yaw (rad): an arm beside the table cannot turn a hand all the way round.
    """

    action: Literal["pose", "joints"] = "pose"
    joint_step: float = Field(default=0.02, gt=0)
    lead: float = Field(default=0.1, gt=0)
    max_yaw: float = Field(default=0.6, gt=0)


class GraspTaskConfig(_Config):
    """The tabletop grasp.

    Attributes:
        hand: Name of the hand.
        control_period: s.
        substeps: Physics steps a control step.
        episode_steps: Control steps an episode; there is no other end.
        goal_height: Height of the goal over the table's top (m); the public code has 0.3.
        success_radius: m.
        hold_steps: Control steps at the episode's end that count for *held*.
        poses: "probable": stable poses as often as a dropped object comes to rest in them; "uniform": each as often;
            "upright": as people leave things, with the object frame's z axis up (where no pose has it up, the most
            probable one).
        start_height: Height of the object's origin over the table at the start (m), or higher where it would not fit.
        object_xy: Half range of the object's start around the table's centre (m); the paper has 0.
        wrist_height: Height of the hand's root over the table at the start (m).
        start_yaw: "aligned": the hand starts across the object's short horizontal axis, as a perception that
            sees the object would place it (the paper takes the yaw of a dataset grasp); "random": any yaw.
        yaw_noise: Half range of the error of an aligned start (rad).
        near_start: Share of the episodes, in training, that start with the object at rest and the palm 1.5 to 6 cm
            above it: lifting is then found early. Such episodes do not count for success.
        near_gap: Least height of the hand's root over the object in such a start (m): how thick the palm is decides.
        wrist_xy: Half range of the hand's start around the table's centre (m); the paper has 0.
        wrist_torque: Torque of the wrist's servo at full command against a stop (N m); None for the hand table's.
            The paper's damped hand amounts to 0.278.
        joint_start_noise: Half range added to the finger joints' start (rad), inside their limits.
        arm: For a hand on an arm.
        perception: How the object is perceived; `EXACT_PERCEPTION` for the paper's state-based setting.
        bootstrap_timeouts: Treat the time limit as a truncation (value bootstrap); the public code does not.
    """

    hand: str = "shadow"
    control_period: float = 1.0 / 60.0
    substeps: int = 3
    episode_steps: int = 200
    goal_height: float = 0.2
    success_radius: float = 0.05
    hold_steps: int = 30
    poses: Literal["probable", "uniform", "upright"] = "probable"
    start_height: float = 0.1
    object_xy: float = 0.03
    wrist_height: float = 0.2
    start_yaw: Literal["aligned", "random"] = "aligned"
    yaw_noise: float = Field(default=0.25, ge=0)
    near_start: float = Field(default=0.0, ge=0, le=1)
    near_gap: float = Field(default=0.03, gt=0)
    wrist_xy: float = 0.0
    wrist_torque: float | None = Field(default=None, gt=0)
    joint_start_noise: float = 0.0
    arm: ArmConfig = ArmConfig()
    perception: PerceptionModel = PerceptionModel()
    randomisation: RandomisationConfig = NOMINAL
    reward: RewardConfig = RewardConfig()
    terms: tuple[tuple[str, float], ...] = (
        ("joint_pos", 1.0),
        ("fingertip_state", 1.0),
        ("fingertip_wrench", 10.0),
        ("grasp_center_pos", 1.0),
        ("wrist_euler", 1.0),
        ("last_action", 1.0),
        ("object_pos", 1.0),
        ("goal_offset", 1.0),
    )
    critic_terms: tuple[tuple[str, float], ...] = (
        ("true_object_offset", 1.0),
        ("true_object_quat", 1.0),
        ("true_object_linvel", 1.0),
        ("true_object_angvel", 0.2),
        ("time_left", 0.3),
    )
    bootstrap_timeouts: bool = True
    cone: Literal["pyramidal", "elliptic"] = "pyramidal"

    def without_proposals(self) -> GraspTaskConfig:
        """Return the same task with a reward that asks for no grasp proposals: no policy sees them, only rewards do."""
        return self.model_copy(update={"reward": self.reward.model_copy(update={"proposal": None})})

    @property
    def goal(self) -> tuple[float, float, float]:
        """Goal position in the task frame (m)."""
        return (0.0, 0.0, TABLE_HEIGHT + self.goal_height)
