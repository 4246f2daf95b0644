"""`sleight compose eval`: composite success of a pair, under the method, its ablations and the baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sleight_core.errors import SleightError

from sleight_training.cli.compose_residual import MASK_HELP, fingers
from sleight_training.cores import use_cores


def evaluate(
    first: Annotated[str, typer.Argument(help="The task whose outcome is kept, such as GraspBall.")],
    second: Annotated[str, typer.Argument(help="The task that is done meanwhile, such as PushButton.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="ours, ours-zs, frozen, decomposed, residual-learning, mask-only, or an ablation; may be repeated."
        ),
    ] = None,
    mask: Annotated[str, typer.Option(help=MASK_HELP)] = "",
    stabiliser: Annotated[Path | None, typer.Option(help="Run or file of 'sleight compose residual first'.")] = None,
    residual: Annotated[
        list[Path] | None,
        typer.Option(help="Runs or files of 'sleight compose residual second'; each goes to its method."),
    ] = None,
    skill: Annotated[
        str, typer.Option(help="The second skill: scripted, or a run of 'sleight train skill'.")
    ] = "scripted",
    bundle: Annotated[
        Path | None,
        typer.Option(help="A bundle of 'sleight export compose': second skill, mask and residuals are its own."),
    ] = None,
    estimator: Annotated[
        Path | None,
        typer.Option(help="Run of 'sleight train features': a scripted second skill sees places through it."),
    ] = None,
    held: Annotated[
        Path | None, typer.Option(help="File of 'sleight compose held collect' (default: runs/held/TASK.npz).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds; the paper's 8.")] = 8,
    rollouts: Annotated[int, typer.Option(min=1, help="Rollouts a seed; the paper's 32.")] = 32,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 1000,
    others_joints: Annotated[
        str,
        typer.Option(
            help="What the second skill sees of joints that it does not own: intended, where it would have moved them "
            "(the default); or measured. A bundle says it itself."
        ),
    ] = "",
    alone: Annotated[
        int, typer.Option(min=0, help="Episodes of the second skill alone, for the preservation ratio; 0: none.")
    ] = 64,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the results here.")] = None,
    minimum: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit 1 when a method's composite success is below this.")
    ] = None,
) -> None:
    """Play composed rollouts: success, preservation of both skills, and how the others failed (DexCompose 4)."""
    use_cores()
    from sleight_training.compose.residual.config import composition_of
    from sleight_training.compose.residual.evaluate import evaluate_methods
    from sleight_training.compose.residual.pair import default_held
    from sleight_training.compose.skills import SCRIPTED

    if bundle is not None and (mask or stabiliser or residual or skill != SCRIPTED or others_joints):
        raise SleightError(
            "--bundle brings skill, mask, residuals and what skills see of others' joints",
            remedy="leave --skill, --mask, --stabiliser, --residual and --others-joints out",
        )
    console = Console(stderr=True)
    rows = evaluate_methods(
        first,
        second,
        method or ["ours-zs"],
        mask=fingers(mask, first, second) or None,
        stabiliser=stabiliser,
        residuals=residual or [],
        skill=skill,
        estimator=estimator,
        held=held or default_held(first),
        seeds=range(first_seed, first_seed + seeds),
        rollouts=rollouts,
        alone=alone,
        bundle=bundle,
        composition=composition_of(others_joints) if others_joints else None,
        notice=lambda text: console.print(text, highlight=False),
    )
    Console().print(_table(f"{first} + {second}", rows))
    if json_out:
        try:
            json_out.parent.mkdir(parents=True, exist_ok=True)
            json_out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SleightError("the results cannot be written", value=json_out, remedy=str(error.strerror)) from error
    if minimum is not None and min(row["success"] for row in rows) < minimum:
        raise typer.Exit(1)


def _table(title: str, rows: list[dict]) -> Table:
    table = Table(title=title)
    for name in ("method", "success", "95 %", "object kept", "interaction done", "failures"):
        table.add_column(name, justify="left" if name in ("method", "failures") else "right")
    for row in rows:
        low, high = row["ci95"]
        failures = ", ".join(f"{name} {count}" for name, count in row["failures"].items() if count)
        rates = f"{row['success']:.1%}", f"{low:.1%} - {high:.1%}", f"{row['retained']:.1%}", f"{row['done']:.1%}"
        table.add_row(row["method"], *rates, failures or "none")
    return table
