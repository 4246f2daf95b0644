"""The graphs of a bundle of composed skills, ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sleight_core.bundle.composed import ACTIONS, HISTORY, NOISE, OBSERVATION, RESIDUAL, ResidualSection
from sleight_core.bundle.policy import make_session
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation import ObservationBuilder
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


class OnnxResidual:
    """A residual network with what it sees.

    Args:
        bundle: A verified bundle.
        section: Its section of the manifest.
        table: The hand.
    """

    def __init__(self, bundle: Bundle, section: ResidualSection, table: HandTable) -> None:
        self.observation = ObservationBuilder(table, section.observation)
        self._role = section.graph
        self._session = make_session(bundle.graphs[section.graph], f"graphs.{section.graph}")
        self._run(bundle.golden[f"{section.graph}.{OBSERVATION}"][:1])

    def __call__(self, frame: Frame) -> Array:
        """The output (1, A) before squashing for one state.

        Args:
            frame: The state, with the composition's memory; shared by both residuals.

        Raises:
            SleightError: What it sees, or its answer, is not finite.
        """
        seen = self.observation.compute(frame.state, frame)
        if not np.isfinite(seen).all():
            raise SleightError(f"the observation of '{self._role}' is not finite")
        out = self._run(seen)
        if not np.isfinite(out).all():
            raise SleightError(f"the answer of '{self._role}' is not finite")
        return out

    def _run(self, seen: Array) -> Array:
        (out,) = self._session.run([RESIDUAL], {OBSERVATION: seen})
        return np.asarray(out)
