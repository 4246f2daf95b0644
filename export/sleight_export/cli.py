"""Export a training run as a policy bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from sleight_core.errors import SleightError

app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def export(
    run: Annotated[
        Path, typer.Argument(help="Folder of the training run, or its weights (.safetensors).", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the bundle, such as policies/NAME.", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="Name of the bundle; default: the name of its folder.")] = "",
    checkpoint: Annotated[str, typer.Option(help="File of the run to export.")] = "checkpoint.pt",
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing bundle, with all that lies in it.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Keep the run's networks here too, as one small .safetensors file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Export a training run as a policy bundle, compare it with torch, and verify it as a robot would."""
    from sleight_training.student.config import is_student

    if is_student(run):
        from sleight_export.student import export_student as export_run

        if weights is not None:
            raise SleightError("weights are kept of base and hyper runs", value=run, remedy="leave --weights out")
    else:
        from sleight_export.run import export_run
    done = export_run(run, out, name=name, checkpoint=checkpoint, overwrite=force)
    if weights is not None:
        from sleight_training.weights import write_weights

        write_weights(run, weights, checkpoint)
    bundle, parity = done.bundle, done.parity
    if as_json:
        data = {
            "id": bundle.id,
            "path": str(bundle.path),
            "sha256": bundle.sha256,
            "parity": {"samples": parity.samples, "golden": parity.golden, "largest_difference": parity.largest},
            "checks": list(bundle.checks),
        }
        typer.echo(json.dumps(data, indent=2))
        return
    typer.echo(
        f"ok  torch: {parity.samples} random and {parity.golden} golden inputs, largest difference {parity.largest:.1e}"
    )
    for check in bundle.checks:
        typer.echo(f"ok  {check}")
    typer.echo(f"{bundle.id} written to {bundle.path}")
