"""The judge: take hold, pull along six directions, shake; what stays in the hand is a grasp."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError

from sleight_sim.grasps.distance import DistanceGrid
from sleight_sim.grasps.gripping import press_directions
from sleight_sim.grasps.hand_shape import PALM_NORMAL, HandShape
from sleight_sim.grasps.proposal import GraspProposals, follow_couplings
from sleight_sim.grasps.world import HONEY, NOTHING, PRESS, HeldWorld, motion
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

#: Outcomes in the order of the stages; the first that a grasp fails is its outcome.
OUTCOMES = ("held", "took hold elsewhere", "fell under gravity", "was shaken off")


@dataclass(frozen=True)
class Trial:
    """What a grasp has to stand.

    Attributes:
        opened: The hand starts open by this much (rad) and closes to the proposal's targets in time `hold`.
        hold, settle: Time to take hold of the object where it is, and to move it where the fingers press it (s).
        gravity: Acceleration along each axis of the hand, both ways (m/s^2).
        pull: Time for each of these (s).
        shake: Amplitude of the shaking along each axis on top (m/s^2); gravity acts meanwhile.
        frequency: Of the shaking (Hz), two periods an axis.
        moved, turned: What an object may move (m) and turn (rad) in the hand, in taking hold and after it.
    """

    opened: float = 0.15
    hold: float = 0.4
    settle: float = 0.2
    gravity: float = 9.81
    pull: float = 0.3
    shake: float = 10.0
    frequency: float = 5.0
    moved: float = 0.02
    turned: float = 0.5


@dataclass(frozen=True)
class Verdict:
    """How grasps fared.

    Attributes:
        held: (N,) bool.
        outcomes: (N,) index into `OUTCOMES`.
        scores: (N,) from 1 (did not move) to 0 (moved as far as allowed, or more).
    """

    held: NDArray[np.bool_]
    outcomes: NDArray[np.intp]
    scores: Array

    def counts(self) -> dict[str, int]:
        """Return how many grasps had each outcome."""
        return {name: int((self.outcomes == k).sum()) for k, name in enumerate(OUTCOMES)}


def verify(
    proposals: GraspProposals,
    thing: ObjectSpec,
    shape: HandShape | None = None,
    trial: Trial | None = None,
    *,
    num_threads: int = 0,
) -> Verdict:
    """Simulate grasps from what a proposal says, and nothing else.

    Args:
        proposals: Grasps of this object, from the generator or from a dataset.
        thing: The object.
        shape: The hand (default: made from the proposals' table).
        trial: What they have to stand.
        num_threads: Physics threads; 0 for one a core. The result does not depend on it.

    Raises:
        SleightError: if the proposals are another object's, or do not press.
    """
    if proposals.object_name != thing.name:
        raise SleightError("these proposals are of another object", value=f"{proposals.object_name}, not {thing.name}")
    trial = trial or Trial()
    shape = shape or HandShape(proposals.table)
    count = len(proposals)
    if not count:
        return Verdict(np.zeros(0, bool), np.zeros(0, np.intp), np.zeros(0))
    world = HeldWorld(shape, thing, count, num_threads=num_threads)
    table = shape.table
    ahead = proposals.targets - proposals.joints[:, table.actuated_index]
    if np.abs(ahead).max() < 1e-6:
        raise SleightError(
            "these grasps do not press", value=thing.name, remedy="give them targets with `pressed` first"
        )
    opening = ahead / np.maximum(np.abs(ahead).max(axis=1, keepdims=True), 1e-6)
    start = proposals.joints.copy()
    start[:, table.actuated_index] -= trial.opened * opening
    start = follow_couplings(np.clip(start, table.lower, table.upper), table)
    world.reset(proposals.wrist_positions, proposals.wrist_quats, start)
    asked, begin = world.object_poses(), world.targets
    steps = _steps(trial.hold, world)
    for k in range(steps):
        world.targets = begin + (k + 1) / steps * (proposals.targets - begin)
        world.step()
    world.resist(HONEY)
    _advance(world, trial.settle)
    held = world.object_poses()
    worst = np.zeros((3, count))

    def judge(stage: int, since: tuple[Array, Array]) -> None:
        """Note what share of the allowed motion was used, and stop simulating what has failed."""
        far, angle = motion(since, world.object_poses())
        used = np.maximum(far / trial.moved, angle / trial.turned)
        worst[stage] = np.maximum(worst[stage], np.where(worst.max(axis=0) > 1.0, 0.0, used))
        world.active = np.flatnonzero(worst.max(axis=0) <= 1.0)

    judge(0, asked)
    world.resist(NOTHING)
    for axis in np.concatenate([np.eye(3), -np.eye(3)]):
        world.accelerate(trial.gravity * axis)
        _advance(world, trial.pull)
        judge(1, held)
    down = trial.gravity * PALM_NORMAL  # palm down, so that it carries nothing
    for axis in np.eye(3):
        for k in range(_steps(2.0 / trial.frequency, world)):
            swing = trial.shake * np.sin(2.0 * np.pi * trial.frequency * k * world.period)
            world.accelerate(down + swing * axis)
            _advance(world, 0.0)
        judge(2, held)
    failed = worst > 1.0
    outcomes = np.where(failed.any(axis=0), 1 + failed.argmax(axis=0), 0)
    scores = np.where(outcomes == 0, 1.0 - worst[1:].max(axis=0), 0.0)
    return Verdict(outcomes == 0, outcomes, scores)


def pressed(proposals: GraspProposals, thing: ObjectSpec, hard: float = 0.5) -> GraspProposals:
    """Return grasps with targets that press on the object; those of datasets are their joints.

    Args:
        proposals: Grasps of this object.
        thing: The object.
        hard: How hard they press, as a share of `world.PRESS`.
    """
    table = proposals.table
    shape = HandShape(table)
    place = (proposals.wrist_positions, proposals.wrist_quats, proposals.joints)
    ahead = press_directions(shape, DistanceGrid(thing), *place) * hard * PRESS * shape.force_lead
    targets = proposals.joints[:, table.actuated_index] + ahead
    return replace(proposals, targets=np.clip(targets, table.actuated_lower, table.actuated_upper))


def _advance(world: HeldWorld, duration: float) -> None:
    """Advance the worlds that still hold by a time (s), at least one period."""
    for _ in range(_steps(duration, world)):
        if len(world.active):
            world.step()


def _steps(duration: float, world: HeldWorld) -> int:
    return max(1, round(duration / world.period))
