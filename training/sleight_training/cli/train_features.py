"""`sleight train features`: what a DexCompose skill sees of its task, estimated from clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sleight_training.cli.options import Device, Envs, Iterations, Resume
from sleight_training.cli.steps import training_bar
from sleight_training.cores import use_cores


def features(
    task: Annotated[str | None, typer.Option(help="The task, such as PushButton (docs/compose_tasks.md).")] = None,
    skill: Annotated[
        str, typer.Option(help="Whose rollouts it learns from: scripted, or a run or file of 'train skill'.")
    ] = "scripted",
    preset: Annotated[str, typer.Option(help="cpu: 2 cores; full: for a GPU; smoke: a test.")] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of network, worlds, starts and cameras.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/features_<task>_<seed>).")] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            help="Task of the other kind whose thing is in half of the scenes; repeat (default: the paper's four)."
        ),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Nothing else is ever in the scene.")] = False,
    resume: Resume = False,
    iterations: Iterations = None,
    envs: Envs = None,
    episodes: Annotated[int, typer.Option(min=0, help="Episodes that measure the result; 0 for none.")] = 128,
    device: Device = "cpu",
) -> None:
    """Learn to estimate a task's features from clouds and the hand's own state: its vision version (DAgger)."""
    use_cores()
    from sleight_training.compose.skills import skill_source
    from sleight_training.compose.vision import training
    from sleight_training.compose.vision.estimator import ESTIMATOR, Estimator
    from sleight_training.compose.vision.evaluate import evaluate_estimator, summary
    from sleight_training.compose.vision.page import write_feature_results

    console = Console(stderr=True)
    folder = out or Path("runs") / f"features_{task}_{seed}"
    run = training.prepare_features(
        folder,
        task=task,
        preset_name=preset,
        seed=seed,
        skill=skill,
        iterations=iterations,
        num_envs=envs,
        beside=[] if alone else beside,
        resume=resume,
    )
    about, command = f"features of {run.task.name}", f"sleight train features --out {folder}"
    with training_bar(console, about, run.learner.iterations, command) as bar:

        def report(p: training.FeatureProgress) -> None:
            off = "  ".join(f"{name} {value:.4f}" for name, value in p.errors.items())
            success = "" if p.success != p.success else f"  success {p.success:.0%}"
            bar.show(p.iteration, f"loss {p.loss:.4f}  {off}{success}  {p.speed:,.0f}/s", p.seconds)

        progress = training.train_features(folder, run, resume=resume, report=report, device=device)
    console.print(
        f"{progress.steps:,} actions in {progress.seconds / 60:.1f} min, loss {progress.loss:.4f}; "
        f"page: {folder / 'index.html'}"
    )
    if episodes:
        source = skill_source(run.skill, run.task.name)
        seed = training.EVALUATION_SEED + run.seed
        results = evaluate_estimator(Estimator.load(folder / ESTIMATOR), source, episodes, seed)
        write_feature_results(folder, results)
        for line in summary(results):
            console.print(line, highlight=False)
