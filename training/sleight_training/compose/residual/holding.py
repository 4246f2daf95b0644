"""What every episode that begins with a held object has: its start, references, masks, and the composed command."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sleight_core.bundle.composed import OthersJoints
from sleight_core.compose.action import PoseCommand
from sleight_core.compose.features import TIP_DISTANCE, HoldReference, ResidualFeatures
from sleight_core.compose.ownership import WRIST_SIZE, Ownership, intended_joints
from sleight_core.compose.residual import DualResidual
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_sim.tasks.compose.env import ComposeStep, ComposeTask

from sleight_training.compose.held.library import HeldLibrary
from sleight_training.compose.held.restore import restore
from sleight_training.compose.residual.config import BoundConfig, RetentionConfig
from sleight_training.compose.residual.retention import retained

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ids = NDArray[np.int64]


def bound_vector(table: HandTable, bounds: BoundConfig, ownership: Ownership) -> Array:
    """Largest correction (28,) of each element: the preserved fingers' and the others'."""
    joints = np.where(ownership.first[WRIST_SIZE:], bounds.hold, bounds.fingers)
    return np.concatenate([np.full(3, bounds.wrist_position), np.full(3, bounds.wrist_rotation), joints])


@dataclass(frozen=True)
class Corrections:
    """Outputs of both residual networks before squashing, (B, 28) each."""

    first: Array
    second: Array


class HoldingTask:
    """Environments in which a hand holds an object with the fingers of a mask while the rest of it does something else.

    Args:
        task: Servo, physics and success; its worlds hold the object of `worlds[i]` in environment i.
        held: What episodes start from.
        worlds: (B,) object of each environment, as in `held.draws`.
        masks: The divisions of the hand that occur.
        bounds: Of the residuals.
        retention: When the object is held.
        unmasked: Let the second residual act on every element, as the baselines without ownership do (Eq. 16).
        seed: Of starts and masks.

    Attributes:
        alive: (B,) the object has been held at every step of the episode.
        count: (B,) actions since the episode's start.
        squashed: (B, 28) the last output of the first residual, -1 to 1.
    """

    def __init__(
        self,
        task: ComposeTask,
        held: HeldLibrary,
        worlds: Ids,
        masks: tuple[Ownership, ...],
        *,
        bounds: BoundConfig,
        retention: RetentionConfig,
        unmasked: bool = False,
        seed: int = 0,
    ) -> None:
        if not masks:
            raise SleightError("no finger mask was given", remedy="name the fingers that keep the object")
        self.task = task
        self.held = held
        self.worlds = worlds
        self.masks = masks
        self.retention = retention
        self.unmasked = unmasked
        self.rng = np.random.default_rng(seed)
        self.features = ResidualFeatures(task.table)
        self._residuals = [DualResidual(mask, bound_vector(task.table, bounds, mask)) for mask in masks]
        self._rows = [held.rows_of(int(world)) for world in worlds]
        b = task.num_envs
        self.mask_of = np.zeros(b, dtype=int)
        self.count = np.zeros(b, dtype=int)
        self.alive = np.zeros(b, dtype=bool)
        self.squashed = np.zeros((b, task.action.size))
        fingers = len(task.table.finger_names)
        self.reference = HoldReference(np.zeros((b, task.action.size)), np.zeros((b, 3)), np.zeros((b, fingers)))

    @property
    def num_envs(self) -> int:
        """B."""
        return self.task.num_envs

    @property
    def owned(self) -> Flags:
        """(B, 28) elements of the first skill."""
        return np.stack([mask.first for mask in self.masks])[self.mask_of]

    @property
    def finger_mask(self) -> Array:
        """(B, F) 1 for fingers that the first skill keeps."""
        return np.stack([mask.finger_mask for mask in self.masks])[self.mask_of].astype(np.float64)

    def begin(self, ids: Ids, moved: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        """Start episodes from held states, drawn among those of each environment's object; mechanisms stay.

        Args:
            ids: (n,) environments.
            moved: What the states are moved by (m, task frame).
        """
        rows = np.array([self.rng.choice(self._rows[i]) for i in ids], dtype=int)
        restore(self.task, ids, self.held, rows, moved=moved)
        self.mask_of[ids] = self.rng.integers(len(self.masks), size=len(ids))
        self.count[ids] = 0
        self.alive[ids] = True
        self.squashed[ids] = 0.0
        new = self.features.reference(self.task.sim, self.task.hold())
        self.reference.action[ids] = self.held.hold[rows]
        self.reference.object_pos[ids] = new.object_pos[ids]
        self.reference.tip_distance[ids] = new.tip_distance[ids]

    def apply(self, nominal: Array, corrections: Corrections) -> ComposeStep:
        """Advance one action.

        Args:
            nominal: (B, 28) what the hand does besides holding.
            corrections: Of both residuals.
        """
        result = self.task.step(self.command(nominal, corrections))
        self.squashed = np.where(self.owned, np.tanh(corrections.first), 0.0)
        self.count += 1
        self.alive &= retained(self.retention, self.task) & ~result.failed
        return result

    def command(self, nominal: Array, corrections: Corrections) -> Array:
        """The composed action (B, 28) (Eqs. 7 to 12; Eq. 16 where it is unmasked)."""
        out = np.empty_like(nominal)
        for k, residual in enumerate(self._residuals):
            rows = np.flatnonzero(self.mask_of == k)
            if not len(rows):
                continue
            first = residual.correct("first", self.reference.action[rows], corrections.first[rows])
            if self.unmasked:
                whole = residual.ownership.assemble(first, nominal[rows])
                out[rows] = whole + residual.bounds * np.tanh(corrections.second[rows])
            else:
                second = residual.correct("second", nominal[rows], corrections.second[rows])
                out[rows] = residual.ownership.assemble(first, second)
        return out

    def joints_seen(self, nominal: Array, others: OthersJoints) -> Array:
        """Joint positions (B, J) rad as the acting skill sees them.

        Args:
            nominal: (B, 28) the skill's own last actions.
            others: What it sees of joints that it does not own (`CompositionConfig.others_joints`).
        """
        measured = self.task.sim.joint_pos
        if others == "measured":
            return measured
        own = np.stack([mask.second for mask in self.masks])[self.mask_of]
        return intended_joints(self.task.table, measured, nominal, own)

    def here(self) -> Array:
        """Where the hand is, as an action (B, 28)."""
        sim = self.task.sim
        return self.task.action.encode(
            PoseCommand(sim.wrist_pos, sim.wrist_quat, sim.joint_pos[:, self.task.table.actuated_index])
        )

    def stabiliser_terms(self, phase: Array) -> dict[str, Array]:
        """What the stabiliser sees now; phase as in `ResidualFeatures.stabiliser`."""
        return self.features.stabiliser(
            self.task.sim,
            self.reference,
            preserved=self.owned[:, WRIST_SIZE:],
            targets=self.task.sent_targets,
            previous=self.squashed,
            base_action=self.task.sent_twist,
            phase=phase,
        )

    def privileged(self) -> Array:
        """What only a critic sees, (B, 3 + F): how far the object is from its place in the palm, and the mask."""
        now, _ = self.features.object_in_palm(self.task.sim)
        return np.concatenate([(now - self.reference.object_pos) / TIP_DISTANCE, self.finger_mask], axis=-1)

    def lost(self, far: float) -> Array:
        """Distance (B,) m of the objects from their places in the palm, `far` at most."""
        now, _ = self.features.object_in_palm(self.task.sim)
        away = np.linalg.norm(now - self.reference.object_pos, axis=-1)
        return np.minimum(np.nan_to_num(away, nan=far), far)
