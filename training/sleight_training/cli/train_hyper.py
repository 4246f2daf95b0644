"""`sleight train hyper`: experts, mixed and corrected, over all objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sleight_training.cli.options import Envs, Export, Iterations, Resume
from sleight_training.cli.steps import export_run, notice_on, progress_text, training_bar
from sleight_training.cores import use_cores

# Spelt out, as the encoder's module needs torch.
_CODES = Path("policies/checkpoints/object_codes.safetensors")


def hyper(
    experts: Annotated[
        list[Path] | None,
        typer.Option(help="Base policies: runs, .safetensors files or bundles; several follow each other."),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="Further experts.", show_default=False)] = None,
    stage: Annotated[
        int, typer.Option(min=1, max=2, help="1: the base policy's reward; 2: the loosened one, from --start.")
    ] = 1,
    start: Annotated[Path | None, typer.Option(help="Stage 2: the run of stage 1, or its .safetensors.")] = None,
    codes: Annotated[Path, typer.Option(help="The object encoder of 'train codes'.")] = _CODES,
    objects: Annotated[str, typer.Option(help="Object set to learn on.")] = "household:train",
    preset: Annotated[
        str, typer.Option(help="cpu: 2 cores, one model an object; full: the paper's sizes; smoke: a test.")
    ] = "cpu",
    normalisation: Annotated[
        str | None, typer.Option(help="Of the weights: softmax (public code), l1 or l2 (Eq. 4); default softmax.")
    ] = None,
    moe_only: Annotated[bool, typer.Option("--moe-only", help="Learn no residual (the paper's ablation).")] = False,
    lead: Annotated[
        float,
        typer.Option(
            min=0.0, max=20.0, help="How far the first expert's raw weight starts above the others': 3 for a generalist"
        ),
    ] = 0.0,
    proposals: Annotated[
        str,
        typer.Option(
            help="Grasp proposals that stage 1's reward follows: none; auto: a dataset's, or those made before; "
            "generate: make what is missing (kept on disk); or a folder of 'sleight objects proposals'."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks, physics and starts.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run (default: runs/hyper_k<k>_stage<stage>_<seed>).")
    ] = None,
    resume: Resume = False,
    iterations: Iterations = None,
    envs: Envs = None,
    export: Export = None,
) -> None:
    """Train the hyper-policy: mixing weights of frozen experts, and a residual (ResDex 4.2, 4.3)."""
    use_cores()
    from sleight_training.hyper import training

    console = Console(stderr=True)
    given = [*(experts or []), *(more or [])]
    label = f"k{len(given)}_stage{stage}" if given else f"stage{stage}"
    folder = out or Path("runs") / f"hyper_{label}_{seed}"
    run = training.prepare_hyper(
        folder,
        experts=given,
        codes=codes,
        objects=objects,
        preset_name=preset,
        seed=seed,
        stage=stage,
        start=start,
        normalisation=normalisation,  # type: ignore[arg-type]  # checked by the configuration
        residual=not moe_only,
        lead=lead,
        iterations=iterations,
        num_envs=envs,
        resume=resume,
        proposals=proposals,
        notice=notice_on(console),
    )
    with training_bar(
        console, f"hyper-policy on {run.objects}", run.ppo.iterations, f"sleight train hyper --out {folder}"
    ) as bar:

        def report(p: training.Progress) -> None:
            bar.show(p.iteration, progress_text(p), p.seconds)

        progress = training.train_hyper(folder, run, resume=resume, report=report)
    console.print(
        f"{progress.steps:,} steps in {progress.seconds / 60:.1f} min; held {progress.held:.1%} of the last episodes "
        f"(with exploration noise). Page: {folder / 'index.html'}"
    )
    if export:
        export_run(folder, export)
        console.print(f"bundle: {export}")
