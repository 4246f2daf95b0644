"""Speed of learning: environment steps a second with and without the learner."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sleight_core.benchmark import Figure, as_json, print_figures, write_json

from sleight_training.cores import use_cores

app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def train(
    preset: Annotated[str, typer.Option(help="Training preset.")] = "cpu",
    iterations: Annotated[int, typer.Option(min=2, help="Iterations measured.")] = 5,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure whole learning iterations beside the same task stepped without a learner, in one run."""
    use_cores()
    from sleight_training.base import build_runner
    from sleight_training.cli.train import DEFAULT_OBJECT
    from sleight_training.ppo.config import preset as preset_of
    from sleight_training.run import RunConfig

    chosen = preset_of(preset)
    ppo = chosen.ppo.model_copy(update={"iterations": iterations + 1})
    run = RunConfig(kind="base", preset=preset, objects=DEFAULT_OBJECT, seed=0, ppo=ppo, task=chosen.task)
    with tempfile.TemporaryDirectory() as folder:
        runner = build_runner(Path(folder), run)
        speeds: list[float] = []
        runner.learn(lambda progress: speeds.append(progress.speed))
        task = runner.env.task
        action = np.zeros((task.num_envs, task.num_actions))
        count = ppo.num_steps * iterations
        begin = time.perf_counter()
        for _ in range(count):
            task.step(action)
        alone = count * task.num_envs / (time.perf_counter() - begin)
    figures = [Figure("learning", float(np.median(speeds[1:])), "steps/s", "the task without a learner", alone)]
    print_figures(figures)
    content = as_json(figures, preset=preset)
    if json_out is not None:
        write_json(json_out, content)
    raise typer.Exit(0)
