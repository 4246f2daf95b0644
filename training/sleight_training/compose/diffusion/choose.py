"""Which number of DDIM steps a finished skill samples with: measured success decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sleight_training.compose.diffusion.page import RESULTS, result_rows
from sleight_training.compose.diffusion.skill import POLICY, read_policy, round_weights, steps_table, write_policy
from sleight_training.compose.diffusion.training import EVALUATION_SEED
from sleight_training.compose.horizon import SkillResult
from sleight_training.reproduce.store import write_text

#: Success that may be given up for a shorter sampler: one point of a hundred [own].
TOLERANCE = 0.01


def choose_steps(results: Mapping[int, SkillResult], tolerance: float = TOLERANCE) -> int:
    """Return the fewest steps whose success is as good as the best, but for the tolerance.

    Args:
        results: Success by number of DDIM steps, over the same episodes.
        tolerance: Success rate that may be lost, 0 to 1.
    """
    best = max(result.rate for result in results.values())
    return min(steps for steps, result in results.items() if result.rate >= best - tolerance)


def measure_skill(run: Path, out: Path, steps: Sequence[int], episodes: int) -> tuple[int, dict[int, SkillResult]]:
    """Measure a skill with several numbers of DDIM steps, and write it with the chosen one.

    Its weights are rounded to 16 bits before, so what is measured is what is written, exported and deployed.

    `out` then holds `policy.safetensors`, which is loaded and exported with those steps unless told otherwise, and
    `results.json` (`task`, `steps`: the chosen number, `rows`: a result for each).

    Args:
        run: A run of `sleight train skill`, or its policy file.
        out: Folder to write to.
        steps: Numbers of DDIM steps.
        episodes: Episodes of each, the same ones; none of them is a demonstration's.

    Returns:
        The chosen number, and all results.

    Raises:
        SleightError: There is no such skill, or it has no so many steps.
    """
    trained, policy = read_policy(run / POLICY if run.is_dir() else run)
    round_weights(policy)
    results = steps_table(trained, policy, sorted(set(steps)), episodes, EVALUATION_SEED + trained.seed)
    chosen = choose_steps(results)
    noise = trained.noise.model_copy(update={"sample_steps": chosen})
    out.mkdir(parents=True, exist_ok=True)
    write_policy(out / POLICY, trained.model_copy(update={"noise": noise}), policy, {})
    data = {"task": trained.task.name, "steps": chosen, "rows": result_rows(results)}
    write_text(out / RESULTS, json.dumps(data, indent=1) + "\n")
    return chosen, results
