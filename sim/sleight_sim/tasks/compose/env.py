"""The vectorised DexCompose task: the 28-D position action, the wrist's position servo, observation and success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sleight_core.compose.wrist import WristServo
from sleight_core.errors import SleightError
from sleight_core.safety.limits import JointLimits, WristLimits, limit_joint_targets, limit_twist

from sleight_sim.engines import InitialState, SimState
from sleight_sim.tasks.compose.action import ComposeAction, PoseCommand
from sleight_sim.tasks.compose.chain import MechanismChain, MechanismState
from sleight_sim.tasks.compose.config import ComposeTaskConfig, InteractionSuccess, RetentionSuccess
from sleight_sim.tasks.compose.engine import ComposeEngine, Ids
from sleight_sim.tasks.compose.lying import LyingHeights
from sleight_sim.tasks.compose.observation import ComposeObservation
from sleight_sim.tasks.compose.success import interaction_reached, retention_reached
from sleight_sim.tasks.compose.variation import StartDraw, draw_starts
from sleight_sim.worlds.tabletop import TABLE_HEIGHT

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass
class ComposeStep:
    """What one action gave.

    Attributes:
        terms: Observation terms by name, (B, n) (see `ComposeObservation.compute`).
        success: (B,) bool: the success condition has now held for its `hold_steps`.
        succeeded: (B,) bool: it did at some time of the episode.
        timeout: (B,) bool: the time limit is reached.
        failed: (B,) bool: the physics diverged.
    """

    terms: dict[str, Array]
    success: Flags
    succeeded: Flags
    timeout: Flags
    failed: Flags


class ComposeTask:
    """One task in B environments; episodes are started by the caller.

    Every action goes through the limits and rates that the robot's safety filter applies. The wrist is a velocity servo
    (contract 1), so its pose targets pass through the proportional position servo that an arm would have.

    Args:
        engine: B worlds of the task, or of a composition that contains the task's object or mechanism.
        config: The task.
        seed: Seed of the starts.
        mechanism: Which of the worlds' mechanisms an interaction is about.
        place: Origin of the task's own frame in the worlds (m): all positions that the task gives or takes are as seen
            from there, so that a task is the same wherever on a table it is. Directions are those of the worlds.

    Raises:
        SleightError: The worlds lack what the task's success is about.
    """

    def __init__(
        self,
        engine: ComposeEngine,
        config: ComposeTaskConfig,
        seed: int = 0,
        *,
        mechanism: int = 0,
        place: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        draws = [world.draw for world in engine.worlds]
        if (config.role == "interaction" and mechanism >= len(engine.chains)) or (
            config.role == "retention" and any(draw.thing is None for draw in draws)
        ):
            raise SleightError(
                "these worlds do not fit the task", value=config.name, remedy="make them with `make_compose_task`"
            )
        self.engine = engine
        self.config = config
        self.place = np.asarray(place, dtype=np.float64)
        self._index = mechanism
        self.table = engine.table
        self.num_envs = b = engine.num_envs
        self.rng = np.random.default_rng(seed)
        self.action = ComposeAction(self.table, config.workspace)
        self.observation = ComposeObservation(self.table, config, self.chain.joint_names if engine.chains else ())
        self.joint_limits = JointLimits.from_table(self.table)
        self.wrist_limits = WristLimits.from_table(self.table)
        self._lying = LyingHeights([draw.thing for draw in draws])
        self.rest = self._lying.rest
        self.step_count = np.zeros(b, dtype=int)
        self.streak = np.zeros(b, dtype=int)
        self.succeeded = np.zeros(b, dtype=bool)
        self.sent_targets = np.zeros((b, len(self.table.actuated_joint_names)))
        self.sent_twist = np.zeros((b, 6))
        self._wrist_servo = WristServo(self.table, config.wrist_gain)
        self._servo_period = config.control_period / config.servo_steps
        self.sim: SimState
        self._mechanism: MechanismState | None = None
        #: Where the episodes started; rows of environments that were reset are replaced.
        self.starts = draw_starts(config, self.rest, self.rng)

    @property
    def mechanism(self) -> MechanismState:
        """The mechanisms now.

        Raises:
            SleightError: The worlds have none.
        """
        return self._seen_mechanism() if self._mechanism is None else self._mechanism

    @property
    def chain(self) -> MechanismChain:
        """The joints of the mechanisms.

        Raises:
            SleightError: The worlds have none.
        """
        return self.engine.chain(self._index)

    def handle_pose(self, joints: Array) -> tuple[Array, Array]:
        """Where the handles would be with the mechanisms' joints at (B, M): (B, 3) m, (B, 4) wxyz."""
        pos, quat = self.chain.handle_pose(joints)
        return pos - self.place, quat

    def reset(self, ids: Sequence[int] | Ids | None = None) -> dict[str, Array]:
        """Start new episodes at drawn places; return the observation terms of all environments.

        Args:
            ids: (n,) environments, or None for all.
        """
        index = np.arange(self.num_envs) if ids is None else np.asarray(ids, dtype=int)
        self.start(index, draw_starts(self.config, self.rest[index], self.rng))
        return self.observe()

    def start(self, ids: Ids, starts: StartDraw) -> None:
        """Start episodes of environments ids (n,) at given places (n)."""
        self._begin(ids, starts)
        holds_object = self.config.object is not None
        parked = np.tile([0.8, 0.8, 0.05], (len(ids), 1)), np.tile([1.0, 0.0, 0.0, 0.0], (len(ids), 1))
        pos, quat = (starts.place_pos, starts.place_quat) if holds_object else parked
        base = parked if holds_object else (starts.place_pos, starts.place_quat)
        # Joints start where the limits' margin lets a target be.
        joints = np.tile(self.table.posture("open"), (len(ids), 1))
        joints[:, self.table.actuated_index] = self.joint_limits.clip(joints[:, self.table.actuated_index])
        there = starts.wrist_pos + self.place
        initial = InitialState(joints, there, starts.wrist_quat, pos + self.place, quat)
        self.engine.reset_worlds(ids, initial, base[0] + self.place, base[1], self._index)
        self.sent_targets[ids] = joints[:, self.table.actuated_index]
        self.sent_twist[ids] = 0.0
        self.refresh()

    def stand(self, ids: Ids, starts: StartDraw) -> None:
        """Put the mechanisms of environments ids (n,) at given places (n); all else stays, and episodes begin so."""
        self._begin(ids, starts)
        self.engine.place_mechanism(self._index, ids, starts.place_pos + self.place, starts.place_quat)
        self.refresh()

    def _begin(self, ids: Ids, starts: StartDraw) -> None:
        for name in ("wrist_pos", "wrist_quat", "place_pos", "place_quat"):
            getattr(self.starts, name)[ids] = getattr(starts, name)
        self.step_count[ids] = self.streak[ids] = 0
        self.succeeded[ids] = False

    def step(self, action: Array) -> ComposeStep:
        """Advance one control period under actions (B, 28) (see `ComposeAction`); they are clipped to its limits."""
        command = self.action.decode(action)
        for _ in range(self.config.servo_steps):
            self._servo(command)
        return ComposeStep(
            success=self.judge(),
            terms=self.observe(),
            succeeded=self.succeeded.copy(),
            timeout=self.step_count >= self.config.episode_steps,
            failed=self.engine.failed().copy(),
        )

    def judge(self) -> Flags:
        """Take the present state into the episodes, as one more action; (B,) success has held for its `hold_steps`."""
        self.step_count += 1
        self.streak = np.where(self.reached(), self.streak + 1, 0)
        success = self.streak >= self.config.success.hold_steps
        self.succeeded |= success
        return success

    def hold(self) -> Array:
        """The action (B, 28) that keeps the hand where it is and its targets what they are."""
        return self.action.encode(PoseCommand(self.sim.wrist_pos, self.sim.wrist_quat, self.sent_targets))

    def lying(self) -> Array:
        """Heights (B,) m in the task frame at which the objects' origins would lie (see `LyingHeights`)."""
        return TABLE_HEIGHT + self._lying.at(self.sim.object_quat)

    def reached(self) -> Flags:
        """(B,) whether the success condition holds now."""
        success = self.config.success
        if isinstance(success, InteractionSuccess):
            chain = self.chain
            return interaction_reached(success, chain.joint_names, self.mechanism.joint_pos, chain.lower, chain.upper)
        assert isinstance(success, RetentionSuccess)
        return retention_reached(success, self.sim.object_pos, self.sim.object_quat, self.lying())

    def observe(self, joint_pos: Array | None = None) -> dict[str, Array]:
        """The observation's terms now (see `ComposeObservation.compute`).

        Args:
            joint_pos: (B, J) rad to be seen in the place of the hand's; None: the hand's.
        """
        sim = self.sim if joint_pos is None else replace(self.sim, joint_pos=joint_pos)
        return self.observation.compute(sim, self._mechanism)

    def refresh(self) -> None:
        """Read the engine's state again, after it was changed from outside."""
        sim = self.engine.state()
        self.sim = replace(sim, wrist_pos=sim.wrist_pos - self.place, object_pos=sim.object_pos - self.place)
        if self.engine.chains:
            self._mechanism = self._seen_mechanism()

    def _seen_mechanism(self) -> MechanismState:
        state = self.chain.state()
        return replace(state, base_pos=state.base_pos - self.place, handle_pos=state.handle_pos - self.place)

    def _servo(self, command: PoseCommand) -> None:
        """One update at the bridge's rate: position error to twist, limits, physics."""
        dt, sim = self._servo_period, self.sim
        targets = limit_joint_targets(command.joint_targets, self.sent_targets, self.joint_limits, dt)
        wanted = self._wrist_servo.twist(command.wrist_pos, command.wrist_quat, sim.wrist_pos, sim.wrist_quat)
        twist = limit_twist(wanted, self.sent_twist, self.wrist_limits, dt)
        self.sent_targets, self.sent_twist = targets, twist
        self.engine.step(targets, twist)
        self.refresh()
