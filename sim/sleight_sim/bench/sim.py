"""Speed of the grasp task, beside a bare loop over the same models."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sleight_core.benchmark import Figure, as_json, print_figures, write_json

from sleight_sim.bench.warp import WarpFigures, measure_warp
from sleight_sim.engines.mujoco_batch import MujocoBatchEngine
from sleight_sim.objects.sets import resolve_objects
from sleight_sim.tasks.grasp.config import ROBUST, GraspTaskConfig
from sleight_sim.tasks.grasp.make import check_engine, make_grasp_task

app = typer.Typer(help=__doc__, add_completion=False)


def measure(objects: str, envs: int, steps: int, rounds: int, threads: int) -> tuple[float, float]:
    """Environment steps a second of the task and of a bare `Batch.step` loop from the same states.

    The two take turns, so that other load meets both alike, and the medians of their rounds count. The hand moves at
    random near the object, with contacts as in training. The bare loop begins in the same states and replays the task's
    commands: hands that are left alone come to rest, and rest is cheaper than motion.

    Args:
        objects: Object set.
        envs: Environments.
        steps: Control steps a round.
        rounds: Rounds of each.
        threads: Physics threads; 0 for one a core.
    """
    config = GraspTaskConfig(near_start=1.0, randomisation=ROBUST)
    task = make_grasp_task(config, resolve_objects(objects), envs, num_threads=threads)
    assert isinstance(task.engine, MujocoBatchEngine)
    rng = np.random.default_rng(0)
    actions = 0.5 * rng.normal(size=(16, envs, task.num_actions))
    task.reset(random_progress=True)
    for k in range(20):
        task.step(actions[k % 16])
    batch = task.engine.batch
    parts = {name: batch.bind(name) for name in ("qpos", "qvel", "act", "qacc_warmstart", "ctrl", "qfrc_applied")}
    times = np.zeros((2, rounds))
    for r in range(rounds):
        before = {name: part.copy() for name, part in parts.items()}
        commands = []
        for k in range(steps):
            begin = time.perf_counter()
            task.step(actions[k % 16])
            times[0, r] += time.perf_counter() - begin
            commands.append((parts["ctrl"].copy(), parts["qfrc_applied"].copy()))
        after = {name: part.copy() for name, part in parts.items()}
        _put(parts, before)
        for ctrl, applied in commands:
            parts["ctrl"][:], parts["qfrc_applied"][:] = ctrl, applied
            begin = time.perf_counter()
            batch.step(nstep=config.substeps)
            times[1, r] += time.perf_counter() - begin
        _put(parts, after)
    rates = steps * envs / np.median(times, axis=1)
    return float(rates[0]), float(rates[1])


def _put(parts: dict[str, np.ndarray], values: dict[str, np.ndarray]) -> None:
    for name, value in values.items():
        parts[name][:] = value


@app.command()
def sim(
    objects: Annotated[str, typer.Option("--object", help="Object set.")] = "household:cylinder:0",
    envs: Annotated[int, typer.Option(min=1, help="Environments.")] = 512,
    steps: Annotated[int, typer.Option(min=1, help="Control steps a round.")] = 12,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds.")] = 9,
    threads: Annotated[int, typer.Option(min=0, help="Physics threads; 0: one a core.")] = 0,
    engine: Annotated[str, typer.Option(help="Physics engine: mujoco, or mujoco_warp.")] = "mujoco",
    device: Annotated[
        str | None, typer.Option(help="Of mujoco_warp, e.g. cuda:0 or cpu (default: the first GPU, or the CPU).")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure how much of a bare physics loop's speed the whole task keeps: observation, reward, limits, resets."""
    check_engine(engine)
    if engine == "mujoco_warp":
        _report_warp(measure_warp(objects, envs, steps, rounds, device), objects, envs, json_out)
        return
    task, bare = measure(objects, envs, steps, rounds, threads)
    figures = [Figure("grasp task", task, "steps/s", "bare Batch.step, same models and states", bare, 0.85, True, True)]
    print_figures(figures)
    content = as_json(figures, objects=objects, environments=envs)
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0 if content["passed"] else 1)


def _report_warp(found: WarpFigures, objects: str, envs: int, json_out: Path | None) -> None:
    """Show speed, and how many environments a memory holds."""
    figures = [
        Figure("grasp task", found.task, "steps/s", "its engine alone, same commands", found.engine),
        Figure("memory an environment", found.per_world / 1e3, "kB", "shared by all", found.shared / 1e3),
    ]
    print_figures(figures)
    if json_out is not None:
        write_json(json_out, as_json(figures, objects=objects, environments=envs, device=found.device))
