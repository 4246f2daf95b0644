"""`sleight train skill`: a base skill of DexCompose, from demonstrations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sleight_training.cli.options import Device, Resume
from sleight_training.cli.steps import notice_on, training_bar
from sleight_training.cores import use_cores


def skill(
    task: Annotated[str | None, typer.Option(help="The task, such as OpenDoor (docs/compose_tasks.md).")] = None,
    demonstrations: Annotated[
        Path | None,
        typer.Option(help="File of demonstrations (default: the scripted expert records some for this run)."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="cpu: 2 cores, under half an hour; full: the paper's figures, for a GPU; smoke: a test.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of network, batches, noise, own demonstrations.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/skill_<task>_<seed>).")] = None,
    resume: Resume = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Override the preset's steps of the optimiser.")] = None,
    episodes: Annotated[int, typer.Option(min=0, help="Episodes that measure the result; 0 for none.")] = 128,
    sample_steps: Annotated[
        list[int] | None,
        typer.Option(help="DDIM steps to measure it with; repeat for a table (default: the preset's)."),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Clone a skill from demonstrations by a diffusion policy (DexCompose appendix A)."""
    use_cores()
    from sleight_training.compose.diffusion import training
    from sleight_training.compose.diffusion.page import write_results
    from sleight_training.compose.diffusion.skill import POLICY, read_policy, steps_table

    console = Console(stderr=True)
    name = task or (demonstrations.stem if demonstrations else "")
    folder = out or Path("runs") / f"skill_{name}_{seed}"
    run = training.prepare_skill(
        folder,
        task=task,
        preset_name=preset,
        seed=seed,
        demonstrations=demonstrations,
        steps=steps,
        resume=resume,
        notice=notice_on(console),
    )
    with training_bar(
        console,
        f"skill {run.task.name}, {run.episodes} demonstrations",
        run.learner.steps,
        f"sleight train skill --out {folder}",
    ) as bar:

        def report(p: training.SkillProgress) -> None:
            success = "" if p.success != p.success else f"  success {p.success:.0%}"
            bar.show(p.iteration, f"loss {p.loss:.4f}{success}  {p.speed:.1f}/s", p.seconds)

        progress = training.train_skill(folder, run, resume=resume, report=report, device=device)
    console.print(
        f"{progress.iteration:,} steps in {progress.seconds / 60:.1f} min, loss {progress.loss:.4f}; "
        f"page: {folder / 'index.html'}"
    )
    if episodes:
        counts = sample_steps or [run.noise.sample_steps]
        trained, policy = read_policy(folder / POLICY)
        results = steps_table(trained, policy, counts, episodes, training.EVALUATION_SEED + run.seed)
        write_results(folder, results)
        for count, result in results.items():
            console.print(f"{count} DDIM steps: {result}", highlight=False)
