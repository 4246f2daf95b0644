"""Two skills on one hand, tick by tick: chunks beside the tick, masks and residuals at every action (DexCompose 3.3).

An action lasts several control ticks. At the first of them the acting skill gives its nominal action and the residuals
correct it; at every tick the wrist's servo turns the action's pose into a twist. What comes out is a command like any
other: the safety filter is the only one that sends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.action.spec import Command
from sleight_core.bundle.composed import (
    ComposedSkills,
    PairSection,
    ResidualSection,
    SequenceSection,
    SkillSection,
)
from sleight_core.compose.action import ComposeAction, PoseCommand
from sleight_core.compose.chunks import ChunkCounts, ChunkRunner, ChunkShape, Executor, Sampler, background
from sleight_core.compose.estimation import held_object
from sleight_core.compose.graphs import OnnxEstimator, OnnxResidual, OnnxSampler
from sleight_core.compose.ownership import WRIST, WRIST_SIZE, intended_joints
from sleight_core.compose.stages import ACTING, FIRST, PairRun
from sleight_core.compose.wrist import WristServo
from sleight_core.errors import BundleError, SleightError
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.observation import ObservationBuilder, RobotState
from sleight_core.observation.compose_terms import own_mechanism
from sleight_core.observation.estimated_terms import PLACES, believed
from sleight_core.observation.residual_terms import hold_memory
from sleight_core.observation.scene_terms import FIRST_CLOUD
from sleight_core.observation.terms import Frame

if TYPE_CHECKING:
    from sleight_core.bundle.loader import Bundle

Array = NDArray[np.float64]

LATE_CHUNK = "LATE_CHUNK"


@dataclass(frozen=True)
class ComposedTick:
    """What one tick gave.

    Attributes:
        command: Joint targets (1, M) rad and wrist twist (1, 6).
        action: (28,) the action in force: executed, after residuals, masks and limits.
        residual: (28,) what residuals added to it.
        observation: (O,) what the acting skill saw last.
        mask: (28,) whether the second or third skill, the one that plans, owns an element; all false while one skill
            acts alone.
        stage: As `sleight_core.compose.stages` names them.
        skill: The skill that plans.
        owners: Who owns each of the hand's joints and then the wrist, by skill.
        late: Why the hand stands still although a skill should act; "" when it does not.
        late_for: How long it has stood still for that, s.
        counts: Of the planning skill's chunks.
        inference_time: Time in the residual networks, s; 0 at a tick without a new action.
    """

    command: Command
    action: Array
    residual: Array
    observation: NDArray[np.float32]
    mask: NDArray[np.bool_]
    stage: str
    skill: str
    owners: tuple[str, ...]
    late: str
    late_for: float
    counts: ChunkCounts
    inference_time: float


@dataclass
class _Skill:
    section: SkillSection
    observation: ObservationBuilder
    chunks: ChunkRunner
    estimator: OnnxEstimator | None
    first_cloud: Array | None = None
    estimates: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place = np.array([self.section.place], dtype=np.float64)
        self.goal = np.array([self.section.goal], dtype=np.float64)
        self.elsewhere = bool(self.place.any())

    def seen_from(self, state: RobotState) -> RobotState:
        """A state in the skill's own frame, with the skill's goal and its own mechanism."""
        known = own_mechanism(state.privileged, self.section.name)
        if not self.elsewhere:
            return replace(state, goal_pos=self.goal, privileged=known)
        place = self.place
        return replace(
            state,
            wrist_pos=state.wrist_pos - place,
            object_pos=state.object_pos - place,
            object_cloud=None if state.object_cloud is None else state.object_cloud - place,
            scene_cloud=None if state.scene_cloud is None else state.scene_cloud - place,
            goal_pos=self.goal,
            privileged=_moved(known, -place),
            estimates=_moved(state.estimates, -place),
        )

    @property
    def estimates_in_task_frame(self) -> dict[str, Array]:
        """The estimates, which are in the skill's own frame."""
        return _moved(self.estimates, self.place)


