"""What skills, selectors and composed rollouts gave, read from the results folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sleight_core.statistics import wilson_interval

from sleight_training.compose.residual.methods import METHODS
from sleight_training.reproduce.dexcompose.jobs import (
    HEURISTIC,
    evaluation_file,
    evaluation_job,
    harness_method,
    mask_file,
    pair_name,
)
from sleight_training.reproduce.dexcompose.preset import Pair
from sleight_training.reproduce.table import percent

_Share = Annotated[float, Field(ge=0, le=1)]
_Model = TypeVar("_Model")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)


class PairRow(_File):
    """A row of `sleight compose eval` (see `PairScore.row`).

    Attributes:
        method: Its title.
        preserved_fingers: Of the first skill.
        episodes: Rollouts.
        success, retained, done: Shares of them: both, the object held throughout, the interaction done.
        seed_std: Standard deviation of the success over seeds.
        per_seed: Success by seed.
        failures: Rollouts by how they failed.
    """

    method: str
    preserved_fingers: tuple[str, ...]
    episodes: int = Field(ge=1)
    success: _Share
    retained: _Share
    done: _Share
    seed_std: float = Field(ge=0)
    per_seed: dict[str, float]
    failures: dict[str, int]


class StepsRow(_File):
    """Success of a skill with a number of DDIM steps."""

    steps: int = Field(ge=1)
    episodes: int = Field(ge=1)
    successes: int = Field(ge=0)


class SkillRow(_File):
    """What `sleight compose skill` found.

    Attributes:
        task: The task.
        steps: The chosen number of DDIM steps.
        rows: Success with each number.
    """

    task: str
    steps: int
    rows: tuple[StepsRow, ...] = Field(min_length=1)

    def at(self, steps: int) -> Share | None:
        """Success with a number of steps; None if that was not tried."""
        row = next((row for row in self.rows if row.steps == steps), None)
        return None if row is None else Share.of(row.successes, row.episodes)

    @property
    def chosen(self) -> Share | None:
        """Success with the chosen number."""
        return self.at(self.steps)


class ChoiceRow(_File):
    """A selected mask (see `choice_json`)."""

    preserved: tuple[str, ...]
    rollouts: int
    retention: _Share
    retention_ci95: tuple[float, float]
    clean_release: _Share
    clean_release_ci95: tuple[float, float]


_ROWS, _SKILL, _CHOICE = TypeAdapter(tuple[PairRow, ...]), TypeAdapter(SkillRow), TypeAdapter(ChoiceRow)


@dataclass(frozen=True)
class Share:
    """A share of rollouts, of one pair or of several.

    Attributes:
        rate: The share; of several pairs, which have equally many rollouts, the mean as well.
        ci: Wilson 95 % interval over all rollouts.
        episodes: Rollouts.
        spread: Standard deviation over seeds; None where that means nothing.
        found, wanted: Pairs that are in it, and that are to be.
    """

    rate: float
    ci: tuple[float, float]
    episodes: int
    spread: float | None = None
    found: int = 1
    wanted: int = 1

    @classmethod
    def of(cls, successes: int, episodes: int, **more: Any) -> Share:
        """The share of a count."""
        return cls(successes / episodes, wilson_interval(successes, episodes), episodes, **more)

    @property
    def complete(self) -> bool:
        """Whether all pairs are in it."""
        return self.found == self.wanted

    def text(self) -> str:
        """Say it in a line."""
        low, high = self.ci
        spread = "" if self.spread is None else f", ± {percent(self.spread)} over seeds"
        pairs = "" if self.complete else f", {self.found} of {self.wanted} pairs"
        return f"ours {percent(self.rate)} ({percent(low)} to {percent(high)}{spread}), n {self.episodes}{pairs}"

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**self.__dict__}


@dataclass(frozen=True)
class Ratio:
    """How much of a skill's success alone is left in compositions (Figure 3).

    Attributes:
        value: The ratio.
        ci: Wilson 95 % interval of the composed share, over the success alone, whose own error is not in it.
        episodes: Composed rollouts.
        alone: The success alone, mean over the pairs.
        found, wanted: Pairs.
    """

    value: float
    ci: tuple[float, float]
    episodes: int
    alone: float
    found: int
    wanted: int

    @property
    def complete(self) -> bool:
        """Whether all pairs are in it."""
        return self.found == self.wanted

    def text(self) -> str:
        """Say it in a line."""
        low, high = self.ci
        pairs = "" if self.complete else f", {self.found} of {self.wanted} pairs"
        alone = f"of {percent(self.alone)} % alone"
        return f"ours {self.value:.2f} ({low:.2f} to {high:.2f}) {alone}, n {self.episodes}{pairs}"

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**self.__dict__}


@dataclass(frozen=True)
class Note:
    """Something that is said in words.

    Attributes:
        words: The words.
        values: The same for JSON.
    """

    words: str
    values: dict[str, Any]
    complete: bool = True

    def text(self) -> str:
        """Return the words."""
        return self.words

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return self.values


class Results:
    """What can be read and counts in a results folder.

    Args:
        out: The folder.
        done: Jobs that are done with the present settings; results of others are left out.
    """

    def __init__(self, out: Path, done: Iterable[str]) -> None:
        self.out = out
        self._done = set(done)
        self._pairs: dict[tuple[Pair, str], PairRow | None] = {}

    def pair(self, pair: Pair, method: str) -> PairRow | None:
        """What a pair gave under a method, or with the heuristic mask; None if that was not run, or is damaged."""
        key = (pair, method)
        if key not in self._pairs:
            self._pairs[key] = self._pair(pair, method)
        return self._pairs[key]

    def composite(self, pairs: Sequence[Pair], method: str) -> Share | None:
        """Composite success over pairs, or None if none of them is judged."""
        rows = self.rows(pairs, method)
        # Over one seed it says nothing, and over pairs it would mix seeds with pairs.
        spread = rows[0].seed_std if len(pairs) == 1 and rows and len(rows[0].per_seed) > 1 else None
        return _pooled(rows, [row.success for row in rows], len(pairs), spread)

    def rows(self, pairs: Sequence[Pair], method: str) -> list[PairRow]:
        """The rows of those pairs that are judged."""
        return [row for row in (self.pair(pair, method) for pair in pairs) if row is not None]

    def kept_first(self, pairs: Sequence[Pair], method: str) -> Ratio | None:
        """Preservation of the first skill: rollouts start where it has succeeded, so alone it is 1."""
        rows = self.rows(pairs, method)
        share = _pooled(rows, [row.retained for row in rows], len(pairs))
        return None if share is None else _ratio(share, 1.0)

    def kept_second(self, pairs: Sequence[Pair], method: str) -> Ratio | None:
        """Preservation of the second skill, whatever became of the object; None where it never succeeds alone."""
        rows, alone = [], []
        for pair in pairs:
            row, skill = self.pair(pair, method), self.skill(pair[1])
            if row is not None and skill is not None and skill.chosen is not None:
                rows.append(row)
                alone.append(skill.chosen.rate)
        share = _pooled(rows, [row.done for row in rows], len(pairs))
        return None if share is None or not sum(alone) else _ratio(share, sum(alone) / len(alone))

    def failures(self, pairs: Sequence[Pair], method: str, mode: str) -> Share | None:
        """Share of all rollouts that ended in one way."""
        rows = self.rows(pairs, method)
        return _pooled(rows, [row.failures.get(mode, 0) / row.episodes for row in rows], len(pairs))

    def skill(self, task: str) -> SkillRow | None:
        """How a skill does alone; None if that was not measured."""
        if f"eval_skill_{task}" not in self._done:
            return None
        return _read(_SKILL, self.out / "skills" / task / "results.json")

    def choice(self, pair: Pair, selector: str) -> ChoiceRow | None:
        """The mask that a selector chose; None if it was not asked."""
        end = "_heuristic" if selector == HEURISTIC else ""
        if f"mask_{pair_name(pair)}{end}" not in self._done:
            return None
        return _read(_CHOICE, self.out / mask_file(pair, selector))

    def _pair(self, pair: Pair, method: str) -> PairRow | None:
        if evaluation_job(pair, method) not in self._done:
            return None
        rows = _read(_ROWS, self.out / evaluation_file(pair, method)) or ()
        title = METHODS[harness_method(method)].title
        return next((row for row in rows if row.method == title), None)


def _pooled(rows: Sequence[PairRow], shares: Sequence[float], wanted: int, spread: float | None = None) -> Share | None:
    if not rows:
        return None
    successes = sum(round(share * row.episodes) for share, row in zip(shares, rows, strict=True))
    episodes = sum(row.episodes for row in rows)
    return Share.of(successes, episodes, spread=spread, found=len(rows), wanted=wanted)


def _ratio(share: Share, alone: float) -> Ratio:
    low, high = share.ci
    return Ratio(share.rate / alone, (low / alone, high / alone), share.episodes, alone, share.found, share.wanted)


def _read(kind: TypeAdapter[_Model], path: Path) -> _Model | None:
    try:
        return kind.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
