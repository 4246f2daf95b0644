"""The demo page's figures, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from sleight_ros.demo.analysis import Analysis, EpisodeTrace

_INK, _GOOD, _BAD, _MUTED = "#22313f", "#2a7f4f", "#b5382f", "#8a97a3"


def _figure(width: float = 7.2, height: float = 2.9) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": _MUTED,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "svg.fonttype": "none",
        }
    )
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib.pyplot as plt

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def heights(traces: Sequence[tuple[EpisodeTrace, bool]], goal_height: float, radius: float) -> str:
    """Height of the object over the table in every episode."""
    figure, axes = _figure()
    axes.axhspan(100 * (goal_height - radius), 100 * (goal_height + radius), color=_GOOD, alpha=0.10, lw=0)
    axes.axhline(100 * goal_height, color=_GOOD, lw=0.8, ls="--")
    for trace, held in traces:
        axes.plot(trace.object_time, 100 * trace.object_height, color=_GOOD if held else _BAD, lw=0.9, alpha=0.75)
    axes.set_xlabel("time since the first command (s)")
    axes.set_ylabel("object over the table (cm)")
    axes.set_ylim(bottom=0)
    return _svg(figure)


def commands(trace: EpisodeTrace, joint_names: Sequence[str]) -> str:
    """What was sent in one episode: wrist velocity and joint targets."""
    figure, axes = _figure(7.2, 3.4)
    import matplotlib.pyplot as plt

    plt.close(figure)
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(7.2, 4.0), sharex=True, layout="constrained")
    for i, label in enumerate(("x", "y", "z")):
        upper.plot(trace.command_time, trace.twist[:, i], lw=1.0, label=label)
    upper.set_ylabel("wrist (m/s)")
    upper.legend(frameon=False, ncols=3, fontsize=8)
    for i, name in enumerate(joint_names):
        lower.plot(trace.command_time, np.degrees(trace.targets[:, i]), lw=0.7, alpha=0.8, label=name)
    lower.set_ylabel("joint targets (degrees)")
    lower.set_xlabel("time since the first command (s)")
    return _svg(figure)


def timing(analysis: Analysis, period: float) -> str:
    """Distributions of the control period's error and of the latency."""
    import matplotlib.pyplot as plt

    figure, _ = _figure()
    plt.close(figure)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.9), layout="constrained")
    error = 1e3 * (analysis.periods - period)
    if error.size:
        span = max(2.5, float(np.percentile(np.abs(error), 99.5)))
        left.hist(np.clip(error, -span, span), bins=61, range=(-span, span), color=_INK)
        for side in (-100 * period, 100 * period):
            left.axvline(side, color=_GOOD, lw=0.9, ls="--")
    left.set_xlabel("period error (ms); dashed: 10 %")
    left.set_ylabel("commands")
    left.set_yscale("log")
    latency = 1e3 * analysis.latencies
    if latency.size:
        top = max(10.5, float(np.percentile(latency, 99.5)))
        right.hist(np.clip(latency, 0, top), bins=61, range=(0, top), color=_INK)
        right.axvline(10.0, color=_GOOD, lw=0.9, ls="--")
    right.set_xlabel("joint state to command (ms); dashed: 10 ms")
    right.set_yscale("log")
    return _svg(figure)


def ticks(analysis: Analysis) -> str:
    """How long each part of a tick takes."""
    figure, axes = _figure(7.2, 2.2)
    rows = [
        ("policy tick", 1e3 * analysis.tick_times),
        ("of it inference", 1e3 * analysis.inference_times),
        ("perception", 1e3 * analysis.perception_times),
    ]
    rows = [(name, values) for name, values in rows if len(values)]
    if rows:
        axes.boxplot(
            [values for _, values in rows],
            orientation="horizontal",
            whis=(1, 99),
            widths=0.6,
            flierprops={"marker": ".", "markersize": 2, "markeredgecolor": _MUTED},
            medianprops={"color": _GOOD},
        )
        axes.set_yticks(range(1, len(rows) + 1), [name for name, _ in rows])
    axes.set_xscale("log")
    axes.set_xlabel("ms; whiskers: 1 % and 99 %")
    return _svg(figure)
