"""What the evaluations found, gathered over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sleight_core.statistics import wilson_interval

from sleight_training.reproduce.resdex.jobs import result_file
from sleight_training.reproduce.table import percent


class Gathered:
    """Something over several policies, of which some may not be judged yet."""

    found: int
    wanted: int

    @property
    def complete(self) -> bool:
        """Whether all of its policies are judged."""
        return self.found == self.wanted

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**self.__dict__}


@dataclass(frozen=True)
class Cell(Gathered):
    """A success rate over one or several policies that differ in their seed.

    Attributes:
        ever: Rate of episodes with the object ever within 5 cm of the goal: the paper's success.
        held: Rate of those that hold it there at the end: ours.
        ever_ci, held_ci: Wilson 95 % intervals over all episodes.
        ever_range, held_range: Smallest and largest rate of a policy.
        episodes: Of all policies.
        found, wanted: Policies that are in it, and that are to be.
        touched: Episodes in which an arm touched the table or the robot itself; None without an arm.
    """

    ever: float
    held: float
    ever_ci: tuple[float, float]
    held_ci: tuple[float, float]
    ever_range: tuple[float, float]
    held_range: tuple[float, float]
    episodes: int
    found: int
    wanted: int
    touched: int | None = None

    def text(self) -> str:
        """Say it in a line."""
        low, high = self.ever_ci
        seeds = [percent(end) for end in self.ever_range]
        spread = f", seeds {seeds[0]} to {seeds[1]}" if self.found > 1 else ""
        held = f"held {percent(self.held)} ({percent(self.held_ci[0])} to {percent(self.held_ci[1])})"
        first = f"ours {percent(self.ever)} ({percent(low)} to {percent(high)}{spread})"
        arm = "" if self.touched is None else f", the arm touched in {self.touched}"
        return f"{first}, {held}, n {self.episodes}{arm}{_seeds(self)}"


@dataclass(frozen=True)
class Distance(Gathered):
    """D over one or several policies.

    Attributes:
        mean: Over the policies.
        range: Smallest and largest of a policy.
        episodes: Of all policies.
        found, wanted: Policies that are in it, and that are to be.
    """

    mean: float
    range: tuple[float, float]
    episodes: int
    found: int
    wanted: int

    def text(self) -> str:
        """Say it in a line."""
        spread = f" ({self.range[0]:.1f} to {self.range[1]:.1f})" if self.found > 1 else ""
        return f"ours {self.mean:.1f}{spread}, n {self.episodes}{_seeds(self)}"


class Results:
    """The evaluations in a results folder that can be read and count.

    Args:
        out: The folder.
        counts: Whether a policy's evaluation belongs to what is reproduced now; others are left out.
    """

    def __init__(self, out: Path, counts: Iterable[str]) -> None:
        self.out = out
        self._counts = set(counts)
        self._read: dict[tuple[str, str], dict[str, Any] | None] = {}

    def result(self, policy: str, column: str) -> dict[str, Any] | None:
        """Return what `sleight eval` wrote of a policy on a set; None if it is not there or damaged."""
        key = (policy, column)
        if key not in self._read:
            self._read[key] = _result(self.out / result_file(policy, column)) if policy in self._counts else None
        return self._read[key]

    def cell(self, policies: Sequence[str], column: str) -> Cell | None:
        """Return the success of policies, or None if none of them is judged yet."""
        return _cell(self._rows(policies, column), len(policies))

    def objects(self, policies: Sequence[str], column: str) -> set[str]:
        """Return the names of the objects with which policies were judged on a set."""
        return {name for row in self._rows(policies, column) for name in row.get("per_object", {})}

    def object_cell(self, policies: Sequence[str], column: str, name: str) -> Cell | None:
        """Return the success of policies with one object of a set, or None if none of them is judged with it yet."""
        rows = [row["per_object"][name] for row in self._rows(policies, column) if name in row.get("per_object", {})]
        return _cell(rows, len(policies))

    def distance(self, policies: Sequence[str], column: str) -> Distance | None:
        """Return how far the grasps of policies are from proposals, or None if that was not measured."""
        rows = self._rows(policies, column)
        parts = [row["grasp_distance"] for row in rows if "grasp_distance" in row]
        if not parts:
            return None
        values = [float(part["D"]) for part in parts]
        episodes = sum(int(part["episodes"]) for part in parts)
        return Distance(sum(values) / len(values), (min(values), max(values)), episodes, len(parts), len(policies))

    def weights(self, policy: str, column: str = "train") -> dict[str, Any] | None:
        """Return a mixture's mean weights and their traces along episodes."""
        row = self.result(policy, column)
        return row.get("expert_weights") if row else None

    def _rows(self, policies: Sequence[str], column: str) -> list[dict[str, Any]]:
        return [row for row in (self.result(policy, column) for policy in policies) if row]


def _cell(rows: Sequence[dict[str, Any]], wanted: int) -> Cell | None:
    """Return the success over what several evaluations found, or None for none."""
    if not rows:
        return None
    episodes = sum(row["episodes"] for row in rows)
    figures: dict[str, Any] = {}
    for name in ("ever", "held"):
        rates = [row[f"{name}_success"] for row in rows]
        successes = sum(round(rate * row["episodes"]) for rate, row in zip(rates, rows, strict=True))
        figures |= {
            name: sum(rates) / len(rates),
            f"{name}_ci": wilson_interval(successes, episodes),
            f"{name}_range": (min(rates), max(rates)),
        }
    touched = [int(row["arm_touched"]) for row in rows if "arm_touched" in row]
    figures["touched"] = sum(touched) if touched else None
    return Cell(**figures, episodes=episodes, found=len(rows), wanted=wanted)


def _seeds(ours: Cell | Distance) -> str:
    return "" if ours.complete else f", {ours.found} of {ours.wanted} seeds"


def _result(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        rates = [float(data["held_success"]), float(data["ever_success"])]
        whole = int(data["episodes"]) > 0 and all(math.isfinite(rate) and 0.0 <= rate <= 1.0 for rate in rates)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return data if whole else None
