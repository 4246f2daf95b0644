"""The page of a training run: curves and a table, readable while it still runs."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sleight_training.hyper.config import HyperConfig
from sleight_training.proposals import proposal_facts
from sleight_training.run import read_metrics, read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Title of the panel with the metric "speed".
SPEED = "environment steps a second, learning included"
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


class Made(Protocol):
    """A run that says what made it."""

    @property
    def command(self) -> str:
        """The command line."""
        ...

    @property
    def git_commit(self) -> str:
        """Commit of the code."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of packages by name."""
        ...


def made_facts(run: Made) -> list[tuple[str, str]]:
    """Rows of a run's table: what made it."""
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    return [("command", run.command), ("code", run.git_commit), ("versions", versions)]


def state_facts(rows: Sequence[Mapping[str, Any]], iterations: int, success: str) -> list[tuple[str, str]]:
    """Rows of a run's table: how far it is.

    Args:
        rows: Its metrics.
        iterations: How many there will be.
        success: What the shares `held` and `ever` are.
    """
    last = rows[-1] if rows else {}
    return [
        ("iterations", f"{last.get('iteration', 0)} of {iterations}"),
        ("environment steps", f"{last.get('steps', 0):,}"),
        ("learning time", minutes(last)),
        (success, f"{last.get('held', float('nan')):.1%} / {last.get('ever', float('nan')):.1%}"),
    ]


def minutes(last: Mapping[str, Any]) -> str:
    """Learning time of a run's last row of metrics, or of none."""
    return f"{last.get('seconds', 0.0) / 60:.1f} min"


def learning_figure() -> tuple[Figure, Any]:
    """A figure and its panels (2, 2), drawn without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5))
    return figure, figure.subplots(2, 2)


def plot_by_steps(panel: Any, rows: Sequence[Mapping[str, Any]], series: Mapping[str, str], **options: Any) -> None:
    """Draw metrics over environment steps.

    Args:
        panel: Where.
        rows: The metrics.
        series: Their labels by name; "" for one that needs none.
        options: Of the panel, such as its title.
    """
    steps = [row["steps"] / 1e6 for row in rows]
    for name, label in series.items():
        panel.plot(steps, [row[name] for row in rows], label=label)
    panel.set(xlabel="million steps", **options)
    if any(series.values()):
        panel.legend()


def write_index(folder: Path, what: str, facts: list[tuple[str, str]], figure: Figure) -> Path:
    """Write a run's `index.html`: its table and its curves; returns its path."""
    figure.tight_layout()
    path = folder / "index.html"
    path.write_text(page(f"{what} {folder.name}", table(facts) + picture(figure, "learning curves")), encoding="utf-8")
    return path


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
    labels = {"held": "held at the end", "ever": "ever within 5 cm"}
    return write_ppo_page(folder, facts, made_facts(run), run.ppo.iterations, **labels)


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
    rows = read_metrics(folder)
    steps = [row["steps"] / 1e6 for row in rows]
    figure, panels = learning_figure()
    title = "success of the learning policy (with its noise)"
    plot_by_steps(panels[0, 0], rows, {"held": held, "ever": ever}, title=title, ylim=(0, 1))
    plot_by_steps(panels[0, 1], rows, {"reward": ""}, title="reward a step")
    names = sorted({name for row in rows for name in row["rewards"] if name.startswith("Reward/")})
    for name in names:
        panels[1, 0].plot(steps, [row["rewards"].get(name) for row in rows], label=name.removeprefix("Reward/"))
    panels[1, 0].set(title="reward terms", xlabel="million steps")
    if names:
        panels[1, 0].legend(fontsize=7, ncol=2)
    plot_by_steps(panels[1, 1], rows, {"speed": ""}, title=SPEED, ylim=(0, None))
    state = state_facts(rows, iterations, f"{held} / {ever}")
    return write_index(folder, "Training run", [*facts, *state, *made], figure)
