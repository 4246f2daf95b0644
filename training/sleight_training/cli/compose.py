"""DexCompose: held states, finger masks and residuals of composed skills."""

from __future__ import annotations

import typer

from sleight_training.cli import compose_held, compose_release, compose_residual, compose_skill
from sleight_training.cli.compose_eval import evaluate
from sleight_training.cli.compose_sequence import sequence

app = typer.Typer(help=__doc__, no_args_is_help=True)
app.add_typer(compose_held.app, name="held")
app.add_typer(compose_release.app, name="release")
app.add_typer(compose_residual.app, name="residual")
app.command("eval")(evaluate)
app.command("sequence")(sequence)
app.command("skill")(compose_skill.skill)
app.command("restore")(compose_skill.restore)
