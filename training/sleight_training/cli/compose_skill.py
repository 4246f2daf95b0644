"""`sleight compose skill` and `restore`: a trained skill against its sampling steps; kept policies as runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sleight_training.cli.train_keep import refuse_other
from sleight_training.cores import use_cores


def skill(
    run: Annotated[Path, typer.Argument(help="A run of 'sleight train skill', or its policy file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the measured skill.", show_default=False)],
    sample_steps: Annotated[
        list[int] | None, typer.Option(min=1, help="DDIM steps to try; repeat for several (default: 1, 2, 5, 10).")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes with each.")] = 128,
) -> None:
    """Measure a skill's success against its DDIM steps; write it with the fewest that do as well as the best."""
    use_cores()
    from sleight_training.compose.diffusion.choose import measure_skill

    chosen, results = measure_skill(run, out, sample_steps or [1, 2, 5, 10], episodes)
    for count, result in results.items():
        typer.echo(f"{count} DDIM steps: {result}{'  <- chosen' if count == chosen else ''}")


def restore(
    file: Annotated[Path, typer.Argument(help="The policy.safetensors of a skill's or residual's run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", show_default=False)],
    sha256: Annotated[str, typer.Option(help="Refuse another file than that of this hash.")] = "",
) -> None:
    """Make a run's folder of a policy that was kept."""
    from sleight_training.compose.restore import restore_policy

    refuse_other(file, sha256)
    typer.echo(f"{out}: {restore_policy(file, out)}")
