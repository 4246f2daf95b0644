"""One pair of skills on one hand: held state, transition stage, second skill, residuals on top (DexCompose 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.action import PoseCommand
from sleight_core.compose.ownership import Ownership
from sleight_core.compose.paths import between
from sleight_core.hand import HandTable
from sleight_sim.tasks.compose.config import task_config
from sleight_sim.tasks.compose.engine import Snapshot
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.make import make_worlds
from sleight_sim.tasks.compose.observation import ComposeObservation
from sleight_sim.tasks.compose.variation import draw_starts

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.residual.config import CompositionConfig
from sleight_training.compose.residual.holding import Corrections, HoldingTask
from sleight_training.compose.residual.progress import interaction_progress
from sleight_training.compose.skill import Skill

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]

#: Before the names of the second task's own terms, among those of its residual.
_OWN = "second_"
#: Arrays of an environment that belong to its episode, besides the physics.
_EPISODE = ("mask_of", "count", "alive", "squashed", "done", "_from", "_to")
_REFERENCE = ("action", "object_pos", "tip_distance")
_STARTS = ("wrist_pos", "wrist_quat", "place_pos", "place_quat")


@dataclass(frozen=True)
class CompositeStep:
    """What one action gave, (B,) bool each.

    Attributes:
        done: The interaction has been done now or before.
        alive: The object was held at every step so far.
        timeout: The time limit is reached.
        failed: The physics diverged.
    """

    done: Flags
    alive: Flags
    timeout: Flags
    failed: Flags

    @property
    def over(self) -> Flags:
        """The rollout has ended: the interaction is done, or there is no more time."""
        return self.done | self.timeout | self.failed


class CompositeTask(HoldingTask):
    """Composed rollouts in B environments; after `reset` and after each `step`, call `plan` once.

    In the transition the released fingers go to the open hand and the wrist goes to a drawn start of the second task,
    both with minimum jerk. Then the frozen second skill plans its chunks. The second residual acts from then on, the
    first one always.

    Args:
        task: The second skill's task, in worlds that hold the first skill's object too.
        skill: The second skill.
        held: What rollouts start from.
        worlds: (B,) object of each environment.
        mask: Who owns what.
        config: Stages, bounds and limits.
        transition: Whether there is a transition stage.
        unmasked: As in `HoldingTask`.
        seed: Of the starts.
    """

    def __init__(
        self,
        task: ComposeTask,
        skill: Skill,
        held: HeldLibrary,
        worlds: Ids,
        mask: Ownership,
        config: CompositionConfig,
        *,
        transition: bool = True,
        unmasked: bool = False,
        seed: int = 0,
    ) -> None:
        bounds, retention = config.bounds, config.retention
        super().__init__(task, held, worlds, (mask,), bounds=bounds, retention=retention, unmasked=unmasked, seed=seed)
        self.config = config
        self.player = RecedingHorizon(skill, task.num_envs)
        #: Actions of the transition stage.
        self.length = config.transition.length if transition else 0
        shape = (task.num_envs, task.action.size)
        self.nominal = np.zeros(shape)
        self.done = np.zeros(task.num_envs, dtype=bool)
        self._from, self._to = np.zeros(shape), np.zeros(shape)

    @property
    def acting(self) -> Flags:
        """(B,) the second skill acts; else the transition stage."""
        return self.count >= self.length

    @property
    def phase(self) -> Array:
        """(B, 2) progress of the transition, and 1 while the second skill acts."""
        progress = np.minimum(self.count / max(self.length, 1), 1.0) if self.length else np.ones(self.num_envs)
        return np.stack([progress, self.acting.astype(float)], axis=-1)

    def reset(self, ids: Ids) -> None:
        """Start rollouts in environments ids (n,)."""
        task = self.task
        starts = draw_starts(task.config, np.zeros(len(ids)), task.rng)
        task.start(ids, starts)
        self.begin(ids, self.config.place)
        self.done[ids] = False
        self._from[ids] = task.hold()[ids]
        opened = np.tile(task.table.posture("open")[task.table.actuated_index], (len(ids), 1))
        self._to[ids] = task.action.encode(PoseCommand(starts.wrist_pos, starts.wrist_quat, opened))
        self.player.reset(ids)

    def plan(self) -> Array:
        """Decide the nominal action (B, 28) of the next step."""
        moving, acting = np.flatnonzero(~self.acting), np.flatnonzero(self.acting)
        steps = max(self.config.transition.steps, 1)
        self.nominal[moving] = between(self._from[moving], self._to[moving], (self.count[moving] + 1) / steps)
        if len(acting):
            seen = self.player.observation(self.task.observe(self.joints_seen(self.nominal, self.config.others_joints)))
            self.nominal[acting] = self.player.act(seen, acting)
        return self.nominal

    def step(self, corrections: Corrections) -> CompositeStep:
        """Advance one action under the planned nominal one and both residuals."""
        acting = self.acting
        second = np.where(acting[:, None], corrections.second, 0.0)
        result = self.apply(self.nominal, Corrections(corrections.first, second))
        self.done |= acting & result.success & ~result.failed
        timeout = self.count >= self.length + self.config.steps
        return CompositeStep(self.done.copy(), self.alive.copy(), timeout, result.failed)

    def first_terms(self) -> dict[str, Array]:
        """What the stabiliser sees now."""
        return self.stabiliser_terms(self.phase)

    def second_terms(self) -> dict[str, Array]:
        """What the second residual sees now, after `plan` (B.2): composite state, the second task's, nominal, mask."""
        own = {_OWN + name: values for name, values in self.task.observe().items()}
        return self.first_terms() | own | self.features.second(self.nominal, self.here(), self.finger_mask)

    def progress(self) -> Array:
        """How far the interaction is, (B,) 0 to 1."""
        return interaction_progress(self.task)

    def save(self, ids: Ids) -> dict[str, NDArray]:
        """Copy rollouts of environments ids (n,) as they are now, (n, ...) by name."""
        task = self.task
        rows = {name: getattr(self, name)[ids].copy() for name in _EPISODE}
        rows |= {f"reference.{name}": getattr(self.reference, name)[ids].copy() for name in _REFERENCE}
        rows |= {f"starts.{name}": getattr(task.starts, name)[ids].copy() for name in _STARTS}
        rows |= {name: getattr(task, name)[ids].copy() for name in ("sent_targets", "sent_twist")}
        return rows | {"physics": task.engine.snapshot(ids).state}

    def restore(self, ids: Ids, rows: dict[str, NDArray]) -> None:
        """Put environments ids (n,) into rollouts that were saved in the same ones; the second skill plans anew."""
        task = self.task
        for name in _EPISODE:
            getattr(self, name)[ids] = rows[name]
        for name in _REFERENCE:
            getattr(self.reference, name)[ids] = rows[f"reference.{name}"]
        for name in _STARTS:
            getattr(task.starts, name)[ids] = rows[f"starts.{name}"]
        task.engine.restore(ids, Snapshot(rows["physics"]))
        task.sent_targets[ids], task.sent_twist[ids] = rows["sent_targets"], rows["sent_twist"]
        task.streak[ids] = 0
        task.succeeded[ids] = False
        task.refresh()
        self.player.reset(ids)


def second_term_sizes(table: HandTable, second: str) -> dict[str, int]:
    """Sizes of the second task's own terms in its residual's input, by name."""
    config = task_config(second)
    mechanism = make_worlds(config, 1)[0].mechanism
    assert mechanism is not None  # an interaction task has one
    names = tuple(link.name for link in mechanism.links)
    return {_OWN + name: size for name, size in ComposeObservation(table, config, names).sizes.items()}
