"""`sleight compose residual`: training of both residuals of DexCompose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sleight_core.errors import SleightError

from sleight_training.cli.bar import TrainingBar
from sleight_training.cores import use_cores

app = typer.Typer(help="Train the residuals that let two skills share a hand.", no_args_is_help=True)

_Preset = Annotated[str, typer.Option(help="cpu: 2 cores, under an hour; full: the paper's sizes; smoke: a test.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of networks, physics and starts.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Continue a run that was interrupted or killed.")]
_Iterations = Annotated[int | None, typer.Option(min=1, help="Override the preset's learning iterations.")]
_Envs = Annotated[int | None, typer.Option(min=1, help="Override the preset's number of environments.")]
_Held = Annotated[
    Path | None, typer.Option(help="File of 'sleight compose held collect' (default: runs/held/TASK.npz).")
]


#: How preserved fingers are given.
MASK_HELP = "Preserved fingers, such as th,rf,lf, or a file of 'release select --json'."


def fingers(text: str, *tasks: str) -> tuple[str, ...]:
    """Read preserved fingers.

    Args:
        text: Finger names, such as "th,rf,lf", or a file of 'sleight compose release select --json'.
        tasks: What such a file must be for: the first task, or the first and the second.

    Raises:
        SleightError: The file is none, or of other tasks.
    """
    if not text.endswith(".json"):
        return tuple(name.strip() for name in text.split(",") if name.strip())
    from sleight_training.compose.masks.selection import read_choice

    choice = read_choice(Path(text))
    found = (choice.first, choice.second)
    if found[: len(tasks)] != tasks:
        remedy = f"select one for {' + '.join(tasks)}"
        raise SleightError("this mask is of other tasks", value=f"{text}: {' + '.join(found)}", remedy=remedy)
    return choice.preserved


@app.command("first")
def first_residual(
    task: Annotated[str, typer.Argument(help="The task whose outcome is kept, such as GraspBall.")],
    mask: Annotated[
        list[str] | None,
        typer.Option(help=f"{MASK_HELP} Several times for several masks (default: 14 masks)."),
    ] = None,
    preset: _Preset = "cpu",
    held: _Held = None,
    seed: _Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/hold_<task>_<seed>).")] = None,
    resume: _Resume = False,
    iterations: _Iterations = None,
    envs: _Envs = None,
) -> None:
    """Train the stabiliser: it keeps the object while the base moves and fingers leave (DexCompose B.1)."""
    use_cores()
    from sleight_training.compose.residual import training
    from sleight_training.compose.residual.pair import default_held

    folder = out or Path("runs") / f"hold_{task}_{seed}"
    run = training.prepare_stabiliser(
        folder,
        task,
        preset=preset,
        masks=[fingers(text, task) for text in mask or []],
        seed=seed,
        iterations=iterations,
        num_envs=envs,
        resume=resume,
        held=held or default_held(task),
    )
    _train(folder, run, resume, "first", "held {:.0%}")


@app.command("second")
def second_residual(
    first: Annotated[str, typer.Argument(help="The task whose outcome is kept, such as GraspBall.")],
    second: Annotated[str, typer.Argument(help="The task that is done meanwhile, such as PushButton.")],
    stabiliser: Annotated[Path | None, typer.Option(help="Run or file of 'sleight compose residual first'.")] = None,
    mask: Annotated[str, typer.Option(help=MASK_HELP)] = "",
    method: Annotated[str, typer.Option(help="Which method or ablation it is for.")] = "ours",
    skill: Annotated[
        str, typer.Option(help="The second skill: scripted, or a run of 'sleight train skill'.")
    ] = "scripted",
    joint: Annotated[bool, typer.Option("--joint", help="Tune the stabiliser beside it, at a lower rate.")] = False,
    preset: _Preset = "cpu",
    held: _Held = None,
    seed: _Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run (default: runs/pair_<first>_<second>_<method>_<seed>).")
    ] = None,
    resume: _Resume = False,
    iterations: _Iterations = None,
    envs: _Envs = None,
) -> None:
    """Train the second skill's residual on its own part of the hand (DexCompose B.2)."""
    use_cores()
    from sleight_training.compose.residual import training
    from sleight_training.compose.residual.methods import read_method
    from sleight_training.compose.residual.pair import default_held

    folder = out or Path("runs") / f"pair_{first}_{second}_{method}_{seed}"
    run = training.prepare_second(
        folder,
        first,
        second,
        stabiliser=stabiliser,
        mask=fingers(mask, first, second) or None,
        method=read_method(method),
        preset=preset,
        seed=seed,
        iterations=iterations,
        num_envs=envs,
        resume=resume,
        held=held or default_held(first),
        skill=skill,
        joint=joint,
    )
    _train(folder, run, resume, "second", "success {:.0%}")


def _train(folder: Path, run: object, resume: bool, name: str, text: str) -> None:
    from sleight_training.compose.residual import training

    assert isinstance(run, training.ResidualRun)
    console = Console(stderr=True)
    about = f"{name} residual of {' + '.join(run.tasks)}"
    with TrainingBar(console, about, run.ppo.iterations) as bar:

        def report(p: training.Progress) -> None:
            bar.show(p.iteration, f"{text.format(p.held)}  {p.steps / 1e6:.2f} M steps  {p.speed:,.0f}/s", p.seconds)

        try:
            progress = training.train_residual(folder, run, resume=resume, report=report)
        except KeyboardInterrupt:
            again = " ".join(run.tasks)
            console.print(
                f"interrupted; continue with: sleight compose residual {name} {again} --out {folder} --resume"
            )
            raise
    console.print(
        f"{progress.steps:,} steps in {progress.seconds / 60:.1f} min; {text.format(progress.held)} of the last "
        f"episodes (with exploration noise). Page: {folder / 'index.html'}"
    )
