"""`sleight eval`: success of an exported bundle in simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sleight_core.errors import SleightError

app = typer.Typer(help="Measure an exported bundle's success in simulation.")


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Option(help="The bundle's folder.")],
    objects: Annotated[
        str, typer.Option(help="own, household:FAMILY[:INDEX], household:demo, household:all, a mesh file or a folder.")
    ] = "own",
    episodes: Annotated[int, typer.Option(min=1, help="Number of episodes, shared by the objects.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of poses, starts and sensor errors.")] = 1000,
    engine: Annotated[str, typer.Option(help="Physics engine: mujoco, mujoco_warp or isaacgym (GPU).")] = "mujoco",
    perception: Annotated[
        str, typer.Option(help="modelled: a camera's offset, noise, period and delay; exact: the true position.")
    ] = "modelled",
    physics: Annotated[str, typer.Option(help="nominal, or varied as in training.")] = "nominal",
    proposals: Annotated[
        str,
        typer.Option(help="Measure the grasps' distance D from proposals: none, auto, generate or a folder of them."),
    ] = "none",
    mesh_scale: Annotated[float, typer.Option(help="Metres per unit of mesh files.")] = 1.0,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write results.json, plots, a video and index.html into this folder.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Write a picture of the end of an episode with each of the first objects here.")
    ] = None,
    minimum: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit 1 when the held success is below this.")
    ] = None,
) -> None:
    """Run episodes with a bundle's policy and report held success, or a cube's rotations, with its 95 % interval."""
    if task_of(bundle) == "cube_reorient":
        from sleight_training.cli.evaluate_reorient import report_reorient

        if objects != "own" or engine != "mujoco" or physics != "nominal" or out or pictures or proposals != "none":
            raise SleightError(
                "a bundle for cube reorientation has one task",
                remedy="give --episodes, --seed, --perception and --json",
            )
        outcome = report_reorient(bundle, episodes, seed=seed, perception=perception, json_out=json_out)
        _check(outcome, minimum, console=Console(stderr=True))
        return
    from sleight_training.evaluation.grasp import evaluate as run
    from sleight_training.evaluation.result import result_dict, write_results
    from sleight_training.run import command_line

    console = Console(stderr=True)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("episodes", total=episodes)
        score, loaded = run(
            bundle,
            objects,
            episodes,
            seed=seed,
            mesh_scale=mesh_scale,
            perception=perception,
            physics=physics,
            engine=engine,
            proposals=proposals,
            advance=lambda count: bar.advance(task, count),
        )
    result = result_dict(
        score,
        loaded,
        objects=objects,
        seed=seed,
        perception=perception,
        physics=physics,
        engine=engine,
        command=command_line(),
    )
    if json_out:
        write_json(json_out, result)
    if out:
        with console.status("writing the page"):
            page = write_results(out, result, loaded, seed=seed, mesh_scale=mesh_scale)
        console.print(f"page: {page}")
    if pictures:
        from sleight_training.evaluation.pictures import grasp_pictures

        with console.status("drawing"):
            note = grasp_pictures(loaded, objects, pictures, seed=seed, mesh_scale=mesh_scale)
        if note:
            console.print(f"no pictures: {note}")
    rows = Table(
        title=f"{loaded.id}, {objects}, {episodes} episodes, seed {seed}, {perception} perception, {physics} physics"
    )
    for name in ("", "episodes", "held", "95 % interval", "ever"):
        rows.add_column(name, justify="left" if not name else "right")
    for name, row in [*sorted(result["per_family"].items()), ("all", result)]:
        low, high = row["ci95"]
        rows.add_row(
            name,
            str(row["episodes"]),
            f"{row['held_success']:.1%}",
            f"{low:.1%} - {high:.1%}",
            f"{row['ever_success']:.1%}",
        )
    Console().print(rows)
    if "grasp_distance" in result:
        found = result["grasp_distance"]
        console.print(f"distance from grasp proposals: D = {found['D']:.1f} over {found['episodes']} episodes")
    if "arm_touched" in result:
        console.print(f"the arm touched the table or the robot in {result['arm_touched']} of {episodes} episodes")
    _check(result, minimum, console=console)


def task_of(bundle: Path) -> str:
    """Name of the task that a bundle's manifest states; the bundle is verified later."""
    from sleight_core.bundle.files import read_manifest
    from sleight_core.bundle.manifest import parse_manifest

    return parse_manifest(read_manifest(bundle).decode("utf-8", errors="replace")).task.name


def _check(result: dict[str, Any], minimum: float | None, *, console: Console) -> None:
    """Exit 1 when the held success is too low."""
    if minimum is not None and result["held_success"] < minimum:
        console.print(f"held success {result['held_success']:.1%} is below {minimum:.1%}")
        raise typer.Exit(1)


def write_json(path: Path, data: dict) -> None:
    """Write a result, or say why it cannot be written.

    Raises:
        SleightError: The path cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SleightError("the result cannot be written", value=path, remedy=str(error.strerror)) from error
