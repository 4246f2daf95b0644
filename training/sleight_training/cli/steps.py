"""What the training commands share: a line of progress, and the export at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from rich.console import Console

    from sleight_training.ppo.runner import Progress


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
