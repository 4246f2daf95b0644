"""What the pages of DexCompose say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sleight_training.reproduce.dexcompose.collect import Results
from sleight_training.reproduce.dexcompose.figures import paper_figures
from sleight_training.reproduce.dexcompose.jobs import HEURISTIC, method_name, pair_name
from sleight_training.reproduce.dexcompose.preset import Preset
from sleight_training.reproduce.dexcompose.tables import ALL, paper_tables
from sleight_training.reproduce.page import Content
from sleight_training.reproduce.store import Status

_ABOUT = (
    "A rollout succeeds when the first skill's object is held at every step and the second skill's interaction is "
    "done. Rates are means over all rollouts with the Wilson 95 % interval; '±' is the standard deviation over seeds. "
    "The paper's tasks are in Isaac Lab with demonstrations by people; ours are in MuJoCo with scripted ones, sizes "
    "and thresholds of our own. DexCompose is judged by its exported bundles, the others by the trained policies."
)


def dexcompose_content(preset: Preset, out: Path, statuses: Mapping[str, Status]) -> Content:
    """Gather tables and figures from what is done.

    Args:
        preset: What is reproduced.
        out: The results folder.
        statuses: Where each job stands.
    """
    results = Results(out, [name for name, status in statuses.items() if status == "done"])
    pairs = {
        pair_name(pair): {
            method_name(method): row.model_dump(mode="json")
            for method in (*ALL, HEURISTIC)
            if (row := results.pair(pair, method))
        }
        for pair in preset.pairs
    }
    settings = (
        f"{len(preset.pairs)} pairs, {preset.seeds} seeds of {preset.rollouts} rollouts; training preset "
        f"{preset.training}; held states and finger use by {preset.states} skills"
    )
    return Content(
        paper="DexCompose",
        preset=preset,
        about=_ABOUT,
        settings=settings,
        tables=paper_tables(preset, results),
        figures=paper_figures(preset, results),
        test=preset.training == "smoke",
        more={"pairs": pairs},
    )
