"""`sleight train codes`: the object encoder, and the objects that base policies learn on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sleight_training.cli.options import Resume
from sleight_training.cli.steps import training_bar
from sleight_training.cores import use_cores


def codes(
    objects: Annotated[str, typer.Option(help="Object set to learn on.")] = "household:train",
    preset: Annotated[str, typer.Option(help="cpu: 2 cores, some minutes; full: for a GPU; smoke: a test.")] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of networks, points and clusters.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/codes_<seed>).")] = None,
    resume: Resume = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Override the preset's passes over the objects.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Keep the encoder here too, as a .safetensors file.")] = None,
    choose: Annotated[Path | None, typer.Option(help="Keep the choice of objects here too, as JSON.")] = None,
) -> None:
    """Pre-train the object encoder, and choose the objects of 1 to 6 base policies by clustering (ResDex 4.4)."""
    use_cores()
    from sleight_training.codes import autoencoder as training

    console = Console(stderr=True)
    folder = out or Path("runs") / f"codes_{seed}"
    config = training.prepare_codes(folder, objects=objects, preset=preset, seed=seed, epochs=epochs, resume=resume)
    with training_bar(
        console, f"object codes of {config.objects}", config.epochs, f"sleight train codes --out {folder}"
    ) as bar:

        def report(p: training.CodesProgress) -> None:
            bar.show(p.epoch, f"surfaces off by {1e3 * p.error:.1f} mm", p.seconds)

        progress = training.train_codes(folder, config, resume=resume, report=report)
    for name, copy in ((training.ENCODER, weights), (training.CHOICE, choose)):
        if copy is not None:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, copy)
    console.print(
        f"{progress.epoch} epochs in {progress.seconds / 60:.1f} min, surfaces off by {1e3 * progress.error:.1f} mm; "
        f"encoder: {folder / training.ENCODER}, chosen objects: {folder / training.CHOICE}"
    )
