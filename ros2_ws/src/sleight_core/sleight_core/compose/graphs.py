"""The graphs of a bundle of composed skills, ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sleight_core.bundle.composed import (
    ACTIONS,
    FEATURES,
    HISTORY,
    NOISE,
    OBSERVATION,
    RESIDUAL,
    EstimatorSection,
    ResidualSection,
)
from sleight_core.bundle.policy import make_session
from sleight_core.compose.estimation import read_features
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder, RobotState, TermSpec
from sleight_core.observation.terms import Frame

if TYPE_CHECKING:
    from sleight_core.bundle.loader import Bundle

Array = NDArray[np.float32]


class OnnxSampler:
    """A skill's sampler, warmed up; ONNX Runtime lets other threads go on while it runs.

    Args:
        bundle: A verified bundle.
        role: Role of the graph.
    """

    def __init__(self, bundle: Bundle, role: str) -> None:
        self._session = make_session(bundle.graphs[role], f"graphs.{role}")
        shapes = {tensor.name: [1, *tensor.shape[1:]] for tensor in bundle.manifest.graph(role).inputs}
        golden = bundle.golden
        self(*(golden[f"{role}.{name}"][0].reshape(shapes[name])[0] for name in (HISTORY, NOISE)))

    def __call__(self, history: Array, noise: Array) -> Array:
        """A chunk (T, A) from observations (H, O) and noise (T, A)."""
        (actions,) = self._session.run([ACTIONS], {HISTORY: history[None], NOISE: noise[None]})
        return np.asarray(actions)[0]


class _ObservingNetwork:
    """A network of one vector with what it sees, warmed up."""

    def __init__(self, bundle: Bundle, role: str, terms: Sequence[TermSpec], output: str, table: HandTable) -> None:
        self.observation = ObservationBuilder(table, terms)
        self._role, self._output = role, output
        self._session = make_session(bundle.graphs[role], f"graphs.{role}")
        self._run(bundle.golden[f"{role}.{OBSERVATION}"][:1])

    def ask(self, state: RobotState, frame: Frame | None = None) -> Array:
        """The answer (1, n) for one state.

        Raises:
            SleightError: What it sees, or its answer, is not finite.
        """
        seen = self.observation.compute(state, frame)
        if not np.isfinite(seen).all():
            raise SleightError(f"the observation of '{self._role}' is not finite")
        out = self._run(seen)
        if not np.isfinite(out).all():
            raise SleightError(f"the answer of '{self._role}' is not finite")
        return out

    def _run(self, seen: Array) -> Array:
        (out,) = self._session.run([self._output], {OBSERVATION: seen})
        return np.asarray(out)


class OnnxResidual(_ObservingNetwork):
    """A residual network with what it sees.

    Args:
        bundle: A verified bundle.
        section: Its section of the manifest.
        table: The hand.
    """

    def __init__(self, bundle: Bundle, section: ResidualSection, table: HandTable) -> None:
        super().__init__(bundle, section.graph, section.observation, RESIDUAL, table)

    def __call__(self, frame: Frame) -> Array:
        """The output (1, A) before squashing for one state.

        Args:
            frame: The state, with the composition's memory; shared by both residuals.

        Raises:
            SleightError: What it sees, or its answer, is not finite.
        """
        return self.ask(frame.state, frame)


class OnnxEstimator(_ObservingNetwork):
    """An estimator of a skill's features with what it sees.

    Args:
        bundle: A verified bundle.
        section: Its section of the manifest.
        table: The hand.
    """

    def __init__(self, bundle: Bundle, section: EstimatorSection, table: HandTable) -> None:
        super().__init__(bundle, section.graph, section.observation, FEATURES, table)
        self._sizes = section.sizes

    def __call__(self, state: RobotState) -> dict[str, NDArray[np.float64]]:
        """The quantities (1, size) by name, in the frame of the state.

        Args:
            state: With the scene's cloud, and the first one in its memory.

        Raises:
            SleightError: What it sees, or its answer, is not finite.
        """
        out = self.ask(state).astype(np.float64)
        with np.errstate(invalid="ignore"):
            found = read_features(self._sizes, out)
        if not all(np.isfinite(value).all() for value in found.values()):
            raise SleightError(f"'{self._role}' tells no orientation", value=out[0].tolist())
        return found
