"""Figure 3 of the DexCompose paper, its failure modes, and success against sampling steps, as inline pictures."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from sleight_training.compose.residual.outcomes import Outcome
from sleight_training.report import picture
from sleight_training.reproduce.dexcompose.collect import Results
from sleight_training.reproduce.dexcompose.preset import Preset
from sleight_training.reproduce.dexcompose.tables import ALL, title
from sleight_training.reproduce.table import NOT_RUN

_MISSING = f'<p class="missing">{NOT_RUN}</p>'


def paper_figures(preset: Preset, results: Results) -> list[tuple[str, str]]:
    """Return heading and HTML of each figure."""
    return [
        ("Figure 3: preservation against composite success", _preservation(preset, results) or _MISSING),
        ("How rollouts end", _failures(preset, results) or _MISSING),
        ("Success against sampling steps", _steps(preset, results) or _MISSING),
    ]


def _preservation(preset: Preset, results: Results) -> str:
    figure = Figure(figsize=(6.2, 4.4))
    axes = figure.subplots()
    drawn = False
    for method in ALL:
        points = []
        for pair in preset.pairs:
            ratios = results.kept_first([pair], method), results.kept_second([pair], method)
            success = results.composite([pair], method)
            if success and ratios[0] and ratios[1]:
                points.append(((ratios[0].value + ratios[1].value) / 2, success.rate))
        if not points:
            continue
        drawn = True
        at = np.array(points)
        dots = axes.scatter(at[:, 0], at[:, 1], s=9, alpha=0.4)
        axes.scatter(*at.mean(axis=0), s=60, color=dots.get_facecolor()[0], alpha=1.0, label=title(method))
    if not drawn:
        return ""
    axes.set(ylim=(-0.02, 1.02), xlabel="mean preservation of both skills", ylabel="composite success")
    axes.legend(fontsize=7)
    return picture(figure, "preservation against composite success; small: pairs, large: their mean")


def _failures(preset: Preset, results: Results) -> str:
    judged = [method for method in ALL if results.rows(preset.pairs, method)]
    if not judged:
        return ""
    figure = Figure(figsize=(9.5, 0.6 + 0.34 * len(judged)))
    axes = figure.subplots()
    left = np.zeros(len(judged))
    for mode in Outcome:
        shares = []
        for method in judged:
            rows = results.rows(preset.pairs, method)
            ended = [
                row.success * row.episodes if mode == Outcome.SUCCESS else row.failures.get(mode, 0) for row in rows
            ]
            shares.append(sum(ended) / sum(row.episodes for row in rows))
        axes.barh([title(method) for method in judged], shares, left=left, label=mode.value)
        left += np.array(shares)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of rollouts")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return picture(figure, "how rollouts end, by method")


def _steps(preset: Preset, results: Results) -> str:
    found = {task: skill for task in (*preset.firsts, *preset.seconds) if (skill := results.skill(task))}
    if not found:
        return ""
    figure = Figure(figsize=(6.2, 3.6))
    axes = figure.subplots()
    for task, skill in found.items():
        rates = [row.successes / row.episodes for row in skill.rows]
        axes.plot([row.steps for row in skill.rows], rates, marker="o", label=f"{task} (chosen: {skill.steps})")
    axes.set(ylim=(-0.02, 1.02), xscale="log", xlabel="DDIM steps", ylabel="success")
    axes.set_xticks(preset.sample_steps, [str(count) for count in preset.sample_steps], minor=False)
    axes.legend(fontsize=7)
    return picture(figure, "success of skills against the steps of their samplers")
