"""A paper's table with our figures beside its own, as rows that Markdown, HTML and JSON share."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Protocol

from sleight_training.reproduce.published import Published

NOT_RUN = "not run"


class Finding(Protocol):
    """What we found for a place in a table."""

    @property
    def complete(self) -> bool:
        """Whether all that belongs to it has been run."""
        ...

    def text(self) -> str:
        """Say it in a line."""
        ...

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        ...


@dataclass(frozen=True)
class Entry:
    """A place in a table.

    Attributes:
        paper: What the paper prints there.
        ours: What we found; None if it was not run.
        compared: Whether we have something to run for it.
        missing: What is said where it was not run.
    """

    paper: Published | None
    ours: Finding | None = None
    compared: bool = True
    missing: str = NOT_RUN

    def text(self) -> str:
        """Return it in a line."""
        paper = f"paper {self.paper}" if self.paper else ""
        return "; ".join(part for part in (paper, self.finding() if self.compared else "") if part)

    def finding(self) -> str:
        """Say what we found, or that it is missing."""
        return self.missing if self.ours is None else self.ours.text()

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        paper = None if self.paper is None else {"value": self.paper.value, "spread": self.paper.spread}
        return {"paper": paper, "ours": self.ours.data() if self.ours else (self.missing if self.compared else None)}


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        name: Such as "Table 1".
        title: What it shows.
        columns: Headings after the first.
        rows: Label and entries.
        note: What differs from the paper.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, list[Entry]]]
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that we compare has been run."""
        places = [entry for _, entries in self.rows for entry in entries if entry.compared]
        return all(entry.ours is not None and entry.ours.complete for entry in places)

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [f"### {self.name}: {self.title}", "", f"| | {' | '.join(self.columns)} |"]
        lines.append("|" + "---|" * (len(self.columns) + 1))
        lines += [f"| {label} | {' | '.join(entry.text() for entry in entries)} |" for label, entries in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else []), ""])

    def page(self) -> str:
        """Return the table in HTML."""
        head = "".join(f"<th>{html.escape(column)}</th>" for column in ("", *self.columns))
        body = ""
        for label, entries in self.rows:
            cells = "".join(f"<td>{_cell(entry)}</td>" for entry in entries)
            body += f"<tr><th>{html.escape(label)}</th>{cells}</tr>"
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<h2>{self.name}: {html.escape(self.title)}</h2><table><tr>{head}</tr>{body}</table>{note}"

    def data(self) -> dict[str, Any]:
        """Return the table for JSON."""
        rows = {
            label: {column: entry.data() for column, entry in zip(self.columns, entries, strict=True)}
            for label, entries in self.rows
        }
        return {"title": self.title, "complete": self.complete, "rows": rows, "note": self.note}


def percent(share: float) -> str:
    """A share in per cent, without the sign."""
    return f"{100 * share:.1f}"


def _cell(entry: Entry) -> str:
    paper = f"<b>{html.escape(str(entry.paper))}</b> paper<br>" if entry.paper else ""
    if not entry.compared:
        return paper
    shown = html.escape(entry.finding())
    return paper + (f'<span class="missing">{shown}</span>' if entry.ours is None else shown)
