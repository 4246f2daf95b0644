"""The demo's page: one file, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sleight_core.hand import HandTable

from sleight_ros.demo import plots
from sleight_ros.demo.analysis import Analysis
from sleight_ros.demo.score import Check, Episode, success_rows

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#22313f;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}
td,th{padding:.25rem .8rem;border-bottom:1px solid #dde3e8;text-align:left}td.n{text-align:right}
.good{color:#2a7f4f}.bad{color:#b5382f;font-weight:600}.muted{color:#6b7883}
video,svg{max-width:100%;height:auto}.bar{background:#e6ebef;width:9rem;height:.7rem;position:relative}
.bar i{position:absolute;top:0;bottom:0;left:0;background:#2a7f4f}.bar b{position:absolute;top:.25rem;height:.2rem;
background:#22313f}
"""


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells are HTML already, heads are not."""
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{html.escape(h)}</th>' for h in head)}</tr>{cells}</table>"


def _success(episodes: Sequence[Episode]) -> str:
    rows = []
    for row in success_rows(episodes):
        low, high = row["ci95"]
        share = row["held_success"]
        bar = (
            f'<div class="bar"><i style="width:{100 * share:.0f}%"></i>'
            f'<b style="left:{100 * low:.0f}%;width:{100 * (high - low):.0f}%"></b></div>'
        )
        name = f"<b>{html.escape(row['family'])}</b>" if row["family"] == "all" else html.escape(row["family"])
        rows.append([name, f"{row['held']} of {row['episodes']}", f"{share:.0%}", bar, f"{low:.0%} to {high:.0%}"])
    return html_table(["family", "held", "", "", "95 % interval (Wilson)"], rows)


def _checks(found: Sequence[Check]) -> str:
    rows = []
    for c in found:
        mark = (
            '<span class="good">yes</span>' if c.good else f'<span class="bad">{"no" if c.gates else "missed"}</span>'
        )
        rows.append([html.escape(c.name), html.escape(c.value), html.escape(c.bound), mark])
    return html_table(["figure", "measured", "wanted", ""], rows)


def _distribution(title: str, row: dict[str, Any]) -> list[str]:
    return [title, *(f"{1e3 * row[key]:.2f}" for key in ("p50", "p90", "p99", "p99.9", "max")), str(row["count"])]


def write_page(
    out: Path,
    *,
    title: str,
    summary: str,
    episodes: Sequence[Episode],
    found: Sequence[Check],
    figures: dict[str, Any],
    analysis: Analysis,
    table: HandTable,
    goal_height: float,
    radius: float,
    video: Path | None,
    video_note: str,
    facts: Sequence[tuple[str, str]],
) -> None:
    """Write ``index.html``.

    Args:
        out: The file.
        title: Of the page.
        summary: What this is, in one or two sentences.
        episodes: The episodes.
        found: Figures with their bounds.
        figures: The content of ``results.json``.
        analysis: What the bag says.
        table: The hand.
        goal_height: Height of the goal over the table, m.
        radius: Radius of the goal, m.
        video: MP4 to embed, or None.
        video_note: What to say about the video, or why there is none.
        facts: Names and values for the end of the page.
    """
    control = figures["control"]
    held = {e.number: e.held for e in episodes}
    traces = [(trace, held.get(number, False)) for number, trace in analysis.traces.items()]
    shown = next((t for t, good in traces if good and len(t.command_time)), None)
    parts = [f"<h1>{html.escape(title)}</h1><p>{html.escape(summary)}</p>", _checks(found)]
    parts.append("<h2>Held success by object family</h2>" + _success(episodes))
    parts.append("<h2>Video</h2>")
    if video is not None:
        data = base64.b64encode(video.read_bytes()).decode()
        parts.append(f'<video controls muted loop playsinline src="data:video/mp4;base64,{data}"></video>')
    parts.append(f'<p class="muted">{html.escape(video_note)}</p>')
    parts.append("<h2>Height of the object</h2>" + (plots.heights(traces, goal_height, radius) if traces else ""))
    parts.append('<p class="muted">Green: held at the end. The band is the goal.</p>')
    if shown is not None:
        parts.append("<h2>What was sent in one episode</h2>" + plots.commands(shown, table.actuated_joint_names))
    parts.append("<h2>Timing of control</h2>" + plots.timing(analysis, control["period_s"]) + plots.ticks(analysis))
    parts.append(
        html_table(
            ["ms", "p50", "p90", "p99", "p99.9", "max", "count"],
            [
                _distribution("|period error| of sent commands", control["period_error_s"]),
                _distribution("|period error| of the simulation", control["simulation_period_error_s"]),
                _distribution("joint state to command", control["joint_state_to_command_s"]),
                _distribution("policy tick", control["policy_tick_s"]),
                _distribution("of it inference", control["inference_s"]),
                _distribution("perception", control["perception_s"]),
                _distribution("age of the cloud behind an estimate", control["object_age_s"]),
            ],
        )
    )
    holds = ", ".join(f"{name} {count}" for name, count in sorted(control["holds_during_episodes"].items())) or "none"
    parts.append(f'<p class="muted">Ticks in a hold while an episode ran: {html.escape(holds)}. Overruns: bridge '
                 f"{control['overruns']['bridge']}, policy {control['overruns']['policy']}.</p>")  # fmt: skip
    if figures["safety"]["violations"]:
        items = "".join(f"<li>{html.escape(v)}</li>" for v in figures["safety"]["violations"])
        parts.append(f'<h2 class="bad">Unsafe outputs</h2><ul>{items}</ul>')
    notes = [(f"episode {e.number}: {e.name}", e.note) for e in episodes if e.note]
    parts.append(
        "<h2>Facts</h2>" + html_table(["", ""], [[html.escape(a), html.escape(b)] for a, b in [*facts, *notes]])
    )
    write_html(out, title, parts)


def write_html(out: Path, title: str, parts: Sequence[str]) -> None:
    """Write one page.

    Args:
        out: The file.
        title: Of the window.
        parts: HTML of the body.
    """
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    out.write_text(f"{text}<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n", encoding="utf-8")