class ComposedPolicy:
    """Runs a bundle of composed skills. Not thread-safe; samplers run in the executor.

    Args:
        bundle: A verified bundle.
        table: The hand.
        executor: Runs the samplers; None: a thread of its own.
        begin_thread: Called first in that thread, such as to let it yield to the tick.
        samplers: Instead of the bundle's, by skill, for tests.
        clock: Monotonic time, s.

    Raises:
        BundleError: The bundle holds no composed skills, or a graph cannot be run.
    """

    def __init__(
        self,
        bundle: Bundle,
        table: HandTable,
        *,
        executor: Executor | None = None,
        begin_thread: Callable[[], None] | None = None,
        samplers: dict[str, Sampler] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        composition = bundle.manifest.composition
        if not isinstance(composition, ComposedSkills):
            raise BundleError(
                "composition.kind",
                expected="composed_skills",
                found=composition.kind,
                remedy="run it as a single policy",
            )
        self.table = table
        self.composition = composition
        self.period = bundle.manifest.control.period
        self.action = ComposeAction.from_parts(table, bundle.manifest.action)
        self._nobody = np.zeros(self.action.size, bool)
        self._nobody.setflags(write=False)
        self._servo = WristServo(table, composition.wrist_gain)
        self._kinematics = FingertipKinematics(table)
        self._own = None if executor is not None else background(begin_thread)
        executor = executor or self._own
        assert executor is not None
        self._skills: dict[str, _Skill] = {}
        for section in composition.skills:
            sampler = (samplers or {}).get(section.name) or OnnxSampler(bundle, section.graph)
            builder = ObservationBuilder(table, section.observation)
            shape = _shape(section, self.action.size)
            estimator = None if section.estimator is None else OnnxEstimator(bundle, section.estimator, table)
            chunks = ChunkRunner(sampler, shape, executor, clock)
            self._skills[section.name] = _Skill(section, builder, chunks, estimator)
        # Compositions may share a network: each graph is loaded once.
        self._networks: dict[str, OnnxResidual] = {}
        for pair in composition.compositions.values():
            for part in pair.residuals.values():
                if part.graph not in self._networks:
                    self._networks[part.graph] = OnnxResidual(bundle, part, table)
        self.release()

    def close(self) -> None:
        """End the thread of the samplers; what it is at is finished in the background."""
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)

    @property
    def skill(self) -> str:
        """The skill that plans; "" when none is engaged."""
        return self._acting.section.name if self._acting is not None else ""

    def check(self, skill: str) -> None:
        """Check that a skill can be engaged now.

        Raises:
            SleightError: There is no such skill, or no composition that goes on with it from where this one is.
        """
        if skill not in self._skills:
            raise SleightError("the bundle has no skill", value=skill, remedy=f"it has {', '.join(self._skills)}")
        if self._acting is not None and skill != self.skill:
            self._find_next(skill)

    def engage(self, skill: str, seed: int) -> None:
        """Let a skill act: alone, or after the one that acts now, which then keeps its fingers; or after two.

        Args:
            skill: Its name. The one that acts alone begins anew.
            seed: Of the noise of its chunks.

        Raises:
            SleightError: As `check`.
        """
        self.check(skill)
        if self._acting is not None and skill != self.skill:
            self._next = self._find_next(skill)
        else:
            self.release()
        self._acting = self._skills[skill]
        self._acting.chunks.begin(seed)
        if self._next is None:
            self._owners = (skill,) * (len(self.table.joint_names) + 1)
        self._acting.first_cloud, self._acting.estimates = None, {}
        self._ticks = 0

    def release(self) -> None:
        """Forget what runs."""
        self._acting: _Skill | None = None
        self._next: PairSection | None = None
        self._pair: PairRun | None = None
        self._remembered: dict[str, Array] = {}
        self._owned: dict[str, NDArray[Any]] = {}
        self._hold_quat: Array | None = None
        self._ticks = 0
        self._nominal: Array | None = None
        self._last: Array | None = None
        self._pose: PoseCommand | None = None
        self._second_output = np.zeros((1, self.action.size))
        self._squashed = np.zeros((1, self.action.size))
        self._residual = np.zeros((1, self.action.size))
        self._seen = np.zeros(0, np.float32)
        self._owners: tuple[str, ...] = ()
        self._stage = FIRST
        self._late = ""
        self._late_ticks = 0

    def tick(self, state: RobotState, sent_targets: Array, sent_twist: Array) -> ComposedTick:
        """One control tick.

        Args:
            state: A batch of one. `goal_pos` is replaced by the skill's own goal.
            sent_targets: (M,) joint targets that were sent last, rad, action order.
            sent_twist: (6,) wrist twist that was sent last.

        Raises:
            SleightError: No skill is engaged, something that a network sees or says is not finite, or a sampler failed.
        """
        if self._acting is None:
            raise SleightError("no skill is engaged")
        began = time.perf_counter()
        acts = self._ticks % self.composition.action_ticks == 0
        if acts:
            self._decide(self._acting, state, sent_targets, sent_twist)
        spent = time.perf_counter() - began if acts else 0.0
        self._ticks += 1
        self._late_ticks = self._late_ticks + 1 if self._late else 0
        assert self._last is not None
        if acts or self._pose is None:
            self._pose = self.action.decode_clipped(self._last)
        pose = self._pose
        twist = self._servo.twist(pose.wrist_pos, pose.wrist_quat, state.wrist_pos, state.wrist_quat)
        pair = self._pair
        return ComposedTick(
            command=Command(pose.joint_targets, twist),
            action=self._last[0],
            residual=self._residual[0],
            observation=self._seen,
            mask=self._nobody if pair is None else pair.ownership.second,
            stage=self._stage,
            skill=self._acting.section.name,
            owners=self._owners,
            late=self._late,
            late_for=self._late_ticks * self.period,
            counts=replace(self._acting.chunks.counts),
            inference_time=spent,
        )

    # One action ----------------------------------------------------------------------------------------------------

    def _decide(self, skill: _Skill, state: RobotState, sent_targets: Array, sent_twist: Array) -> None:
        """Decide the action of the next ticks."""
        if self._next is not None:
            self._begin_pair(self._next, self._here(state, sent_targets), state)
            self._next = None
        if self._pair is None:
            planned = self._plan(skill, state, due=False)
            if planned is None:
                planned = self._here(state, sent_targets) if self._nominal is None else self._nominal
            self._nominal = planned
            self._last = self.action.clip(planned)
            return
        self._compose(skill, self._pair, state, sent_targets, sent_twist)

    def _compose(self, skill: _Skill, pair: PairRun, state: RobotState, sent_targets: Array, sent_twist: Array) -> None:
        """Decide the action of a composition (Eqs. 7 to 12)."""
        self._stage = pair.stage
        acting = self._stage in ACTING
        if acting:
            planned = self._plan(skill, state, due=True)
        else:
            planned = pair.way()
            if pair.until_acting <= skill.section.lead:
                skill.chunks.prepare(self._observe(skill, state), ask=True)
        moved = planned is not None
        if moved:
            self._nominal = planned
        assert self._nominal is not None
        if pair.section.residuals:
            self._estimate_first(pair.section, state)
        seen = Frame(self._with_memory(pair, state, sent_targets, sent_twist), self._kinematics)
        first = self._ask(pair.section.first_residual, seen)
        # While a chunk is late the acting skill's elements stay where they are, its correction included.
        if acting and moved:
            self._second_output = self._ask(pair.section.second_residual, seen)
        command = pair.residual.compose(pair.hold, first, self._nominal, self._second_output)
        base = pair.ownership.assemble(pair.hold, self._nominal)
        self._squashed = np.where(pair.stabilised, np.tanh(first), 0.0)
        self._residual = command - base
        self._last = self.action.clip(command)
        if moved:
            pair.count += 1

    def _plan(self, skill: _Skill, state: RobotState, *, due: bool) -> Array | None:
        """The acting skill's action (1, 28), or None while its chunk is not there."""
        action = skill.chunks.act(self._observe(skill, state), due=due)
        if action is None:
            first = not skill.chunks.counts.planned
            words = "the first chunk of" if first else "a chunk of"
            self._late = f"{LATE_CHUNK}: {words} '{skill.section.name}' is not there yet"
            return None
        self._late = ""
        planned = np.array(action, dtype=np.float64)[None]
        planned[:, :3] += skill.place
        return planned

    def _observe(self, skill: _Skill, state: RobotState) -> NDArray[np.float32]:
        seen = skill.seen_from(state)
        self._estimate(skill, seen)
        joints = self._joints_seen(state)
        self._seen = skill.observation.compute(replace(seen, joint_pos=joints, estimates=skill.estimates))[0]
        return self._seen

    def _joints_seen(self, state: RobotState) -> Array:
        """Joint positions (1, J) rad as the skill that plans sees them."""
        if self._pair is None or self._nominal is None or self._pair.section.others_joints == "measured":
            return state.joint_pos
        return intended_joints(self.table, state.joint_pos, self._nominal, self._pair.ownership.second)

    def _estimate(self, skill: _Skill, seen: RobotState) -> None:
        """Make a skill's estimates for now out of a state in its own frame, if it has an estimator."""
        if skill.estimator is None:
            return
        if skill.first_cloud is None:
            skill.first_cloud = seen.scene_cloud
        memory = {} if skill.first_cloud is None else {FIRST_CLOUD: skill.first_cloud}
        skill.estimates = skill.estimator(replace(seen, memory=memory))

    def _estimate_first(self, section: PairSection, state: RobotState) -> None:
        first = self._skills[section.first]
        self._estimate(first, first.seen_from(state))

    def _ask(self, section: ResidualSection | None, frame: Frame) -> Array:
        if section is None:
            return np.zeros((1, self.action.size))
        return np.asarray(self._networks[section.graph](frame), dtype=np.float64)

    # The composition -----------------------------------------------------------------------------------------------

    def _find_next(self, skill: str) -> PairSection:
        """The composition that goes on with a skill."""
        if self._next is not None:
            return self._find_sequence(self._next, skill, acts=False)
        if self._pair is not None:
            return self._find_sequence(self._pair.section, skill, acts=not self._pair.until_acting)
        pair = self.composition.pair(self.skill, skill)
        if pair is None:
            known = [f"{row.first} + {row.second}" for row in self.composition.pairs]
            raise SleightError(
                f"the bundle has no composition of '{self.skill}' and '{skill}'", remedy=f"it has {', '.join(known)}"
            )
        return pair

    def _find_sequence(self, section: PairSection, skill: str, *, acts: bool) -> SequenceSection:
        third = isinstance(section, SequenceSection)
        sequence = None if third else self.composition.sequence(section.first, section.second, skill)
        if sequence is None:
            known = [" + ".join(row.skills) for row in self.composition.sequences]
            raise SleightError(
                f"'{self.skill}' is the {'third' if third else 'second'} skill of a composition already, "
                f"and none goes on with '{skill}'",
                remedy="release the policy first" + (f"; the bundle has {', '.join(known)}" if known else ""),
            )
        if not acts:
            raise SleightError(f"'{self.skill}' does not act yet", remedy="wait until it does, or release the policy")
        return sequence

    def _begin_pair(self, section: PairSection, here: Array, state: RobotState) -> None:
        hold = here
        if section.hold_reference == "measured":
            joints = self.table.actuated_index
            hold = self.action.encode(PoseCommand(state.wrist_pos, state.wrist_quat, state.joint_pos[:, joints]))
        first_time = self._pair is None
        self._pair = PairRun.begin(self.table, section, hold, self._pair)
        self._owners = (*self._pair.joint_owners, section.second)
        if first_time:
            # The object's place in the palm is that of the first skill's success, also for a third skill.
            self._hold_quat = state.wrist_quat
            self._estimate_first(section, state)
            seen = self._with_estimates(section, state)
            self._remembered = hold_memory(self.table, believed(seen) if seen.estimates else seen, hold)
        self._owned = {
            "preserved": self._pair.stabilised[None, WRIST_SIZE:],
            "fingers": self._pair.ownership.finger_mask[None].astype(np.float64),
        }
        self._second_output = np.zeros_like(hold)
        self._nominal = self._pair.hold
        self._late = ""

    def _here(self, state: RobotState, sent_targets: Array) -> Array:
        """The action (1, 28) that keeps the wrist where it is and the joints' targets what they are."""
        return self.action.encode(PoseCommand(state.wrist_pos, state.wrist_quat, sent_targets[None]))

    def _with_memory(self, pair: PairRun, state: RobotState, sent_targets: Array, sent_twist: Array) -> RobotState:
        """The state with what residuals see of the composition itself."""
        joints = self.table.actuated_index
        assert self._nominal is not None
        memory = (
            self._remembered
            | self._owned
            | {
                "targets": sent_targets[None],
                "base_action": sent_twist[None],
                "previous_residual": self._squashed,
                "phase": pair.phase,
                "nominal": self._nominal,
                "here": self.action.encode(PoseCommand(state.wrist_pos, state.wrist_quat, state.joint_pos[:, joints])),
            }
        )
        # What a residual sees of the acting skill's task is as that skill sees it; the rest is as seen from the palm.
        seen = self._skills[pair.section.second].seen_from(self._with_estimates(pair.section, state))
        return replace(seen, memory=memory)

    def _with_estimates(self, section: PairSection, state: RobotState) -> RobotState:
        """The state with the newest estimates of both skills, task frame: the first one holds its object."""
        first, second = (self._skills[name].estimates_in_task_frame for name in (section.first, section.second))
        if "object_pos" in first:
            assert self._hold_quat is not None
            first = held_object(state, first, self._hold_quat)
        return replace(state, estimates=second | first)


def owned_names(table: HandTable) -> tuple[str, ...]:
    """What `ComposedTick.owners` is about: the hand's joints, then "wrist"."""
    return (*table.joint_names, WRIST)


def _moved(values: Mapping[str, Array], by: Array) -> dict[str, Array]:
    """Values by name in a frame whose origin is elsewhere."""
    return {name: value + by if name in PLACES else value for name, value in values.items()}


def _shape(section: SkillSection, action: int) -> ChunkShape:
    return ChunkShape(section.observation_size, action, section.history, section.horizon, section.execute, section.lead)
