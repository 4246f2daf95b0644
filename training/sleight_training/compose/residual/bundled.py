"""An exported bundle of composed skills as what the harness plays: its ONNX graphs in the place of torch's networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sleight_core.bundle import Bundle, load_bundle
from sleight_core.bundle.composed import (
    ACTIONS,
    HISTORY,
    NOISE,
    OBSERVATION,
    RESIDUAL,
    ComposedSkills,
    PairSection,
    ResidualSection,
    SkillSection,
)
from sleight_core.bundle.policy import make_session
from sleight_core.compose import Ownership
from sleight_core.compose.features import ResidualFeatures
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.compose_terms import MECHANISM_JOINTS, MECHANISM_SIZES, mechanism_term
from sleight_core.observation.residual_terms import residual_terms
from sleight_sim.tasks.compose.config import task_config
from sleight_sim.tasks.compose.make import compose_hand

from sleight_training.compose.residual.composite import second_term_sizes
from sleight_training.compose.residual.config import BoundConfig, CompositionConfig, TransitionConfig
from sleight_training.compose.residual.holding import bound_vector
from sleight_training.compose.residual.policy import ResidualSpec
from sleight_training.compose.skills import SkillSource

_MECHANISM_TERMS = {mechanism_term(count) for count in MECHANISM_SIZES}


class BundledSkill:
    """A bundle's second skill, as a `Skill`.

    Args:
        bundle: The bundle.
        section: The skill's section.
        seed: Of the noise that sampling starts from.
    """

    def __init__(self, bundle: Bundle, section: SkillSection, seed: int = 0) -> None:
        self.task = section.name
        names = (term.name for term in section.observation)
        self.term_names = tuple(MECHANISM_JOINTS if name in _MECHANISM_TERMS else name for name in names)
        self.execute = section.execute
        inputs = bundle.manifest.graph(section.graph).inputs
        self._shape = next(tuple(int(size) for size in t.shape[1:]) for t in inputs if t.name == NOISE)
        self._session = make_session(bundle.graphs[section.graph], f"graphs.{section.graph}")
        self._rng = np.random.default_rng(seed)

    def plan(self, history: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sample chunks (n, horizon, 28) for histories (n, H, O)."""
        noise = self._rng.standard_normal((len(history), *self._shape)).astype(np.float32)
        (chunks,) = self._session.run([ACTIONS], {HISTORY: history.astype(np.float32), NOISE: noise})
        return np.asarray(chunks, dtype=np.float64)

    def reset(self, ids: NDArray[np.int64]) -> None:
        """Do nothing: it keeps nothing of an episode."""


class BundledResidual:
    """A bundle's residual, called as a `ResidualPolicy` is.

    Args:
        bundle: The bundle.
        section: The residual's section.
        spec: What it is.
    """

    def __init__(self, bundle: Bundle, section: ResidualSection, spec: ResidualSpec) -> None:
        self.spec = spec
        self._session = make_session(bundle.graphs[section.graph], f"graphs.{section.graph}")

    def __call__(self, joined: NDArray[np.floating]) -> NDArray[np.float64]:
        """Outputs before squashing (B, 28) for inputs (B, n)."""
        (out,) = self._session.run([RESIDUAL], {OBSERVATION: np.asarray(joined, dtype=np.float32)})
        return np.asarray(out, dtype=np.float64)


@dataclass(frozen=True)
class BundledPair:
    """A pair of a bundle, ready to be played.

    Attributes:
        id: The bundle's name and hash.
        skill: The second skill.
        mask: Preserved fingers.
        stabiliser, residual: Both residuals; None where the bundle has none.
        config: The composition, with the bundle's transition.
    """

    id: str
    skill: SkillSource
    mask: tuple[str, ...]
    stabiliser: BundledResidual | None
    residual: BundledResidual | None
    config: CompositionConfig


def read_bundled_pair(path: Path, first: str, second: str) -> BundledPair:
    """Read a pair of a bundle, and check that the harness shows its graphs what they were made for.

    Args:
        path: The bundle's folder.
        first: Name of the task whose outcome is kept.
        second: Name of the task that is done meanwhile.

    Raises:
        BundleError: The bundle is damaged.
        SleightError: It does not hold the pair, or something of it differs from the harness.
    """
    bundle = load_bundle(path, simulation=True)
    composition = bundle.manifest.composition
    if not isinstance(composition, ComposedSkills):
        raise SleightError(
            "this is no bundle of composed skills", value=path, remedy="write one: sleight export compose"
        )
    pair, skill = composition.pair(first, second), composition.skill(second)
    if pair is None or skill is None:
        known = ", ".join(f"{known.first} + {known.second}" for known in composition.pairs) or "none"
        raise SleightError(f"the bundle has no pair {first} + {second}", value=path, remedy=f"it has {known}")
    section, table = skill, compose_hand(task_config(second))
    _check_bounds(table, pair, path)
    transition = TransitionConfig(steps=pair.transition.steps, settle=pair.transition.settle)
    return BundledPair(
        id=bundle.id,
        skill=SkillSource(bundle.id, lambda task, seed: BundledSkill(bundle, section, seed)),
        mask=pair.preserved,
        stabiliser=_residual(bundle, table, pair, "first"),
        residual=_residual(bundle, table, pair, "second"),
        config=CompositionConfig(transition=transition, others_joints=pair.others_joints),
    )


def _residual(
    bundle: Bundle, table: HandTable, pair: PairSection, kind: Literal["first", "second"]
) -> BundledResidual | None:
    section = pair.first_residual if kind == "first" else pair.second_residual
    if section is None:
        return None
    features, tasks = ResidualFeatures(table), (pair.first,)
    sizes = dict(features.stabiliser_sizes)
    if kind == "second":
        sizes |= second_term_sizes(table, pair.second) | features.second_sizes
        tasks = (pair.first, pair.second)
    if section.observation != residual_terms(table, sizes):
        raise SleightError(f"the bundle's {kind} residual sees other terms than the harness has", value=bundle.path)
    spec = ResidualSpec(
        kind=kind,
        tasks=tasks,
        masks=(pair.preserved,),
        terms=sizes,
        columns=tuple(range(len(pair.mask))),
        bounds=pair.bounds,
        hidden=(),
    )
    return BundledResidual(bundle, section, spec)


def _check_bounds(table: HandTable, pair: PairSection, path: Path) -> None:
    """The harness squashes with its own bounds: they must be the bundle's."""
    wanted = bound_vector(table, BoundConfig(), Ownership(table, pair.preserved))
    if len(pair.bounds) != len(wanted) or not np.allclose(pair.bounds, wanted):
        raise SleightError(
            "the bundle's bounds differ from the harness's", value=path, remedy="export it with the present version"
        )
