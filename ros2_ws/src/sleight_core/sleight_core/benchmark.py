"""Measured figures, each beside a reference from the same run: a bare time says more about the machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: The measurement.
        unit: Its unit.
        reference: What it is compared with, measured in the same run.
        reference_value: That measurement, in the same unit.
        bound: What it must not exceed (or, with `at_least`, fall below); None: reported only.
        at_least: The bound is a lower one.
        of_ratio: The bound is one of the ratio to the reference, not of the value.
    """

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    bound: float | None = None
    at_least: bool = False
    of_ratio: bool = False

    @property
    def ratio(self) -> float:
        """The measurement over its reference."""
        return self.value / self.reference_value if self.reference_value else float("nan")

    @property
    def good(self) -> bool:
        """Whether the bound, if there is one, is kept; NaN keeps none."""
        if self.bound is None:
            return True
        judged = self.ratio if self.of_ratio else self.value
        return judged >= self.bound if self.at_least else judged <= self.bound


def as_json(figures: Sequence[Figure], **more: Any) -> dict[str, Any]:
    """What a benchmark writes: its figures with their ratios, the machine, and whatever else it has to say."""
    rows = [{**asdict(figure), "ratio": figure.ratio, "good": figure.good} for figure in figures]
    machine = {
        "cpus": os.cpu_count(),
        "load": _load(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    return {"figures": rows, "passed": all(figure.good for figure in figures), "machine": machine, **more}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a benchmark's result.

    Raises:
        SleightError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SleightError("the figures cannot be written", value=path, remedy=str(error.strerror)) from error


def print_figures(figures: Sequence[Figure]) -> None:
    """Print the figures as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for head in ("", "figure", "measured", "reference in the same run", "ratio", "wanted"):
        table.add_column(head, justify="right" if head in ("measured", "ratio") else "left")
    for f in figures:
        mark = "" if f.bound is None else "[green]ok[/]" if f.good else "[red]FAIL[/]"
        sign = "at least" if f.at_least else "at most"
        wanted = "" if f.bound is None else f"{sign} {f.bound:g} {'x' if f.of_ratio else f.unit}"
        reference = f"{f.reference_value:.4g} {f.unit}  {f.reference}"
        table.add_row(mark, f.name, f"{f.value:.4g} {f.unit}", reference, f"{f.ratio:.3g}", wanted)
    console = Console(stderr=True)
    console.width = max(console.width, 120)
    console.print(table)


def _load() -> list[float]:
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except OSError:
        return []
