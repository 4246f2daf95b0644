"""Grasp objects, or turn a cube, through the ROS 2 graph, on this machine alone."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sleight_core.environment import refuse_mixed_ros
from sleight_core.errors import SleightError

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True)

#: Families that take turns in the demo, besides a mesh file that the demo writes itself.
DEMO_FAMILIES = ("cylinder", "box", "can", "bottle", "sphere")


@app.callback()
def _group() -> None:
    """Grasp objects, or turn a cube, through the ROS 2 graph, on this machine alone."""


@app.command()
def grasp(
    objects: Annotated[
        list[str] | None, typer.Option("--object", help="Object set or mesh file; may be given several times.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, max=10_000, help="How many grasps.")] = 20,
    hand: Annotated[
        str | None, typer.Option(help="Hand, or hand on an arm: shadow, leap_ur5e (default: the bundle's).")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the policy bundle (default: the one shipped for the hand).")
    ] = None,
    headless: Annotated[bool | None, typer.Option(help="Without a window (default where no display is found).")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results/demo"),
    seed: Annotated[int, typer.Option(min=0, max=20_000, help="Seed of the starts and of procedural objects.")] = 0,
    mesh_scale: Annotated[float, typer.Option(help="Metres per unit of mesh files.")] = 1.0,
    profile: Annotated[
        str | None, typer.Option(help="Shipped profile or parameter file (default: the one shipped for the hand).")
    ] = None,
    video: Annotated[bool, typer.Option(help="Film some of the episodes.")] = True,
) -> None:
    """Start simulation, perception, policy and hand bridge as processes, grasp, and write a page about it."""
    refuse_mixed_ros()
    from sleight_ros.demo.choice import choose
    from sleight_ros.demo.runner import DemoSettings, film, prepare_folder, run_demo
    from sleight_ros.processes import GraphError

    console = Console(stderr=True)
    if headless is None:
        headless = not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    chosen = choose(hand, bundle, profile)
    settings = DemoSettings(
        bundle=chosen.bundle,
        out=out,
        objects=objects or [],
        episodes=episodes,
        seed=seed,
        mesh_scale=mesh_scale,
        profile=chosen.profile,
        hand_driver=chosen.hand_driver,
        viewer=not headless,
    )
    begin = time.monotonic()
    prepare_folder(out)
    if not objects:
        settings.objects = _default_objects(out)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("grasp demo", total=episodes)

        def report(text: str, finished: int) -> None:
            progress.update(task, description=f"{text:<40.40}", completed=finished)
            if not console.is_terminal:
                console.print(f"[{time.monotonic() - begin:6.1f} s] {text}", highlight=False)

        try:
            run = run_demo(settings, report)
        except GraphError as error:
            # Not the user's doing: a demo that fell short, not a refused input.
            progress.stop()
            print(f"sleight: {' '.join(str(error).split())}", file=sys.stderr)
            raise typer.Exit(1) from error
        report("reading the recording", episodes)
        from sleight_ros.demo.finish import finish

        command = " ".join(map(shlex.quote, ["sleight", *sys.argv[1:]]))
        # Any object may be tried, but what one policy must hold is what the demo itself puts on the table.
        outcome = finish(settings, run, film if video else None, command, report, gate_success=not objects)
    if json_out is not None:
        _write(json_out, outcome.figures)
    table = Table(box=None, pad_edge=False)
    for head in ("", "figure", "measured", "wanted"):
        table.add_column(head)
    for check in outcome.checks:
        mark = "[green]ok[/]" if check.good else ("[red]FAIL[/]" if check.gates else "[yellow]missed[/]")
        table.add_row(mark, check.name, check.value, check.bound)
    console.print(table)
    console.print(f"{outcome.page} after {time.monotonic() - begin:.0f} s", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if outcome.passed else 1)


@app.command()
def compose(
    first: Annotated[str, typer.Option(help="The skill that grasps and keeps an object.")] = "GraspBall",
    second: Annotated[str, typer.Option(help="The skill that acts with the free fingers.")] = "PushButton",
    third: Annotated[str, typer.Option(help="One that follows it (default: none).", show_default=False)] = "",
    episodes: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 4,
    bundle: Annotated[Path, typer.Option(help="Folder of a bundle of composed skills.")] = Path(
        "policies/shadow_compose"
    ),
    headless: Annotated[bool | None, typer.Option(help="Without a window (default where no display is found).")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results/demo_compose"),
    seed: Annotated[int, typer.Option(min=0, max=20_000, help="Seed of the world and the starts.")] = 0,
) -> None:
    """Keep an object with some fingers and move one mechanism, or two, with the others; in simulation only."""
    refuse_mixed_ros()
    from sleight_ros.demo.compose import ComposeSettings, resolve, run_compose
    from sleight_ros.demo.compose_page import write_compose_page
    from sleight_ros.processes import GraphError

    if headless is None:
        headless = not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    settings = ComposeSettings(bundle, first, second, episodes, seed, out, viewer=not headless, third=third)
    console, begin = Console(stderr=True), time.monotonic()
    resolve(settings)

    def report(text: str, _finished: int) -> None:
        console.print(f"[{time.monotonic() - begin:6.1f} s] {text}", highlight=False, markup=False)

    try:
        found = run_compose(settings, report)
    except GraphError as error:
        print(f"sleight: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(1) from error
    for path in (out / "results.json", *([json_out] if json_out is not None else [])):
        _write(path, found)
    write_compose_page(out / "index.html", found, " ".join(map(shlex.quote, ["sleight", *sys.argv[1:]])))
    for row in found["per_episode"]:
        words = f"{'done' if row['success'] else 'not done'}; {row['outcome']}: {row['message']}"
        console.print(words, highlight=False, markup=False)
    for row in found["per_skill"]:
        words = f"kept {row['kept']}, acted to its end {row['succeeded']}, done {row['done']} of {found['episodes']}"
        console.print(f"{row['skill']}: {words}", highlight=False, markup=False)
    low, high = found["ci95"]
    rate, late = found["composite_success"], found["chunks_late"]
    console.print(
        f"composite success {rate:.0%} ({low:.0%} to {high:.0%}), {late} of {found['chunks']} chunks late; "
        f"skills saw {found['skills_see']}; where the object is came from the simulator",
        highlight=False,
    )
    console.print(f"{out / 'index.html'}", highlight=False, soft_wrap=True)


@app.command()
def reorient(
    bundle: Annotated[Path, typer.Option(help="Folder of a bundle for cube reorientation.", show_default=False)],
    episodes: Annotated[int, typer.Option(min=1, max=1000, help="How many episodes.")] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, max=3600.0, help="Length of an episode, s.")] = 60.0,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the nodes' logs.")] = Path("results/reorient"),
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the first start.")] = 0,
) -> None:
    """Start the simulated hand and tracker, policy and hand bridge as processes, and count a cube's rotations."""
    refuse_mixed_ros()
    from dataclasses import asdict
    from functools import partial

    from sleight_ros.demo.reorient import turn_cubes
    from sleight_ros.processes import GraphError

    console = Console(stderr=True)
    try:
        tell = partial(console.print, highlight=False)
        turned = turn_cubes(bundle, episodes, seconds, out, seed=seed, report=tell)
    except GraphError as error:
        print(f"sleight: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(1) from error
    table = Table(box=None, pad_edge=False)
    for head in ("episode", "rotations", "seconds", "cube held", "bridge held the hand for"):
        table.add_column(head)
    for i, one in enumerate(turned):
        holds = ", ".join(f"{name} {count}" for name, count in one.holds.items()) or "nothing"
        row = (str(i + 1), str(one.rotations), f"{one.seconds:.1f}", "yes" if one.held else "no", one.note or holds)
        table.add_row(*row)
    console.print(table)
    if json_out is not None:
        mean = sum(one.rotations for one in turned) / len(turned)
        _write(json_out, {"rotations": mean, "seconds": seconds, "seed": seed, "episodes": [asdict(t) for t in turned]})
    raise typer.Exit(1 if any(one.note for one in turned) else 0)


def _default_objects(out: Path) -> list[str]:
    """The demo's own objects, and a mesh file made here, so that the way of any user's file is walked too."""
    from sleight_ros.demo.objects import write_demo_mesh

    return [*(f"household:{family}" for family in DEMO_FAMILIES), str(write_demo_mesh(out / "objects"))]


def _write(path: Path, figures: dict[str, object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SleightError("the figures cannot be written", value=path, remedy=str(error.strerror)) from error
