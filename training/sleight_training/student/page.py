"""The page of a student's training: curves and a table, readable while it still runs."""

from __future__ import annotations

from pathlib import Path

from sleight_training.report import SPEED, learning_figure, made_facts, plot_by_steps, state_facts, write_index
from sleight_training.run import read_metrics
from sleight_training.student.config import read_student


def write_student_page(folder: Path) -> Path:
    """Write `index.html` for a student's run from its metrics; returns its path."""
    run, rows = read_student(folder), read_metrics(folder)
    figure, panels = learning_figure()
    success = {"held": "held at the end", "ever": "ever within 5 cm"}
    plot_by_steps(panels[0, 0], rows, success, title="success (with the teacher's part)", ylim=(0, 1))
    scale = "log" if any(row["loss"] > 0.0 for row in rows) else "linear"
    plot_by_steps(panels[0, 1], rows, {"loss": ""}, title="mean squared error of the action", yscale=scale)
    plot_by_steps(panels[1, 0], rows, {"beta": ""}, title="share of steps that the teacher takes", ylim=(0, 1))
    plot_by_steps(panels[1, 1], rows, {"speed": ""}, title=SPEED, ylim=(0, None))
    facts = [
        ("teacher", f"{run.teacher}, {run.teacher_steps:,} steps"),
        ("student", f"head '{run.head}', cloud of {run.network.cloud_points} points"),
        ("object set", run.objects),
        ("preset", run.preset),
        ("seed", str(run.seed)),
        *state_facts(rows, run.dagger.iterations, "held / ever, last episodes"),
        *made_facts(run),
    ]
    return write_index(folder, "Student", facts, figure)
