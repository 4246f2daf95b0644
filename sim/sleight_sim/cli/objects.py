"""List, show, make and check the objects that can be grasped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from sleight_sim.grasps.run import Made
    from sleight_sim.objects.spec import ObjectSpec

app = typer.Typer(help=__doc__, no_args_is_help=True)

#: Colours of the pictures: seen in training, never seen.
_SEEN, _UNSEEN = (70, 130, 190), (225, 120, 50)
_MOST_CELLS = 400

Sets = Annotated[list[str] | None, typer.Argument(help="Object sets (default: household:all).")]
Count = Annotated[int | None, typer.Option(min=1, help="Number of objects.")]
Seed = Annotated[int, typer.Option(min=0, help="First index of procedural objects.")]
MeshScale = Annotated[float, typer.Option(help="Metres per unit of mesh files.")]


@app.command("list")
def list_objects(names: Sets = None, count: Count = None, seed: Seed = 0, mesh_scale: MeshScale = 1.0) -> None:
    """Print one row an object: size, mass, convex pieces, resting poses; then the names of sets."""
    from sleight_sim.objects.sets import CHOICES, resolve_objects

    objects = resolve_objects(names or "household:all", seed, count, mesh_scale=mesh_scale)
    console = _console()
    console.print(_table(objects))
    if not names:
        console.print("Object sets:", style="bold")
        for choice in CHOICES:
            console.print(f"  {choice}")


@app.command()
def show(
    names: Annotated[list[str], typer.Argument(help="Object sets.")],
    out: Annotated[Path, typer.Option(help="Picture to write (.png).")] = Path("contact_sheet.png"),
    count: Count = None,
    seed: Seed = 0,
    mesh_scale: MeshScale = 1.0,
) -> None:
    """Print and draw every object in its most probable resting pose, all to one scale."""
    from sleight_sim.objects.catalogue import UNSEEN
    from sleight_sim.objects.picture import contact_sheet
    from sleight_sim.objects.sets import resolve_objects

    objects = resolve_objects(names, seed, count, mesh_scale=mesh_scale)
    if len(objects) > _MOST_CELLS:
        raise SleightError(
            "too many objects for one picture", value=len(objects), remedy=f"use --count {_MOST_CELLS} or fewer"
        )
    _console().print(_table(objects))
    labels = [obj.name.removeprefix("household:") for obj in objects]
    colours = [_UNSEEN if obj.family in UNSEEN else _SEEN for obj in objects]
    contact_sheet(objects, labels, colours, out)
    print(f"{len(objects)} objects: {out}")


@app.command()
def sheet(
    out: Annotated[Path, typer.Option(help="Picture to write (.png).")] = Path("objects.png"),
    index: Annotated[int, typer.Option(min=0, help="Index of the shape that stands for its category.")] = 1,
) -> None:
    """Draw one object of every category, upright; those that training never sees in another colour."""
    from sleight_sim.objects.catalogue import CATEGORIES
    from sleight_sim.objects.picture import contact_sheet
    from sleight_sim.objects.scaled import SCALES, scaled_object
    from sleight_sim.objects.splits import SPLITS, split_entries

    objects = [scaled_object(category, index, SCALES[0]) for category in CATEGORIES]
    seen = sum(not category.unseen for category in CATEGORIES.values())
    train, other, unseen = (f"{len(split_entries(split)):,}" for split in SPLITS)
    title = (
        f"household: {seen} categories seen in training (blue: {train} objects, and {other} that training never sees), "
        f"{len(CATEGORIES) - seen} never seen (orange: {unseen} objects). Shape {index} at scale {SCALES[0]:.2f}."
    )
    colours = [_UNSEEN if category.unseen else _SEEN for category in CATEGORIES.values()]
    contact_sheet(objects, list(CATEGORIES), colours, out, title=title, resting=False)
    print(f"{len(objects)} categories: {out}")


@app.command()
def stats(
    names: Annotated[list[str] | None, typer.Argument(help="Object sets (default: the household splits).")] = None,
    count: Count = None,
    seed: Seed = 0,
    mesh_scale: MeshScale = 1.0,
) -> None:
    """Count the household splits by category and scale; of named sets, print sizes, masses, pieces and fitness."""
    if names:
        from sleight_sim.objects.sets import resolve_objects

        _console().print(_summary(resolve_objects(names, seed, count, mesh_scale=mesh_scale)))
    else:
        for table in _split_tables():
            _console().print(table)


@app.command()
def make(
    splits: Annotated[list[str] | None, typer.Argument(help="Household splits (default: all three).")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes (0: one a processor).")] = 0,
) -> None:
    """Make the household splits now and keep them in the cache; what an interrupted run has made stays."""
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    from rich.progress import Progress

    from sleight_sim.objects.splits import SPLITS, HouseholdSplit, make_shard

    sets = [HouseholdSplit(split.removeprefix("household:")) for split in splits or SPLITS]
    unmade = [(one.split, k) for one in sets for k in range(one.shards) if not one.whole(k)]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("making objects", total=len(unmade))
        if workers == 1:
            for split, k in unmade:
                make_shard(split, k)
                progress.advance(bar)
        elif unmade:
            processes = min(workers or os.cpu_count() or 1, len(unmade))
            pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
            try:
                for done in as_completed([pool.submit(make_shard, split, k) for split, k in unmade]):
                    done.result()
                    progress.advance(bar)
            finally:
                pool.shutdown(cancel_futures=True)
    for one in sets:
        print(f"household:{one.split}: {len(one)} objects in {one.folder}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Mesh file (.obj .stl .ply).")],
    mesh_scale: Annotated[float, typer.Option(help="Metres per unit of the file.")] = 1.0,
    density: Annotated[float, typer.Option(min=1.0, help="Density, kg/m^3.")] = 500.0,
) -> None:
    """Check a mesh file and report how it will be simulated; the decomposition is cached."""
    from sleight_sim.objects.mesh import cache_folder, load_mesh_object, read_mesh

    mesh, _ = read_mesh(file, mesh_scale)
    closed = "closed" if mesh.is_watertight else "open: remeshed before decomposition, thin walls may thicken"
    print(f"surface: {len(mesh.vertices)} vertices, {len(mesh.faces)} faces, {closed}")
    print("decomposing into convex pieces (a mesh seen for the first time can take a minute) ...", flush=True)
    obj = load_mesh_object(file, mesh_scale, density)
    size, mass, pieces, poses = _row(obj)
    print(f"size: {size} mm")
    print(f"mass: {mass} g at {density:g} kg/m^3")
    note = ""
    if mesh.is_volume and mesh.body_count == 1:
        note = f", {obj.volume / (mesh.volume * mesh_scale**3):.2f} times the volume of the mesh"
    print(f"convex pieces: {pieces}{note}")
    print(f"resting poses (height in mm, share): {poses}")
    print(f"cache: {cache_folder()}")


@app.command()
def proposals(
    names: Annotated[list[str], typer.Argument(help="Object sets.")],
    hand: Annotated[str, typer.Option(help="Hand, without an arm.")] = "shadow",
    count: Annotated[int, typer.Option(min=1, help="Proposals an object.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder for the proposals.")] = Path("proposals"),
    objects: Annotated[int | None, typer.Option(min=1, help="Number of objects.")] = None,
    table: Annotated[bool, typer.Option("--table", help="Only grasps of the object as it rests on a table.")] = False,
    samples: Annotated[int, typer.Option(min=8, help="Candidates of a round.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds at most.")] = 6,
    improvements: Annotated[int, typer.Option(min=0, help="Variants tried of each candidate.")] = 2,
    picture: Annotated[bool, typer.Option(help="Draw some proposals of each object (proposals.png).")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed; also the first index of procedural objects.")] = 0,
    mesh_scale: MeshScale = 1.0,
) -> None:
    """Propose grasps: sampled, improved, and kept if they hold in simulation when pulled and shaken (resumable)."""
    from rich.progress import Progress
    from sleight_description import load_hand

    from sleight_sim.grasps.generate import GeneratorConfig
    from sleight_sim.grasps.run import make_proposals
    from sleight_sim.objects.sets import resolve_objects

    things = list(
        {thing.name: thing for thing in resolve_objects(names, seed, objects, mesh_scale=mesh_scale)}.values()
    )
    config = GeneratorConfig(samples=samples, rounds=rounds, improvements=improvements, on_table=table)
    rows: list[Made] = []
    shown = Console(stderr=True, emoji=False, markup=False)
    with Progress(console=shown, transient=True, disable=not shown.is_terminal) as progress:
        bar = progress.add_task("proposing grasps", total=count * len(things))

        def told(name: str, found: int) -> None:
            label = name.removeprefix("household:")
            progress.update(bar, completed=count * len(rows) + found, description=f"{label}: {found}")

        for made in make_proposals(things, load_hand(hand), count, out, config, seed=seed, progress=told):
            rows.append(made)
            progress.update(bar, completed=count * len(rows))
    _console().print(_proposal_table(rows, count))
    if picture:
        _draw_proposals(things, rows, out / "proposals.png")
    short = [row.proposals.object_name for row in rows if len(row.proposals) < count]
    print(f"{sum(len(row.proposals) for row in rows)} proposals of {len(rows)} objects: {out}")
    if short:
        print(f"fewer than {count}: {', '.join(short[:10])}{' ...' if len(short) > 10 else ''}; try more --rounds")
        raise typer.Exit(1)


def _proposal_table(rows: Sequence[Made], count: int) -> Table:
    table = Table(title=f"at most {count} proposals an object")
    table.add_column("object", no_wrap=True)
    for heading in ("proposals", "held in the trial", "entropy (bits)", "spread", "seconds"):
        table.add_column(heading, justify="right")
    for row in rows:
        tried, spread = row.about["yield"], row.about["diversity"]
        figures = [f"{spread[name]:.2f}" if spread[name] is not None else "" for name in _SPREAD]
        seconds = f"{row.about['seconds']:.0f}" + (" (kept)" if row.kept else "")
        share = f"{tried['held']} of {tried['verified']}, {tried['of_verified']:.0%}"
        table.add_row(row.proposals.object_name, str(len(row.proposals)), share, *figures, seconds)
    return table


_SPREAD = ("joint_entropy", "direction_spread")


def _draw_proposals(things: Sequence[ObjectSpec], rows: Sequence[Made], file: Path) -> None:
    from sleight_sim.grasps.picture import proposals_sheet
    from sleight_sim.video import NoGraphicsError

    by_name = {thing.name: thing for thing in things}
    shown = [(by_name[row.proposals.object_name], row.proposals) for row in rows[:40] if len(row.proposals)]
    if not shown:
        return
    try:
        proposals_sheet(shown, file)
    except NoGraphicsError as error:
        print(f"no picture: {error}")


def _console() -> Console:
    # Without emoji=False, "household:phone:4" is printed with a telephone in the middle.
    return Console(emoji=False, markup=False, highlight=False)


def _table(objects: Sequence[ObjectSpec]) -> Table:
    table = Table()
    table.add_column("object", min_width=max(len(obj.name) for obj in objects), no_wrap=True)
    for heading in ("size (mm)", "mass (g)", "pieces", "resting poses: height (mm), share"):
        table.add_column(heading)
    for obj in objects:
        table.add_row(obj.name, *_row(obj))
    return table


def _row(obj: ObjectSpec) -> tuple[str, str, str, str]:
    size = " x ".join(f"{1e3 * side:.0f}" for side in obj.extents)
    stable = obj.stable_poses
    poses = ", ".join(f"{1e3 * h:.0f}: {p:.0%}" for h, p in zip(stable.heights[:5], stable.probabilities, strict=False))
    return size, f"{1e3 * obj.mass:.0f}", str(len(obj.pieces)), poses + (" ..." if len(stable) > 5 else "")


def _split_tables() -> list[Table]:
    """Return the counts by category, and by scale; nothing is made for them."""
    from sleight_sim.objects.catalogue import CATEGORIES
    from sleight_sim.objects.scaled import SCALES
    from sleight_sim.objects.splits import SPLITS, split_entries

    by_category, by_scale = Table(), Table()
    by_category.add_column("kind")
    by_category.add_column("category (never seen in training: *)")
    by_scale.add_column("scale (m)")
    entries = {split: split_entries(split) for split in SPLITS}
    for split in SPLITS:
        by_category.add_column(split, justify="right")
        by_scale.add_column(split, justify="right")
    for name, category in CATEGORIES.items():
        counts = [str(sum(entry[0] == name for entry in found)) for found in entries.values()]
        by_category.add_row(category.kind, name + (" *" if category.unseen else ""), *counts)
    by_category.add_section()
    by_category.add_row("", f"{len(CATEGORIES)} categories", *(f"{len(found):,}" for found in entries.values()))
    shapes = [f"{len({entry[:2] for entry in found}):,}" for found in entries.values()]
    by_category.add_row("", "different shapes", *shapes)
    for scale in SCALES:
        by_scale.add_row(f"{scale:.2f}", *(str(sum(e[2] == scale for e in found)) for found in entries.values()))
    return [by_category, by_scale]


def _summary(objects: Sequence[ObjectSpec]) -> Table:
    from sleight_sim.objects.scaled import misfit

    columns: dict[str, list[float]] = {
        "longest side (mm)": [1e3 * float(obj.extents.max()) for obj in objects],
        "shortest side (mm)": [1e3 * float(obj.extents.min()) for obj in objects],
        "mass (g)": [1e3 * obj.mass for obj in objects],
        "convex pieces": [float(len(obj.pieces)) for obj in objects],
        "resting poses": [float(len(obj.stable_poses)) for obj in objects],
        "highest resting origin (mm)": [1e3 * float(obj.stable_poses.heights.max()) for obj in objects],
    }
    table = Table(title=f"{len(objects)} objects, {len({obj.family for obj in objects})} families")
    for heading in ("", "least", "5 %", "median", "95 %", "most"):
        table.add_column(heading, justify="right" if heading else "left")
    for label, values in columns.items():
        table.add_row(label, *(f"{value:.0f}" for value in np.percentile(values, [0, 5, 50, 95, 100])))
    reasons = [misfit(obj) for obj in objects]
    unfit = [f"{reasons.count(reason)} {reason}" for reason in sorted({r for r in reasons if r})]
    table.caption = "fit for the hand: " + (f"all but {', '.join(unfit)}" if unfit else "all")
    return table
