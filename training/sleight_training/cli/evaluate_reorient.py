"""What `sleight eval` does with a bundle for cube reorientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sleight_training.cli.evaluate import write_json


def report_reorient(
    bundle: Path, episodes: int, *, seed: int, perception: str, json_out: Path | None
) -> dict[str, Any]:
    """Run the episodes, print a table, write the result where asked, and return it.

    Raises:
        SleightError: The bundle or an option does not fit, or the result cannot be written.
    """
    from sleight_training.evaluation.reorient import evaluate_reorient
    from sleight_training.run import command_line

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("episodes", total=episodes)
        score, loaded = evaluate_reorient(
            bundle, episodes, seed=seed, perception=perception, advance=lambda count: bar.advance(task, count)
        )
    result = score.result(loaded, seed=seed, perception=perception, command=command_line())
    if json_out:
        write_json(json_out, result)
    rotations = result["rotations"]
    low, high = rotations["ci95"]
    rows = Table(title=f"{loaded.id}, {episodes} episodes of {rotations['time']:g} s, seed {seed}, {perception} sight")
    for name in ("consecutive rotations", "95 % interval", "median", "largest", "cube held"):
        rows.add_column(name, justify="right")
    rows.add_row(
        f"{rotations['mean']:.2f}",
        f"{low:.2f} - {high:.2f}",
        f"{rotations['median']:g}",
        str(rotations["largest"]),
        f"{result['held_success']:.1%}",
    )
    Console().print(rows)
    return result
