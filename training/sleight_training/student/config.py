"""What makes one training of a student: its network, DAgger's figures, its cameras, its presets (resdex_facts 5.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sleight_core.errors import SleightError
from sleight_core.observation.terms import TERMS, cloud_term
from sleight_sim.sensors.visible import PAPER_CLOUD, CloudModel
from sleight_sim.tasks.grasp.config import EXACT_PERCEPTION, GraspTaskConfig

from sleight_training.hyper.config import HyperConfig
from sleight_training.presets import choose_preset
from sleight_training.run import RunRecord, is_run_of, read_config

Terms = tuple[tuple[str, float], ...]
Head = Literal["action", "mixture"]

#: What a run of this kind calls itself in its configuration.
KIND = "student"


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkConfig(_Config):
    """The student's network (resdex_facts 5.5 are the defaults of `full`).

    Attributes:
        cloud_points: N, points of the cloud that it sees.
        point_widths: Layers that every point passes through by itself.
        code_widths: Layers after the points are pooled; the last is the length of the cloud's code.
        hidden: Hidden layers after code and proprioception come together.
        normalise: Normalise all but the cloud's shape by running statistics, which belong to the network.
    """

    cloud_points: int = 128
    point_widths: tuple[int, ...] = Field(default=(32, 64), min_length=1)
    code_widths: tuple[int, ...] = Field(default=(64, 64), min_length=1)
    hidden: tuple[int, ...] = (256, 128)
    normalise: bool = True


class DaggerConfig(_Config):
    """DAgger's figures.

    Attributes:
        num_envs: Environments in parallel.
        num_steps: Steps of each environment an iteration.
        iterations: Iterations.
        updates: Steps of the optimiser an iteration.
        batch: Observations a step of the optimiser learns from.
        buffer_mib: Bound of the memory of observations (MiB); the oldest make room.
        buffer_steps: No more than this many steps of each environment are kept.
        learning_rate: Adam's.
        final_rate: Share of the learning rate at the end; it falls linearly.
        max_grad_norm: Bound of the gradient's norm; None for no bound.
        beta: Chance at the start that a step takes the teacher's action instead of the student's; the label is always
            the teacher's.
        beta_share: Share of the iterations after which that chance has fallen to 0, linearly.
        clamp_labels: Learn the teacher's action as it is executed, within [-1, 1]; the public code does not.
        save_every: Iterations between two checkpoints.
    """

    num_envs: int = Field(default=256, ge=1)
    num_steps: int = Field(default=8, ge=1)
    iterations: int = Field(default=1500, ge=1)
    updates: int = Field(default=6, ge=1)
    batch: int = Field(default=512, ge=1)
    buffer_mib: float = Field(default=512.0, gt=0)
    buffer_steps: int = Field(default=800, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    final_rate: float = Field(default=0.1, gt=0, le=1)
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    beta: float = Field(default=1.0, ge=0, le=1)
    beta_share: float = Field(default=0.15, ge=0, le=1)
    clamp_labels: bool = True
    save_every: int = Field(default=25, ge=1)

    def beta_at(self, iteration: int) -> float:
        """Chance that a step after `iteration` finished iterations takes the teacher's action."""
        if self.beta_share == 0.0:
            return 0.0
        return self.beta * max(0.0, 1.0 - iteration / (self.beta_share * self.iterations))

    def rate_at(self, iteration: int) -> float:
        """Adam's learning rate after `iteration` finished iterations."""
        return self.learning_rate * (1.0 - (1.0 - self.final_rate) * min(1.0, iteration / self.iterations))


class StudentPreset(_Config):
    """Sizes and errors of a student's training.

    Attributes:
        name: Its name.
        network: The network.
        dagger: The learner.
        clouds: How the cloud is perceived.
        robust: Delay half of the environments' actions by a step even where the teacher learnt without.
    """

    name: str
    network: NetworkConfig
    dagger: DaggerConfig
    clouds: CloudModel
    robust: bool = True


