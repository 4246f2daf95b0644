"""What every training does around its runner: start or continue, keep the page of the run, end in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch

from sleight_training.checkpoint import CHECKPOINT, read_checkpoint
from sleight_training.ppo.config import PpoConfig
from sleight_training.ppo.ranks import Ranks
from sleight_training.ppo.runner import PpoRunner, Progress
from sleight_training.report import write_run_page

Report = Callable[[Progress], bool | None]


class SeededRun(Protocol):
    """What the beginning of a session asks of a run's configuration."""

    @property
    def seed(self) -> int:
        """Seed of the run."""
        ...


class PpoRun(SeededRun, Protocol):
    """What a PPO session asks of a run's configuration."""

    @property
    def ppo(self) -> PpoConfig:
        """PPO's figures."""
        ...


class Counted(Protocol):
    """Where a run stands."""

    iteration: int


State = TypeVar("State", bound=Counted)


class Runner(Protocol[State]):
    """What a session asks of a learner.

    Attributes:
        here: This process among those of the training.
        progress: Where it stands.
    """

    here: Ranks
    progress: State

    def resume(self) -> None:
        """Continue from the checkpoint."""
        ...

    def learn(self, report: Callable[[State], bool | None] | None = None) -> State:
        """Learn to the end, or until `report` returns True."""
        ...


def begin_session(run: SeededRun, session: int, here: Ranks | None = None) -> int:
    """Set torch up and return the seed of the environments.

    Args:
        run: Its configuration.
        session: Iteration it continues from; starts and noise are drawn anew, so that a resumed run does not repeat.
        here: This process; others draw other starts and noise.
    """
    rank = here.rank if here else 0
    # Adam's moments of unused inputs decay into denormal numbers, which are 10 times slower on a CPU.
    torch.set_flush_denormal(True)
    torch.manual_seed(run.seed + 1_000_003 * session + 7_919 * rank)
    drawn = (run.seed, session, rank) if rank else (run.seed, session)
    return int(np.random.SeedSequence(drawn).generate_state(1)[0])


def learn_run(
    folder: Path,
    run: PpoRun,
    build: Callable[[int], PpoRunner],
    *,
    resume: bool,
    report: Report | None,
    write_page: Callable[[Path], object] = write_run_page,
) -> Progress:
    """Train, or continue, a PPO run; see `learn_session`.

    Args:
        folder: The run's folder, with its configuration.
        run: The configuration.
        build: Makes the runner of a session that continues from an iteration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        write_page: Writes the page of the run's folder.
    """
    return learn_session(folder, run.ppo.save_every, build, resume=resume, report=report, write_page=write_page)


def learn_session(
    folder: Path,
    save_every: int,
    build: Callable[[int], Runner[State]],
    *,
    resume: bool,
    report: Callable[[State], bool | None] | None,
    write_page: Callable[[Path], object],
) -> State:
    """Train, or continue, a run; writes checkpoints, metrics and `index.html`.

    Args:
        folder: The run's folder, with its configuration.
        save_every: Iterations from one page to the next.
        build: Makes the runner of a session that continues from an iteration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        write_page: Writes the page of the run's folder.
    """
    checkpoint = folder / CHECKPOINT
    done = int(read_checkpoint(checkpoint)["progress"]["iteration"]) if resume and checkpoint.exists() else 0
    runner = build(done)
    if done:
        runner.resume()

    def every(progress: State) -> bool | None:
        if runner.here.first and progress.iteration % save_every == 0:
            write_page(folder)
        return report(progress) if report else None

    try:
        return runner.learn(every)
    finally:
        if runner.here.first and runner.progress.iteration:
            write_page(folder)
