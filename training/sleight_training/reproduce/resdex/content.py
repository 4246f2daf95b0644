"""What the pages of ResDex say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sleight_training.reproduce.page import Content
from sleight_training.reproduce.resdex.appendix import leap_table, scanned_table
from sleight_training.reproduce.resdex.collect import Results
from sleight_training.reproduce.resdex.figures import paper_figures
from sleight_training.reproduce.resdex.jobs import SCANNED, SETS, Preset, policies, zero_shot
from sleight_training.reproduce.resdex.scans import Scans
from sleight_training.reproduce.resdex.tables import paper_tables
from sleight_training.reproduce.store import Status

_ABOUT = (
    "Success is the paper's (the object is ever within 5 cm of the goal), as the mean over seeds with the Wilson 95 % "
    "interval over all episodes and the range over seeds; 'held' is ours: it is still there at the end. The paper's "
    "objects are DexGraspNet's, in Isaac Gym; ours are in MuJoCo, from the sets named below."
)


def resdex_content(preset: Preset, out: Path, statuses: Mapping[str, Status], scans: Scans | None = None) -> Content:
    """Gather tables and figures from the evaluations whose jobs are done.

    Args:
        preset: What is reproduced.
        out: The results folder.
        statuses: Where each job stands.
        scans: The scanned objects of B.1, if there are any.
    """
    done = [policy.name for policy in policies(preset) if statuses[f"eval_{policy.name}"] == "done"]
    results = Results(out, done)
    seen = [policy.name for policy in zero_shot(preset) if statuses.get(f"{SCANNED}_{policy.name}") == "done"]
    appendix = [scanned_table(preset, Results(out, seen), scans), leap_table(preset, results)]
    sets = ", ".join(f"{preset.objects[column]} ({preset.episodes[column]} episodes)" for column in SETS)
    numbers = f"k {', '.join(map(str, preset.ks))}; seeds {', '.join(map(str, preset.seeds))}"
    return Content(
        paper="ResDex",
        preset=preset,
        about=_ABOUT,
        settings=f"{numbers}; training preset {preset.training}; judged on {sets}",
        tables=[*paper_tables(preset, results), *(table for table in appendix if table)],
        figures=paper_figures(preset, results, out),
        test=preset.training == "smoke",
    )
