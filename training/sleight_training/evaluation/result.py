"""The results folder of an evaluation: results.json, a plot, a video and the page that shows them."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from sleight_core.bundle import Bundle
from sleight_core.errors import SleightError

from sleight_training.evaluation.grasp import GraspScore, record_episodes
from sleight_training.report import page, picture, table


def result_dict(score: GraspScore, bundle: Bundle, **conditions: Any) -> dict[str, Any]:
    """Return what `--json` writes: the total's rates, and the same by object and by family."""
    return {
        **score.total.row(),
        **score.watch.row(),
        **({"arm_touched": score.touched} if bundle.manifest.hand.wrist_mode == "arm" else {}),
        "bundle": str(bundle.path),
        "bundle_sha256": bundle.sha256,
        **conditions,
        "per_family": {name: tally.row() for name, tally in score.per_family.items()},
        "per_object": {name: tally.row() for name, tally in score.per_object.items()},
    }


def write_results(folder: Path, result: dict[str, Any], bundle: Bundle, *, seed: int, mesh_scale: float) -> Path:
    """Write the results folder; returns the path of its page.

    Raises:
        SleightError: The folder cannot be written.
    """
    from matplotlib.figure import Figure

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SleightError("the results folder cannot be written", value=folder, remedy=str(error.strerror)) from error
    rows = sorted(result["per_family"].items(), key=lambda row: -row[1]["held_success"])
    figure = Figure(figsize=(8, 0.6 + 0.35 * len(rows)))
    axes = figure.subplots()
    rates = [row["held_success"] for _, row in rows]
    errors = [[rate - row["ci95"][0] for rate, (_, row) in zip(rates, rows, strict=True)],
              [row["ci95"][1] - rate for rate, (_, row) in zip(rates, rows, strict=True)]]  # fmt: skip
    axes.barh([name for name, _ in rows], rates, xerr=errors, color="#4c78a8", ecolor="#444", capsize=3)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="held success, 95 % interval")
    low, high = result["ci95"]
    facts = [
        ("bundle", bundle.id),
        ("objects", str(result["objects"])),
        ("held success", f"{result['held_success']:.1%} ({low:.1%} - {high:.1%})"),
        ("ever within 5 cm", f"{result['ever_success']:.1%}"),
        ("episodes, seed", f"{result['episodes']}, {result['seed']}"),
        ("perception, physics, engine", f"{result['perception']}, {result['physics']}, {result['engine']}"),
        ("command", str(result["command"])),
    ]
    body = table(facts) + picture(figure, "held success by family")
    video = folder / "episodes.mp4"
    note = record_episodes(bundle, str(result["objects"]), video, seed=seed, mesh_scale=mesh_scale)
    if note:
        body += f"<p>No video: {html.escape(note)}</p>"
    else:
        body += f'<h2>First episodes</h2><video controls loop muted width="640" src="{video.name}"></video>'
    path = folder / "index.html"
    path.write_text(page(f"Evaluation of {bundle.manifest.name}", body), encoding="utf-8")
    return path
