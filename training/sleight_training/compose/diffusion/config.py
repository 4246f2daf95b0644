"""What makes one training of a skill: network, schedule of noise, learner, presets (DexCompose appendix A).

[P] is stated in the paper; the rest is not in any readable source of it, and is our choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sleight_sim.tasks.compose.config import ComposeTaskConfig

from sleight_training.presets import choose_preset
from sleight_training.run import RunRecord, is_run_of, read_config

#: What a run of this kind calls itself in its configuration.
KIND = "skill"


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UnetConfig(_Config):
    """The network.

    Attributes:
        widths: Channels of the U-Net, one a level; each level after the first has half the time steps.
        kernel: Length of the convolutions over time; 5 as in Diffusion Policy (Chi et al. 2023).
        groups: Groups of the normalisations, as there.
        time_features: Length of the embedding of the diffusion step.
        observation_hidden: Hidden layers of the MLP that encodes the flattened history ([P]: an MLP).
        observation_features: Length of its output.
    """

    widths: tuple[int, ...] = Field(default=(32, 64, 128), min_length=2)
    kernel: int = Field(default=5, ge=1)
    groups: int = Field(default=8, ge=1)
    time_features: int = Field(default=64, ge=4)
    observation_hidden: tuple[int, ...] = (128,)
    observation_features: int = Field(default=128, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> UnetConfig:
        if wrong := [width for width in self.widths if width % self.groups]:
            raise ValueError(f"widths {wrong} are no multiples of {self.groups} groups")
        if not self.kernel % 2 or self.time_features % 2:
            raise ValueError(f"kernel {self.kernel} must be odd and time_features {self.time_features} even")
        return self


class NoiseConfig(_Config):
    """The noise that is learnt to be removed.

    Attributes:
        steps: Diffusion steps of the training ([P] 100).
        schedule: Of diffusers ([P] squaredcos_cap_v2).
        prediction: What the network says of a noisy chunk: its noise ("epsilon"), or the chunk without it ("sample").
        sample_steps: DDIM steps at deployment, unless told otherwise; from success against steps
            (docs/compose_skills.md).
    """

    steps: int = Field(default=100, ge=2)
    schedule: Literal["squaredcos_cap_v2", "linear"] = "squaredcos_cap_v2"
    prediction: Literal["epsilon", "sample"] = "epsilon"
    sample_steps: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> NoiseConfig:
        if self.sample_steps > self.steps:
            raise ValueError(f"sample_steps {self.sample_steps} are more than {self.steps} steps")
        return self


class LearnerConfig(_Config):
    """The learner: AdamW with linear warm-up and cosine decay, an average of the weights, clipped gradients [P].

    Attributes:
        steps: Steps of the optimiser.
        batch: Windows a step ([P] 256).
        learning_rate: The highest.
        weight_decay: AdamW's, 1e-6 as in Diffusion Policy.
        warmup: Steps of the linear warm-up ([P] 2000; the smaller presets scale it).
        max_grad_norm: Bound of the gradient's norm ([P] 1.0).
        average_power: After n steps the average keeps 1 - (1 + n)^-power of itself, as in Diffusion Policy.
        average_most: Bound of that.
        log_every: Steps between two rows of the metrics.
        save_every: Steps between two checkpoints.
        evaluate_every: Steps between two measurements of success for the curve; the last is the result.
        evaluate_episodes: Episodes of each of them but the last.
    """

    steps: int = Field(default=3000, ge=1)
    batch: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-6, ge=0)
    warmup: int = Field(default=200, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    average_power: float = Field(default=0.75, gt=0)
    average_most: float = Field(default=0.9999, gt=0, lt=1)
    log_every: int = Field(default=50, ge=1)
    save_every: int = Field(default=500, ge=1)
    evaluate_every: int = Field(default=1500, ge=1)
    evaluate_episodes: int = Field(default=32, ge=1)


class SkillPreset(_Config):
    """Sizes of a training.

    Attributes:
        name: Its name.
        demonstrations: How many are collected when none are given ([P] 50).
        network, noise, learner: See there.
    """

    name: str
    demonstrations: int = Field(default=50, ge=1)
    network: UnetConfig = UnetConfig()
    noise: NoiseConfig = NoiseConfig()
    learner: LearnerConfig = LearnerConfig()


SKILL_PRESETS: dict[str, SkillPreset] = {
    # Little training and few steps of sampling: the chunk itself is learnt sooner than its noise.
    "cpu": SkillPreset(name="cpu", noise=NoiseConfig(prediction="sample")),
    "full": SkillPreset(
        name="full",
        # The paper's widths are not readable; these and the learning rate are Diffusion Policy's for low-dimensional
        # observations.
        network=UnetConfig(
            widths=(256, 512, 1024), time_features=256, observation_hidden=(256,), observation_features=256
        ),
        learner=LearnerConfig(
            steps=100_000, learning_rate=1e-4, warmup=2000, log_every=100, save_every=2000, evaluate_every=10_000
        ),
    ),
    "smoke": SkillPreset(
        name="smoke",
        demonstrations=2,
        network=UnetConfig(widths=(8, 16), time_features=8, observation_hidden=(16,), observation_features=16),
        noise=NoiseConfig(sample_steps=2),
        learner=LearnerConfig(
            steps=6, batch=16, warmup=2, log_every=2, save_every=2, evaluate_every=6, evaluate_episodes=2
        ),
    ),
}


def skill_preset(name: str) -> SkillPreset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    return choose_preset(SKILL_PRESETS, name)


class SkillRun(RunRecord):
    """What a skill's run is; written once when it starts, checked when it is resumed.

    Attributes:
        kind: "skill".
        preset: Name of the preset it started from.
        seed: Seed of network, batches and noise, and of demonstrations that the run collects itself.
        task: The task, as its demonstrations have it.
        term_names, observation_size: What the policy sees: terms in order, and how many numbers they are.
        action_size: Length of an action.
        demonstrations: The file it learns from; relative to the folder when the run collected it.
        demonstrations_sha256: Its hash.
        episodes: Demonstrations in it.
        network, noise, learner: See there.
    """

    kind: Literal["skill"] = KIND
    preset: str
    seed: int
    task: ComposeTaskConfig
    term_names: tuple[str, ...]
    observation_size: int = Field(ge=1)
    action_size: int = Field(ge=1)
    demonstrations: str
    demonstrations_sha256: str
    episodes: int = Field(ge=1)
    network: UnetConfig
    noise: NoiseConfig
    learner: LearnerConfig


def read_skill(folder: Path) -> SkillRun:
    """Read a skill's configuration.

    Raises:
        SleightError: The folder is no skill's run, or was written by another version.
    """
    return read_config(SkillRun, folder, "sleight train skill")


def is_skill(folder: Path) -> bool:
    """Whether a folder holds a skill's run."""
    return is_run_of(folder, KIND)
