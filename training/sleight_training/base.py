"""Training of a geometry-agnostic base policy on one object (ResDex 4.1 and A.2), or on a few at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sleight_core.errors import SleightError
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.tasks.grasp.make import make_grasp_task

from sleight_training.ppo.config import preset
from sleight_training.ppo.runner import PpoRunner, Progress
from sleight_training.ppo.session import begin_session, learn_run
from sleight_training.ppo.vec_env import GraspVecEnv
from sleight_training.run import CONFIG, RunConfig, provenance, read_run


def prepare_run(
    folder: Path,
    *,
    objects: str,
    preset_name: str,
    seed: int,
    iterations: int | None,
    num_envs: int | None,
    resume: bool,
) -> RunConfig:
    """Write a new run's configuration, or read the one to resume.

    Raises:
        SleightError: The folder holds another run already, or there is nothing to resume.
    """
    if resume:
        return read_run(folder)
    if (folder / CONFIG).exists():
        raise SleightError(
            "this folder holds a run already",
            value=folder,
            remedy="add --resume to continue it, or choose another --out",
        )
    chosen = preset(preset_name)
    update = {name: value for name, value in (("iterations", iterations), ("num_envs", num_envs)) if value is not None}
    ppo = chosen.ppo.model_validate({**chosen.ppo.model_dump(), **update})
    resolve_objects(objects)  # refuse a wrong name before anything is written
    run = RunConfig.model_validate(
        {
            "kind": "base",
            "preset": preset_name,
            "objects": objects,
            "seed": seed,
            "ppo": ppo,
            "task": chosen.task,
            **provenance(),
        }
    )
    run.write(folder)
    return run


def build_runner(folder: Path, run: RunConfig, *, session: int = 0, device: str = "cpu") -> PpoRunner:
    """Build environments and learner of a run.

    Args:
        folder: The run's folder.
        run: Its configuration.
        session: Iteration it continues from.
        device: Device of the learner.
    """
    seed = begin_session(run, session)
    things = resolve_objects(run.objects)
    task = make_grasp_task(run.task, things, run.ppo.num_envs, seed=seed)
    env = GraspVecEnv(task, reward_scale=run.ppo.reward_scale, device=device)
    return PpoRunner(env, run.ppo, folder, device)


def train_base(
    folder: Path,
    run: RunConfig,
    *,
    resume: bool = False,
    report: Callable[[Progress], bool | None] | None = None,
    device: str = "cpu",
) -> Progress:
    """Train, or continue, a run; writes checkpoints, metrics and `index.html`.

    Args:
        folder: The run's folder, with its configuration.
        run: The configuration.
        resume: Continue from the checkpoint; a run killed before its first one starts over.
        report: Called after each iteration; training ends early when it returns True.
        device: Device of the learner.
    """
    return learn_run(
        folder,
        run,
        lambda session: build_runner(folder, run, session=session, device=device),
        resume=resume,
        report=report,
    )
