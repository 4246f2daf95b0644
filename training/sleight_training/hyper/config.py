"""What makes one training of a hyper-policy: its experts, its stage, its presets (resdex_facts 3 to 5)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sleight_sim.tasks.grasp.config import EXACT_PERCEPTION, ROBUST, ArmConfig, GraspTaskConfig, RewardConfig

from sleight_training.ppo.config import PAPER_REWARD, PpoConfig
from sleight_training.presets import choose_preset

Normalisation = Literal["softmax", "l1", "l2"]

#: What a base policy sees, and the object's orientation and velocities: Figure 2's full observation without the code.
FULL_STATE_TERMS: tuple[tuple[str, float], ...] = (
    *GraspTaskConfig().terms,
    ("true_object_quat", 1.0),
    ("true_object_linvel", 1.0),
    ("true_object_angvel", 0.2),
)
#: What the hyper-policy sees (227 elements for the Shadow Hand): what a base policy sees, and the object's orientation,
#: velocities and code. The experts read their own terms of it.
HYPER_TERMS: tuple[tuple[str, float], ...] = (
    *FULL_STATE_TERMS,
    ("object_code", 1.0),
)


class ExpertConfig(BaseModel):
    """One frozen base policy.

    Attributes:
        name: Its name: that of its run or bundle.
        objects: What it learnt on.
        hand: Its hand.
        terms: Its observation, in order, with the scales.
        arm: How it acts on an arm, if its hand is on one.
        hidden: Its hidden layers.
        sha256: Over its numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    objects: str
    hand: str
    terms: tuple[tuple[str, float], ...]
    arm: ArmConfig = ArmConfig()
    hidden: tuple[int, ...]
    sha256: str


class HyperConfig(BaseModel):
    """What a hyper-policy is, besides PPO and the task.

    Attributes:
        experts: The base policies.
        normalisation: How weights come from the network's first k outputs: "softmax" as in the public code, or
            divided by their "l1" or "l2" norm as in Eq. 4.
        residual: Whether a residual is added; without it, it is the paper's MoE ablation.
        stage: 1 with the reward that shapes the grasp, 2 with the loosened one.
        start: What stage 2 started from, for people.
        weight_std: Initial standard deviation of the first k outputs in training.
        lead: How far the first expert's raw weight starts above the others'. 0, the paper's, suits experts
            that are equals; beside a generalist, experts of one object each only spoil the start.
        encoder_sha256: Of the object encoder's numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experts: tuple[ExpertConfig, ...] = Field(min_length=1)
    normalisation: Normalisation = "softmax"
    residual: bool = True
    stage: Literal[1, 2] = 1
    start: str = ""
    weight_std: float = Field(default=0.8, gt=0)
    lead: float = Field(default=0.0, ge=0, le=20)
    encoder_sha256: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> HyperConfig:
        if len({expert.hand for expert in self.experts}) > 1:
            raise ValueError("experts are of different hands")
        if len({(expert.arm.action, expert.arm.joint_step) for expert in self.experts}) > 1:
            raise ValueError("experts act differently on the arm")
        return self

    @property
    def k(self) -> int:
        """Number of experts."""
        return len(self.experts)


class HyperPreset(BaseModel):
    """Sizes of a hyper-policy's training; the reward is that of stage 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ppo: PpoConfig
    task: GraspTaskConfig
    weight_std: float


#: 3,200 objects bring their own sizes and proportions.
_OBJECTS_AS_THEY_ARE = ROBUST.model_copy(update={"size": (1.0, 1.0), "stretch": (1.0, 1.0)})
#: The critic sees the policy's observation as well.
_CRITIC_TERMS = (("true_object_offset", 1.0), ("time_left", 0.3))

HYPER_PRESETS: dict[str, HyperPreset] = {
    "cpu": HyperPreset(
        name="cpu",
        ppo=PpoConfig(
            num_envs=3200,
            num_steps=8,
            minibatches=12,
            learning_rate=2e-4,
            desired_kl=0.03,
            adapt="iteration",
            iterations=400,
            hidden=(256, 128, 64),
            gamma=0.985,
            init_std=0.25,
            final_std=0.12,
            std_decay=(0.3, 0.9),
            average=0.95,
            burn_in=8,
            save_every=10,
        ),
        task=GraspTaskConfig(
            randomisation=_OBJECTS_AS_THEY_ARE,
            near_start=0.2,
            reward=RewardConfig(bonus=2.0),
            terms=HYPER_TERMS,
            critic_terms=_CRITIC_TERMS,
        ),
        weight_std=0.5,
    ),
    "full": HyperPreset(
        name="full",
        ppo=PpoConfig(
            num_envs=11000,
            num_steps=8,
            epochs=5,
            iterations=20000,
            hidden=(1024, 1024, 512, 512),
            obs_normalization=False,
            gamma=0.96,
            value_coef=2.0,
            reward_scale=1.0,
            asymmetric_critic=False,
            save_every=500,
        ),
        task=GraspTaskConfig(
            object_xy=0.0,
            wrist_torque=0.278,
            perception=EXACT_PERCEPTION,
            reward=PAPER_REWARD,
            terms=HYPER_TERMS,
            critic_terms=_CRITIC_TERMS,
            bootstrap_timeouts=False,
        ),
        weight_std=0.8,
    ),
    "smoke": HyperPreset(
        name="smoke",
        ppo=PpoConfig(num_envs=12, num_steps=8, iterations=3, hidden=(32, 32), burn_in=1, init_std=0.3, save_every=1),
        task=GraspTaskConfig(
            randomisation=_OBJECTS_AS_THEY_ARE, terms=HYPER_TERMS, critic_terms=_CRITIC_TERMS, episode_steps=40
        ),
        weight_std=0.5,
    ),
}


def hyper_preset(name: str) -> HyperPreset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    return choose_preset(HYPER_PRESETS, name)


def stage_reward(reward: RewardConfig, stage: int) -> RewardConfig:
    """Return a stage's reward.

    Stage 2 is the paper's: what shapes the approach and the posture goes, and r_move asks for no posture. Our own terms
    of lifting, holding and smoothness stay where the preset has them. Stage 1 has the base policy's reward, in which
    `with_proposals` puts the grasp proposals in the place of the posture term where there are any (as the paper has
    none for the LEAP Hand).
    """
    if stage == 1:
        return reward
    loosened = {"pose": 0.0, "reach_hand": 0.0, "reach_fingers": 0.0, "enclose": 0.0, "max_pose": 1000.0}
    return reward.model_copy(update=loosened)
