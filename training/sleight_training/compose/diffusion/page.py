"""The page of a skill's training: curves and a table, readable while it still runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sleight_training.compose.diffusion.config import read_skill
from sleight_training.compose.horizon import SkillResult
from sleight_training.report import learning_figure, made_facts, minutes, write_index
from sleight_training.run import read_metrics

#: What was measured of the finished policy, in the run's folder.
RESULTS = "results.json"


def result_rows(results: Mapping[int, SkillResult]) -> list[dict[str, Any]]:
    """Success by DDIM steps, a row each, as JSON takes it."""
    return [{"steps": steps, "success": result.rate, **vars(result)} for steps, result in results.items()]


def write_results(folder: Path, results: Mapping[int, SkillResult]) -> Path:
    """Write success by DDIM steps, then the page.

    Args:
        folder: The run's folder.
        results: By number of steps.
    """
    (folder / RESULTS).write_text(json.dumps(result_rows(results), indent=2) + "\n", encoding="utf-8")
    return write_skill_page(folder)


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Read what `write_results` wrote; [] where nothing was measured yet."""
    path = folder / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def write_skill_page(folder: Path) -> Path:
    """Write `index.html` for a skill's run from its metrics and results; returns its path."""
    run, rows, results = read_skill(folder), read_metrics(folder), read_results(folder)
    steps = [row["iteration"] for row in rows]
    figure, panels = learning_figure()
    panels[0, 0].plot(steps, [row["loss"] for row in rows])
    panels[0, 0].set(title="loss", xlabel="steps of the optimiser", yscale="log" if rows else "linear")
    panels[0, 1].plot(steps, [row["learning_rate"] for row in rows])
    panels[0, 1].set(title="learning rate", xlabel="steps of the optimiser")
    panels[1, 0].plot(steps, [row["success"] for row in rows], drawstyle="steps-post")
    panels[1, 0].set(title="success of the averaged policy", xlabel="steps of the optimiser", ylim=(0, 1.02))
    if results:
        counts, shares = [row["steps"] for row in results], [row["success"] for row in results]
        bars = [
            [max(0.0, row["success"] - row["ci95"][0]) for row in results],
            [max(0.0, row["ci95"][1] - row["success"]) for row in results],
        ]
        panels[1, 1].errorbar(counts, shares, yerr=bars, marker="o", capsize=3)
        panels[1, 1].set_xscale("log")
        panels[1, 1].set_xticks(counts, [str(count) for count in counts], minor=False)
    panels[1, 1].set(title="success of the last policy, 95 % intervals", xlabel="DDIM steps", ylim=(0, 1.02))
    last = rows[-1] if rows else {}
    facts = [
        ("task", f"{run.task.name}, {run.task.execute_horizon} actions of a chunk are executed"),
        ("demonstrations", f"{run.episodes} in {run.demonstrations}, sha256 {run.demonstrations_sha256[:12]}"),
        ("network", f"widths {run.network.widths}, predicts {run.noise.prediction}"),
        ("preset", run.preset),
        ("seed", str(run.seed)),
        ("steps of the optimiser", f"{last.get('iteration', 0):,} of {run.learner.steps:,}, batch {run.learner.batch}"),
        ("learning time", minutes(last)),
        *((f"success, {row['steps']} DDIM steps", _success(row)) for row in results),
        *made_facts(run),
    ]
    return write_index(folder, "Skill", facts, figure)


def _success(row: dict[str, Any]) -> str:
    low, high = row["ci95"]
    after = "" if row["mean_steps"] is None else f", after {row['mean_steps']:.0f} actions on average"
    return f"{row['successes']} of {row['episodes']} ({100 * low:.1f} to {100 * high:.1f} %){after}"