STUDENT_PRESETS: dict[str, StudentPreset] = {
    "cpu": StudentPreset(name="cpu", network=NetworkConfig(), dagger=DaggerConfig(), clouds=CloudModel()),
    "full": StudentPreset(
        name="full",
        network=NetworkConfig(
            cloud_points=512,
            point_widths=(128, 256),
            code_widths=(256, 128),
            hidden=(1024, 1024, 512, 512),
            normalise=False,
        ),
        dagger=DaggerConfig(
            num_envs=11000,
            num_steps=1,
            iterations=8000,
            updates=20,
            batch=22000,
            buffer_mib=1024.0,
            buffer_steps=8,
            final_rate=1.0,
            max_grad_norm=None,
            beta=0.0,
            beta_share=0.0,
            clamp_labels=False,
            save_every=100,
        ),
        clouds=PAPER_CLOUD,
        robust=False,
    ),
    "smoke": StudentPreset(
        name="smoke",
        network=NetworkConfig(cloud_points=64, point_widths=(16, 32), code_widths=(32, 16), hidden=(32, 32)),
        dagger=DaggerConfig(num_envs=8, num_steps=4, iterations=4, updates=2, batch=32, buffer_mib=1.0, save_every=1),
        clouds=CloudModel(),
    ),
}


def student_preset(name: str) -> StudentPreset:
    """Return a preset by name.

    Raises:
        SleightError: There is no such preset.
    """
    return choose_preset(STUDENT_PRESETS, name)


class StudentRun(RunRecord):
    """What a student's run is; written once when it starts, checked when it is resumed.

    Attributes:
        kind: "student".
        preset: Name of the preset it started from.
        objects: Object set it learns on.
        seed: Seed of networks, physics, starts and cameras.
        head: "action": the network gives the action (the paper); "mixture": weights of the teacher's experts and a
            residual, which can be told apart when it runs.
        network, dagger, clouds: See there.
        task: The task: `terms` are what the student sees, `critic_terms` what the teacher does.
        mixture: The experts and the rule of a "mixture".
        teacher: Name of the teacher, for people.
        teacher_steps: Environment steps that the teacher learnt from.
    """

    kind: Literal["student"] = KIND
    preset: str
    objects: str
    seed: int
    head: Head
    network: NetworkConfig
    dagger: DaggerConfig
    clouds: CloudModel
    task: GraspTaskConfig
    mixture: HyperConfig | None = None
    teacher: str = ""
    teacher_steps: int = 0


def read_student(folder: Path) -> StudentRun:
    """Read a student's configuration.

    Raises:
        SleightError: The folder is no student's run, or was written by another version.
    """
    return read_config(StudentRun, folder, "sleight train student")


def is_student(folder: Path) -> bool:
    """Whether a folder holds a student's run."""
    return is_run_of(folder, KIND)


def student_terms(cloud_points: int, experts: Terms = ()) -> Terms:
    """Return what a student sees: proprioception and its last action, what its experts need, and the cloud at the end.

    The paper's student (resdex_facts 2.2) has no experts, and sees no position of the object besides the cloud.

    Args:
        cloud_points: N.
        experts: Terms of the experts that it mixes.

    Raises:
        SleightError: An expert sees what no robot knows, or no term holds such a cloud.
    """
    hidden = [name for name, _ in experts if TERMS[name].provenance == "privileged"]
    if hidden:
        raise SleightError(
            "a student cannot mix experts that see what no robot knows", value=hidden, remedy="use --head action"
        )
    own = [row for row in GraspTaskConfig().terms if TERMS[row[0]].provenance in ("proprioception", "memory")]
    names = {name for name, _ in experts}
    missing = tuple(row for row in own if row[0] not in names)
    return (*experts, *missing, (cloud_term(cloud_points), 1.0))


def student_task(
    teacher: GraspTaskConfig, preset: StudentPreset, terms: Terms, critic_terms: Terms, head: Head
) -> GraspTaskConfig:
    """Return the teacher's task as the student meets it.

    Where the student sees the position of the object only in its cloud, nothing but the teacher reads the perceived
    position: it is exact then, so that labels carry no noise.
    """
    varied = teacher.randomisation
    update = {
        "terms": terms,
        "critic_terms": critic_terms,
        "reward": teacher.reward.model_copy(update={"proposal": None}),
        "randomisation": varied.model_copy(update={"action_delay": 1}) if preset.robust else varied,
        "perception": EXACT_PERCEPTION if head == "action" else teacher.perception,
    }
    return teacher.model_copy(update=update)
