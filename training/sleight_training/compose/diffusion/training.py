"""Behaviour cloning of a skill by a diffusion policy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.collection import collect_file
from sleight_sim.tasks.compose.config import task_config

from sleight_training.checkpoint import CHECKPOINT, fitting, read_checkpoint, write_checkpoint
from sleight_training.compose.diffusion.config import SkillRun, read_skill, skill_preset
from sleight_training.compose.diffusion.dataset import Windows, file_digest, read_dataset
from sleight_training.compose.diffusion.page import write_skill_page
from sleight_training.compose.diffusion.policy import DiffusionPolicy
from sleight_training.compose.diffusion.skill import POLICY, DiffusionSkill, write_policy
from sleight_training.compose.horizon import SkillResult, evaluate_skill
from sleight_training.run import provenance, refuse_second_run

#: Demonstrations that a run collects itself, in its folder.
DEMONSTRATIONS = "demonstrations.hdf5"
#: Seeds of measured episodes begin here, so that none is one of a demonstration's.
EVALUATION_SEED = 1_000_000


@dataclass
class SkillProgress:
    """Where a run stands.

    Attributes:
        iteration: Finished steps of the optimiser.
        seconds: Learning time so far, over all sessions; measuring success is not learning.
        loss: Mean loss since the last row of the metrics.
        learning_rate: Of the last step.
        speed: Steps a second since the last row.
        success: Share of episodes that the averaged policy last succeeded in; nan before it was measured.
    """

    iteration: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    learning_rate: float = float("nan")
    speed: float = float("nan")
    success: float = float("nan")


Report = Callable[[SkillProgress], bool | None]


def prepare_skill(
    folder: Path,
    *,
    task: str | None,
    preset_name: str,
    seed: int,
    demonstrations: Path | None = None,
    steps: int | None = None,
    resume: bool = False,
    notice: Callable[[str], None] | None = None,
) -> SkillRun:
    """Write a new run's configuration, or read the one to resume.

    Args:
        folder: The run's folder.
        task: Name of the task; may be left out with `demonstrations`, and is not needed to resume.
        preset_name: Name of the preset.
        seed: Seed of network, batches and noise, and of demonstrations that are collected here.
        demonstrations: A file of them; None to let the scripted expert record the preset's number.
        steps: Override the preset's steps of the optimiser.
        resume: Read the configuration instead.
        notice: Called with what takes a while.

    Raises:
        SleightError: The folder holds another run already, there is nothing to resume, or something does not fit.
    """
    if resume:
        return read_skill(folder)
    refuse_second_run(folder)
    preset = skill_preset(preset_name)
    if task is None and demonstrations is None:
        raise SleightError("no task is named", remedy="give --task NAME or --demonstrations FILE")
    config = task_config(task) if task is not None else None
    path = demonstrations
    if path is None:
        assert config is not None
        path = folder / DEMONSTRATIONS
        if not path.exists():
            if notice:
                notice(f"recording {preset.demonstrations} demonstrations of {config.name}")
            collect_file(path, config, preset.demonstrations, seed=seed)
    data = read_dataset(path)
    if config is not None and data.task.name != config.name:
        raise SleightError(
            "the demonstrations are of another task", value=data.task.name, remedy=f"--task says {config.name}"
        )
    learner = preset.learner if steps is None else preset.learner.model_copy(update={"steps": steps})
    run = SkillRun(
        preset=preset_name,
        seed=seed,
        task=data.task,
        term_names=data.term_names,
        observation_size=data.windows.history.shape[-1],
        action_size=data.windows.actions.shape[-1],
        demonstrations=str(demonstrations.resolve()) if demonstrations else DEMONSTRATIONS,
        demonstrations_sha256=file_digest(path),
        episodes=data.episodes,
        network=preset.network,
        noise=preset.noise,
        learner=learner,
        **provenance(),  # type: ignore[arg-type]  # checked by the model
    )
    run.write(folder)
    return run


class SkillTrainer:
    """Policy, average, optimiser and schedule of a run, and what is needed to go on after a kill.

    An interrupted and resumed training ends with the same numbers as one in a single go: batches and noise are drawn
    from the seed and the step.

    Args:
        folder: The run's folder.
        run: Its configuration.
        windows: What it learns from.
        device: Device of the learner.
    """

    def __init__(self, folder: Path, run: SkillRun, windows: Windows, device: str = "cpu") -> None:
        # Adam's moments of unused weights decay into denormal numbers, which are 10 times slower on a CPU.
        torch.set_flush_denormal(True)
        torch.manual_seed(run.seed)
        learner = run.learner
        self.folder, self.run, self.device = folder, run, device
        self.progress = SkillProgress()
        self.policy = DiffusionPolicy.of(run)
        self.policy.fit(windows)
        self.policy.to(device)
        self.average = EMAModel(
            self.policy.parameters(), learner.average_most, use_ema_warmup=True, power=learner.average_power
        )
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(), learner.learning_rate, weight_decay=learner.weight_decay
        )
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, learner.warmup, learner.steps)
        self._history = torch.from_numpy(windows.history).to(device)
        self._actions = torch.from_numpy(windows.actions).to(device)

    def step(self) -> float:
        """One step of the optimiser; returns the loss."""
        learner = self.run.learner
        seed = int(np.random.SeedSequence((self.run.seed, self.progress.iteration)).generate_state(1)[0])
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randint(len(self._history), (learner.batch,), generator=generator).to(self.device)
        actions = self._actions[rows]
        noise = torch.randn(actions.shape, generator=generator).to(self.device)
        level = torch.randint(self.run.noise.steps, (learner.batch,), generator=generator).to(self.device)
        loss = self.policy.loss(self._history[rows], actions, noise, level)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), learner.max_grad_norm)
        self.progress.learning_rate = float(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.schedule.step()
        self.average.step(self.policy.parameters())
        self.progress.iteration += 1
        return float(loss.detach())

    def averaged(self) -> DiffusionPolicy:
        """A copy of the policy with the averaged weights."""
        policy = DiffusionPolicy.of(self.run)
        policy.load_state_dict(self.policy.state_dict())
        self.average.copy_to(policy.parameters())
        return policy.eval()

    def save(self) -> None:
        """Write the checkpoint and the averaged policy (atomic: a kill leaves the old one or the new one)."""
        data = {
            "policy": self.policy.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "progress": asdict(self.progress),
        }
        write_checkpoint(self.folder / CHECKPOINT, data)
        write_policy(self.folder / POLICY, self.run, self.averaged(), asdict(self.progress))

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            SleightError: There is none, it is damaged, or it is of another network.
        """
        path = self.folder / CHECKPOINT
        data: dict[str, Any] = read_checkpoint(path)
        with fitting(path):
            for name in ("policy", "average", "optimizer", "schedule"):
                getattr(self, name).load_state_dict(data[name])
            self.average.to(self.device)
            self.progress = SkillProgress(**data["progress"])


