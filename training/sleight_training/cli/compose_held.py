"""`sleight compose held`: states in which a retention skill has succeeded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sleight_core.errors import SleightError

app = typer.Typer(help="States in which a retention skill has succeeded.", no_args_is_help=True)


@app.command()
def collect(
    task: Annotated[str | None, typer.Option(help="Retention task with a skill of its own, such as GraspBall.")] = None,
    skill: Annotated[str, typer.Option(help="Who plays it: scripted, or a run of 'sleight train skill'.")] = "scripted",
    bundle: Annotated[
        Path | None, typer.Option(help="Instead of a task: folder of an exported grasp policy, which lifts --object.")
    ] = None,
    objects: Annotated[
        str, typer.Option("--object", help="Object, mesh file or object set, as 'sleight eval --objects' takes it.")
    ] = "own",
    mesh_scale: Annotated[float, typer.Option(help="Metres per unit of mesh files.")] = 1.0,
    name: Annotated[str | None, typer.Option(help="What the bundle's grasp is called as a task. [Grasp]")] = None,
    out: Annotated[Path | None, typer.Option(help="File (default: runs/held/TASK.npz).")] = None,
    count: Annotated[int, typer.Option(min=1, help="Held states to find.")] = 4096,
    worlds: Annotated[int, typer.Option(min=1, help="Objects that they are of, at most.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of worlds, starts and skill.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a collection that was interrupted.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="Physics threads; 0: one a core.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of some of the states here.")] = None,
) -> None:
    """Collect held states of a task's own skill (DexCompose B.3), or of any object that a grasp bundle lifts."""
    from sleight_sim.tasks.compose.config import task_config
    from sleight_sim.tasks.compose.grasped import GRASP
    from sleight_sim.video import NoGraphicsError

    from sleight_training.cli.bar import TrainingBar
    from sleight_training.compose.held import collect as collecting
    from sleight_training.compose.held.config import HeldConfig
    from sleight_training.compose.held.grasped import GraspRounds
    from sleight_training.compose.held.picture import write_held_sheet
    from sleight_training.compose.held.source import SkillRounds
    from sleight_training.compose.skills import skill_source

    if (task is None) == (bundle is None):
        raise SleightError("held states are of a task's own skill or of a bundle", remedy="give --task or --bundle")
    if bundle is None and (objects != "own" or mesh_scale != 1.0 or name is not None):
        raise SleightError(
            "a task has its own objects and name", value=task, remedy="--object and --name need --bundle"
        )
    if bundle is not None and skill != "scripted":
        raise SleightError("a bundle is a skill itself", value=skill, remedy="leave --skill out")
    console = Console(stderr=True)
    config = HeldConfig(count=count, worlds=worlds, seed=seed)
    source: SkillRounds | GraspRounds
    if bundle is not None:
        source = GraspRounds(bundle, objects, config, name=name or GRASP, mesh_scale=mesh_scale, num_threads=threads)
    else:
        assert task is not None  # one of the two is given
        source = SkillRounds(task_config(task), config, skill_source(skill, task), threads)
    about = source.task.name
    path = out or Path("runs") / "held" / f"{about}.npz"
    with TrainingBar(console, f"held states of {about}", count) as bar:

        def report(p: collecting.Progress) -> None:
            bar.show(p.found, f"{p.played} episodes", p.seconds)

        try:
            library = collecting.collect_from(path, source, config, resume=resume, report=report)
        except KeyboardInterrupt:
            console.print("interrupted; the same command with --resume continues")
            raise
    meta = library.meta
    console.print(f"{len(library)} held states of {len(meta.draws)} objects in {meta.played} episodes: {path}")
    if isinstance(source, GraspRounds) and source.reached:
        console.print(f"in {source.reached} of the episodes of this call the policy held the object")
    if picture is not None:
        try:
            write_held_sheet(picture, library)
        except NoGraphicsError as error:
            console.print(f"no picture: {error}")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="File of 'held collect'.")],
) -> None:
    """Say what a file of held states holds."""
    import numpy as np
    from rich.table import Table
    from sleight_sim.tasks.compose.shapes import ShapeDraw

    from sleight_training.compose.held.library import read_library

    library = read_library(file, partial=True)
    kept = np.bincount(library.world, minlength=len(library.draws))
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
    for draw, found in zip(library.draws, kept, strict=True):
        if isinstance(draw, ShapeDraw):
            rows.add_row(f"object {draw.name}", f"{found} states")
    for i, finger in enumerate(meta.fingers):
        force = library.contact[:, i]
        rows.add_row(f"finger {finger}", f"touches in {(force >= 0.1).mean():.0%}, mean {force.mean():.1f} N")
    Console().print(rows)
