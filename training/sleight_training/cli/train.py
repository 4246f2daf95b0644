"""`sleight train`: learn policies in simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sleight_core.errors import SleightError

from sleight_training.cli.options import Envs, Export, Iterations, Resume
from sleight_training.cli.steps import export_run, notice_on, progress_text, training_bar
from sleight_training.cli.train_codes import codes
from sleight_training.cli.train_features import features
from sleight_training.cli.train_hyper import hyper
from sleight_training.cli.train_keep import keep, restore
from sleight_training.cli.train_skill import skill
from sleight_training.cli.train_student import student
from sleight_training.cores import use_cores

app = typer.Typer(help="Train policies in simulation.", no_args_is_help=True)

#: Objects that the shipped base policy learns on, each in many proportions.
DEFAULT_OBJECT = "household:cylinder:5+household:box:0+household:egg:0"


@app.callback()
def _train() -> None:
    """Train policies in simulation."""


@app.command()
def base(
    objects: Annotated[
        str | None,
        typer.Option(
            "--object",
            help=f"The object to learn on, e.g. household:can:3 or a mesh file (default: {DEFAULT_OBJECT}).",
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option(min=1, help="Learn on a chosen object: number of base policies, with --index.")
    ] = None,
    index: Annotated[int | None, typer.Option(min=0, help="Which of the k base policies, from 0.")] = None,
    choice: Annotated[
        Path | None, typer.Option(help="With --k: the choice of objects of 'train codes' (default: the shipped one).")
    ] = None,
    proposals: Annotated[
        str,
        typer.Option(
            help="Grasp proposals whose joints the posture reward points at (A.2): none, auto, generate or a folder, "
            "see 'train hyper'. Objects then keep their size."
        ),
    ] = "none",
    full_pose: Annotated[
        bool, typer.Option("--full-pose", help="Pay for the proposals' wrist as well (Figure 2's Full Pose).")
    ] = False,
    full_observation: Annotated[
        bool,
        typer.Option("--full-observation", help="See the object's orientation and velocities (Figure 2's Full Obs)."),
    ] = False,
    preset: Annotated[
        str, typer.Option(help="cpu: 2 cores, about 15 minutes; full: the paper's sizes, for a GPU; smoke: a test.")
    ] = "cpu",
    hand: Annotated[
        str | None, typer.Option(help="Hand, or hand on an arm: leap, leap_ur5e ... (default: the preset's, shadow).")
    ] = None,
    arm_action: Annotated[
        str | None,
        typer.Option(
            help="On an arm: pose, the wrist's twist as the arm's joint targets (default), or joints, as in ResDex B.2."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks, physics and starts.")] = 0,
    engine: Annotated[
        str,
        typer.Option(help="Physics engine: mujoco (CPU), mujoco_warp or isaacgym (GPU; the learner goes there too)."),
    ] = "mujoco",
    start: Annotated[
        Path | None,
        typer.Option(help="Go on from this base policy (a run or its .safetensors): a second object takes a third."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/base_<object>_<seed>).")] = None,
    resume: Resume = False,
    iterations: Iterations = None,
    envs: Envs = None,
    export: Export = None,
) -> None:
    """Train a geometry-agnostic base policy on one object (ResDex 4.1).

    In several processes, each with its own environments and GPU: torchrun --nproc-per-node N --no-python sleight train
    base ...
    """
    name = base_object(objects, k, index, choice)
    use_cores()
    from sleight_training import base as training
    from sleight_training.ppo.ranks import joined, learner_device, ranks
    from sleight_training.run import read_run

    here = ranks()
    console = Console(stderr=True, quiet=not here.first)
    label = name.replace(":", "_").replace("/", "_") if k is None else f"k{k}_{index}"
    folder = out or Path("runs") / f"base_{f'{hand}_' if hand else ''}{label}_{seed}"
    device = learner_device(read_run(folder).engine if resume else engine, here)
    with joined(here, device):
        run = here.once(
            lambda: training.prepare_run(
                folder,
                objects=name,
                preset_name=preset,
                seed=seed,
                iterations=iterations,
                num_envs=envs,
                resume=resume,
                proposals=proposals,
                full_pose=full_pose,
                full_observation=full_observation,
                hand=hand,
                arm_action=arm_action,
                engine=engine,
                start=start,
                notice=notice_on(console),
            )
        )
        with training_bar(
            console, f"base policy on {run.objects}", run.ppo.iterations, f"sleight train base --out {folder}"
        ) as bar:

            def report(p: training.Progress) -> None:
                bar.show(p.iteration, progress_text(p), p.seconds)

            progress = training.train_base(folder, run, resume=resume, report=report, device=device, here=here)
    if not here.first:
        return
    console.print(
        f"{progress.steps:,} steps in {progress.seconds / 60:.1f} min; held {progress.held:.1%} of the last episodes "
        f"(with exploration noise). Page: {folder / 'index.html'}"
    )
    if export:
        export_run(folder, export)
        console.print(f"bundle: {export}")


def base_object(objects: str | None, k: int | None, index: int | None, choice: Path | None = None) -> str:
    """Return the object to learn on: the one named, the chosen one, or the default.

    Raises:
        SleightError: The options contradict each other, or nothing is chosen for them.
    """
    if k is None and index is None and choice is None:
        return objects or DEFAULT_OBJECT
    if objects is not None or k is None or index is None:
        raise SleightError("the object is told twice, or half", remedy="give --object, or --k and --index, or none")
    from sleight_training.codes.choose import CHOSEN, chosen_object

    return chosen_object(k, index, choice or CHOSEN)


app.command()(codes)
app.command()(hyper)
app.command()(features)
app.command()(skill)
app.command()(student)
app.command()(keep)
app.command()(restore)
