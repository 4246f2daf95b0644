"""The composition demo's page: what came of each skill, and who owned which joint in each stage."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sleight_ros.demo.page import html_table, write_html

#: A later skill's stage by its place in the composition.
_STAGES = ("first", "second", "third")


def write_compose_page(out: Path, figures: Mapping[str, Any], command: str) -> None:
    """Write ``index.html`` of a demo.

    Args:
        out: The file.
        figures: What `sleight_ros.demo.compose.figures` makes.
        command: How the demo was started.
    """
    skills = [row["skill"] for row in figures["per_skill"]]
    title = ", then ".join(skills)
    count, (low, high) = figures["episodes"], figures["ci95"]
    words = (
        f"{title}: done while the object was kept in {figures['composite_success']:.0%} of {count} episodes "
        f"({low:.0%} to {high:.0%}, Wilson 95 %), as the simulator judges it. Through the ROS 2 graph, in simulation; "
        f"the skills see {figures['skills_see']}, where the object is came from the simulator."
    )
    parts = [f"<h1>{html.escape(title)}</h1><p>{html.escape(words)}</p>", "<h2>Each skill</h2>", _skills(figures)]
    parts.append(
        '<p class="muted">Kept, acted: by the skill server, as perception would see it. Done: the task of the skill, '
        "by the simulator; of a later skill while the object was off the table.</p>"
    )
    parts.append("<h2>Who owned what</h2>" + _owners(figures, skills))
    parts.append("<h2>Episodes</h2>" + _episodes(figures["per_episode"]))
    facts = [("bundle", figures["bundle"]), ("seed", figures["seed"]), ("command", command)]
    facts.append(("chunks", f"{figures['chunks']}, of which {figures['chunks_late']} late"))
    parts.append("<h2>Facts</h2>" + html_table(["", ""], [[a, html.escape(str(b))] for a, b in facts]))
    write_html(out, title, parts)


def _skills(figures: Mapping[str, Any]) -> str:
    count = figures["episodes"]
    rows = []
    for stage, row in zip(_STAGES, figures["per_skill"], strict=False):
        low, high = row["done_ci95"]
        found = [f"{row[what]} of {count}" for what in ("kept", "succeeded", "done")]
        rows.append([stage, html.escape(row["skill"]), *found, f"{low:.0%} to {high:.0%}"])
    return html_table(["stage", "skill", "object kept", "acted to its end", "done", "95 % interval (Wilson)"], rows)


def _owners(figures: Mapping[str, Any], skills: list[str]) -> str:
    """Joints with the same owners in one row, of the episode that came furthest."""
    furthest = max(figures["per_episode"], key=lambda episode: len(episode["owners"]))["owners"]
    if not furthest:
        return f'<p class="muted">No second skill acted: {html.escape(skills[0])} had the whole hand.</p>'
    stages = [stage for stage in _STAGES[1:] if stage in furthest]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in furthest[stages[0]]:
        groups.setdefault(tuple(furthest[stage].get(name, "") for stage in stages), []).append(name)
    rows = [[", ".join(names), skills[0], *owners] for owners, names in groups.items()]
    return html_table(["joints", "first", *stages], [[html.escape(cell) for cell in row] for row in rows])


def _episodes(episodes: list[dict[str, Any]]) -> str:
    rows = []
    for number, episode in enumerate(episodes, 1):
        mark = '<span class="good">yes</span>' if episode["success"] else '<span class="bad">no</span>'
        done = ", ".join(row["skill"] for row in episode["skills"] if row["done"]) or "nothing"
        told = f"{episode['outcome']}: {episode['message']}"
        cells = [" &rarr; ".join(map(html.escape, episode["stages"])), html.escape(done), mark, html.escape(told)]
        rows.append([str(number), *cells])
    return html_table(["", "stages", "done", "all, kept", "skill server"], rows)
