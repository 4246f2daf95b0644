"""`sleight train student`: a policy that sees what cameras see, taught by one that knows more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sleight_training.cli.options import Device, Envs, Iterations, Resume
from sleight_training.cli.steps import training_bar
from sleight_training.cores import use_cores


def student(
    teacher: Annotated[
        Path | None, typer.Option(help="What it learns from: a base or hyper run, or its .safetensors file.")
    ] = None,
    head: Annotated[
        str,
        typer.Option(
            help="action: the network acts (the paper); mixture: it weighs the teacher's experts and corrects."
        ),
    ] = "action",
    objects: Annotated[str | None, typer.Option(help="Object set to learn on (default: the teacher's).")] = None,
    points: Annotated[
        int | None, typer.Option(help="Points of the object's cloud: 64, 128, 256 or 512 (default: the preset's).")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="cpu: 2 cores; full: the paper's sizes, for a GPU; smoke: a test.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks, physics, starts and cameras.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/student_<head>_<seed>).")] = None,
    resume: Resume = False,
    iterations: Iterations = None,
    envs: Envs = None,
    device: Device = "cpu",
) -> None:
    """Distil a privileged policy into one that sees the object's point cloud (ResDex 4.4, DAgger)."""
    use_cores()
    from sleight_training.student import training

    console = Console(stderr=True)
    folder = out or Path("runs") / f"student_{head}_{seed}"
    run = training.prepare_student(
        folder,
        teacher=teacher,
        preset_name=preset,
        seed=seed,
        objects=objects,
        head=head,  # type: ignore[arg-type]  # checked there
        cloud_points=points,
        iterations=iterations,
        num_envs=envs,
        resume=resume,
    )
    with training_bar(
        console,
        f"student of {run.teacher} on {run.objects}",
        run.dagger.iterations,
        f"sleight train student --out {folder}",
    ) as bar:

        def report(p: training.StudentProgress) -> None:
            text = f"held {p.held:.0%}  error {p.loss:.4f}  teacher acts {p.beta:.0%}  {p.steps / 1e6:.2f} M steps"
            bar.show(p.iteration, f"{text}  {p.speed:,.0f}/s", p.seconds)

        progress = training.train_student(folder, run, resume=resume, report=report, device=device)
    console.print(
        f"{progress.steps:,} steps in {progress.seconds / 60:.1f} min; held {progress.held:.1%} of the last episodes, "
        f"error {progress.loss:.4f}. Page: {folder / 'index.html'}"
    )
    console.print(f"write the bundle with: sleight export {folder} --out policies/NAME", soft_wrap=True)
