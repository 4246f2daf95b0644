"""Options that the training commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Resume = Annotated[bool, typer.Option("--resume", help="Continue a run that was interrupted or killed.")]
Iterations = Annotated[int | None, typer.Option(min=1, help="Override the preset's learning iterations.")]
Envs = Annotated[int | None, typer.Option(min=1, help="Override the preset's number of environments.")]
Device = Annotated[str, typer.Option(help="Device of the learner: cpu or cuda.")]
Export = Annotated[Path | None, typer.Option(help="Write the policy bundle here when done.")]
