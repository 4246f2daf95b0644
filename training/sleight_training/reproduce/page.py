"""The pages of a reproduction: `index.html`, `results.json` and `tables.md`, written anew after every job."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sleight_training.report import page
from sleight_training.reproduce.job import JobGraph
from sleight_training.reproduce.runner import last_line
from sleight_training.reproduce.store import JobStore, Status, write_text
from sleight_training.reproduce.table import Table

INDEX, DATA, TABLES = "index.html", "results.json", "tables.md"
_STYLE = "<style>.missing{color:#8b949e}table{font-size:13px}td{vertical-align:top}</style>"
_TEST = "This preset only tests the machinery: its policies know nothing."


@dataclass(frozen=True)
class Content:
    """What the pages of one paper say, besides where the jobs stand.

    Attributes:
        paper: Its short name, such as "ResDex".
        preset: What is reproduced; it has a `name`.
        about: How to read the figures.
        settings: What was run, in a line.
        tables: Its tables.
        figures: Heading and HTML of each of its figures.
        test: The preset only tests the machinery.
        more: Further entries of `results.json`.
    """

    paper: str
    preset: BaseModel
    about: str
    settings: str
    tables: list[Table]
    figures: list[tuple[str, str]]
    test: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the pages are headed with."""
        return f"{self.paper} reproduced: preset {getattr(self.preset, 'name', '')}"


#: Gathers a paper's content from where its jobs stand: only what is done with the present settings counts.
Gather = Callable[[Mapping[str, Status]], Content]


def write_pages(gather: Gather, graph: JobGraph, store: JobStore) -> Path:
    """Write all pages; returns the path of the HTML page, which needs nothing beside it."""
    statuses: dict[str, Status] = {name: store.status(graph, name) for name in graph.order}
    content = gather(statuses)
    write_text(store.out / DATA, json.dumps(_data(content, graph, store, statuses), indent=1) + "\n")
    head = f"# {content.title}\n\n{content.about}\n\n"
    write_text(store.out / TABLES, head + "\n".join(table.markdown() for table in content.tables))
    body = _STYLE + f"<p>{html.escape(content.about)}</p>" + _summary(content, statuses)
    body += "".join(table.page() for table in content.tables)
    body += "".join(f"<h2>{html.escape(title)}</h2>{shown}" for title, shown in content.figures)
    body += _jobs(graph, store, statuses)
    index = store.out / INDEX
    write_text(index, page(content.title, body))
    return index


def _summary(content: Content, statuses: Mapping[str, Status]) -> str:
    done = sum(status == "done" for status in statuses.values())
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    test = f" <b>{_TEST}</b>" if content.test else ""
    return f"<p>{done} of {len(statuses)} jobs are done; {html.escape(content.settings)}; written {stamp}.{test}</p>"


def _jobs(graph: JobGraph, store: JobStore, statuses: Mapping[str, Status]) -> str:
    rows = ""
    for name in graph.order:
        record = store.record(name)
        minutes = f"{record.seconds / 60:.1f} min" if record else ""
        message = record.message if record and statuses[name] == "failed" else ""
        log = store.log(name)
        link = f'<a href="{html.escape(str(log.relative_to(store.out)))}">log</a>' if log.exists() else ""
        cells = (html.escape(graph.jobs[name].about), statuses[name], minutes, link, html.escape(message))
        rows += f"<tr><th>{name}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    return f"<h2>Jobs</h2><table>{rows}</table>"


def _data(content: Content, graph: JobGraph, store: JobStore, statuses: Mapping[str, Status]) -> dict[str, Any]:
    jobs = {}
    for name in graph.order:
        record = store.record(name)
        jobs[name] = {
            "status": statuses[name],
            "digest": graph.digest(name),
            "seconds": round(record.seconds, 1) if record else 0.0,
            "attempts": record.attempts if record else 0,
            "message": (record.message or last_line(store.log(name))) if record and record.status == "failed" else "",
        }
    return {
        "paper": content.paper,
        "preset": content.preset.model_dump(),
        "jobs": jobs,
        "tables": {table.name: table.data() for table in content.tables},
        **content.more,
    }
