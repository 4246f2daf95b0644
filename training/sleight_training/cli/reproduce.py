"""Reproduce a paper's tables and figures: one command, resumable at any point."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from sleight_training.reproduce.job import JobGraph
    from sleight_training.reproduce.page import Gather
    from sleight_training.reproduce.store import JobStore

app = typer.Typer(help=__doc__, no_args_is_help=True)

_Only = Annotated[
    list[str] | None, typer.Option(help="Run these jobs and what they need; * stands for anything. May be repeated.")
]
_Show = Annotated[bool, typer.Option("--list", help="List the jobs and where they stand; run nothing.")]


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
    only: _Only = None,
    kept: Annotated[
        Path | None,
        typer.Option(help="Folder of NAME.safetensors files ('sleight train keep'): these policies are not trained."),
    ] = None,
    hand: Annotated[
        str, typer.Option(help="Run this hand's jobs and what they need: shadow or leap_ur5e (default: both).")
    ] = "",
    meshes: Annotated[
        Path | None,
        typer.Option(help="Judge finished policies on scanned objects as well (B.1): a folder with a folder for each."),
    ] = None,
    mesh_scale: Annotated[float, typer.Option(min=1e-6, help="Metres per unit of the files in --meshes.")] = 1.0,
    show: _Show = False,
) -> None:
    """Train, export and judge the policies of ResDex; tables and figures beside the paper's, after every job."""
    from sleight_training.reproduce.resdex.content import resdex_content
    from sleight_training.reproduce.resdex.jobs import jobs_of_hand, reproduction, resdex_graph
    from sleight_training.reproduce.resdex.scans import find_scans
    from sleight_training.reproduce.store import JobStore

    chosen = reproduction(preset, numbers(k, "--k"), numbers(seeds, "--seeds"))
    scans = None if meshes is None else find_scans(meshes, mesh_scale)
    graph = resdex_graph(chosen, _folder(kept), scans)
    selected = jobs_of_hand(chosen, graph, hand, only or ()) if hand else only or ()
    store = JobStore(_out(out, f"resdex_{preset}"))
    carry_out(graph, store, partial(resdex_content, chosen, store.out, scans=scans), selected, show)


@app.command()
def dexcompose(
    preset: Annotated[
        str, typer.Option(help="cpu: two cores, a day; full: the paper's sizes, with a GPU; smoke: a test.")
    ] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of runs, bundles and pages (default: results/reproduce/dexcompose_<preset>)."),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(help="Only this pair, such as GraspBall+PushButton; may be repeated (default: the preset's)."),
    ] = None,
    states: Annotated[
        str,
        typer.Option(help="Who reaches held states and whose finger use is measured: learned or scripted skills."),
    ] = "",
    device: Annotated[str, typer.Option(help="Device of the skills' learner: cpu or cuda (default: preset's).")] = "",
    only: _Only = None,
    kept: Annotated[
        Path | None,
        typer.Option(help="Folder of NAME.safetensors files, each a run's policy.safetensors by its job's name."),
    ] = None,
    show: _Show = False,
) -> None:
    """Train, export and judge the compositions of DexCompose; tables beside the paper's, after every job."""
    from sleight_training.reproduce.dexcompose.content import dexcompose_content
    from sleight_training.reproduce.dexcompose.jobs import dexcompose_graph
    from sleight_training.reproduce.dexcompose.preset import reproduction
    from sleight_training.reproduce.store import JobStore

    chosen = reproduction(preset, pair or (), states, device)
    graph = dexcompose_graph(chosen, _folder(kept))
    store = JobStore(_out(out, f"dexcompose_{preset}"))
    carry_out(graph, store, partial(dexcompose_content, chosen, store.out), only or (), show)


def carry_out(graph: JobGraph, store: JobStore, gather: Gather, only: Sequence[str], show: bool) -> None:
    """Run the jobs of a paper, or list them.

    Args:
        graph: The jobs.
        store: Their results folder.
        gather: What the pages say.
        only: Patterns of the jobs to run.
        show: List them instead.

    Raises:
        SleightError: A pattern names no job, or another run is at work in the folder.
        typer.Exit: With status 1, if a job failed.
    """
    from sleight_training.reproduce.page import write_pages
    from sleight_training.reproduce.runner import GraphRunner, command_exists

    if show:
        _list(graph, store, only)
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    runner = GraphRunner(graph, store, available=command_exists)
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("jobs", total=len(graph.select(only)))

            def report(name: str, event: str, text: str) -> None:
                if event == "begin":
                    bar.update(task, description=name)
                    console.print(f"{name}: {text}  (log: {store.log(name)})", highlight=False, soft_wrap=True)
                    return
                bar.advance(task)
                if event in ("done", "failed"):
                    write_pages(gather, graph, store)
                if event != "kept":
                    console.print(f"{name}: {event}{'  ' + text if text else ''}", highlight=False, soft_wrap=True)

            well = runner.run(only, report)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where this one stopped")
        raise
    finally:
        if store.out.exists():
            page = write_pages(gather, graph, store)
            console.print(f"page: {page}", highlight=False, soft_wrap=True)
    if not well:
        console.print("some jobs failed; their logs say why, and the same command tries them again")
        raise typer.Exit(1)


def _list(graph: JobGraph, store: JobStore, only: Sequence[str]) -> None:
    from sleight_training.reproduce.runner import command_exists

    rows = Table(title=f"{len(graph.order)} jobs in {store.out}")
    for heading in ("job", "state", "what", "needs"):
        rows.add_column(heading, overflow="fold")
    for name in graph.select(only):
        job = graph.jobs[name]
        state = store.status(graph, name)
        if state == "not run" and job.requires and not command_exists(job.requires):
            state = "unavailable"
        rows.add_row(name, state, job.about, ", ".join(job.needs))
    Console().print(rows)


def _out(out: Path | None, default: str) -> Path:
    return (out or Path("results") / "reproduce" / default).resolve()


def _folder(kept: Path | None) -> Path | None:
    if kept is not None and not kept.is_dir():
        raise SleightError("no such folder of kept weights", value=kept)
    return kept


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers that are separated by commas.

    Raises:
        SleightError: Something else is among them.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise SleightError(f"{option} takes whole numbers", value=text, remedy="separated by commas, such as 0,1,2")
    return tuple(int(part) for part in parts)
