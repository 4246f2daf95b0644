"""What the training commands share: a line of progress, and the export at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sleight_core.errors import SleightError

from sleight_training.cli.bar import TrainingBar

if TYPE_CHECKING:
    from rich.console import Console

    from sleight_training.ppo.runner import Progress


@contextlib.contextmanager
def training_bar(console: Console, about: str, total: int, command: str) -> Iterator[TrainingBar]:
    """Show the progress of a training; one that is interrupted says how to go on.

    Args:
        console: Where.
        about: What is trained.
        total: Number of iterations.
        command: What continues it, without `--resume`.
    """
    with TrainingBar(console, about, total) as bar:
        try:
            yield bar
        except KeyboardInterrupt:
            console.print(f"interrupted; continue with: {command} --resume")
            raise


def progress_text(p: Progress) -> str:
    """Say in a line where a run stands."""
    return f"held {p.held:.0%}  ever {p.ever:.0%}  {p.steps / 1e6:.2f} M steps  {p.speed:,.0f}/s"


def notice_on(console: Console, every: float = 5.0) -> Callable[[str], None]:
    """Return what prints notices; counts of work in progress (`name: N objects ...`) only every some seconds."""
    last = [-every]

    def tell(text: str) -> None:
        if " done, next " in text:
            if time.monotonic() - last[0] < every:
                return
            last[0] = time.monotonic()
        console.print(text, highlight=False)

    return tell


def export_run(run: Path, out: Path) -> None:
    """Write a run's bundle.

    Raises:
        SleightError: The exporter is not installed, or refuses the run.
    """
    # The exporter stands above this room: it is found as any other command is, by its entry point.
    from importlib.metadata import entry_points

    points = [point for point in entry_points(group="sleight.exporters") if point.name == "run"]
    if not points:
        raise SleightError("the exporter is not installed", remedy=f"run: sleight export {run} --out {out}")
    points[0].load()(run, out)
