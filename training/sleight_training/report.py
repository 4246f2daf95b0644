"""The page of a training run: curves and a table, readable while it still runs."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any

from sleight_training.hyper.config import HyperConfig
from sleight_training.proposals import proposal_facts
from sleight_training.run import read_metrics, read_run

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24}}
table{{border-collapse:collapse}}td,th{{padding:.25rem .8rem;border-bottom:1px solid #d8dee4;text-align:left}}
img{{max-width:100%}}code{{background:#f0f3f6;padding:.1rem .3rem;border-radius:4px}}</style>
<h1>{title}</h1>{body}</html>
"""


def page(title: str, body: str) -> str:
    """Return a self-contained HTML page."""
    return _PAGE.format(title=html.escape(title), body=body)


def picture(figure: Any, alt: str) -> str:
    """Return a matplotlib figure as an inline picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def table(rows: list[tuple[str, str]]) -> str:
    """Return a two-column table."""
    cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{cells}</table>"


def _hyper_facts(hyper: HyperConfig) -> list[tuple[str, str]]:
    kind = f"{hyper.normalisation} weights, {'residual' if hyper.residual else 'no residual'}"
    start = f", from {hyper.start}" if hyper.start else ""
    return [
        ("experts", ", ".join(f"{expert.name} ({expert.objects})" for expert in hyper.experts)),
        ("hyper-policy", f"stage {hyper.stage}{start}, {kind}"),
    ]


def write_run_page(folder: Path) -> Path:
    """Write `index.html` for a run from its metrics; returns its path."""
    run = read_run(folder)
    facts = [
        ("object set", run.objects),
        *(_hyper_facts(run.hyper) if run.hyper else ()),
        ("grasp proposals", proposal_facts(run.proposals)),
        ("preset", run.preset),
        ("seed", str(run.seed)),
    ]
    made = [
        ("command", run.command),
        ("code", run.git_commit),
        ("versions", ", ".join(f"{k} {v}" for k, v in run.versions.items())),
    ]
    return write_ppo_page(folder, facts, made, run.ppo.iterations, held="held at the end", ever="ever within 5 cm")


def write_ppo_page(
    folder: Path, facts: list[tuple[str, str]], made: list[tuple[str, str]], iterations: int, *, held: str, ever: str
) -> Path:
    """Write `index.html` of any PPO run from its metrics; returns its path.

    Args:
        folder: The run's folder.
        facts: Rows of the table: what is trained.
        made: Further rows: what made it.
        iterations: How many there will be.
        held: What the first of the two counted shares of episodes means.
        ever: What the second one means.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    rows = read_metrics(folder)
    steps = [row["steps"] / 1e6 for row in rows]
    figure = Figure(figsize=(10, 6.5))
    panels = figure.subplots(2, 2)
    for key, label in (("held", held), ("ever", ever)):
        panels[0, 0].plot(steps, [row[key] for row in rows], label=label)
    panels[0, 0].set(title="success of the learning policy (with its noise)", ylim=(0, 1), xlabel="million steps")
    panels[0, 0].legend()
    panels[0, 1].plot(steps, [row["reward"] for row in rows])
    panels[0, 1].set(title="reward a step", xlabel="million steps")
    names = sorted({name for row in rows for name in row["rewards"] if name.startswith("Reward/")})
    for name in names:
        panels[1, 0].plot(steps, [row["rewards"].get(name) for row in rows], label=name.removeprefix("Reward/"))
    panels[1, 0].set(title="reward terms", xlabel="million steps")
    if names:
        panels[1, 0].legend(fontsize=7, ncol=2)
    panels[1, 1].plot(steps, [row["speed"] for row in rows])
    panels[1, 1].set(title="environment steps a second, learning included", xlabel="million steps", ylim=(0, None))
    figure.tight_layout()
    last = rows[-1] if rows else {}
    state = [
        ("iterations", f"{last.get('iteration', 0)} of {iterations}"),
        ("environment steps", f"{last.get('steps', 0):,}"),
        ("learning time", f"{last.get('seconds', 0.0) / 60:.1f} min"),
        (f"{held} / {ever}", f"{last.get('held', float('nan')):.1%} / {last.get('ever', float('nan')):.1%}"),
    ]
    path = folder / "index.html"
    body = table([*facts, *state, *made]) + picture(figure, "learning curves")
    path.write_text(page(f"Training run {folder.name}", body), encoding="utf-8")
    return path
