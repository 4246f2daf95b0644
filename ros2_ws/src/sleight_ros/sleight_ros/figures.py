"""Figures of a distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def percentiles(values: Sequence[float] | np.ndarray, shares: Sequence[float] = (50, 90, 99, 99.9)) -> dict[str, float]:
    """Percentiles by name (``p50``), with ``max`` and ``count``; NaN without values."""
    data = np.asarray(values, dtype=float)
    if data.size == 0:
        return {**{f"p{share:g}": float("nan") for share in shares}, "max": float("nan"), "count": 0}
    found = {f"p{share:g}": float(np.percentile(data, share)) for share in shares}
    return {**found, "max": float(data.max()), "count": int(data.size)}


def histogram(values: Sequence[float] | np.ndarray, edges: Sequence[float]) -> dict[str, list[float]]:
    """Counts between edges; the outer bins take what lies beyond them."""
    data = np.clip(np.asarray(values, dtype=float), edges[0], np.nextafter(edges[-1], edges[0]))
    counts, _ = np.histogram(data, bins=np.asarray(edges))
    return {"edges": [float(e) for e in edges], "counts": [int(c) for c in counts]}
