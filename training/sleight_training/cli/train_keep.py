"""`sleight train keep` and `restore`: a run as one small file, and back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from sleight_core.errors import SleightError


def keep(
    run: Annotated[Path, typer.Argument(help="A base or hyper run.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="The file, ending in .safetensors.", show_default=False)],
    learner: Annotated[
        bool, typer.Option("--learner", help="Keep the optimiser too, so that the restored run can be resumed.")
    ] = False,
) -> None:
    """Keep a run's networks and configuration in one file."""
    from sleight_training.weights import write_weights

    write_weights(run, file, learner=learner)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that 'sleight train keep' wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", show_default=False)],
    sha256: Annotated[str, typer.Option(help="Refuse another file than that of this hash.")] = "",
) -> None:
    """Make a run's folder of such a file."""
    from sleight_training.weights import restore_run

    refuse_other(file, sha256)
    run = restore_run(file, out)
    typer.echo(f"{out}: a run of kind '{run.kind}' on {run.objects}")


def refuse_other(file: Path, sha256: str) -> None:
    """Refuse another file than that of a hash.

    Args:
        file: Kept weights.
        sha256: The hash; "" accepts any.

    Raises:
        SleightError: The file is missing, or another.
    """
    if not sha256:
        return
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise SleightError("no such weights", value=file) from error
    if found != sha256:
        raise SleightError("these are other weights", value=f"{file}: {found}", remedy=f"wanted {sha256}")