def train_skill(
    folder: Path,
    run: SkillRun,
    *,
    resume: bool = False,
    report: Report | None = None,
    device: str = "cpu",
    num_threads: int = 0,
) -> SkillProgress:
    """Train, or continue, a skill; writes checkpoints, `policy.safetensors`, metrics and `index.html`.

    Args:
        folder: The run's folder, as `prepare_skill` left it.
        run: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each step; training ends early when it returns True.
        device: Device of the learner.
        num_threads: Physics threads of measuring success; 0 for one a core.

    Raises:
        SleightError: The demonstrations are not those that the run began with, or the checkpoint is of another network.
    """
    from torch.utils.tensorboard import SummaryWriter

    path = folder / run.demonstrations  # an absolute path stays what it is
    if (digest := file_digest(path)) != run.demonstrations_sha256:
        raise SleightError(
            f"demonstrations {path} changed since the run began: sha256 was {run.demonstrations_sha256[:12]}",
            value=digest[:12],
            remedy="put the file back, or start another run",
        )
    trainer = SkillTrainer(folder, run, read_dataset(path).windows, device)
    if resume and (folder / CHECKPOINT).exists():
        trainer.resume()
    learner, p = run.learner, trainer.progress
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=p.iteration)
    try:
        with open(folder / "metrics.jsonl", "a", encoding="utf-8") as log:
            losses: list[float] = []
            started = time.perf_counter()
            while p.iteration < learner.steps:
                losses.append(trainer.step())
                last = p.iteration == learner.steps
                if p.iteration % learner.log_every == 0 or last:
                    spent = time.perf_counter() - started
                    p.seconds += spent
                    p.loss, p.speed = float(np.mean(losses)), len(losses) / spent
                    if p.iteration % learner.evaluate_every == 0 and not last:
                        p.success = evaluate_average(trainer, learner.evaluate_episodes, num_threads).rate
                    log.write(json.dumps(asdict(p)) + "\n")
                    log.flush()
                    for name in ("loss", "learning_rate", "speed", "success"):
                        writer.add_scalar(f"Train/{name}", getattr(p, name), p.iteration)
                    losses, started = [], time.perf_counter()
                if p.iteration % learner.save_every == 0:
                    trainer.save()
                    write_skill_page(folder)
                if report and report(p):
                    break
    finally:
        if p.iteration:
            trainer.save()
            write_skill_page(folder)
        writer.close()
    return p


def evaluate_average(trainer: SkillTrainer, episodes: int, num_threads: int = 0) -> SkillResult:
    """How often the averaged policy succeeds now, over episodes that no demonstration has."""
    skill = DiffusionSkill(trainer.run, trainer.averaged(), seed=trainer.run.seed, device=trainer.device)
    seed = EVALUATION_SEED + trainer.run.seed
    return evaluate_skill(skill, trainer.run.task, episodes, seed, num_threads=num_threads)
