"""Verify, inspect and import policy bundles."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sleight_core.bundle.composed import ComposedSkills
from sleight_core.bundle.files import read_manifest
from sleight_core.bundle.loader import Bundle, load_bundle
from sleight_core.bundle.manifest import Manifest, parse_manifest
from sleight_core.errors import IncompleteError, SleightError
from sleight_core.hand import HandTable

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

_PATH = Annotated[Path, typer.Argument(help="The bundle's folder.", show_default=False)]
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def find_hand(name: str) -> HandTable:
    """Return a hand's table: a YAML file, or one of the hands of an installed sleight_description.

    The tables are data, so this package reads them without importing the one that holds them.

    Args:
        name: Path of a file that ends in ``.yaml``, or the name of a hand.

    Raises:
        SleightError: There is no such hand.
    """
    if name.endswith((".yaml", ".yml")):
        return HandTable.from_yaml(name)
    spec = importlib.util.find_spec("sleight_description")
    places = [Path(place) / "hands" for place in (spec.submodule_search_locations or [])] if spec else []
    known = sorted(
        path.parent.name for place in places for path in place.glob("*/*.yaml") if path.stem == path.parent.name
    )
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name not in known:
        raise SleightError(
            "unknown hand", value=name, remedy=f"choose one of {known}, or give a hand table's YAML file"
        )
    path = next(path for place in places if (path := place / name / f"{name}.yaml").is_file())
    return HandTable.read(path, find_hand)


@app.command()
def verify(
    path: _PATH,
    hand: Annotated[
        str, typer.Option(help="Robot's hand: a name or a YAML file; default: the one the bundle names.")
    ] = "",
    rate: Annotated[float, typer.Option(help="Robot's control rate, Hz; 0: not checked.", min=0.0)] = 0.0,
    simulation: Annotated[bool, typer.Option("--simulation", help="Allow terms that only a simulator knows.")] = False,
    as_json: _JSON = False,
) -> None:
    """Check everything a robot checks before it runs a bundle; a refusal exits 2."""
    manifest = _read(path)
    table = find_hand(hand or manifest.hand.name)
    bundle = load_bundle(path, table, period=1.0 / rate if rate > 0 else None, simulation=simulation)
    if as_json:
        data = {"ok": True, "id": bundle.id, "sha256": bundle.sha256, "hand": table.name, "checks": list(bundle.checks)}
        typer.echo(json.dumps(data, indent=2))
        return
    for check in bundle.checks:
        typer.echo(f"ok  {check}")
    typer.echo(f"{bundle.id} fits hand '{table.name}'")


@app.command()
def inspect(path: _PATH, as_json: _JSON = False) -> None:
    """Show what a bundle says about itself; the files are not checked."""
    manifest = _read(path)
    if as_json:
        typer.echo(manifest.to_json(), nl=False)
        return
    console = Console(highlight=False, markup=False, emoji=False)  # what others wrote is shown, not interpreted
    console.print(f"{manifest.name}  {manifest.description}", style="bold")
    console.print(_facts(manifest))
    terms = Table(title="Observation", title_justify="left")
    for column in ("term", "size", "unit", "frame", "scale", "clip", "provenance"):
        terms.add_column(column, no_wrap=column != "unit")
    seen = {(term.name, term.scale): term for _, term in manifest.all_terms}
    for term in seen.values():
        clip = "none" if term.clip is None else f"{term.clip:g}"
        terms.add_row(term.name, str(term.size), term.unit, term.frame, f"{term.scale:g}", clip, term.provenance)
    console.print(terms)
    parts = Table("part", "size", "rule", "owns", title="Action", title_justify="left")
    for part in manifest.action:
        parts.add_row(part.name, str(part.size), part.rule, ", ".join(part.joint_names) or "wrist")
    console.print(parts)
    if isinstance(manifest.composition, ComposedSkills):
        for table in _composition(manifest.composition):
            console.print(table)
    if manifest.results:
        results = Table("objects", "episodes", "held", "ever", "95 % interval", title="Results", title_justify="left")
        for row in manifest.results:
            low, high = row.ci95
            rates = f"{row.held_success:.1%}", f"{row.ever_success:.1%}", f"{low:.1%} to {high:.1%}"
            results.add_row(row.objects, str(row.episodes), *rates)
        console.print(results)


def _composition(composition: ComposedSkills) -> list[Table]:
    skills = Table("skill", "graph", "terms", "estimator", "chunk", title="Skills", title_justify="left")
    for skill in composition.skills:
        terms = ", ".join(term.name for term in skill.observation)
        chunk = f"{skill.execute} of {skill.horizon}, asked for {skill.lead} early"
        estimator = (
            "none" if skill.estimator is None else f"{skill.estimator.graph}: {', '.join(skill.estimator.sizes)}"
        )
        skills.add_row(skill.name, skill.graph, terms, estimator, chunk)
    pairs = Table("first", "keeps", "then", "residuals", "transition", title="Compositions", title_justify="left")
    for pair in composition.compositions.values():
        graphs = ", ".join(section.graph for section in pair.residuals.values()) or "none"
        way = pair.transition
        counts = " + ".join(str(n) for n in (way.hold, way.leave, way.steps, way.settle) if n) or "no"
        then = ", then ".join(pair.skills[1:])
        pairs.add_row(pair.first, ", ".join(pair.preserved), then, graphs, f"{counts} actions")
    return [skills, pairs]


@app.command("import")
def import_(
    onnx: Annotated[Path, typer.Argument(help="The policy's ONNX file.", show_default=False)],
    description: Annotated[
        Path, typer.Option(help="YAML file that says what the policy sees and does.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the bundle.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing bundle.")] = False,
    as_json: _JSON = False,
) -> None:
    """Wrap a policy that was trained elsewhere; refused until everything that a bundle needs is stated."""
    try:
        bundle = _importer()(onnx, description, out, overwrite=force)
    except IncompleteError as error:
        for problem in error.problems:
            typer.echo(f"  {problem}", err=True)
        count = len(error.problems)
        raise SleightError(f"{error.what}: {count} field{'s' if count > 1 else ''} as listed above") from error
    if as_json:
        data = {"id": bundle.id, "path": str(bundle.path), "sha256": bundle.sha256, "checks": list(bundle.checks)}
        typer.echo(json.dumps(data, indent=2))
        return
    for check in bundle.checks:
        typer.echo(f"ok  {check}")
    typer.echo(f"{bundle.id} written to {bundle.path}")


def _importer() -> Callable[..., Bundle]:
    """The importer stands above this room: it is found as any command is, by its entry point."""
    for point in entry_points(group="sleight.exporters"):
        if point.name == "import":
            return point.load()
    raise SleightError("the importer is not installed", remedy="pip install 'sleight[train]', or run 'make setup'")


def _facts(manifest: Manifest) -> Table:
    hand, control, task, training = manifest.hand, manifest.control, manifest.task, manifest.training
    composition = manifest.composition.model_dump()
    long = ("kind", "mask", "bounds", "skills", "pairs", "sequences")
    settings = ", ".join(f"{key} {value}" for key, value in composition.items() if key not in long)
    rows: dict[str, Any] = {
        "hand": f"{hand.name}: {len(hand.joint_names)} joints, {len(hand.actuated_joint_names)} actuated, "
        f"{hand.wrist_mode} wrist, table {hand.table_digest[:12]}",
        "control": f"{1 / control.period:.4g} Hz on {control.tick_source}, margin {control.position_margin:g} rad",
        "composition": manifest.composition.kind + (f" ({settings})" if settings else ""),
        "task": f"{task.name}: goal {list(task.goal)} m, success within {task.success_radius:g} m "
        f"{f'and {task.success_angle:g} rad ' if task.success_angle else ''}"
        f"for {task.hold_time:.3g} s, episodes of {task.episode_time:.3g} s",
        "learnt on": f"{task.object.set}, seed {task.object.seed}",
        "training": training.algorithm
        if training.source
        else f"{training.algorithm}, preset {training.preset}, seed {training.seed}, "
        f"{training.steps:,} steps in {training.wall_time / 60:.1f} min",
        "commit": training.git_commit or "unknown",
        **({"source": f"{training.source} ({training.licence})"} if training.source else {}),
        "command": training.command,
        "graphs": "; ".join(f"{g.file} (opset {g.opset}, IR {g.ir_version})" for g in manifest.graphs),
        "golden": f"{manifest.golden.count} vectors",
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(name, str(value))
    return grid


def _read(path: Path) -> Manifest:
    return parse_manifest(read_manifest(path).decode("utf-8", errors="replace"))
