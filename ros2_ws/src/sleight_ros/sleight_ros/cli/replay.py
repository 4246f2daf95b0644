"""Run a policy again on a recording, and name what comes out differently."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sleight_core.environment import refuse_mixed_ros
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from sleight_ros.replay.compare import Outcome

app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def replay(
    bag: Annotated[Path, typer.Argument(help="A bag's folder, or an .mcap or .db3 file.", show_default=False)],
    bundle: Annotated[Path, typer.Option(help="Folder of the policy bundle.", show_default=False)],
    tolerance: Annotated[float, typer.Option(min=0.0, help="Differences up to this are none.")] = 1e-4,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the findings here.")] = None,
    goal: Annotated[
        tuple[float, float, float] | None, typer.Option(help="Goal that the policy node was given, m.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Of the graph, when the bag holds several.")] = None,
) -> None:
    """Rebuild the inputs of every recorded tick, run the bundle on them, compare; exits 1 when something differs."""
    refuse_mixed_ros()
    from sleight_core.bundle import load_bundle
    from sleight_description import load_hand

    from sleight_ros.policy_step import PolicyStep
    from sleight_ros.replay.compare import replay as run
    from sleight_ros.replay.ticks import Session

    found = load_bundle(bundle)
    table = load_hand(found.manifest.hand.name)
    found = load_bundle(bundle, table)
    session = Session(bag, namespace)
    outcome = run(session, PolicyStep(found, table), found.id, tolerance=tolerance, goal=goal)
    if json_out is not None:
        _write(json_out, outcome)
    _print(outcome, Console(width=None if sys.stdout.isatty() else 140))
    raise typer.Exit(0 if outcome.comparison.equal else 1)


def _print(outcome: Outcome, console: Console) -> None:
    from sleight_ros.replay.compare import MEANING

    comparison = outcome.comparison
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    parts = Table(box=None, pad_edge=False)
    for head in ("", "compared", "ticks", "largest difference", ""):
        parts.add_column(head)
    for name in comparison.parts:
        worst = comparison.worst(name)
        good = not comparison.differences(name, 1)
        mark = Text("ok", "green") if good else Text("DIFFERS", "bold red")
        parts.add_row(
            mark,
            name,
            str(comparison.count(name)),
            "-" if worst is None else f"{worst:.2e}",
            Text(MEANING[name], "dim"),
        )
    console.print(parts)
    if rows := comparison.differences():
        worst = Table(box=None, pad_edge=False)
        for head in ("part", "element", "replayed", "recorded", "difference", "ticks", "worst at"):
            worst.add_column(head)
        for row in rows:
            worst.add_row(
                row.part,
                Text(row.element),
                f"{row.replayed:.6f}",
                f"{row.recorded:.6f}",
                f"{row.difference:.2e}",
                str(row.ticks),
                f"tick {row.sequence}, {row.time:.2f} s",
            )
        console.print()
        console.print(worst)
    doubted = ", ".join(f"{name} on {count}" for name, count in outcome.doubted.items())
    skipped = "; ".join(f"{count} {reason}" for reason, count in outcome.skipped.items())
    console.print(
        f"{outcome.ticks} ticks of {outcome.seconds:.1f} s replayed with {outcome.bundle}, tolerance "
        f"{comparison.tolerance:g}" + (f"; another message than the newest recorded one: {doubted}" if doubted else ""),
        highlight=False,
        soft_wrap=True,
    )
    if skipped:
        console.print(f"not replayed: {skipped}", highlight=False, soft_wrap=True)


def _write(path: Path, outcome: Outcome) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(outcome.as_dict(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SleightError("the findings cannot be written", value=path, remedy=str(error.strerror)) from error
