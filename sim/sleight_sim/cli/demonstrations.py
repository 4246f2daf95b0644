"""Record, check and import demonstrations of the DexCompose tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from sleight_sim.tasks.compose.collection import FileCheck

app = typer.Typer(help=__doc__, no_args_is_help=True)

#: Where files are written unless told otherwise: DIR/TASK.hdf5.
DEFAULT_FOLDER = Path("demonstrations")

Threads = Annotated[int, typer.Option(min=0, help="Physics threads; 0 for one a core.")]


@app.command()
def collect(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks (default: all that have a scripted expert).")] = None,
    count: Annotated[int, typer.Option(min=1, help="Successful demonstrations of each task.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Seed of worlds, starts and variation.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the files, TASK.hdf5 each.")] = DEFAULT_FOLDER,
    envs: Annotated[int, typer.Option(min=1, help="Episodes that are played at a time.")] = 16,
    threads: Threads = 0,
) -> None:
    """Let the scripted experts play, and keep what succeeds, and succeeds again when it is replayed.

    A killed command goes on where it was when it is repeated; files that are there already are kept.
    """
    from sleight_sim.tasks.compose.collection import collect_file
    from sleight_sim.tasks.compose.config import task_config
    from sleight_sim.tasks.compose.scripts import SCRIPTS

    configs = [task_config(name) for name in tasks or SCRIPTS]
    console = Console(stderr=True)
    with _progress(console) as bar:
        for config in configs:
            name = config.name
            path = out / f"{name}.hdf5"
            row = bar.add_task(name, total=count)
            if path.exists():
                _same(path, name, count)
                bar.update(row, completed=count)
                console.print(f"{name}: {path} is there already", highlight=False)
                continue

            def report(found: int, row: int = row) -> None:
                bar.update(row, completed=found)  # type: ignore[arg-type]  # rich's TaskID is an int

            dropped = collect_file(path, config, count, seed=seed, num_envs=envs, num_threads=threads, report=report)
            again = f" ({dropped} did not succeed again, and were left out)" if dropped else ""
            console.print(f"{name}: {count} demonstrations, each replayed: {path}{again}", highlight=False)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Files of demonstrations.")],
    threads: Threads = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check files, and replay what can be replayed; exits 1 when something is wrong with a file."""
    from sleight_sim.tasks.compose.collection import check_file

    checks = {str(path): check_file(path, num_threads=threads) for path in files}
    if as_json:
        typer.echo(json.dumps({path: vars(result) for path, result in checks.items()}, indent=2))
    else:
        console = Console()
        console.print(_table(checks))
        for path, result in checks.items():
            for line in result.problems:
                console.print(f"{path}: {line}", style="red", highlight=False)
    if any(result.problems for result in checks.values()):
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="HDF5 file in robomimic's layout, with any keys.")],
    task: Annotated[str, typer.Option(help="The task that it shows.")],
    mapping: Annotated[Path, typer.Option(help="YAML file that says what is where (docs/compose_skills.md).")],
    out: Annotated[Path | None, typer.Option(help="File to write (default: demonstrations/TASK.hdf5).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Turn recordings of another system, such as teleoperation, into demonstrations that skills learn from."""
    from sleight_sim.tasks.compose.config import task_config
    from sleight_sim.tasks.compose.demonstrations import write
    from sleight_sim.tasks.compose.foreign import import_file, read_mapping

    config = task_config(task)
    path = out or DEFAULT_FOLDER / f"{task}.hdf5"
    if path.exists() and not force:
        raise SleightError("this file is there already", value=path, remedy="choose another --out, or add --force")
    done = import_file(file, config, read_mapping(mapping))
    write(path, config, done.demonstrations, done.source)
    failed = f", {done.failed} that do not succeed were left out" if done.failed else ""
    print(f"{len(done.demonstrations)} demonstrations of {task}: {path}{failed}")


def _same(path: Path, task: str, count: int) -> None:
    """Refuse a file of another task or number."""
    from sleight_sim.tasks.compose.demonstrations import read

    config, found = read(path)
    if (config.name, len(found)) != (task, count):
        raise SleightError(
            f"{path}: expected {count} demonstrations of {task}, found {len(found)} of {config.name}",
            remedy="choose another --out, or delete the file",
        )


def _progress(console: Console) -> Progress:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _table(checks: dict[str, FileCheck]) -> Table:
    table = Table("file", "task", "demonstrations", "samples", "replayed", "succeeded again", "largest deviation")
    for path, result in checks.items():
        numbers = (result.episodes, result.samples, result.replayed, result.succeeded)
        deviation = f"{result.deviation:.1e}" if result.replayed else "-"
        table.add_row(path, result.task, *(str(number) for number in numbers), deviation)
    return table
