"""The page of a release test: every mask's rates with intervals, and pictures of the held states."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sleight_sim.video import NoGraphicsError

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.held.picture import TOUCHES, render_held, spread_rows
from sleight_training.compose.masks.diagnostics import MaskResult, ReleaseReport
from sleight_training.compose.masks.selection import MaskChoice
from sleight_training.report import page, picture, table
from sleight_training.reproduce.store import write_text

_PICTURES = 6
_ABOUT = (
    "Preserved fingers replay the reference hold action, released fingers go linearly to the open pose. Retained: at "
    "the end the object is near the palm's centre and above the drop height. Clean: no released finger pushed on the "
    "object at the end of the rollout. Intervals: Wilson, 95 %. Turned: how far the retained object has turned in the "
    "hand, its spin about an axis of symmetry included; no check looks at it."
)


def write_release_page(path: Path, report: ReleaseReport, library: HeldLibrary | None) -> None:
    """Write the HTML page of release tests; it needs nothing beside it.

    Args:
        path: The file.
        report: What the tests found.
        library: The held states, for their pictures; None, or a machine without OpenGL: no pictures.
    """
    config = report.config
    facts = [("what is held", report.about)] if report.about else []
    facts += [
        ("held states", f"{report.states}, reached by {report.source}"),
        ("rollouts a mask", str(config.rollouts)),
        ("ramp / length", f"{config.ramp} / {config.steps} actions"),
        ("retained", f"within {config.palm_distance:g} m of the palm, {config.drop_height:g} m above where it lies"),
        ("clean", f"under {config.force:g} N in the last {config.clean_steps} actions"),
        ("seed", str(config.seed)),
        ("time", f"{report.seconds:.0f} s"),
        ("command", report.command),
        ("date", report.date),
    ]
    body = f"<p>{html.escape(_ABOUT)}</p>" + table(facts)
    if library is not None:
        body += _states(library)
    body += "<h2>Masks</h2>" + picture(_bars(report), "retention and clean release of every mask") + rows_html(report)
    write_text(path, page(f"Release tests of {report.task}", body))


def rows_html(report: ReleaseReport) -> str:
    """The table of all masks."""
    names = ("index", "preserved", "released", "retention", "clean release", "both", "turned")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in names)
    named: list[tuple[str, MaskResult]] = [(str(i), row) for i, row in enumerate(report.candidates)]
    named += [("control", report.all_preserved), ("control", report.none_preserved)]
    lines = "".join(
        f"<tr><td>{name}</td><td>{' '.join(row.preserved) or '-'}</td><td>{' '.join(row.released) or '-'}</td>"
        f"<td>{rate(row.retention, row.retention_ci)}</td><td>{rate(row.clean_release, row.clean_ci)}</td>"
        f"<td>{row.both / row.rollouts:.1%}</td><td>{turned(row)}</td></tr>"
        for name, row in named
    )
    return f"<table>{head}</tr>{lines}</table>"


def rate(value: float, interval: tuple[float, float]) -> str:
    """A rate with its interval, as text."""
    return f"{value:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def turned(row: MaskResult) -> str:
    """How far the retained object has turned, mean and 90th percentile in degrees, as text."""
    if row.turned_mean is None or row.turned_p90 is None:
        return "-"
    return f"{math.degrees(row.turned_mean):.0f}°, {math.degrees(row.turned_p90):.0f}°"


def choices_text(choices: Sequence[MaskChoice]) -> list[str]:
    """Choices in words, a line each."""
    lines = []
    for choice in choices:
        lines.append(f"{choice.selector}: preserve {choice.mask} (index {choice.index}): {choice.reason}")
        if choice.fallback:
            lines.append(f"  instead of {choice.fallback}")
    return lines


def _bars(report: ReleaseReport) -> Any:
    from matplotlib.figure import Figure

    rows = [*report.candidates, report.all_preserved, report.none_preserved]
    labels = [" ".join(row.preserved) or "none" for row in rows]
    figure = Figure(figsize=(11, 4.2))
    axes = figure.subplots()
    places = range(len(rows))
    for offset, name, colour in ((-0.2, "retention", "#2f6f9f"), (0.2, "clean_release", "#d08a3c")):
        values = [getattr(row, name) for row in rows]
        ends = [row.retention_ci if name == "retention" else row.clean_ci for row in rows]
        low = [max(value - end[0], 0.0) for value, end in zip(values, ends, strict=True)]
        high = [max(end[1] - value, 0.0) for value, end in zip(values, ends, strict=True)]
        axes.bar(
            [place + offset for place in places], values, 0.38, yerr=[low, high], capsize=1.5, color=colour,
            error_kw={"elinewidth": 0.8}, label=name.replace("_", " "),
        )  # fmt: skip
    axes.set(ylim=(0, 1.05), ylabel="share of rollouts", title="by preserved fingers; the last two are controls")
    axes.set_xticks(list(places), labels, rotation=90, fontsize=7)
    axes.legend(fontsize=8, loc="lower left")
    return figure


def _states(library: HeldLibrary) -> str:
    from matplotlib.figure import Figure

    try:
        images = [render_held(library, int(row)) for row in spread_rows(library, _PICTURES)]
    except NoGraphicsError as error:
        return f"<p>No pictures: {html.escape(str(error))}</p>"
    figure = Figure(figsize=(11, 1.9))
    for axes, image in zip(figure.subplots(1, len(images), squeeze=False)[0], images, strict=True):
        axes.imshow(image)
        axes.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 1, 0.02, 0)
    note = f"Fingers that touch the object with {TOUCHES:g} N or more are green."
    return f"<h2>Held states</h2><p>{note}</p>" + picture(figure, "held states")
