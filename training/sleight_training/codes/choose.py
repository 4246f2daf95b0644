"""The objects that base policies learn on: those nearest the centres of clusters of object codes (ResDex 4.4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sleight_core.errors import SleightError

#: Numbers of base policies that the paper compares.
COUNTS = range(1, 7)
#: The choice that the repository keeps.
CHOSEN = Path(__file__).with_name("chosen.json")
_STARTS = 10


def cluster_objects(codes: NDArray[np.floating], names: Sequence[str], k: int, seed: int = 0) -> list[dict[str, Any]]:
    """Divide objects into k clusters and take of each the object nearest its centre.

    Args:
        codes: (N, 64), N >= k.
        names: Names of the N objects.
        k: Number of clusters.
        seed: Seed of the starts.

    Returns:
        The cluster's "object", its "size" and the object's "distance" to the centre; the largest cluster first.

    Raises:
        SleightError: There are fewer objects than clusters.
    """
    if not 1 <= k <= len(names):
        raise SleightError("more clusters than objects", value=f"{k} of {len(names)}", remedy="give more objects")
    data = np.asarray(codes, dtype=np.float64)
    means = KMeans(n_clusters=k, n_init=_STARTS, random_state=seed).fit(data)  # type: ignore[arg-type]  # also a number
    rows = []
    for cluster in range(k):
        members = np.flatnonzero(means.labels_ == cluster)
        distance = np.linalg.norm(data[members] - means.cluster_centers_[cluster], axis=1)
        best = int(np.argmin(distance))
        row = {"object": names[members[best]], "size": len(members), "distance": round(float(distance[best]), 4)}
        rows.append(row)
    return sorted(rows, key=lambda row: (-row["size"], row["object"]))


def choose_objects(codes: NDArray[np.floating], names: Sequence[str], seed: int = 0, **about: Any) -> dict[str, Any]:
    """Return the choice for each k of `COUNTS` that the objects allow, with what it was made of, ready for JSON."""
    counts = [k for k in COUNTS if k <= len(names)]
    return {**about, "seed": seed, "k": {str(k): cluster_objects(codes, names, k, seed) for k in counts}}


def chosen_object(k: int, index: int, path: Path = CHOSEN) -> str:
    """Return the name of the object that base policy `index` (from 0) of `k` learns on.

    Raises:
        SleightError: There is no such choice, or it cannot be read.
    """
    remedy = "make one with 'sleight train codes --choose FILE'"
    try:
        choices = {
            int(key): [str(row["object"]) for row in rows] for key, rows in json.loads(path.read_text())["k"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SleightError("the choice of objects cannot be read", value=path, remedy=remedy) from error
    if k not in choices:
        raise SleightError(
            "no objects are chosen for this number of base policies", value=k, remedy=f"one of {sorted(choices)}"
        )
    if not 0 <= index < len(choices[k]):
        raise SleightError(f"of {k} base policies there is none of this index", value=index, remedy=f"0 to {k - 1}")
    return choices[k][index]
