"""Draws the fixed lists of `splits.json`: `python -m sleight_sim.objects.splitting FOLDER`.

Run once for a catalogue: the lists are part of the repository, so that every machine has the same objects in every
split. Work is kept in FOLDER category by category; a run that is interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from sleight_core.errors import SleightError

from sleight_sim.objects.catalogue import CATEGORIES
from sleight_sim.objects.scaled import MAX_LENGTH, SCALE_COUNTS, SCALES, misfit, scaled_object, unit_shape

#: Objects (shape and scale) of every split: the paper's numbers.
SPLIT_SIZES = {"train": 3200, "unseen_object": 141, "unseen_category": 100}
#: First shape of the objects that training never sees, of categories that it sees.
UNSEEN_FROM = 10_000
#: Share of the training shapes that come at two scales; the paper has 3,200 pairs of 2,145 meshes.
TWO_SCALES = 0.5
#: Categories with fewer objects than the others: their shapes differ by little more than size.
_WEIGHTS = {"sphere": 0.25, "egg": 0.5, "cylinder": 0.5, "can": 0.5}

Lists = dict[str, dict[str, dict[str, list[int]]]]


def quotas(split: str) -> dict[str, int]:
    """Return how many objects of each category a split holds."""
    names = [c.name for c in CATEGORIES.values() if c.unseen == (split == "unseen_category")]
    weights = np.array([_WEIGHTS.get(name, 1.0) for name in names])
    exact = SPLIT_SIZES[split] * weights / weights.sum()
    whole = np.floor(exact).astype(int)
    # What is left goes to the largest remainders; among equal ones to those whose name has the least hash.
    order = sorted(range(len(names)), key=lambda i: (-round(exact[i] - whole[i], 9), _hash(split, names[i])))
    for i in order[: SPLIT_SIZES[split] - int(whole.sum())]:
        whole[i] += 1
    return dict(zip(names, whole.tolist(), strict=True))


def draw(split: str, category: str, count: int) -> dict[str, list[int]]:
    """Return shape indices by scale ("0.06" ...) of the first `count` objects of a category that fit the hand.

    Raises:
        SleightError: if hardly any shape of the category fits.
    """
    found: dict[str, list[int]] = {}
    shares = np.array(SCALE_COUNTS) / sum(SCALE_COUNTS)
    start, missing = UNSEEN_FROM if split == "unseen_object" else 0, count
    for index in range(start, start + 40 * count + 100):
        rng = np.random.default_rng(_hash("scales", category, str(index)))
        several = rng.random() < TWO_SCALES and split != "unseen_object"
        for k in sorted(rng.choice(len(SCALES), size=2 if several else 1, replace=False, p=shares)):
            if missing and _fits(category, index, SCALES[k]):
                found.setdefault(f"{SCALES[k]:.2f}", []).append(index)
                missing -= 1
        if not missing:
            return dict(sorted(found.items()))
    raise SleightError("hardly any shape of this category fits the hand", value=category)


def _fits(category: str, index: int, scale: float) -> bool:
    pieces, _ = unit_shape(category, index)
    if np.ptp(pieces.reshape(-1, 3), axis=0).max() * scale > MAX_LENGTH:
        return False
    try:
        return misfit(scaled_object(category, index, scale)) is None
    except SleightError:  # too tall in every resting pose
        return False


def _hash(*words: str) -> int:
    return int.from_bytes(hashlib.sha256(" ".join(words).encode()).digest()[:8], "big")


def main(folder: Path) -> None:
    """Draw all lists and write `splits.json` beside this file."""
    folder.mkdir(parents=True, exist_ok=True)
    lists: Lists = {}
    for split in SPLIT_SIZES:
        for category, count in quotas(split).items():
            done = folder / f"{split}-{category}.json"
            if not done.is_file():
                part = done.with_suffix(".part")
                part.write_text(json.dumps(draw(split, category, count)))
                part.replace(done)
            lists.setdefault(split, {})[category] = json.loads(done.read_text())
            print(split, category, {scale: len(found) for scale, found in lists[split][category].items()}, flush=True)
    text = ",\n".join(
        f'"{split}": {{\n'
        + ",\n".join(f"  {json.dumps(category)}: {json.dumps(found)}" for category, found in categories.items())
        + "\n}"
        for split, categories in lists.items()
    )
    Path(__file__).with_name("splits.json").write_text(f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
