"""The page of an estimator's training: curves and tables, readable while it still runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sleight_training.compose.vision.config import FeatureRun, read_features_run
from sleight_training.report import learning_figure, made_facts, minutes, write_index
from sleight_training.run import read_metrics

#: What was measured of the finished estimator, in the run's folder.
RESULTS = "results.json"


def write_feature_results(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write what `evaluate_estimator` gave, then the page."""
    (folder / RESULTS).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return write_features_page(folder)


def read_feature_results(folder: Path) -> dict[str, Any]:
    """Read what `write_feature_results` wrote; {} where nothing was measured yet."""
    path = folder / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_features_page(folder: Path) -> Path:
    """Write `index.html` for an estimator's run from its metrics and results; returns its path."""
    run, rows, results = read_features_run(folder), read_metrics(folder), read_feature_results(folder)
    steps = [row["iteration"] for row in rows]
    figure, panels = learning_figure()
    panels[0, 0].plot(steps, [row["loss"] for row in rows])
    panels[0, 0].set(title="loss", xlabel="iterations", yscale="log" if rows else "linear")
    for name in run.quantities:
        panels[0, 1].plot(steps, [row["errors"].get(name) for row in rows], label=name)
    panels[0, 1].set(
        title="mean error before learning (m, rad)", xlabel="iterations", yscale="log" if rows else "linear"
    )
    panels[0, 1].legend()
    panels[1, 0].plot(steps, [row["success"] for row in rows])
    panels[1, 0].set(title="success of episodes fed with estimates", xlabel="iterations", ylim=(0, 1.02))
    panels[1, 1].plot(steps, [row["beta"] for row in rows])
    panels[1, 1].set(title="share of episodes fed with the truth", xlabel="iterations", ylim=(0, 1.02))
    return write_index(folder, "Feature estimator", _facts(run, rows[-1] if rows else {}, results), figure)


def _facts(run: FeatureRun, last: Mapping[str, Any], results: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("task", run.task.name),
        ("skill", run.skill),
        ("tells", ", ".join(f"{name} ({size})" for name, size in run.quantities.items())),
        ("sees", ", ".join(run.network.terms)),
        ("beside it", ", ".join(run.company.tasks) or "nothing"),
        ("preset", run.preset),
        ("seed", str(run.seed)),
        ("iterations", f"{last.get('iteration', 0)} of {run.learner.iterations}"),
        ("actions", f"{last.get('steps', 0):,}"),
        ("learning time", minutes(last)),
    ]
    for food, row in results.get("success", {}).items():
        low, high = row["ci95"]
        words = f"{row['successes']} of {row['episodes']} ({100 * low:.1f} to {100 * high:.1f} %)"
        facts.append((f"success, fed with {food} features", words))
    for name, row in results.get("errors", {}).items():
        words = f"median {row['median']:.2f}, mean {row['mean']:.2f}, 95 % {row['p95']:.2f} {row['unit']}"
        for what, label in (("mean_abs", "mean of each element"), ("spread", "spread of the truth")):
            words += f"; {label} " + ", ".join(f"{value:.3g}" for value in row["elements"][what])
        facts.append((f"error of {name}", words))
    for company, rows in results.get("errors_by_company", {}).items():
        words = "; ".join(f"{name} {row['median']:.2f} {row['unit']}" for name, row in rows.items())
        facts.append((f"median error, {company.replace('_', ' ')}", words))
    return [*facts, *made_facts(run)]
