"""Mask selectors behind one interface: Eq. 17, and one that knows what the second skill's fingers do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sleight_core.errors import SleightError

from sleight_training.compose.masks.config import HeuristicConfig, TaskAwareConfig
from sleight_training.compose.masks.diagnostics import MaskResult, ReleaseReport, UseReport
from sleight_training.compose.masks.mask import FingerMask


@dataclass(frozen=True)
class SelectionRequest:
    """What a selector may look at.

    Attributes:
        release: Release tests of the first skill; the choice is an index into its candidates.
        second: Task of the second skill.
        use: Which fingers that skill uses, or None where it was not measured.
    """

    release: ReleaseReport
    second: str
    use: UseReport | None = None

    @property
    def first(self) -> str:
        """Task of the first skill."""
        return self.release.task


@dataclass(frozen=True)
class MaskChoice:
    """A selector's choice.

    Attributes:
        index: Into the request's candidates.
        mask: The mask.
        selector: Who chose it.
        reason: Why, in a sentence.
        fallback: Why another selector than the one asked had to choose; empty if it did not.
    """

    index: int
    mask: FingerMask
    selector: str
    reason: str
    fallback: str = ""


def choice_json(request: SelectionRequest, choice: MaskChoice) -> str:
    """A choice as JSON."""
    row = request.release.candidates[choice.index]
    data = {
        "first": request.first, "second": request.second, "index": choice.index,
        "preserved": list(choice.mask.preserved), "released": list(choice.mask.released),
        "retention": row.retention, "retention_ci95": list(row.retention_ci), "clean_release": row.clean_release,
        "clean_release_ci95": list(row.clean_ci), "rollouts": row.rollouts,
        "selector": choice.selector, "reason": choice.reason, "fallback": choice.fallback,
    }  # fmt: skip
    return json.dumps(data, indent=1) + "\n"


@dataclass(frozen=True)
class ChosenMask:
    """A choice as its file has it.

    Attributes:
        first, second: The tasks.
        preserved: Fingers of the first.
    """

    first: str
    second: str
    preserved: tuple[str, ...]


def read_choice(path: Path) -> ChosenMask:
    """Read what `choice_json` made.

    Raises:
        SleightError: It is missing, or no choice.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        names = [str(name) for name in data["preserved"]]
        return ChosenMask(str(data["first"]), str(data["second"]), tuple(names))
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "give what 'sleight compose release select --json' wrote"
        raise SleightError("this is no selected mask", value=path, remedy=remedy) from error


class MaskSelector(Protocol):
    """Chooses the fingers that are preserved (Eq. 6).

    Attributes:
        name: What choices are signed with.
    """

    name: str

    def select(self, request: SelectionRequest) -> MaskChoice:
        """Choose a mask.

        Raises:
            SleightError: No candidate will do, or something that this selector needs is missing.
        """
        ...


class HeuristicSelector:
    """The paper's baseline (Eq. 17): the highest retention rate among masks that release at least two fingers.

    Ties go to the cleaner release, then to more preserved fingers, then to the lower index.
    """

    name = "heuristic"

    def __init__(self, config: HeuristicConfig | None = None) -> None:
        self.config = config or HeuristicConfig()

    def select(self, request: SelectionRequest) -> MaskChoice:
        """Choose by retention alone (see `MaskSelector`)."""
        least = self.config.least_released
        allowed = [i for i, row in enumerate(request.release.candidates) if len(row.released) >= least]
        if not allowed:
            raise SleightError(f"no candidate mask releases {least} fingers", value=request.first)

        def rank(i: int) -> tuple[float, float, int, int]:
            row = request.release.candidates[i]
            return row.retention, row.clean_release, len(row.preserved), -i

        best = max(allowed, key=rank)
        row = request.release.candidates[best]
        if not row.retained:
            raise SleightError(f"no mask that releases {least} fingers retains the object", value=request.first)
        reason = f"highest retention, {row.retention:.1%}, among {len(allowed)} masks that release {least} or more"
        return MaskChoice(best, request.release.mask(best), self.name, reason)


class TaskAwareSelector:
    """The default: what the first skill's object needs, against what the second skill's own rollouts use.

    A mask's score is the product of three shares, so that none can make up for the loss of another: the lower end of
    the retention rate's Wilson interval (few rollouts count with caution); the clean-release rate, of which only a part
    counts (`TaskAwareConfig.unclean`); and the released fingers' share of the second skill's finger use
    (`UseReport.weights`). Among scores that are as good as equal (`TaskAwareConfig.tie`) the mask that preserves most
    fingers wins, then the higher score, then the lower index.
    """

    name = "task-aware"

    def __init__(self, config: TaskAwareConfig | None = None) -> None:
        self.config = config or TaskAwareConfig()

    def score(self, row: MaskResult, weights: dict[str, float]) -> float:
        """A mask's score, 0 to 1; `weights` are the fingers' by name."""
        clean = self.config.unclean + (1.0 - self.config.unclean) * row.clean_release
        return row.retention_ci[0] * clean * sum(weights[finger] for finger in row.released)

    def select(self, request: SelectionRequest) -> MaskChoice:
        """Choose by the score (see `MaskSelector`)."""
        use = request.use
        if use is None or use.task != request.second:
            raise SleightError(
                "the task-aware selector needs the finger use of the second skill",
                value=f"{request.second}; given: {use.task if use else 'none'}",
                remedy="run: sleight compose release use",
            )
        if missing := set(request.release.fingers) ^ {row.finger for row in use.fingers}:
            raise SleightError("release tests and finger use are of different hands", value=sorted(missing))
        weights = use.weights(self.config.motion)
        scores = [self.score(row, weights) for row in request.release.candidates]
        if not max(scores):
            raise SleightError(
                f"no mask retains the object and releases a finger that {request.second} uses", value=request.first
            )
        equal = [i for i, score in enumerate(scores) if score >= (1.0 - self.config.tie) * max(scores)]
        best = max(equal, key=lambda i: (len(request.release.candidates[i].preserved), round(scores[i], 12), -i))
        row = request.release.candidates[best]
        served = sum(weights[finger] for finger in row.released)
        low, _ = row.retention_ci
        reason = (
            f"score {scores[best]:.2f}: retention {row.retention:.1%} (at least {low:.1%}), clean release "
            f"{row.clean_release:.1%}; of what fingers do in {request.second}, {'+'.join(row.released)} do {served:.0%}"
        )
        return MaskChoice(best, request.release.mask(best), self.name, reason)
