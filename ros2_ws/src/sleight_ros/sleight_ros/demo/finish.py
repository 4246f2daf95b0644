"""After the run: figures, video, page."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sleight_ros.demo.analysis import analyse
from sleight_ros.demo.page import write_page
from sleight_ros.demo.runner import DemoRun, DemoSettings
from sleight_ros.demo.score import Check, checks, results


@dataclass
class Outcome:
    """What the demo ends with.

    Attributes:
        page: The page.
        figures: The content of ``results.json``.
        checks: Every figure with its bound.
        passed: No gating figure was missed.
    """

    page: Path
    figures: dict[str, Any]
    checks: list[Check]
    passed: bool


def finish(
    settings: DemoSettings,
    run: DemoRun,
    film: Callable[[DemoSettings, DemoRun], tuple[Path | None, str]] | None,
    command: str,
    report: Callable[[str, int], None],
    *,
    gate_success: bool = True,
) -> Outcome:
    """Read the bag, film, and write ``results.json`` and ``index.html``."""
    manifest = run.bundle.manifest
    period = manifest.control.period
    analysis = analyse(settings.out / "bag", run.table, period=period, restarts=run.activations)
    found = checks(run.episodes, settings.episodes, analysis, period, gate_success=gate_success)
    figures = results(
        run.episodes,
        analysis,
        found,
        period,
        bundle=run.bundle.id,
        bundle_sha256=run.bundle.sha256,
        seed=settings.seed,
        command=command,
        graph_wall_time_s=run.wall_time,
    )
    (settings.out / "results.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    video, note = None, "Not filmed, as asked."
    if film is not None:
        report("filming", settings.episodes)
        video, note = film(settings, run)
    page = settings.out / "index.html"
    recorded = sum(analysis.counts.values())
    write_page(
        page,
        title="Grasping through ROS 2",
        summary=(
            f"{len(run.episodes)} grasps by a simulated {run.table.title} in {run.wall_time:.0f} s of real time. "
            "Simulation, perception, policy and hand bridge ran as processes of their own over DDS; the policy took "
            "the object's position from the point cloud of simulated depth cameras, never from the simulator."
        ),
        episodes=run.episodes,
        found=found,
        figures=figures,
        analysis=analysis,
        table=run.table,
        goal_height=manifest.task.goal[2] - _TABLE_HEIGHT,
        radius=manifest.task.success_radius,
        video=video,
        video_note=note,
        facts=[
            ("command", command),
            ("bundle", run.bundle.id),
            ("trained", f"{manifest.training.algorithm} {manifest.training.preset}, {manifest.training.steps} steps"),
            (
                "recording",
                f"bag/ (MCAP, {recorded} messages without the clouds); trajectories/ (truth, one file an episode)",
            ),
            ("machine", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        ],
    )
    return Outcome(page, figures, found, bool(figures["passed"]))


#: Height of the table's top in the task frame, m (docs/design.md).
_TABLE_HEIGHT = 0.6
