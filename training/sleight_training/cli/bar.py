"""Progress of a training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Seconds between two lines where there is no terminal.
_EVERY = 15.0


class TrainingBar:
    """Shows how far a training is.

    Args:
        console: Where.
        about: What is trained.
        total: Number of iterations.
    """

    def __init__(self, console: Console, about: str, total: int) -> None:
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
        )
        self.console = console
        self.total = total
        self._plain = not console.is_terminal
        self._last = time.monotonic()
        self._bar = Progress(*columns, console=console, disable=self._plain)
        self._task = self._bar.add_task(about, total=total, state="")

    def __enter__(self) -> TrainingBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, completed: int, state: str, seconds: float, total: int | None = None) -> None:
        """Show a state after `completed` iterations and `seconds` of learning; `total` replaces their number."""
        self.total = self.total if total is None else total
        self._bar.update(self._task, completed=completed, total=self.total, state=state)
        if self._plain and time.monotonic() - self._last > _EVERY:
            self._last = time.monotonic()
            self.console.print(f"{completed}/{self.total}  {state}  {seconds / 60:.1f} min", highlight=False)
