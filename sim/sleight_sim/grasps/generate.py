"""Make proposals: sample hands around an object, close them, improve them, keep what the simulation confirms."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_sim.grasps.hand_shape import HandShape
from sleight_sim.grasps.metrics import spread_out
from sleight_sim.grasps.proposal import GraspProposals, follow_couplings
from sleight_sim.grasps.quality import closure_gaps
from sleight_sim.grasps.sampling import Candidates, WristSampler
from sleight_sim.grasps.verify import OUTCOMES, Trial, verify
from sleight_sim.grasps.world import HONEY, NOTHING, HeldWorld, motion
from sleight_sim.objects.spec import ObjectSpec

Array = NDArray[np.float64]

#: Hands start open by this much (rad).
OPENED = 0.25
#: Time that a hand gets to close on an object that stays, and to press it where it likes (s).
CLOSING_TIME, SETTLING_TIME = 0.7, 0.4
#: What the energy adds for an object that moves (per m, per rad): pushed about while the hand closes, and pulled after.
_PUSHED, _TURNED = 5.0, 0.3
_PULLED = 30.0
#: A short pull (s) along each axis, both ways, and how far it may take an object (m) before it counts as lost.
PULL_TIME, _LOST = 0.1, 0.04
#: Contacts of fewer links than this cost a half each. Closure is asked for with this share of the friction.
_LINKS, _FRICTION = 3, 0.5


@dataclass(frozen=True)
class GeneratorConfig:
    """How hard to try.

    Attributes:
        samples: Candidates of a round.
        improvements: How often the candidates of a round are varied, each keeping the better of itself and its variant.
        kept: Share of a round that is verified, the best by energy.
        rounds: Rounds at most; the generator stops when it has enough.
        on_table: Only grasps of the object as it rests on a table, which the hand does not touch.
        trial: What a grasp has to stand.
    """

    samples: int = 64
    improvements: int = 2
    kept: float = 0.5
    rounds: int = 6
    on_table: bool = False
    trial: Trial = field(default_factory=Trial)


@dataclass
class Yield:
    """What became of the samples of one object.

    Attributes:
        sampled: Open hands that were closed at first (variants are not counted).
        verified: Closed hands that were put to the trial.
        held: Those that stood it.
        rounds: Rounds that were needed.
        outcomes: Trials by outcome.
    """

    sampled: int = 0
    verified: int = 0
    held: int = 0
    rounds: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))

    @property
    def of_verified(self) -> float:
        """Share of the trials that were stood."""
        return self.held / self.verified if self.verified else 0.0

    @property
    def of_sampled(self) -> float:
        """Grasps for each sample."""
        return self.held / self.sampled if self.sampled else 0.0

    def page(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return {**asdict(self), "of_verified": round(self.of_verified, 4), "of_sampled": round(self.of_sampled, 4)}


@dataclass
class _Closed:
    """Closed hands with the energies (N,) by which they are compared."""

    start: Candidates
    grasps: GraspProposals
    energy: Array

    def better(self, other: _Closed, rows: NDArray[np.intp]) -> _Closed:
        """Return these, rows replaced by those of `other` (one a row) whose energy is lower."""
        wins = np.flatnonzero(other.energy < self.energy[rows])
        order = np.arange(len(self.energy))
        order[rows[wins]] = len(order) + wins
        return _joined(self, other).take(order)

    def take(self, index: NDArray[np.intp]) -> _Closed:
        return _Closed(self.start.select(index), self.grasps.select(index), self.energy[index])


class Generator:
    """Makes proposals of one object for one hand; the same seed gives the same proposals.

    Args:
        table: The hand, on a free wrist.
        thing: The object.
        config: How hard to try.
        num_threads: Physics threads; 0 for one a core. The result does not depend on it.

    Raises:
        SleightError: for a hand on an arm.
    """

    def __init__(
        self, table: HandTable, thing: ObjectSpec, config: GeneratorConfig | None = None, *, num_threads: int = 0
    ) -> None:
        self.thing = thing
        self.config = config or GeneratorConfig()
        self.shape = HandShape(table)
        self.sampler = WristSampler(self.shape, thing, on_table=self.config.on_table)
        self.num_threads = num_threads
        self.length = float(np.linalg.norm(thing.extents)) / 2.0

    def generate(
        self, count: int, seed: int = 0, progress: Callable[[int], None] | None = None
    ) -> tuple[GraspProposals, Yield]:
        """Return at most `count` verified proposals, as different as can be, and what became of the samples.

        Args:
            count: Number of proposals wanted.
            seed: Seed of everything random; the object's name is mixed in.
            progress: Called with the number of grasps found after each round.

        Raises:
            SleightError: for a count below 1.
        """
        if count < 1:
            raise SleightError("the number of proposals is 1 or more", value=count)
        rng = np.random.default_rng((seed, zlib.crc32(self.thing.name.encode())))
        report = Yield()
        found: list[GraspProposals] = []
        for _ in range(self.config.rounds):
            found.append(self._round(rng, report))
            if progress:
                progress(min(report.held, count))
            # A choice of twice as many as are wanted is worth having: diversity comes from it.
            if report.held >= 2 * count or (report.held >= count and report.rounds >= 2):
                break
        grasps = concatenate(found)
        return grasps.select(spread_out(grasps, min(count, len(grasps)))), report

    def close(self, start: Candidates) -> tuple[GraspProposals, Array]:
        """Close open hands on the object.

        Returns:
            The closed hands, without scores, and their energies (N,): low for hands that enclose the object without
            pushing it about; inf for what does not touch or lies in the table.
        """
        table = self.shape.table
        count = len(start)
        world = HeldWorld(self.shape, self.thing, count, num_threads=self.num_threads)
        opened = start.joints.copy()
        opened[:, table.actuated_index] -= OPENED * start.press / np.abs(start.press).max(axis=1, keepdims=True)
        opened = follow_couplings(np.clip(opened, table.lower, table.upper), table)
        world.reset(start.positions, start.quats, opened)
        before = world.object_poses()
        for _ in range(round(CLOSING_TIME / world.period)):
            world.press(start.press)
            world.step()
        world.resist(HONEY)
        for _ in range(round(SETTLING_TIME / world.period)):
            world.press(start.press)
            world.step()
        positions, quats = world.wrist_poses()
        far, angle = motion(before, world.object_poses())
        contacts = world.contacts()
        good = world.finite()
        positions, quats = np.nan_to_num(positions), np.nan_to_num(quats)
        joints = np.clip(np.nan_to_num(world.joints()), table.lower, table.upper)
        grasps = GraspProposals(
            self.thing.name,
            table,
            positions,
            quats,
            joints,
            np.nan_to_num(world.targets),
            scores=np.full(count, np.nan),
            planes=start.planes,
            contacts=tuple(contacts),
        )
        gaps = closure_gaps(contacts, self.thing.com, self.length, _FRICTION * self.thing.friction)
        links = np.array([len(set(one.links)) for one in contacts])
        energy = (
            gaps
            + _PULLED * np.minimum(self._pull(world), _LOST)
            + _PUSHED * far
            + _TURNED * angle
            + 0.5 * np.maximum(_LINKS - links, 0)
        )
        over = self.sampler.over_table(Candidates(positions, quats, joints, start.press, start.planes))
        return grasps, np.where(good & over & (links > 0), energy, np.inf)

    def _pull(self, world: HeldWorld) -> Array:
        """How far (N,) short pulls along all axes take the objects (m): what a contact's normal does not tell."""
        before = world.object_poses()
        world.resist(NOTHING)
        for axis in np.concatenate([np.eye(3), -np.eye(3)]):
            world.accelerate(self.config.trial.gravity * axis)
            for _ in range(round(PULL_TIME / world.period)):
                if len(world.active):
                    world.step()
            world.active = np.flatnonzero(motion(before, world.object_poses())[0] < _LOST)
        return motion(before, world.object_poses())[0]

    def _round(self, rng: np.random.Generator, report: Yield) -> GraspProposals:
        start = self.sampler.draw(self.config.samples, rng)
        report.rounds += 1
        report.sampled += self.config.samples
        if not len(start):
            return empty(self.thing, self.shape.table)
        best = _Closed(start, *self.close(start))
        for k in range(self.config.improvements):
            rows = np.flatnonzero(np.isfinite(best.energy))
            if len(rows):
                varied = self.sampler.vary(best.start.select(rows), 0.7**k, rng)
                best = best.better(_Closed(varied, *self.close(varied)), rows)
        order = np.argsort(best.energy, kind="stable")
        order = order[np.isfinite(best.energy[order])][: max(1, round(self.config.kept * self.config.samples))]
        grasps = best.take(order).grasps
        verdict = verify(grasps, self.thing, self.shape, self.config.trial, num_threads=self.num_threads)
        report.verified += len(grasps)
        report.held += int(verdict.held.sum())
        for name, n in verdict.counts().items():
            report.outcomes[name] += n
        return grasps.scored(verdict.scores).select(verdict.held)


def concatenate(parts: list[GraspProposals]) -> GraspProposals:
    """Join proposals of one object."""
    first = parts[0]
    names = ("wrist_positions", "wrist_quats", "joints", "targets", "scores", "planes")
    arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    contacts = tuple(one for part in parts for one in part.contacts)
    return GraspProposals(first.object_name, first.table, *arrays, contacts=contacts)


def empty(thing: ObjectSpec, table: HandTable) -> GraspProposals:
    """No proposals."""
    return GraspProposals(
        thing.name,
        table,
        np.zeros((0, 3)),
        np.zeros((0, 4)),
        np.zeros((0, len(table.joint_names))),
        np.zeros((0, len(table.actuated_joint_names))),
        np.zeros(0),
        np.zeros((0, 4)),
        (),
    )


def _joined(a: _Closed, b: _Closed) -> _Closed:
    names = ("positions", "quats", "joints", "press", "planes")
    start = Candidates(*(np.concatenate([getattr(a.start, n), getattr(b.start, n)]) for n in names))
    return _Closed(start, concatenate([a.grasps, b.grasps]), np.concatenate([a.energy, b.energy]))
