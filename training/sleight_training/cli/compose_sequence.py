"""`sleight compose sequence`: three skills on one hand, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sleight_training.cli.compose_residual import fingers
from sleight_training.cli.evaluate import write_json
from sleight_training.cores import use_cores


def sequence(
    first: Annotated[str, typer.Argument(help="The task whose outcome is kept throughout, such as GraspBall.")],
    second: Annotated[str, typer.Argument(help="The task that is done next, such as PushButton.")],
    third: Annotated[str, typer.Argument(help="The task that is done after it, such as TurnOnSwitch.")],
    mask: Annotated[
        list[str],
        typer.Option(
            help="Fingers that keep the object, such as th,rf,lf; given twice: all fingers that are kept during the "
            "second and during the third skill."
        ),
    ],
    stabiliser: Annotated[Path | None, typer.Option(help="Run or file of 'sleight compose residual first'.")] = None,
    residual: Annotated[
        list[Path] | None,
        typer.Option(help="Runs or files of 'sleight compose residual second'; each goes to its skill."),
    ] = None,
    skill: Annotated[
        list[str] | None,
        typer.Option(
            help="Second and third skill: scripted, or a run of 'sleight train skill'; once for both, or twice."
        ),
    ] = None,
    held: Annotated[
        Path | None, typer.Option(help="File of 'sleight compose held collect' (default: runs/held/TASK.npz).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 8,
    rollouts: Annotated[int, typer.Option(min=1, help="Rollouts a seed.")] = 32,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 1000,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    minimum: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit 1 when the sequences' success is below this.")
    ] = None,
) -> None:
    """Keep an object while one thing is done and then another, with the finger mask handed over."""
    use_cores()
    from sleight_training.compose.residual.pair import default_held
    from sleight_training.compose.residual.sequence_eval import evaluate_named

    console = Console(stderr=True)
    row = evaluate_named(
        first,
        (second, third),
        masks=[fingers(text) for text in mask],
        stabiliser=stabiliser,
        residuals=residual or [],
        skills=skill or ["scripted"],
        held=held or default_held(first),
        seeds=range(first_seed, first_seed + seeds),
        rollouts=rollouts,
        notice=lambda text: console.print(text, highlight=False),
    )
    Console().print(_table(f"{first}, then {second}, then {third}", row))
    if json_out:
        write_json(json_out, row)
    if minimum is not None and row["success"] < minimum:
        raise typer.Exit(1)


def _table(title: str, row: dict) -> Table:
    table = Table("what", "share", "95 %", title=title)
    for name, share, ends in (
        ("all three", row["success"], row["ci95"]),
        ("object kept", row["retained"], row["retained_ci95"]),
        *((f"{part['task']} done", part["done"], part["ci95"]) for part in row["interactions"]),
    ):
        table.add_row(name, f"{share:.1%}", "{:.1%} - {:.1%}".format(*ends))
    for name, count in row["failures"].items():
        if count:
            table.add_row(name, f"{count} of {row['episodes']}", "")
    return table
