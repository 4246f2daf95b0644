"""The paper's Figures 2 to 6 of what has been run, as inline pictures."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sleight_training.report import picture
from sleight_training.reproduce.resdex.appendix import leap_shown
from sleight_training.reproduce.resdex.collect import Results
from sleight_training.reproduce.resdex.jobs import SHOWN, Preset
from sleight_training.reproduce.resdex.tables import SINGLE
from sleight_training.reproduce.table import NOT_RUN

_MISSING = f'<p class="missing">{NOT_RUN}</p>'


def paper_figures(preset: Preset, results: Results, out: Path) -> list[tuple[str, str]]:
    """Return heading and HTML of each figure.

    Args:
        preset: What is reproduced.
        results: The evaluations.
        out: The results folder, where the pictures of grasps are.
    """
    by_k = {f"k = {k}": _shown_policy(preset, k) for k in preset.ks}
    figure_4 = ("Figure 4: grasps of a LEAP Hand on an arm", _grasps(leap_shown(preset), results, out) or _MISSING)
    return [
        ("Figure 2: single-object policies on all training objects", _figure_2(preset, results) or _MISSING),
        ("Figure 3: grasps by number of base policies", _grasps(by_k, results, out) or _MISSING),
        *((figure_4,) if preset.leap_k else ()),
        ("Figure 5: how much each base policy is used", _figure_5(preset, results) or _MISSING),
        ("Figure 6: weights along an episode", _figure_6(preset, results) or _MISSING),
    ]


def _shown_policy(preset: Preset, k: int) -> str:
    return f"hyper_k{k}_s{preset.seeds[0]}_stage2"


def _figure_2(preset: Preset, results: Results) -> str:
    figure = Figure(figsize=(1.5 + 1.3 * max(preset.single, 1), 3.4))
    axes = figure.subplots()
    drawn = False
    for row, (label, prefix) in enumerate(SINGLE.items()):
        cells = [results.cell([f"{prefix}{i}"], "train") for i in range(preset.single)]
        at = [i + 0.27 * (row - 1) for i, cell in enumerate(cells) if cell]
        found = [cell for cell in cells if cell]
        if not found:
            continue
        drawn = True
        rates = np.array([cell.ever for cell in found])
        bars = np.abs(np.array([cell.ever_ci for cell in found]).T - rates)
        axes.bar(at, rates, 0.25, yerr=bars, capsize=2, label=label)
    if not drawn:
        return ""
    axes.set(ylim=(0, 1), ylabel="ever at the goal, 95 % interval", xticks=range(preset.single))
    axes.set_xticklabels([f"object {i}" for i in range(preset.single)])
    axes.legend(fontsize=7)
    return picture(figure, "success of single-object policies on the training objects")


def _grasps(shown: dict[str, str], results: Results, out: Path) -> str:
    """Return pictures of grasps, a row for each policy, by its label."""
    rows = ""
    for label, policy in shown.items():
        files = sorted((out / "pictures" / policy).glob("*.png")) if results.result(policy, SHOWN) else []
        if not files:
            rows += f"<tr><th>{label}</th><td>{_MISSING}</td></tr>"
            continue
        images = "".join(f"<td>{_inline(file)}</td>" for file in files)
        rows += f"<tr><th>{label}</th>{images}</tr>"
    return f"<table>{rows}</table>" if "<img" in rows else ""


def _figure_5(preset: Preset, results: Results) -> str:
    found = {k: weights["mean"] for k in preset.ks if (weights := results.weights(_shown_policy(preset, k)))}
    if not found:
        return ""
    figure = Figure(figsize=(2.4 * len(found) + 0.6, 2.6))
    for axes, (k, mean) in zip(np.atleast_1d(figure.subplots(1, len(found), sharey=True)), found.items(), strict=True):
        # As the paper draws it: the largest sum is 1. Weights of l1 and l2 may be negative.
        axes.bar(range(1, len(mean) + 1), np.array(mean) / max(np.abs(mean).max(), 1e-9))
        axes.set(title=f"k = {k}", xticks=range(1, len(mean) + 1), xlabel="base policy")
    figure.tight_layout()
    return picture(figure, "sum of the weights of each base policy, the largest 1")


def _figure_6(preset: Preset, results: Results) -> str:
    k = max(preset.ks)
    weights = results.weights(_shown_policy(preset, k), SHOWN)
    if not weights or not weights["traces"]:
        return ""
    traces = weights["traces"]
    figure = Figure(figsize=(3.2 * len(traces) + 0.6, 2.8))
    panels = np.atleast_1d(figure.subplots(1, len(traces), sharey=True))
    for axes, (name, steps) in zip(panels, traces.items(), strict=True):
        for i, line in enumerate(np.array(steps).T):
            axes.plot(line, label=f"base policy {i + 1}")
        axes.set(title=name.removeprefix("household:"), xlabel="control step")
    panels[0].legend(fontsize=7)
    figure.tight_layout()
    return picture(figure, f"weights of {k} base policies along episodes")


def _inline(file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{html.escape(file.stem)}" width="200" src="data:image/png;base64,{data}">'
