"""What the stabiliser learns against: base motion, released fingers that leave and wander (B.1), and pushes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.ownership import WRIST_SIZE, Ownership
from sleight_core.compose.paths import between
from sleight_sim.tasks.compose.env import ComposeStep, ComposeTask

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.residual.config import CompositionConfig, DisturbanceConfig
from sleight_training.compose.residual.holding import Corrections, HoldingTask

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


class ViaPoints:
    """Where each environment's hand comes from, where it goes, and when it will be there."""

    def __init__(self, num_envs: int, size: int) -> None:
        self.start, self.end = np.zeros((num_envs, size)), np.zeros((num_envs, size))
        self.length, self.time = np.ones(num_envs), np.zeros(num_envs)

    def begin(self, ids: Ids, here: Array) -> None:
        """Be at `here` (n, size) with no further way to go."""
        self.start[ids] = self.end[ids] = here
        self.length[ids], self.time[ids] = 1.0, 1.0

    def arrived(self) -> Ids:
        """Environments that need a new point."""
        return np.flatnonzero(self.time >= self.length)

    def go(self, ids: Ids, to: Array, length: Ids) -> None:
        """Head for `to` (n, size), there after `length` (n,) actions."""
        self.start[ids] = self.end[ids]
        self.end[ids] = to
        self.length[ids], self.time[ids] = length, 0.0

    def step(self) -> Array:
        """The next actions (B, size)."""
        self.time += 1.0
        return between(self.start, self.end, self.time / self.length)


class StabiliserTask(HoldingTask):
    """Held objects under disturbances that stand for any second skill; call `plan` once after `reset` and each `step`.

    Args:
        task: The first skill's task.
        held: What episodes start from.
        worlds: (B,) object of each environment.
        masks: Masks that an episode draws one of.
        config: Bounds and retention.
        disturbance: How strong.
        seed: Of starts, masks and disturbances.

    Attributes:
        level: Strength of the disturbances now, 0 to 1: the curriculum.
    """

    def __init__(
        self,
        task: ComposeTask,
        held: HeldLibrary,
        worlds: Ids,
        masks: tuple[Ownership, ...],
        config: CompositionConfig,
        disturbance: DisturbanceConfig,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(task, held, worlds, masks, bounds=config.bounds, retention=config.retention, seed=seed)
        self.disturbance = disturbance
        self.level = disturbance.first_level
        self.nominal = np.zeros((task.num_envs, task.action.size))
        self._wrist = ViaPoints(task.num_envs, task.action.size)
        self._fingers = ViaPoints(task.num_envs, task.action.size)
        self._home = np.zeros((task.num_envs, task.action.size))
        #: (B, 3) N, the push at each object now, and the actions that are left of it.
        self.push, self._push_left = np.zeros((task.num_envs, 3)), np.zeros(task.num_envs, dtype=int)

    def set_progress(self, share: float) -> None:
        """Set the curriculum's level at a share, 0 to 1, of the training."""
        first, ramp = self.disturbance.first_level, min(share / self.disturbance.curriculum, 1.0)
        self.level = first + (1.0 - first) * ramp

    def reset(self, ids: Ids) -> None:
        """Start episodes in environments ids (n,)."""
        self.begin(ids)
        self._home[ids] = self.task.hold()[ids]
        self._wrist.begin(ids, self._home[ids])
        self._fingers.begin(ids, self._home[ids])
        self.push[ids], self._push_left[ids] = 0.0, self.disturbance.push_steps[1]

    def plan(self) -> Array:
        """Decide the nominal action (B, 28) of the next step."""
        config = self.disturbance
        if len(ids := self._wrist.arrived()):
            self._wrist.go(ids, self._random_wrist(ids), self.rng.integers(*config.segment, len(ids), endpoint=True))
        if len(ids := self._fingers.arrived()):
            length = self.rng.integers(*config.release, len(ids), endpoint=True)
            self._fingers.go(ids, self._random_fingers(ids), length)
        self._push_objects()
        self.nominal = self._wrist.step()
        self.nominal[:, WRIST_SIZE:] = self._fingers.step()[:, WRIST_SIZE:]
        return self.nominal

    def step(self, corrections: Corrections) -> ComposeStep:
        """Advance one action."""
        return self.apply(self.nominal, corrections)

    @property
    def timeout(self) -> NDArray[np.bool_]:
        """(B,) episodes whose time is over."""
        return self.count >= self.disturbance.steps

    def first_terms(self) -> dict[str, Array]:
        """What the stabiliser sees now; half an episode counts as transition, the rest as the second skill's."""
        half = 0.5 * self.disturbance.steps
        progress = np.minimum(self.count / half, 1.0)
        return self.stabiliser_terms(np.stack([progress, (self.count >= half).astype(float)], axis=-1))

    def _push_objects(self) -> None:
        """Push on, stop pushing, or begin a push: half of the new ones are rests."""
        config = self.disturbance
        if not config.push:
            return
        self._push_left -= 1
        if len(ids := np.flatnonzero(self._push_left < 0)):
            way = self.rng.normal(size=(len(ids), 3))
            way /= np.linalg.norm(way, axis=-1, keepdims=True)
            strength = self.rng.uniform(-1.0, 1.0, (len(ids), 1)).clip(min=0.0)
            self.push[ids] = self.level * config.push * strength * way
            self._push_left[ids] = self.rng.integers(*config.push_steps, len(ids), endpoint=True)
        self.task.engine.apply_force(self.push)

    def _random_wrist(self, ids: Ids) -> Array:
        config = self.disturbance
        reach = self.level * np.array([config.position] * 3 + [config.rotation] * 3)
        to = self._home[ids].copy()
        to[:, :WRIST_SIZE] += self.rng.uniform(-reach, reach, (len(ids), WRIST_SIZE))
        return self.task.action.clip(to)

    def _random_fingers(self, ids: Ids) -> Array:
        table, config = self.task.table, self.disturbance
        opened = table.posture("open")
        anywhere = self.rng.uniform(table.lower, table.upper, (len(ids), len(opened)))
        to = self._home[ids].copy()
        away = opened + config.stray * self.rng.uniform(size=(len(ids), 1)) * (anywhere - opened)
        to[:, WRIST_SIZE:] += self.level * (away - to[:, WRIST_SIZE:])
        return to
