"""Training of a feature estimator: supervision on what skills meet, with the truth and then with its own estimates.

That is DAgger (Ross et al. 2011) with the simulator as the expert: what the estimator should have said is known
wherever the skill gets, and where it gets depends on what the estimator says.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_sim.tasks.compose.config import TASKS, ComposeTaskConfig, task_config
from sleight_sim.tasks.compose.make import make_compose_task

from sleight_training.checkpoint import CHECKPOINT, fitting, read_checkpoint, write_checkpoint
from sleight_training.compose.skills import SCRIPTED, skill_source
from sleight_training.compose.vision.config import CompanyConfig, FeatureRun, feature_preset, read_features_run
from sleight_training.compose.vision.errors import typical_errors
from sleight_training.compose.vision.estimator import ESTIMATOR, Estimator, build_network
from sleight_training.compose.vision.page import write_features_page
from sleight_training.compose.vision.rollouts import Moment, Rollouts
from sleight_training.compose.vision.watched import task_quantities, unit_sizes
from sleight_training.run import provenance, refuse_second_run
from sleight_training.student.buffer import ReplayBuffer

#: Ended episodes that count for the success that is shown.
_WINDOW = 200
#: Seeds of measured episodes begin here, so that none is one of the training's.
EVALUATION_SEED = 2_000_000


@dataclass
class FeatureProgress:
    """Where a run stands.

    Attributes:
        iteration: Finished iterations.
        steps: Actions of all environments so far.
        seconds: Learning time so far, over all sessions of the run.
        loss: Mean loss of the last iteration.
        beta: Chance that an episode begun in the last iteration is fed with the truth.
        speed: Actions of all environments a second in the last iteration, learning included.
        success: Of the last episodes fed with estimates; nan before any ended.
        errors: Of what was said in the last iteration, before learning from it: mean by quantity, as `typical_errors`.
    """

    iteration: int = 0
    steps: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    beta: float = float("nan")
    speed: float = float("nan")
    success: float = float("nan")
    errors: dict[str, float] = field(default_factory=dict)


Report = Callable[[FeatureProgress], bool | None]


def prepare_features(
    folder: Path,
    *,
    task: str | None,
    preset_name: str,
    seed: int,
    skill: str = SCRIPTED,
    iterations: int | None = None,
    num_envs: int | None = None,
    beside: Sequence[str] | None = None,
    resume: bool = False,
) -> FeatureRun:
    """Write a new run's configuration, or read the one to resume.

    Args:
        folder: The run's folder.
        task: Name of the task; not needed to resume.
        preset_name: Name of the preset.
        seed: Seed of network, worlds, starts and cameras.
        skill: Whose rollouts it learns from: "scripted", or a run or file of 'sleight train skill'.
        iterations: Override the preset's.
        num_envs: Override the preset's.
        beside: Tasks of the other role whose things are in half of the scenes; None: the paper's, as in a composition.
        resume: Read the configuration instead.

    Raises:
        SleightError: The folder holds another run already, there is nothing to resume, or something does not fit.
    """
    if resume:
        return read_features_run(folder)
    refuse_second_run(folder)
    if task is None:
        raise SleightError("no task is named", remedy="give --task NAME")
    preset, config = feature_preset(preset_name), task_config(task)
    skill_source(skill, config.name)  # refuse a wrong one before anything is written
    company = CompanyConfig(tasks=tuple(_others(config) if beside is None else _checked(config, beside)))
    example = make_compose_task(config, 16, seed=seed, num_threads=1)
    quantities = task_quantities(example.observation)
    ranges = (example.engine.upper - example.engine.lower).mean(axis=0) if example.engine.joint_names else np.zeros(0)
    update = {name: value for name, value in (("iterations", iterations), ("num_envs", num_envs)) if value is not None}
    run = FeatureRun(
        preset=preset_name,
        seed=seed,
        task=config,
        skill=skill if skill == SCRIPTED else str(Path(skill).resolve()),
        quantities=quantities,
        units=unit_sizes(quantities, ranges),
        network=preset.network,
        learner=preset.learner.model_validate({**preset.learner.model_dump(), **update}),
        clouds=preset.clouds,
        company=company,
        **provenance(),  # type: ignore[arg-type]  # checked by the model
    )
    run.write(folder)
    return run


def _others(config: ComposeTaskConfig) -> list[str]:
    return [name for name, task in TASKS.items() if task.paper and task.role != config.role]


def _checked(config: ComposeTaskConfig, names: Sequence[str]) -> Sequence[str]:
    if wrong := [name for name in names if task_config(name).role == config.role]:
        raise SleightError(
            f"in a composition there is no second thing of the kind of {config.name}'s",
            value=wrong,
            remedy=f"choose from {_others(config)}",
        )
    return names


class FeatureTrainer:
    """Plays, remembers, learns, and keeps what is needed to go on after a kill; the memory fills again.

    Args:
        folder: Where `metrics.jsonl`, the checkpoint and the estimator go.
        run: The configuration.
        device: Device of the learner.
        num_threads: Physics threads; 0 for one a core.
    """

    def __init__(self, folder: Path, run: FeatureRun, *, device: str = "cpu", num_threads: int = 0) -> None:
        # Adam's moments of unused inputs decay into denormal numbers, which are 10 times slower on a CPU.
        torch.set_flush_denormal(True)
        torch.manual_seed(run.seed)
        self.folder, self.run, self.device = folder, run, device
        self.progress = FeatureProgress()
        self.network = build_network(run).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=run.learner.learning_rate)
        learner = run.learner
        self.buffer = ReplayBuffer(
            sum(self.network.sizes),
            sum(run.quantities.values()),
            rows=learner.num_envs * learner.num_steps * learner.iterations,
            mebibytes=learner.buffer_mib,
            at_once=learner.num_envs,
            device=device,
        )
        self._source = skill_source(run.skill, run.task.name)
        self._threads = num_threads
        self._window: deque[bool] = deque(maxlen=_WINDOW)
        self._since = np.full(learner.num_envs, -1)
        self._rollouts: Rollouts | None = None
        self._rng = np.random.default_rng(run.seed)

    def save(self) -> None:
        """Write the checkpoint and the estimator (atomic: a kill leaves the old ones or the new ones)."""
        data = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        write_checkpoint(self.folder / CHECKPOINT, data)
        Estimator(self.run, self.network).save(self.folder / ESTIMATOR, asdict(self.progress))
        self.network.train()

    def resume(self) -> None:
        """Continue from the checkpoint, in other worlds than before it.

        Raises:
            SleightError: There is none, it is damaged, or it is of another network.
        """
        path = self.folder / CHECKPOINT
        data = read_checkpoint(path)
        with fitting(path):
            self.network.load_state_dict(data["network"])
            self.optimizer.load_state_dict(data["optimizer"])
            self.progress = FeatureProgress(**data["progress"])
        torch.manual_seed(self.run.seed + 1_000_003 * self.progress.iteration)
        self._rng = np.random.default_rng((self.run.seed, self.progress.iteration))

    def iterate(self) -> None:
        """One iteration: play, then learn."""
        learner, p = self.run.learner, self.progress
        started = time.perf_counter()
        if self._rollouts is None or p.iteration % learner.renew == 0:
            self._renew()
        p.beta = learner.beta_at(p.iteration)
        moments = [self._play(p.beta) for _ in range(learner.num_steps)]
        said, truth = (np.concatenate([getattr(one, name) for one in moments]) for name in ("said", "truth"))
        p.errors = typical_errors(self.run.quantities, said, truth)
        p.loss = self._learn()
        if self._window:
            p.success = float(np.mean(self._window))
        new = learner.num_steps * learner.num_envs
        p.iteration += 1
        p.steps += new
        seconds = time.perf_counter() - started
        p.seconds += seconds
        p.speed = new / seconds

    def _renew(self) -> None:
        """Draw other worlds, and start episodes in all of them."""
        learner = self.run.learner
        seed = int(np.random.SeedSequence((self.run.seed, self.progress.iteration)).generate_state(1)[0]) % 1_000_000
        self._rollouts = Rollouts(
            self.run, self._source, self._say, learner.num_envs, seed=seed, num_threads=self._threads
        )
        self._begin(np.arange(learner.num_envs), learner.beta_at(self.progress.iteration))

    def _begin(self, ids: NDArray[np.int64], beta: float) -> None:
        assert self._rollouts is not None
        self._rollouts.reset(ids, self._rng.random(len(ids)) < beta)
        self._since[ids] = -1

    def _say(self, seen: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.no_grad():
            return self.network(torch.from_numpy(seen).to(self.device)).double().cpu().numpy()

    def _play(self, beta: float) -> Moment:
        """One action in all environments: remember what was seen and true, and begin anew where an episode ended."""
        learner, rollouts = self.run.learner, self._rollouts
        assert rollouts is not None
        moment = rollouts.step()
        kept = np.flatnonzero(
            np.isfinite(moment.seen).all(axis=1)
            & np.isfinite(moment.truth).all(axis=1)
            & (self._rng.random(len(moment.seen)) < learner.keep)
        )
        rows = (moment.seen[kept], moment.truth[kept].astype(np.float32))
        self.buffer.add(*(torch.from_numpy(row).to(self.device) for row in rows))
        result = moment.result
        self._since = np.where(result.succeeded, self._since + 1, -1)
        over = np.flatnonzero(result.timeout | result.failed | (self._since >= learner.after))
        self._window.extend(bool(result.succeeded[i]) for i in over if not moment.trusted[i])
        if len(over):
            self._begin(over, beta)
        return moment

    def _learn(self) -> float:
        """Learn from the memory; return the mean loss."""
        learner = self.run.learner
        if not len(self.buffer):
            return float("nan")
        for group in self.optimizer.param_groups:
            group["lr"] = learner.rate_at(self.progress.iteration)
        total = 0.0
        for _ in range(learner.updates):
            seen, truth = self.buffer.sample(learner.batch)
            # Smooth L1: an object that fell from the table is not to outweigh all others.
            loss = torch.nn.functional.smooth_l1_loss(
                self.network(seen) / self.network.units, truth / self.network.units
            )
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), learner.max_grad_norm)
            self.optimizer.step()
            total += float(loss.detach())
        return total / learner.updates


def train_features(
    folder: Path,
    run: FeatureRun,
    *,
    resume: bool = False,
    report: Report | None = None,
    device: str = "cpu",
    num_threads: int = 0,
) -> FeatureProgress:
    """Train, or continue, an estimator; writes checkpoints, `estimator.safetensors`, metrics and `index.html`.

    Args:
        folder: The run's folder, as `prepare_features` left it.
        run: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        device: Device of the learner.
        num_threads: Physics threads; 0 for one a core.

    Raises:
        SleightError: The checkpoint is of another network, or the skill is gone.
    """
    from torch.utils.tensorboard import SummaryWriter

    trainer = FeatureTrainer(folder, run, device=device, num_threads=num_threads)
    if resume and (folder / CHECKPOINT).exists():
        trainer.resume()
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=trainer.progress.iteration)
    try:
        with open(folder / "metrics.jsonl", "a", encoding="utf-8") as log:
            while trainer.progress.iteration < run.learner.iterations:
                trainer.iterate()
                p = trainer.progress
                log.write(json.dumps(asdict(p)) + "\n")
                log.flush()
                for name, value in {"loss": p.loss, "success": p.success, "beta": p.beta, **p.errors}.items():
                    writer.add_scalar(f"Train/{name}", value, p.iteration)
                if p.iteration % run.learner.save_every == 0:
                    trainer.save()
                    write_features_page(folder)
                if report and report(p):
                    break
    finally:
        if trainer.progress.iteration:
            trainer.save()
            write_features_page(folder)
        writer.close()
    return trainer.progress
