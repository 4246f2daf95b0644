"""Playing a skill's chunks action by action in many environments: the receding horizon (DexCompose A)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sleight_training.compose.skill import OBSERVATION_STEPS, Skill

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


class ChunkPlayer:
    """Keeps each environment's history and chunk; plans for those together whose executed part is over.

    Args:
        skill: The skill.
        num_envs: B.
    """

    def __init__(self, skill: Skill, num_envs: int) -> None:
        self.skill = skill
        self._history: Array | None = None
        self._chunk: Array | None = None
        self._next = np.zeros(num_envs, dtype=int)
        self._fresh = np.ones(num_envs, dtype=bool)

    def reset(self, ids: Ids) -> None:
        """Start anew in environments ids (n,)."""
        self.skill.reset(ids)
        self._fresh[ids] = True

    def act(self, terms: dict[str, Array], ids: Ids) -> Array:
        """The skill's actions for this control step.

        Args:
            terms: Observation terms of all environments, (B, n) each.
            ids: (n,) environments in which the skill acts.

        Returns:
            (n, 28).
        """
        seen = np.concatenate([terms[name] for name in self.skill.term_names], axis=-1)
        if self._history is None:
            self._history = np.repeat(seen[:, None], OBSERVATION_STEPS, axis=1)
        fresh = ids[self._fresh[ids]]
        self._history[ids, :-1] = self._history[ids, 1:]
        self._history[ids, -1] = seen[ids]
        self._history[fresh] = seen[fresh, None]
        due = ids[self._fresh[ids] | (self._next[ids] >= self.skill.execute)]
        if len(due):
            chunks = self.skill.plan(self._history[due], due)
            if self._chunk is None:
                self._chunk = np.zeros((len(seen), *chunks.shape[1:]))
            self._chunk[due] = chunks
            self._next[due] = 0
            self._fresh[due] = False
        assert self._chunk is not None  # every environment is fresh at first
        actions = self._chunk[ids, self._next[ids]]
        self._next[ids] += 1
        return actions
