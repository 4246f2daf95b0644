"""From episodes and a bag to the demo's figures and its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sleight_core.statistics import wilson_interval

from sleight_ros.demo.analysis import Analysis
from sleight_ros.figures import histogram, percentiles

#: What the demo must reach.
MIN_HELD = 0.80
MAX_PERIOD_ERROR = 0.10  # of the period, 99th percentile
MAX_LATENCY = 0.010  # s, 99th percentile


@dataclass
class Episode:
    """One finished episode.

    Attributes:
        number: Episode of the simulation.
        name, family: The object.
        held: Held at the goal at the end.
        done: It came to its end.
        note: What went wrong on the way, "" when nothing did.
    """

    number: int
    name: str
    family: str
    held: bool
    done: bool
    note: str = ""


@dataclass(frozen=True)
class Check:
    """A figure with its bound.

    Attributes:
        gates: Whether missing the bound fails the demo; the others are reported.
    """

    name: str
    value: str
    bound: str
    good: bool
    gates: bool = True


def success_rows(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Held success for each family, best first, and in all."""
    families = sorted({e.family for e in episodes})
    rows = []
    for family in [*families, "all"]:
        mine = [e for e in episodes if family in ("all", e.family)]
        held = sum(e.held for e in mine)
        low, high = wilson_interval(held, len(mine))
        share = held / len(mine) if mine else 0.0
        rows.append({"family": family, "episodes": len(mine), "held": held, "held_success": share, "ci95": [low, high]})
    return sorted(rows[:-1], key=lambda row: (-row["held_success"], row["family"])) + rows[-1:]


def checks(
    episodes: Sequence[Episode], wanted: int, analysis: Analysis, period: float, *, gate_success: bool
) -> list[Check]:
    """Compare everything with its bound."""
    held = sum(e.held for e in episodes)
    low, high = wilson_interval(held, len(episodes))
    share = held / len(episodes) if episodes else 0.0
    error = percentiles(abs(analysis.periods - period) / period)["p99"]
    latency = percentiles(analysis.latencies)["p99"]
    unsafe = len(analysis.joints.violations) + len(analysis.twists.violations)
    complete = sum(e.done for e in episodes)
    return [
        Check("episodes completed", f"{complete} of {wanted}", f"{wanted}", complete == wanted),
        Check(
            "held success",
            f"{share:.0%} ({held} of {len(episodes)}; 95 %: {low:.0%} to {high:.0%})",
            f"at least {MIN_HELD:.0%}" if gate_success else "reported",
            share >= MIN_HELD or not gate_success,
            gate_success,
        ),
        Check(
            "unsafe outputs",
            f"{unsafe} of {analysis.joints.messages + analysis.twists.messages} messages",
            "0",
            unsafe == 0 and analysis.joints.messages > 0,
        ),
        Check(
            "period error, p99",
            "no data" if math.isnan(error) else f"{error:.1%} of {1e3 * period:.2f} ms",
            f"at most {MAX_PERIOD_ERROR:.0%}",
            error <= MAX_PERIOD_ERROR,
            False,
        ),
        Check(
            "joint state to command, p99",
            "no data" if math.isnan(latency) else f"{1e3 * latency:.2f} ms",
            f"at most {1e3 * MAX_LATENCY:.0f} ms",
            latency <= MAX_LATENCY,
            False,
        ),
    ]


def results(
    episodes: Sequence[Episode], analysis: Analysis, found: Sequence[Check], period: float, **more: Any
) -> dict[str, Any]:
    """The content of ``results.json``."""
    rows = success_rows(episodes)
    everything = rows[-1]
    return {
        "held_success": everything["held_success"],
        "ci95": everything["ci95"],
        "episodes": everything["episodes"],
        "per_family": {row["family"]: row for row in rows[:-1]},
        "per_episode": [vars(e) for e in episodes],
        "checks": [vars(c) for c in found],
        "passed": all(c.good for c in found if c.gates),
        "control": {
            "period_s": period,
            "period_error_s": percentiles(abs(analysis.periods - period)),
            "period_error_histogram_ms": histogram(
                1e3 * (analysis.periods - period), [-8, -4, -2, -1.67, -1, -0.5, -0.2, 0.2, 0.5, 1, 1.67, 2, 4, 8]
            ),
            "simulation_period_error_s": percentiles(abs(analysis.sim_periods - period)),
            "joint_state_to_command_s": percentiles(analysis.latencies),
            "joint_state_to_command_histogram_ms": histogram(
                1e3 * analysis.latencies, [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20]
            ),
            "policy_tick_s": percentiles(analysis.tick_times),
            "inference_s": percentiles(analysis.inference_times),
            "perception_s": percentiles(analysis.perception_times),
            "object_age_s": percentiles(analysis.object_ages),
            "overruns": analysis.overruns,
            "holds_during_episodes": analysis.holds,
        },
        "safety": {
            "messages": analysis.joints.messages + analysis.twists.messages,
            "violations": (analysis.joints.violations + analysis.twists.violations)[:50],
        },
        "recorded": analysis.counts,
        "lost_in_recording": analysis.lost,
        **more,
    }
