"""The pages of a reproduction: `index.html`, `results.json` and `tables.md`, written anew after every job."""

from __future__ import annotations

import html
import json
import time
from pathlib import Path
from typing import Any

from sleight_training.report import page
from sleight_training.reproduce.collect import Results
from sleight_training.reproduce.figures import paper_figures
from sleight_training.reproduce.job import JobGraph
from sleight_training.reproduce.resdex import SETS, Preset, policies
from sleight_training.reproduce.runner import last_line
from sleight_training.reproduce.store import JobStore, write_text
from sleight_training.reproduce.tables import Table, paper_tables

INDEX, DATA, TABLES = "index.html", "results.json", "tables.md"
_STYLE = "<style>.missing{color:#8b949e}table{font-size:13px}td{vertical-align:top}</style>"
_ABOUT = (
    "Success is the paper's (the object is ever within 5 cm of the goal), as the mean over seeds with the Wilson 95 % "
    "interval over all episodes and the range over seeds; 'held' is ours: it is still there at the end. The paper's "
    "objects are DexGraspNet's, in Isaac Gym; ours are in MuJoCo, from the sets named below."
)


def write_pages(preset: Preset, graph: JobGraph, store: JobStore) -> Path:
    """Write all pages; returns the path of the HTML page, which needs nothing beside it.

    Only evaluations count whose job is done with the present settings.
    """
    statuses = {name: store.status(graph, name) for name in graph.order}
    done = [policy.name for policy in policies(preset) if statuses[f"eval_{policy.name}"] == "done"]
    results = Results(store.out, done)
    tables = paper_tables(preset, results)
    write_text(store.out / DATA, json.dumps(_data(preset, graph, store, statuses, tables), indent=1) + "\n")
    head = f"# ResDex, preset {preset.name}\n\n{_ABOUT}\n\n"
    write_text(store.out / TABLES, head + "\n".join(table.markdown() for table in tables))
    body = _STYLE + f"<p>{html.escape(_ABOUT)}</p>" + _summary(preset, statuses)
    body += "".join(table.page() for table in tables)
    body += "".join(
        f"<h2>{html.escape(title)}</h2>{shown}" for title, shown in paper_figures(preset, results, store.out)
    )
    body += _jobs(graph, store, statuses)
    index = store.out / INDEX
    write_text(index, page(f"ResDex reproduced: preset {preset.name}", body))
    return index


def _summary(preset: Preset, statuses: dict[str, Any]) -> str:
    done = sum(status == "done" for status in statuses.values())
    numbers = f"k {', '.join(map(str, preset.ks))}; seeds {', '.join(map(str, preset.seeds))}"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    sets = ", ".join(f"{preset.objects[column]} ({preset.episodes[column]} episodes)" for column in SETS)
    test = (
        " <b>This preset only tests the machinery: its policies know nothing.</b>" if preset.training == "smoke" else ""
    )
    return (
        f"<p>{done} of {len(statuses)} jobs are done; {numbers}; training preset {preset.training}; judged on "
        f"{html.escape(sets)}; written {stamp}.{test}</p>"
    )


def _jobs(graph: JobGraph, store: JobStore, statuses: dict[str, Any]) -> str:
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


def _data(
    preset: Preset, graph: JobGraph, store: JobStore, statuses: dict[str, Any], tables: list[Table]
) -> dict[str, Any]:
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
        "paper": "ResDex",
        "preset": preset.model_dump(),
        "jobs": jobs,
        "tables": {table.name: table.data() for table in tables},
    }
