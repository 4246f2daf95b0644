"""What the parts of DexCompose ask of a base skill, whether it is a diffusion policy or a script."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Latest observations that a skill sees, and actions in a chunk (paper A).
OBSERVATION_STEPS = 2
HORIZON = 32


class Skill(Protocol):
    """A pretrained, frozen policy of one task.

    Attributes:
        task: Name of its task, as in `sleight_sim.tasks.compose`.
        term_names: Observation terms it sees, in order (see `ComposeObservation`).
        execute: Actions of a chunk that are executed before the next is planned (paper, table 4).
    """

    task: str
    term_names: tuple[str, ...]
    execute: int

    def plan(self, history: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Plan a chunk for some environments.

        Args:
            history: (n, OBSERVATION_STEPS, O) the latest observations, oldest first: `term_names` in a row.
            ids: (n,) which environments; a skill with a state of its own (a script) keeps it by environment.

        Returns:
            (n, HORIZON, 28) actions, as `ComposeAction` decodes them.
        """
        ...

    def reset(self, ids: NDArray[np.int64]) -> None:
        """Forget what is kept of environments ids (n,): a new episode starts."""
        ...
