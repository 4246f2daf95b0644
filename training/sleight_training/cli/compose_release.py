"""`sleight compose release`: which fingers a held object needs, which the second skill uses, and who gets which."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from sleight_core.errors import SleightError

if TYPE_CHECKING:
    from sleight_training.compose.masks.selection import MaskSelector

app = typer.Typer(help="Release tests, finger use, and the selection of a finger mask.", no_args_is_help=True)
_RESULTS, _PAGE = "results.json", "index.html"


@app.command()
def test(
    held: Annotated[Path, typer.Option(help="Held states: a file of 'sleight compose held collect'.")],
    out: Annotated[Path | None, typer.Option(help="Folder of results (default: results/compose/release_TASK).")] = None,
    rollouts: Annotated[int, typer.Option(min=1, help="Rollouts a mask.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the drawn states.")] = 0,
    envs: Annotated[int, typer.Option(min=1, help="Rollouts side by side.")] = 512,
    threads: Annotated[int, typer.Option(min=0, help="Physics threads; 0: one a core.")] = 0,
) -> None:
    """Open fingers of hands that hold an object, for all useful masks (DexCompose 3.2, B.4)."""
    from sleight_training.cli.bar import TrainingBar
    from sleight_training.compose.held.library import read_library
    from sleight_training.compose.masks.config import ReleaseConfig
    from sleight_training.compose.masks.page import write_release_page
    from sleight_training.compose.masks.release import run_release_tests

    console = Console(stderr=True)
    library = read_library(held)
    config = ReleaseConfig(rollouts=rollouts, seed=seed, num_envs=envs)
    begin = time.monotonic()
    with TrainingBar(console, f"release tests of {library.task.name}", 1) as bar:

        def report(done: int, total: int) -> None:
            bar.show(done, "rollouts", time.monotonic() - begin, total)

        found = run_release_tests(library, config, report=report, num_threads=threads)
    found = found.model_copy(update=_stamp())
    folder = out or Path("results") / "compose" / f"release_{library.task.name}"
    found.write(folder / _RESULTS)
    write_release_page(folder / _PAGE, found, library)
    console.print(f"page: {folder / _PAGE}", soft_wrap=True)


@app.command()
def use(
    task: Annotated[str, typer.Option(help="Interaction task, such as PushButton.")],
    skill: Annotated[str, typer.Option(help="Who plays: scripted, or a run of 'sleight train skill'.")] = "scripted",
    out: Annotated[Path | None, typer.Option(help="File (default: results/compose/use_TASK.json).")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of worlds and starts.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Physics threads; 0: one a core.")] = 0,
) -> None:
    """Measure which fingers an interaction skill uses, in its own rollouts."""
    from rich.table import Table
    from sleight_sim.tasks.compose.config import task_config

    from sleight_training.compose.masks.config import TaskAwareConfig, UseConfig
    from sleight_training.compose.masks.use import measure_use
    from sleight_training.compose.skills import skill_source

    config = UseConfig(episodes=episodes, seed=seed)
    found = measure_use(task_config(task), config, skill_source(skill, task), num_threads=threads)
    found = found.model_copy(update=_stamp())
    path = out or Path("results") / "compose" / f"use_{task}.json"
    found.write(path)
    weights = found.weights(TaskAwareConfig().motion)
    rows = Table("finger", "force", "touched", "motion", "use", title=f"{task}: {found.succeeded} episodes")
    for row in found.fingers:
        shares = (row.force, row.touched, row.motion, weights[row.finger])
        rows.add_row(row.finger, *(f"{share:.1%}" for share in shares))
    Console().print(rows)


@app.command()
def select(
    release: Annotated[Path, typer.Option(help="Release tests: the folder of 'release test' or its results.json.")],
    second: Annotated[str, typer.Option(help="Task of the second skill.")],
    use_file: Annotated[
        Path | None, typer.Option("--use", help="Finger use of the second skill: a file of 'release use'.")
    ] = None,
    selector: Annotated[
        str, typer.Option(help="task-aware; heuristic (Eq. 17); llm: a language model (B.7), else task-aware.")
    ] = "task-aware",
    base_url: Annotated[str, typer.Option(help="llm: OpenAI-compatible server, up to /v1.")] = "",
    model: Annotated[str, typer.Option(help="llm: the model's name there.")] = "",
    key_variable: Annotated[str, typer.Option(help="llm: environment variable with the key.")] = "SLEIGHT_LLM_KEY",
    timeout: Annotated[float, typer.Option(min=0.1, help="llm: seconds for one attempt.")] = 60.0,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the choice here too.")] = None,
) -> None:
    """Choose the fingers that keep the first skill's object."""
    from sleight_training.compose.masks.diagnostics import ReleaseReport, UseReport
    from sleight_training.compose.masks.page import choices_text
    from sleight_training.compose.masks.selection import SelectionRequest, choice_json
    from sleight_training.reproduce.store import write_text

    chooser = _selector(selector, base_url, model, key_variable, timeout)
    tests = ReleaseReport.read(release / _RESULTS if release.is_dir() else release)
    request = SelectionRequest(tests, second, UseReport.read(use_file) if use_file else None)
    choice = chooser.select(request)
    for line in choices_text([choice]):
        typer.echo(line)
    if json_out is not None:
        write_text(json_out, choice_json(request, choice))


def _selector(name: str, base_url: str, model: str, key_variable: str, timeout: float) -> MaskSelector:
    from pydantic import ValidationError

    from sleight_training.compose.masks.chat import ChatConfig
    from sleight_training.compose.masks.language import LanguageSelector
    from sleight_training.compose.masks.selection import HeuristicSelector, TaskAwareSelector

    if name == "heuristic":
        return HeuristicSelector()
    if name == "task-aware":
        return TaskAwareSelector()
    if name != "llm":
        raise SleightError("there is no such selector", value=name, remedy="choose task-aware, heuristic or llm")
    try:
        config = ChatConfig(base_url=base_url, model=model, key_variable=key_variable, timeout=timeout)
    except ValidationError as error:
        # Without the value: it may be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise SleightError(f"{option}: {first['msg']}", remedy="--selector llm needs --base-url and --model") from None
    return LanguageSelector(config)


def _stamp() -> dict[str, str]:
    arguments = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return {"command": shlex.join(arguments), "date": time.strftime("%Y-%m-%d")}
