"""The page of a student's training: curves and a table, readable while it still runs."""

from __future__ import annotations

from pathlib import Path

from sleight_training.report import page, picture, table
from sleight_training.run import read_metrics
from sleight_training.student.config import read_student


def write_student_page(folder: Path) -> Path:
    """Write `index.html` for a student's run from its metrics; returns its path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    run, rows = read_student(folder), read_metrics(folder)
    steps = [row["steps"] / 1e6 for row in rows]
    figure = Figure(figsize=(10, 6.5))
    panels = figure.subplots(2, 2)
    for key, label in (("held", "held at the end"), ("ever", "ever within 5 cm")):
        panels[0, 0].plot(steps, [row[key] for row in rows], label=label)
    panels[0, 0].set(title="success (with the teacher's part)", ylim=(0, 1), xlabel="million steps")
    panels[0, 0].legend()
    panels[0, 1].plot(steps, [row["loss"] for row in rows])
    scale = "log" if any(row["loss"] > 0.0 for row in rows) else "linear"
    panels[0, 1].set(title="mean squared error of the action", xlabel="million steps", yscale=scale)
    panels[1, 0].plot(steps, [row["beta"] for row in rows])
    panels[1, 0].set(title="share of steps that the teacher takes", xlabel="million steps", ylim=(0, 1))
    panels[1, 1].plot(steps, [row["speed"] for row in rows])
    panels[1, 1].set(title="environment steps a second, learning included", xlabel="million steps", ylim=(0, None))
    figure.tight_layout()
    last = rows[-1] if rows else {}
    facts = [
        ("teacher", f"{run.teacher}, {run.teacher_steps:,} steps"),
        ("student", f"head '{run.head}', cloud of {run.network.cloud_points} points"),
        ("object set", run.objects),
        ("preset", run.preset),
        ("seed", str(run.seed)),
        ("iterations", f"{last.get('iteration', 0)} of {run.dagger.iterations}"),
        ("environment steps", f"{last.get('steps', 0):,}"),
        ("learning time", f"{last.get('seconds', 0.0) / 60:.1f} min"),
        ("held / ever, last episodes", f"{last.get('held', float('nan')):.1%} / {last.get('ever', float('nan')):.1%}"),
        ("command", run.command),
        ("code", run.git_commit),
        ("versions", ", ".join(f"{name} {value}" for name, value in run.versions.items())),
    ]
    path = folder / "index.html"
    body = table(facts) + picture(figure, "learning curves")
    path.write_text(page(f"Student {folder.name}", body), encoding="utf-8")
    return path
