"""Intervals for success rates and for means of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Args:
        successes: Number of successes.
        trials: Number of trials; with none the interval is (0, 1).
        z: Normal quantile (1.96 for 95 %).

    Returns:
        Lower and upper bound in [0, 1].
    """
    if trials <= 0:
        return 0.0, 1.0
    p = successes / trials
    centre = p + z * z / (2 * trials)
    spread = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mean_interval(values: Sequence[float], level: float = 0.95, draws: int = 10_000) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, the same at each call.

    Args:
        values: The sample; with less than two values the interval is infinite.
        level: Confidence level.
        draws: Resamples.

    Returns:
        Lower and upper bound.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return -math.inf, math.inf
    rows = np.random.default_rng(0).integers(0, len(sample), (draws, len(sample)))
    low, high = np.quantile(sample[rows].mean(axis=1), [0.5 - 0.5 * level, 0.5 + 0.5 * level])
    return float(low), float(high)
