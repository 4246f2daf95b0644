"""Skills in sequence on one hand: an object is kept while interactions are done one after another.

Each interaction is a stage of its own: a way to its start, then its skill. Where one ends and the next begins, the mask
is handed over (`sleight_core.compose.handover`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.action import PoseCommand
from sleight_core.compose.handover import HandOver
from sleight_core.compose.paths import backed_off, over
from sleight_core.observation.residual_terms import SECOND_PREFIX
from sleight_sim.tasks.compose.env import ComposeTask
from sleight_sim.tasks.compose.variation import draw_starts

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.horizon import RecedingHorizon
from sleight_training.compose.residual.config import SequenceConfig
from sleight_training.compose.residual.holding import Corrections, HoldingTask, bound_vector
from sleight_training.compose.skill import Skill

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class SequenceStep:
    """What one action gave in B environments with K interactions.

    Attributes:
        stage: (B,) which interaction was the present one, 0 .. K - 1.
        acting: (B,) its skill acted; else the hand was on the way to its start.
        done: (B, K) which interactions have been done now or before.
        alive: (B,) the object was held at every step so far.
        timeout: (B,) the present interaction's time is over.
        failed: (B,) the physics diverged.
    """

    stage: Ids
    acting: Flags
    done: Flags
    alive: Flags
    timeout: Flags
    failed: Flags

    @property
    def over(self) -> Flags:
        """The rollout has ended: the last interaction is done, or there is no more time for the present one."""
        return self.done[:, -1] | self.timeout | self.failed


class SequenceTask(HoldingTask):
    """Sequences of skills in B environments; after `reset` and after each `step`, call `plan` once.

    On a way the released fingers go to the open hand and the wrist goes to a drawn start of the next task, with minimum
    jerk; after an interaction the wrist first backs off. An interaction ends with its success: what it has done need
    not last, and the next one's way begins at once. Environments do not wait for each other.

    Args:
        task: Servo and physics; its worlds hold the object and, in this order, the interactions' mechanisms.
        interactions: (K,) the further skills' tasks in the same worlds, each with a mechanism and a place of its own.
        skills: (K,) what plays them.
        held: What rollouts start from.
        worlds: (B,) object of each environment.
        owners: Who owns what in each stage.
        config: Stages, bounds and limits.
        seed: Of the held states.
    """

    def __init__(
        self,
        task: ComposeTask,
        interactions: Sequence[ComposeTask],
        skills: Sequence[Skill],
        held: HeldLibrary,
        worlds: Ids,
        owners: HandOver,
        config: SequenceConfig,
        *,
        seed: int = 0,
    ) -> None:
        masks = tuple(owners.ownership(stage) for stage in owners.stages)
        super().__init__(task, held, worlds, masks, bounds=config.bounds, retention=config.retention, seed=seed)
        vectors = [bound_vector(task.table, config.bounds, mask) for mask in masks]
        self._residuals = [owners.residual(stage, vectors[stage - 1]) for stage in owners.stages]
        self.config = config
        self.owners = owners
        self.interactions = tuple(interactions)
        self.players = tuple(RecedingHorizon(skill, task.num_envs) for skill in skills)
        self._kept = np.tile(owners.elements(1, 0), (task.num_envs, 1))
        shape = (task.num_envs, task.action.size)
        self.nominal = np.zeros(shape)
        self.done = np.zeros((task.num_envs, len(self.interactions)), dtype=bool)
        #: (B,) actions since the present stage began.
        self.since = np.zeros(task.num_envs, dtype=int)
        self._from, self._back, self._to = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._opened = task.table.posture("open")[task.table.actuated_index]

    @property
    def stage(self) -> Ids:
        """(B,) the present interaction, 0 .. K - 1; it has the mask of that index."""
        return self.mask_of

    @property
    def owned(self) -> Flags:
        """(B, 28) elements of the first skill: what skills in between keep is not its stabiliser's."""
        return self._kept

    @property
    def way(self) -> Ids:
        """(B,) actions of the way to the present interaction's start."""
        return np.where(self.stage > 0, self.config.leave.steps, 0) + self.config.transition.length

    @property
    def longest(self) -> int:
        """Actions after which every rollout is over."""
        count = len(self.interactions)
        return count * (self.config.transition.length + self.config.steps) + (count - 1) * self.config.leave.steps

    @property
    def acting(self) -> Flags:
        """(B,) the present interaction's skill acts; else the hand is on the way."""
        return self.since >= self.way

    @property
    def phase(self) -> Array:
        """(B, 2) progress of the present way, and 1 while a skill acts: what a pair's residuals see of its stages."""
        progress = np.where(self.way > 0, np.minimum(self.since / np.maximum(self.way, 1), 1.0), 1.0)
        return np.stack([progress, self.acting.astype(float)], axis=-1)

    def reset(self, ids: Ids) -> None:
        """Start rollouts in environments ids (n,)."""
        task = self.task
        task.start(ids, draw_starts(task.config, task.rest[ids], task.rng))
        for part in self.interactions:
            part.stand(ids, draw_starts(part.config, np.zeros(len(ids)), part.rng))
        self.begin(ids, self.config.place)
        self.mask_of[ids] = 0
        self.done[ids] = False
        self._look()
        self._depart(ids)

    def plan(self) -> Array:
        """Decide the nominal action (B, 28) of the next step."""
        acting = self.acting
        ids = np.flatnonzero(~acting)
        leave = np.where(self.stage[ids] > 0, self.config.leave.steps, 0)
        ends = self._from[ids], self._back[ids], self._to[ids]
        self.nominal[ids] = over(*ends, self.since[ids] + 1, leave, self.config.transition.steps)
        joints = self.joints_seen(self.nominal, self.config.others_joints)
        for k, (part, player) in enumerate(zip(self.interactions, self.players, strict=True)):
            ids = np.flatnonzero(acting & (self.stage == k))
            if len(ids):
                self.nominal[ids] = player.act(player.observation(part.observe(joints)), ids)
                self.nominal[ids, :3] += part.place
        return self.nominal

    def step(self, corrections: Corrections) -> SequenceStep:
        """Advance one action under the planned nominal one and both residuals; then hand over what is done."""
        acting, stage = self.acting, self.stage.copy()
        second = np.where(acting[:, None], corrections.second, 0.0)
        failed = self.apply(self.nominal, Corrections(corrections.first, second)).failed
        self.since += 1
        self._look()
        for k, part in enumerate(self.interactions):
            self.done[:, k] |= part.judge() & acting & (stage == k) & ~failed
        ended = self.done[np.arange(self.num_envs), stage]
        timeout = ~ended & (self.since >= self.way + self.config.steps)
        self._hand_over(np.flatnonzero(ended & (stage < len(self.interactions) - 1)))
        return SequenceStep(stage, acting, self.done.copy(), self.alive.copy(), timeout, failed)

    def first_terms(self) -> dict[str, Array]:
        """What the stabiliser sees now."""
        return self.stabiliser_terms(self.phase)

    def second_terms(self, index: int) -> dict[str, Array]:
        """What the residual of an interaction sees now, after `plan` (B.2): as in a pair of it and the first skill."""
        own = {SECOND_PREFIX + name: values for name, values in self.interactions[index].observe().items()}
        return self.first_terms() | own | self.features.second(self.nominal, self.here(), self.finger_mask)

    def lasting(self) -> Flags:
        """(B, K) interactions whose success condition holds now."""
        return np.stack([part.reached() for part in self.interactions], axis=-1)

    def _look(self) -> None:
        """Let the interactions see the present state, and the commands that led to it."""
        for part in self.interactions:
            part.refresh()
            part.sent_targets, part.sent_twist = self.task.sent_targets, self.task.sent_twist

    def _hand_over(self, ids: Ids) -> None:
        """Begin the next stage in environments ids (n,): what is kept now stays where it is."""
        if not len(ids):
            return
        here = self.task.hold()
        for i in ids:
            stage = int(self.stage[i]) + 2  # the hand-over's stage 1 is interaction 0
            self.reference.action[i] = self.owners.reference(stage, self.reference.action[i], here[i])
        self.mask_of[ids] += 1
        self._depart(ids)

    def _depart(self, ids: Ids) -> None:
        """Begin the way from where the hand is in environments ids (n,) to the start of their present interaction."""
        action = self.task.action
        self.since[ids] = 0
        self._from[ids] = self._back[ids] = self.task.hold()[ids]
        for k, (part, player) in enumerate(zip(self.interactions, self.players, strict=True)):
            rows = ids[self.stage[ids] == k]
            pos, quat = part.starts.wrist_pos[rows] + part.place, part.starts.wrist_quat[rows]
            self._to[rows] = action.encode(PoseCommand(pos, quat, np.tile(self._opened, (len(rows), 1))))
            if k:
                retreat = np.asarray(self.config.leave.retreat)
                self._back[rows] = backed_off(self._from[rows], self._to[rows], retreat)
            part.streak[rows] = 0
            player.reset(rows)
