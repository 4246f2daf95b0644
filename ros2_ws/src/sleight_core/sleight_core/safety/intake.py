"""What the safety filter hears: every message checked, the newest good one of each source kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.hand.table import HandTable
from sleight_core.safety.config import SafetyConfig
from sleight_core.safety.doubts import RepeatWatch, RivalWatch
from sleight_core.safety.inputs import read_by_name, read_vector
from sleight_core.safety.limits import WristLimits
from sleight_core.safety.reasons import ReasonCode
from sleight_core.safety.sources import Fault, Sources, number

Array = NDArray[Any]

TWIST_AXES = ("linear x", "linear y", "linear z", "angular x", "angular y", "angular z")


@dataclass(frozen=True)
class PolicyCommand:
    """A command that was taken: targets (A,) rad, wrist twist (6,) m/s and rad/s, and where it comes from."""

    positions: Array
    twist: Array
    sequence: int | None
    bundle_id: str


class Intake:
    """The part of the safety filter that hears.

    Every `observe_...` returns OK or why the message was refused; a refused message counts as if it had not come. Its
    `now` is the caller's clock, s; a stamp is when the message's content was measured, s, or None when its sender does
    not say.

    Args:
        table: The hand.
        config: Age limits and tolerances.
        wrist_limits: Speeds against which a twist is judged.
    """

    def __init__(self, table: HandTable, config: SafetyConfig, wrist_limits: WristLimits) -> None:
        self.config = config
        self._all_joints = tuple(table.joint_names)
        self._actuated = tuple(table.actuated_joint_names)
        self._actuated_index = np.asarray(table.actuated_index)
        self._state_lower = np.asarray(table.lower) - config.state_tolerance
        self._state_upper = np.asarray(table.upper) + config.state_tolerance
        self._target_lower = np.asarray(table.actuated_lower) - config.target_tolerance
        self._target_upper = np.asarray(table.actuated_upper) + config.target_tolerance
        self._twist_bound = wrist_limits.speed * config.twist_tolerance
        self._floating = table.wrist_mode == "floating"
        sources = Sources.of(config, self._floating)
        self._joint_state, self._wrist = sources.joint_state, sources.wrist
        self._object, self._command_source = sources.object, sources.command
        self._sources, self._watched = sources.all, sources.watched
        self._rivals = RivalWatch(config.rival_window, config.rival_limit)
        self._repeats = RepeatWatch(config.repeat_motion, config.repeat_age_limit)
        self._forget_messages()

    @property
    def refusals(self) -> dict[str, int]:
        """How many messages were refused since construction, by "source: REASON"."""
        return {
            f"{source.name}: {reason.name}": count
            for source in self._sources
            for reason, count in source.refusals.items()
        }

    def observe_joint_state(
        self,
        now: float,
        stamp: float | None,
        names: Sequence[str],
        positions: Sequence[float] | Array,
        velocities: Sequence[float] | Array | None = None,
    ) -> ReasonCode:
        """Take a joint state; joints that the hand does not have are ignored.

        Args:
            now: The caller's clock, s.
            stamp: When the state was measured, s, or None.
            names: Joint names, any order.
            positions: rad, same length.
            velocities: rad/s, same length, or empty.
        """
        now, fault = self._advance(now)
        source = self._joint_state
        read = fault or source.order_fault(now, stamp) or self._read_joint_state(names, positions, velocities)
        if not isinstance(read, Fault):
            self._repeats.read(read)
            if (repeated := self._repeats.fault(now)) is not None:
                source.backdate(self._repeats.since)
                read = repeated
        if isinstance(read, Fault):
            return source.refuse(now, read).reason
        self._measured = read[0, self._actuated_index]
        source.accept(now, stamp)
        return ReasonCode.OK

    def observe_wrist(
        self,
        now: float,
        stamp: float | None,
        position: Sequence[float] | Array,
        twist: Sequence[float] | Array | None = None,
        frame: str | None = None,
    ) -> ReasonCode:
        """Take a wrist state.

        Args:
            now: The caller's clock, s.
            stamp: When it was measured, s, or None.
            position: Wrist origin (3,) in the task frame, m.
            twist: Measured twist (6,), m/s and rad/s, or None; only checked to be finite.
            frame: Frame of the position; compared with the configured task frame when both are given.
        """
        now, fault = self._advance(now)
        read = fault or self._wrist.order_fault(now, stamp) or self._frame_fault("wrist", frame)
        read = read or read_vector("wrist position", position, 3, ReasonCode.NON_FINITE_STATE)
        if not isinstance(read, Fault) and twist is not None:
            velocity = read_vector("wrist velocity", twist, 6, ReasonCode.NON_FINITE_STATE)
            read = velocity if isinstance(velocity, Fault) else read
        if isinstance(read, Fault):
            return self._wrist.refuse(now, read).reason
        self._wrist_position = read
        self._wrist.accept(now, stamp)
        return ReasonCode.OK

    def observe_object(
        self, now: float, stamp: float | None, reason: ReasonCode = ReasonCode.OK, detail: str = ""
    ) -> ReasonCode:
        """Take the news of an object estimate; only its age counts.

        Args:
            now: The caller's clock, s.
            stamp: Stamp of the cloud used, s, or None.
            reason: OK for a valid estimate, else why perception has none (usually NO_OBJECT).
            detail: Perception's own words.
        """
        now, fault = self._advance(now)
        if fault is None and reason != ReasonCode.OK:
            fault = Fault(reason, detail or "object: perception has no estimate")
        fault = fault or self._object.order_fault(now, stamp)
        if fault is not None:
            return self._object.refuse(now, fault).reason
        self._object.accept(now, stamp)
        return ReasonCode.OK

    def observe_command(
        self,
        now: float,
        stamp: float | None,
        names: Sequence[str],
        positions: Sequence[float] | Array,
        twist: Sequence[float] | Array | None = None,
        sequence: int | None = None,
        *,
        bundle_id: str = "",
        frame: str | None = None,
    ) -> ReasonCode:
        """Take a policy's command: every actuated joint exactly once, in any order.

        Args:
            now: The caller's clock, s.
            stamp: Stamp of the state that the command was computed from, s, or None.
            names: Joint names.
            positions: Targets, rad, same length.
            twist: Wrist twist (6,) in the task frame, m/s and rad/s; None for zero.
            sequence: Counts up by one a command.
            bundle_id: The bundle that the command comes from; another one's is refused while the first is alive.
            frame: Frame of the twist; compared with the configured task frame when both are given.
        """
        now, fault = self._advance(now)
        source, engaged = self._command_source, self._command
        read = fault or self._read_command(names, positions, twist, frame)
        command = read if isinstance(read, Fault) else PolicyCommand(*read, sequence, bundle_id)
        if fault is None and engaged is not None and bundle_id != engaged.bundle_id and source.fresh(now):
            fault = Fault(ReasonCode.WRONG_BUNDLE, f"'{bundle_id}' while '{engaged.bundle_id}' is engaged")
            self._rivals.refused(f"commands of '{bundle_id}' and of '{engaged.bundle_id}' in turn")
        elif fault is None:
            fault = source.order_fault(now, stamp, sequence)
            if fault is not None and self._is_rival(now, command, sequence):
                self._rivals.refused(f"in turn with its own, {fault.detail}")
        if fault is None and isinstance(command, Fault):
            fault = command
        fault = fault or self._lag_fault(stamp)
        if fault is not None:
            return source.refuse(now, fault).reason
        assert isinstance(command, PolicyCommand)
        self._command = command
        source.accept(now, stamp, sequence)
        self._rivals.accepted(now)
        return ReasonCode.OK

    def _lag_fault(self, stamp: Any) -> Fault | None:
        """A command computed from a state that is older, on the driver's own clock, than a command may be."""
        newest = self._joint_state.stamp
        if self.config.trust_stamps or stamp is None or newest is None:
            return None
        lag = newest - number(stamp)
        if lag <= self.config.command_age_limit:
            return None
        return Fault(ReasonCode.STALE_COMMAND, f"command: from a state {lag:.3f} s older than the newest")

    def _is_rival(self, now: float, command: PolicyCommand | Fault, sequence: Any) -> bool:
        """Whether a command that does not follow on the last one comes from elsewhere; a mere repetition does not."""
        engaged, last = self._command, self._command_source.sequence
        if engaged is None or last is None or not isinstance(sequence, int) or not self._command_source.fresh(now):
            return False
        if sequence == last and isinstance(command, PolicyCommand):
            return not np.array_equal(command.positions, engaged.positions)
        return sequence <= last

    def _read_joint_state(self, names: Any, positions: Any, velocities: Any) -> Array | Fault:
        """Positions and velocities (2, J) in the table's order; velocities zero when there are none."""
        non_finite = ReasonCode.NON_FINITE_STATE
        measured = read_by_name("joint_state", names, positions, self._all_joints, non_finite, only_wanted=False)
        if isinstance(measured, Fault):
            return measured
        speeds: Array | Fault = np.zeros(len(self._all_joints))
        if velocities is not None and np.size(velocities):
            speeds = read_by_name("joint velocity", names, velocities, self._all_joints, non_finite, only_wanted=False)
            if isinstance(speeds, Fault):
                return speeds
        outside = (measured < self._state_lower) | (measured > self._state_upper)
        if outside.any():
            j = int(np.argmax(outside))
            return Fault(ReasonCode.STATE_OUT_OF_LIMITS, f"'{self._all_joints[j]}' measured at {measured[j]:.3f} rad")
        return np.stack([measured, speeds])

    def _read_command(self, names: Any, positions: Any, twist: Any, frame: str | None) -> tuple[Array, Array] | Fault:
        """Targets (A,) in action order and twist (6,), or what is wrong with them."""
        wrong_frame = self._frame_fault("command", frame)
        if wrong_frame is not None:
            return wrong_frame
        non_finite, absurd = ReasonCode.NON_FINITE_COMMAND, ReasonCode.COMMAND_OUT_OF_LIMITS
        targets = read_by_name("command", names, positions, self._actuated, non_finite, only_wanted=True)
        velocity = np.zeros(6) if twist is None else read_vector("wrist twist", twist, 6, non_finite)
        if isinstance(targets, Fault) or isinstance(velocity, Fault):
            return targets if isinstance(targets, Fault) else velocity  # type: ignore[return-value]
        beyond = (targets < self._target_lower) | (targets > self._target_upper)
        if beyond.any():
            j = int(np.argmax(beyond))
            return Fault(absurd, f"command: '{self._actuated[j]}' to {targets[j]:.4g} rad")
        if not self._floating:
            return targets, np.zeros(6)
        beyond = np.abs(velocity) > self._twist_bound
        if beyond.any():
            j = int(np.argmax(beyond))
            return Fault(absurd, f"command: wrist twist {TWIST_AXES[j]} {velocity[j]:.4g}")
        return targets, velocity

    def _frame_fault(self, what: str, frame: str | None) -> Fault | None:
        wanted = self.config.task_frame
        if wanted is None or frame is None or frame == wanted:
            return None
        return Fault(ReasonCode.WRONG_FRAME, f"{what}: in '{frame}', not in '{wanted}'")

    def _advance(self, now: Any) -> tuple[float, Fault | None]:
        """Move the clock; when it ran backward, nothing that was received before has a known age any more."""
        value = number(now)
        if not math.isfinite(value):
            return self._now or 0.0, Fault(ReasonCode.INTERNAL_ERROR, f"the clock reads {value}")
        if self._now is not None and value < self._now:
            if self._now - value <= self.config.clock_tolerance:
                return self._now, None
            fault = Fault(ReasonCode.BACKWARD_TIME, f"the clock went back by {self._now - value:.3f} s")
            for source in self._sources:
                source.forget(fault)
            self._command = None
            self._rivals.forget()
            self._repeats.forget()
        self._now = value
        return value, None

    def _forget_command(self, fault: Fault | None = None) -> None:
        """Forget the policy's command; `fault` is the reason to hold until the next one."""
        self._command = None
        self._command_source.forget(fault)
        self._rivals.forget()

    def _forget_messages(self) -> None:
        """Forget all messages and the clock."""
        for source in self._sources:
            source.forget()
        self._now: float | None = None
        self._measured: Array | None = None
        self._wrist_position: Array | None = None
        self._command: PolicyCommand | None = None
        self._rivals.forget()
        self._repeats.forget()
