"""`sleight train`: learn policies in simulation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sleight_core.errors import SleightError

app = typer.Typer(help="Train policies in simulation.", no_args_is_help=True)

#: Objects that the shipped base policy learns on, each in many proportions.
DEFAULT_OBJECT = "household:cylinder:5+household:box:0+household:egg:0"


@app.callback()
def _train() -> None:
    """Train policies in simulation."""


@app.command()
def base(
    objects: Annotated[
        str, typer.Option("--object", help="The object to learn on, e.g. household:can:3 or a mesh file.")
    ] = DEFAULT_OBJECT,
    preset: Annotated[
        str, typer.Option(help="cpu: 2 cores, about 15 minutes; full: the paper's sizes, for a GPU; smoke: a test.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks, physics and starts.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/base_<object>_<seed>).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was interrupted or killed.")] = False,
    iterations: Annotated[int | None, typer.Option(min=1, help="Override the preset's learning iterations.")] = None,
    envs: Annotated[int | None, typer.Option(min=1, help="Override the preset's number of environments.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write the policy bundle here when done.")] = None,
) -> None:
    """Train a geometry-agnostic base policy on one object (ResDex 4.1)."""
    from sleight_training import base as training

    training.use_cores()
    console = Console(stderr=True)
    folder = out or Path("runs") / f"base_{objects.replace(':', '_').replace('/', '_')}_{seed}"
    run = training.prepare_run(
        folder, objects=objects, preset_name=preset, seed=seed, iterations=iterations, num_envs=envs, resume=resume
    )
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    plain = not console.is_terminal
    last = time.monotonic()
    with Progress(*columns, console=console, disable=plain) as bar:
        task = bar.add_task(f"base policy on {run.objects}", total=run.ppo.iterations, state="")

        def report(p: training.Progress) -> None:
            nonlocal last
            state = f"held {p.held:.0%}  ever {p.ever:.0%}  {p.steps / 1e6:.2f} M steps  {p.speed:,.0f}/s"
            bar.update(task, completed=p.iteration, state=state)
            if plain and time.monotonic() - last > 15:
                last = time.monotonic()
                console.print(f"{p.iteration}/{run.ppo.iterations}  {state}  {p.seconds / 60:.1f} min", highlight=False)

        try:
            progress = training.train_base(folder, run, resume=resume, report=report)
        except KeyboardInterrupt:
            console.print(f"interrupted; continue with: sleight train base --out {folder} --resume")
            raise
    console.print(
        f"{progress.steps:,} steps in {progress.seconds / 60:.1f} min; held {progress.held:.1%} of the last episodes "
        f"(with exploration noise). Page: {folder / 'index.html'}"
    )
    if export:
        _export(folder, export)
        console.print(f"bundle: {export}")


def _export(run: Path, out: Path) -> None:
    # The exporter stands above this room: it is found as any other command is, by its entry point.
    from importlib.metadata import entry_points

    points = [point for point in entry_points(group="sleight.exporters") if point.name == "run"]
    if not points:
        raise SleightError("the exporter is not installed", remedy=f"run: sleight export {run} --out {out}")
    points[0].load()(run, out)
