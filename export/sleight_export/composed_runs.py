"""Which skills and pairs a bundle is made of, read from what the trainings left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sleight_core.errors import SleightError
from sleight_training.compose.diffusion.skill import POLICY, read_policy
from sleight_training.compose.masks.selection import read_choice
from sleight_training.compose.residual.policy import ResidualPolicy
from sleight_training.compose.residual.training import STABILISER_FILE, TUNED_FILE

from sleight_export.composed import PairRequest


def read_skills(paths: Sequence[Path]) -> dict[str, Path]:
    """Name skills by their tasks.

    Args:
        paths: Runs or policy files of `sleight train skill`.

    Raises:
        SleightError: One is no skill, or two are of one task.
    """
    found: dict[str, Path] = {}
    for path in paths:
        run, _ = read_policy(path / POLICY if path.is_dir() else path)
        if run.task.name in found:
            raise SleightError("two skills are of one task", value=run.task.name, remedy="give one of them")
        found[run.task.name] = path
    return found


def read_pairs(pairs: Sequence[Path], stabilisers: Sequence[Path] = ()) -> list[PairRequest]:
    """Say how pairs are composed.

    Args:
        pairs: For each its second residual, a run or file of `sleight compose residual second`; or, for a pair without
            one, the mask that was selected, a file of `sleight compose release select --json`.
        stabilisers: First residuals, runs or files of `sleight compose residual first`. A second residual's run brings
            its own; these are for the others, by task and mask.

    Raises:
        SleightError: Something is none of this, a pair is given twice, or a stabiliser does not know a pair's mask.
    """
    known = [(path, ResidualPolicy.load(path).spec) for path in stabilisers]
    found: list[PairRequest] = []
    for path in pairs:
        request = _of_mask(path) if path.suffix == ".json" else _of_residual(path)
        if any((request.first, request.second) == (other.first, other.second) for other in found):
            raise SleightError("a pair is given twice", value=f"{request.first} + {request.second}")
        if request.stabiliser is None:
            mine = [(file, spec) for file, spec in known if (spec.kind, spec.tasks) == ("first", (request.first,))]
            fits = next((file for file, spec in mine if request.preserved in spec.masks), None)
            if mine and fits is None:
                raise SleightError(
                    f"no stabiliser of {request.first} was trained with these fingers preserved",
                    value=list(request.preserved),
                    remedy=f"given: {', '.join(str(file) for file, _ in mine)}",
                )
            request = PairRequest(request.first, request.second, request.preserved, fits, request.residual)
        found.append(request)
    return found


def _of_mask(path: Path) -> PairRequest:
    choice = read_choice(path)
    return PairRequest(choice.first, choice.second, choice.preserved)


def _of_residual(path: Path) -> PairRequest:
    spec = ResidualPolicy.load(path).spec
    if spec.kind != "second":
        raise SleightError("this is no second residual", value=path, remedy="give it as --stabiliser")
    first, second = spec.tasks
    own = [path / name for name in (TUNED_FILE, STABILISER_FILE)] if path.is_dir() else []
    stabiliser = next((file for file in own if file.exists()), None)
    return PairRequest(first, second, spec.masks[0], stabiliser, path)
