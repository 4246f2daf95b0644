"""`sleight compose held`: states in which a retention skill has succeeded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="States in which a retention skill has succeeded.", no_args_is_help=True)


@app.command()
def collect(
    task: Annotated[str, typer.Option(help="Retention task, such as GraspBall.")],
    skill: Annotated[str, typer.Option(help="Who plays: scripted, or a run of 'sleight train skill'.")] = "scripted",
    out: Annotated[Path | None, typer.Option(help="File (default: runs/held/TASK.npz).")] = None,
    count: Annotated[int, typer.Option(min=1, help="Held states to find.")] = 4096,
    worlds: Annotated[int, typer.Option(min=1, help="Objects that they are of, at most.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of worlds, starts and skill.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a collection that was interrupted.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="Physics threads; 0: one a core.")] = 0,
) -> None:
    """Collect held states (DexCompose B.3)."""
    from sleight_sim.tasks.compose.config import task_config

    from sleight_training.cli.bar import TrainingBar
    from sleight_training.compose.held import collect as collecting
    from sleight_training.compose.held.config import HeldConfig
    from sleight_training.compose.skills import skill_source

    console = Console(stderr=True)
    path = out or Path("runs") / "held" / f"{task}.npz"
    config = HeldConfig(count=count, worlds=worlds, seed=seed)
    with TrainingBar(console, f"held states of {task}", count) as bar:

        def report(p: collecting.Progress) -> None:
            bar.show(p.found, f"{p.played} episodes", p.seconds)

        try:
            library = collecting.collect(
                path,
                task_config(task),
                config,
                skill_source(skill, task),
                resume=resume,
                report=report,
                num_threads=threads,
            )
        except KeyboardInterrupt:
            console.print("interrupted; the same command with --resume continues")
            raise
    meta = library.meta
    console.print(f"{len(library)} held states of {len(meta.draws)} objects in {meta.played} episodes: {path}")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="File of 'held collect'.")],
) -> None:
    """Say what a file of held states holds."""
    import numpy as np
    from rich.table import Table

    from sleight_training.compose.held.library import read_library

    library = read_library(file, partial=True)
    meta, distance = library.meta, np.linalg.norm(library.palm_pos, axis=-1)
    rows = Table(show_header=False)
    for name, value in (
        ("task", meta.task.name),
        ("skill", meta.source),
        ("states", f"{len(library)} of {meta.config.count}"),
        ("objects", str(len(meta.draws))),
        ("episodes played", str(meta.played)),
        ("object to palm's centre", f"{1e3 * distance.min():.0f} to {1e3 * distance.max():.0f} mm"),
    ):
        rows.add_row(name, value)
    for i, finger in enumerate(meta.fingers):
        force = library.contact[:, i]
        rows.add_row(f"finger {finger}", f"touches in {(force >= 0.1).mean():.0%}, mean {force.mean():.1f} N")
    Console().print(rows)
