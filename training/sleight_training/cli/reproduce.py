"""Reproduce a paper's tables and figures: one command, resumable at any point."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sleight_core.errors import SleightError

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.callback()
def _reproduce() -> None:
    """Reproduce a paper's tables and figures."""


@app.command()
def resdex(
    preset: Annotated[
        str, typer.Option(help="cpu: two cores, days; full: the paper's sizes, for a GPU engine; smoke: a test.")
    ] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of runs, bundles and pages (default: results/reproduce/resdex_<preset>)."),
    ] = None,
    k: Annotated[str, typer.Option(help="Numbers of base policies, such as 1,4 (default: the preset's).")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds of the hyper-policies, such as 0,1,2.")] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Run these jobs and what they need; * stands for anything. May be repeated."),
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(help="Folder of NAME.safetensors files ('sleight train keep'): these policies are not trained."),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the jobs and where they stand; run nothing.")] = False,
) -> None:
    """Train, export and judge the policies of ResDex; tables and figures beside the paper's, after every job."""
    from sleight_training.reproduce.page import write_pages
    from sleight_training.reproduce.resdex import reproduction, resdex_graph
    from sleight_training.reproduce.runner import GraphRunner, command_exists
    from sleight_training.reproduce.store import JobStore

    chosen = reproduction(preset, numbers(k, "--k"), numbers(seeds, "--seeds"))
    if kept is not None and not kept.is_dir():
        raise SleightError("no such folder of kept weights", value=kept)
    graph = resdex_graph(chosen, kept)
    folder = (out or Path("results") / "reproduce" / f"resdex_{preset}").resolve()
    store = JobStore(folder)
    console = Console(stderr=True)
    if show:
        rows = Table(title=f"{len(graph.order)} jobs in {folder}")
        for heading in ("job", "state", "what", "needs"):
            rows.add_column(heading, overflow="fold")
        for name in graph.select(only or ()):
            job = graph.jobs[name]
            state = store.status(graph, name)
            if state == "not run" and job.requires and not command_exists(job.requires):
                state = "unavailable"
            rows.add_row(name, state, job.about, ", ".join(job.needs))
        Console().print(rows)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    runner = GraphRunner(graph, store, available=command_exists)
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("jobs", total=len(graph.select(only or ())))

            def report(name: str, event: str, text: str) -> None:
                if event == "begin":
                    bar.update(task, description=name)
                    console.print(f"{name}: {text}  (log: {store.log(name)})", highlight=False, soft_wrap=True)
                    return
                bar.advance(task)
                if event in ("done", "failed"):
                    write_pages(chosen, graph, store)
                if event != "kept":
                    console.print(f"{name}: {event}{'  ' + text if text else ''}", highlight=False, soft_wrap=True)

            well = runner.run(only or (), report)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where this one stopped")
        raise
    finally:
        if store.out.exists():
            page = write_pages(chosen, graph, store)
            console.print(f"page: {page}", highlight=False, soft_wrap=True)
    if not well:
        console.print("some jobs failed; their logs say why, and the same command tries them again")
        raise typer.Exit(1)


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers that are separated by commas.

    Raises:
        SleightError: Something else is among them.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise SleightError(f"{option} takes whole numbers", value=text, remedy="separated by commas, such as 0,1,2")
    return tuple(int(part) for part in parts)
