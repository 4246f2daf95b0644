"""What makes one training of a feature estimator: network, cameras, learner, presets.

DexCompose has no vision version; all figures are ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sleight_core.observation.scene_terms import scene_term
from sleight_sim.sensors.stream import CloudModel
from sleight_sim.tasks.compose.config import ComposeTaskConfig

from sleight_training.presets import choose_preset
from sleight_training.run import RunRecord, read_config

#: What a run of this kind calls itself in its configuration.
KIND = "features"
#: Cameras of 15 Hz at 30 actions a second, up to two actions late, with the student's errors of place and noise.
SCENE_CLOUD = CloudModel(period=2, latency=2, spare=4)


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EstimatorConfig(_Config):
    """The network.

    Attributes:
        cloud_points: N, points of each of the two clouds that it sees.
        point_widths: Layers that every point passes through by itself.
        code_widths: Layers after the points are pooled; the last is the length of a cloud's code.
        hidden: Hidden layers after codes and the hand's state come together.
    """

    cloud_points: int = 128
    point_widths: tuple[int, ...] = Field(default=(32, 64), min_length=1)
    code_widths: tuple[int, ...] = Field(default=(64, 64), min_length=1)
    hidden: tuple[int, ...] = (128, 128)

    @property
    def terms(self) -> tuple[str, ...]:
        """What it sees, in order: the hand, the episode's first cloud, the newest cloud."""
        clouds = scene_term(self.cloud_points, first=True), scene_term(self.cloud_points)
        return ("hand_joints", "wrist_quat", "palm_pos", "wrist_velocity", "tip_positions", *clouds)


class LearnerConfig(_Config):
    """Supervision on states that skills visit, fed with the truth at first and with the estimates later (DAgger).

    Attributes:
        num_envs: Environments in parallel.
        num_steps: Actions of each environment an iteration.
        iterations: Iterations.
        updates: Steps of the optimiser an iteration.
        batch: Moments a step of the optimiser learns from.
        buffer_mib: Bound of the memory of moments (MiB); the oldest make room.
        keep: Share of the moments that are remembered.
        learning_rate: Adam's.
        final_rate: Share of the learning rate at the end; it falls linearly.
        max_grad_norm: Bound of the gradient's norm.
        beta_share: Share of the iterations in which episodes fed with the truth go from all to none, linearly.
        after: Actions for which an episode goes on once it has succeeded.
        renew: Iterations after which worlds are drawn anew.
        save_every: Iterations between two checkpoints.
    """

    num_envs: int = Field(default=32, ge=1)
    num_steps: int = Field(default=20, ge=1)
    iterations: int = Field(default=400, ge=1)
    updates: int = Field(default=10, ge=1)
    batch: int = Field(default=256, ge=1)
    buffer_mib: float = Field(default=384.0, gt=0)
    keep: float = Field(default=0.5, gt=0, le=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    final_rate: float = Field(default=0.02, gt=0, le=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    beta_share: float = Field(default=0.4, ge=0, le=1)
    after: int = Field(default=20, ge=0)
    renew: int = Field(default=20, ge=1)
    save_every: int = Field(default=20, ge=1)

    def beta_at(self, iteration: int) -> float:
        """Chance that an episode that begins after `iteration` iterations is fed with the truth."""
        if self.beta_share == 0.0:
            return 0.0
        return max(0.0, 1.0 - iteration / (self.beta_share * self.iterations))

    def rate_at(self, iteration: int) -> float:
        """Adam's learning rate after `iteration` finished iterations."""
        return self.learning_rate * (1.0 - (1.0 - self.final_rate) * min(1.0, iteration / self.iterations))


class CompanyConfig(_Config):
    """Things of other tasks in the scene, as a composition has them (`sleight_sim.tasks.compose.company`).

    Attributes:
        tasks: Names of the tasks; none: the task's own thing is alone.
        share: Chance that an episode has company.
    """

    tasks: tuple[str, ...] = ()
    share: float = Field(default=0.5, ge=0, le=1)


class FeaturePreset(_Config):
    """Sizes of a training.

    Attributes:
        name: Its name.
        network, learner, clouds: See there.
    """

    name: str
    network: EstimatorConfig = EstimatorConfig()
    learner: LearnerConfig = LearnerConfig()
    clouds: CloudModel = SCENE_CLOUD


FEATURE_PRESETS: dict[str, FeaturePreset] = {
    "cpu": FeaturePreset(name="cpu"),
    "full": FeaturePreset(
        name="full",
        network=EstimatorConfig(
            cloud_points=512, point_widths=(64, 128, 256), code_widths=(256, 128), hidden=(512, 256)
        ),
        learner=LearnerConfig(
            num_envs=256, iterations=2000, updates=20, batch=1024, buffer_mib=8192.0, learning_rate=1e-3, save_every=50
        ),
    ),
    "smoke": FeaturePreset(
        name="smoke",
        network=EstimatorConfig(cloud_points=64, point_widths=(8, 16), code_widths=(16, 16), hidden=(16,)),
        learner=LearnerConfig(
            num_envs=2, num_steps=4, iterations=3, updates=2, batch=16, buffer_mib=4.0, renew=2, save_every=1
        ),
    ),
}


def feature_preset(name: str) -> FeaturePreset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    return choose_preset(FEATURE_PRESETS, name)


class FeatureRun(RunRecord):
    """What an estimator's run is; written once when it starts, checked when it is resumed.

    Attributes:
        kind: "features".
        preset: Name of the preset it started from.
        seed: Seed of network, worlds, starts and cameras.
        task: The task.
        skill: The skill whose rollouts it learns from (see `skill_source`).
        quantities: What it tells: sizes by name, in order.
        units: What an error of 1 is to the learner, for each element: m, rad or 1.
        network, learner, clouds, company: See there.
    """

    kind: Literal["features"] = KIND
    preset: str
    seed: int
    task: ComposeTaskConfig
    skill: str
    quantities: dict[str, int]
    units: tuple[float, ...]
    network: EstimatorConfig
    learner: LearnerConfig
    clouds: CloudModel
    company: CompanyConfig = CompanyConfig()


def read_features_run(folder: Path) -> FeatureRun:
    """Read an estimator's configuration.

    Raises:
        SleightError: The folder is no estimator's run, or was written by another version.
    """
    return read_config(FeatureRun, folder, "sleight train features")
