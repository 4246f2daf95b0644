"""Export a training run as a policy bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from sleight_core.errors import SleightError
from typer.core import TyperGroup


class _RunByDefault(TyperGroup):
    """Takes `sleight export RUN` for `sleight export run RUN`; a folder called "run" or "compose" is ./run here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(help=__doc__, cls=_RunByDefault, no_args_is_help=True, add_completion=False)

_Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder of the bundle, such as policies/NAME.", show_default=False)
]
_Name = Annotated[str, typer.Option(help="Name of the bundle; default: the name of its folder.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace an existing bundle, with all that lies in it.")]


@app.command("run")
def export(
    run: Annotated[
        Path, typer.Argument(help="Folder of the training run, or its weights (.safetensors).", show_default=False)
    ],
    out: _Out,
    name: _Name = "",
    checkpoint: Annotated[str, typer.Option(help="File of the run to export.")] = "checkpoint.pt",
    force: _Force = False,
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


@app.command("compose")
def export_compose(
    skill: Annotated[
        list[Path], typer.Option(help="Run or policy file of 'sleight train skill'; repeat for each skill.")
    ],
    out: _Out,
    pair: Annotated[
        list[Path] | None,
        typer.Option(
            help="Run or file of 'sleight compose residual second', or for a pair without one its selected mask, a "
            "file of 'sleight compose release select --json'; repeat for each pair."
        ),
    ] = None,
    stabiliser: Annotated[
        list[Path] | None,
        typer.Option(help="Run or file of 'sleight compose residual first', for pairs that bring none."),
    ] = None,
    name: _Name = "",
    steps: Annotated[
        int | None, typer.Option(min=1, help="DDIM steps of the samplers (default: those of the skills).")
    ] = None,
    others_joints: Annotated[
        str, typer.Option(help="What acting skills see of joints that they do not own: intended, or measured.")
    ] = "intended",
    force: _Force = False,
) -> None:
    """Export skills, and pairs of them with masks and residuals, as one bundle; verify it as a simulation would."""
    from sleight_training.compose.residual.config import composition_of

    from sleight_export.composed import export_composed
    from sleight_export.composed_runs import read_pairs, read_skills

    requests = read_pairs(pair or [], stabiliser or [])
    view = composition_of(others_joints).others_joints
    bundle = export_composed(
        out, read_skills(skill), requests, name=name, steps=steps, others_joints=view, overwrite=force
    )
    for request in requests:
        parts = [what for what, path in (("stabiliser", request.stabiliser), ("residual", request.residual)) if path]
        kept = " ".join(request.preserved)
        typer.echo(f"pair  {request.first} + {request.second}: keeps {kept}; {' and '.join(parts) or 'no residuals'}")
    for check in bundle.checks:
        typer.echo(f"ok  {check}")
    typer.echo(f"{bundle.id} written to {bundle.path}")
