"""The safety filter: the only writer of the actuators (contract 4).

Pure: the caller brings the clock, hands over every message and calls `tick` once a control period; nothing here reads
a clock, a topic or a file. At every tick, whatever came in, the output is finite, named, complete, inside the limits
minus the margin, and within the slew limits (and the acceleration limits, where there are any) from the last *sent*
output. Not thread-safe: the caller serialises calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.errors import SleightError
from sleight_core.hand.table import HandTable
from sleight_core.safety.config import SafetyConfig
from sleight_core.safety.intake import TWIST_AXES, Intake
from sleight_core.safety.limits import JointLimits, WristLimits, limit_joint_targets, limit_to_workspace, limit_twist
from sleight_core.safety.motion import brake_joints, limit_joint_motion
from sleight_core.safety.output import SafetyOutput
from sleight_core.safety.reasons import ReasonCode, SafetyState
from sleight_core.safety.sources import Fault

Array = NDArray[Any]

#: Differences below this are rounding, not limiting (rad, m/s, rad/s).
_ROUNDING = 1e-9

_FOLLOWING = (SafetyState.BLENDING, SafetyState.ACTIVE)


@dataclass
class _Blend:
    origin: Array
    elapsed: float = 0.0


class SafetyFilter(Intake):
    """Turns whatever comes in into safe commands.

    Args:
        table: The hand.
        config: Age limits, tolerances, blending, recovery.
        joint_limits: Limits of the actuated joints; None for the table's with the default margin.
        wrist_limits: Limits of the wrist; None for the table's without a workspace box.

    Raises:
        SleightError: The limits are not those of the hand, or wider.
    """

    def __init__(
        self,
        table: HandTable,
        config: SafetyConfig | None = None,
        *,
        joint_limits: JointLimits | None = None,
        wrist_limits: WristLimits | None = None,
    ) -> None:
        self.joint_limits = joint_limits or JointLimits.from_table(table)
        self.wrist_limits = wrist_limits or WristLimits.from_table(table)
        _check_limits(table, self.joint_limits, self.wrist_limits)
        super().__init__(table, config or SafetyConfig(), self.wrist_limits)
        self.reset()

    # ---------------------------------------------------------------- operator

    def reset(self) -> None:
        """Forget everything, the last sent command included: unarmed, as after construction.

        For a hand that was placed elsewhere while nothing was sent (a reset simulator, a restarted driver).
        """
        self._forget_messages()
        self._last_tick: float | None = None
        self._armed = False
        self._stop: Fault | None = None
        self._state = SafetyState.IDLE
        self._starting = True
        self._blend: _Blend | None = None
        self._healthy_ticks = 0
        self._last_fault = Fault(ReasonCode.NOT_ARMED, "waiting for arming")
        self._last_sent: Array | None = None
        self._last_rate: Array = np.zeros(len(self._actuated))
        self._last_twist: Array = np.zeros(6)
        self._sequence: int | None = None

    def arm(self) -> bool:
        """Allow output. Does not end a latched stop.

        Returns:
            Whether the filter is armed now.
        """
        if self._stop is not None:
            return False
        if not self._armed:
            self._start()
        return True

    def rearm(self) -> None:
        """End a latched stop (or arm for the first time); commands from before are forgotten."""
        if self._stop is not None or not self._armed:
            self._start()

    def _start(self) -> None:
        self._armed, self._stop, self._starting = True, None, True
        self._state, self._blend, self._healthy_ticks = SafetyState.HOLD, None, 0
        self._forget_command()
        self._repeats.forget()

    def stop(self, reason: ReasonCode = ReasonCode.STOP_REQUESTED, detail: str = "stop requested") -> None:
        """Latch a stop: an active hold that only `rearm` ends."""
        self._stop = Fault(reason, detail)

    def release(self, reason: ReasonCode = ReasonCode.POLICY_HOLD, detail: str = "the policy was released") -> None:
        """Forget the command in force: hold, for the reason given, until the next one comes."""
        self._forget_command(Fault(reason, detail))

    @property
    def armed(self) -> bool:
        """Whether output is allowed and no stop is latched."""
        return self._armed and self._stop is None

    @property
    def last_sent(self) -> Array | None:
        """Targets of the last output (A,), rad, action order; None before the first."""
        return None if self._last_sent is None else self._last_sent.copy()

    def deadline(self, now: float) -> float:
        """Time (s) until the first watched source passes its age limit, and with it the next tick at which to hold.

        Infinite while no command is followed, not positive when the time has come.
        """
        if self._state not in _FOLLOWING:
            return math.inf
        return min(self._repeats.remaining(now), *(source.remaining(now) for source in self._watched))

    # ---------------------------------------------------------------- output

    def tick(self, now: float) -> SafetyOutput:
        """Decide what to send now. Call once a control period.

        Args:
            now: The caller's clock, s.

        Returns:
            The output; send it unless its `positions` are None.
        """
        now, clock_fault = self._advance(now)
        elapsed = self.config.period if self._last_tick is None else max(0.0, now - self._last_tick)
        self._last_tick = now
        dt = min(elapsed, self.config.longest_step)
        try:
            return self._decide(now, dt, clock_fault)
        except Exception as error:  # the last writer before the motors must hold, whatever bug is in here
            return self._fault_hold(now, dt, Fault(ReasonCode.INTERNAL_ERROR, repr(error)[:200]))

    def _decide(self, now: float, dt: float, clock_fault: Fault | None) -> SafetyOutput:
        if self._stop is not None:
            return self._hold(now, dt, SafetyState.STOPPED, self._stop)
        if not self._armed:
            return self._hold(now, dt, SafetyState.IDLE, Fault(ReasonCode.NOT_ARMED, "waiting for arming"))
        if self._last_sent is None:
            fault = clock_fault or self._joint_state.fault(now)
            if fault is not None:
                return self._hold(now, dt, SafetyState.IDLE, fault)
            assert self._measured is not None
            self._last_sent = self.joint_limits.clip(self._measured)
        fault = clock_fault or self._source_fault(now)
        if fault is not None:
            return self._fault_hold(now, dt, fault)
        self._healthy_ticks += 1
        if self._state not in _FOLLOWING:
            needed = 1 if self._starting else self.config.recovery_ticks
            if self._healthy_ticks < needed:
                detail = f"recovering, {self._healthy_ticks} of {needed} ticks: {self._last_fault.detail}"
                return self._hold(now, dt, SafetyState.HOLD, Fault(self._last_fault.reason, detail))
            self._engage()
        return self._follow(now, dt)

    def _source_fault(self, now: float) -> Fault | None:
        """Say why no command may be followed now: a source that is not fresh, or that is not what it should be."""
        for source in self._watched:
            if (fault := source.fault(now)) is not None:
                return fault
        # A driver that repeats itself is found at the tick at which its time is over, not with its next message.
        if (repeated := self._repeats.fault(now)) is not None:
            self._joint_state.backdate(self._repeats.since)
            return repeated
        return self._rivals.fault(now) or self._start_fault()

    def _start_fault(self) -> Fault | None:
        """A first command that is too far from where the hand is."""
        if not self._starting or not math.isfinite(self.config.start_limit):
            return None
        assert self._command is not None and self._measured is not None
        way = np.abs(self.joint_limits.clip(self._command.positions) - self.joint_limits.clip(self._measured))
        j = int(np.argmax(way))
        if way[j] <= self.config.start_limit:
            return None
        return Fault(ReasonCode.TARGET_TOO_FAR, f"'{self._actuated[j]}' is {way[j]:.3f} rad from the first command")

    def _engage(self) -> None:
        """Leave a hold: blend in if the command is far from the sent pose."""
        assert self._command is not None and self._last_sent is not None and self._measured is not None
        # After a hold the blend starts at the held pose: from the measured one, a grip on an object would open first.
        origin = self.joint_limits.clip(self._measured) if self._starting else self._last_sent
        distance = np.abs(self.joint_limits.clip(self._command.positions) - self._last_sent).max()
        far = distance > self.config.blend_threshold and self.config.blend_time > 0
        self._blend = _Blend(origin.copy()) if far else None
        self._starting = False

    def _follow(self, now: float, dt: float) -> SafetyOutput:
        assert self._command is not None and self._last_sent is not None
        command, limits, before = self._command, self.joint_limits, self._last_sent
        goal = limits.clip(command.positions)
        twist = np.minimum(np.maximum(command.twist, -self.wrist_limits.speed), self.wrist_limits.speed)
        position_excess = np.abs(goal - command.positions)
        wrist_excess = np.abs(twist - command.twist)
        share = 1.0
        if self._blend is not None:
            self._blend.elapsed += dt
            x = min(1.0, self._blend.elapsed / self.config.blend_time)
            share = x * x * (3.0 - 2.0 * x)
            goal = self._blend.origin + share * (goal - self._blend.origin)
            twist = share * twist
        slewed = limit_joint_targets(goal, before, limits, dt)
        sent, rate = limit_joint_motion(goal, before, self._last_rate, limits, dt)
        free = twist
        if self._wrist_position is not None:
            free = limit_to_workspace(twist, self._wrist_position, self.wrist_limits, self.config.period)
        sent_twist = limit_twist(free, self._last_twist, self.wrist_limits, dt)
        wrist_excess = np.maximum(wrist_excess, np.abs(sent_twist - twist))

        self._take(now, sent, rate, sent_twist)
        self._sequence = command.sequence
        self._state = SafetyState.ACTIVE if self._blend is None else SafetyState.BLENDING
        if share >= 1.0:
            self._blend = None
        changes = [
            Fault(reason, f"{names[int(np.argmax(excess))]} by {excess.max():.4g} {unit}")
            for reason, excess, names, unit in (
                (ReasonCode.POSITION_LIMITED, position_excess, self._actuated, "rad"),
                (ReasonCode.RATE_LIMITED, np.abs(slewed - goal), self._actuated, "rad"),
                (ReasonCode.ACCELERATION_LIMITED, np.abs(sent - slewed), self._actuated, "rad"),
                (ReasonCode.WRIST_LIMITED, wrist_excess, TWIST_AXES, "of m/s or rad/s"),
            )
            if excess.max() > _ROUNDING
        ]
        why = changes[0] if changes else Fault(ReasonCode.OK, "")
        if self._state is SafetyState.BLENDING:
            why = Fault(ReasonCode.START_BLEND, f"{100 * share:.0f} % of the way to the command")
        return self._output(now, self._state, why, limited=bool(changes))

    def _fault_hold(self, now: float, dt: float, fault: Fault) -> SafetyOutput:
        """Hold until all sources have been fresh for the recovery ticks."""
        self._healthy_ticks, self._blend, self._last_fault = 0, None, fault
        return self._hold(now, dt, SafetyState.IDLE if self._last_sent is None else SafetyState.HOLD, fault)

    def _hold(self, now: float, dt: float, state: SafetyState, fault: Fault) -> SafetyOutput:
        """Bring the sent targets and the wrist to rest, and keep them there."""
        self._state = state
        # A clock that stands still must not keep anything moving: then a tick counts as one period.
        dt = dt or self.config.period
        twist = limit_twist(np.zeros(6), self._last_twist, self.wrist_limits, dt)
        if self._last_sent is None:
            self._last_twist = twist
        else:
            self._take(now, *brake_joints(self._last_sent, self._last_rate, self.joint_limits, dt), twist)
        return self._output(now, state, fault)

    def _take(self, now: float, sent: Array, rate: Array, twist: Array) -> None:
        """Note what goes out."""
        if self._last_sent is not None:
            self._repeats.moved(now, sent - self._last_sent)
        self._last_sent, self._last_rate, self._last_twist = sent, rate, twist

    def _output(self, now: float, state: SafetyState, why: Fault, *, limited: bool = False) -> SafetyOutput:
        return SafetyOutput(
            joint_names=self._actuated,
            positions=None if self._last_sent is None else self._last_sent.copy(),
            rates=self._last_rate.copy(),
            wrist_twist=self._last_twist.copy(),
            state=state,
            reason=why.reason,
            detail=why.detail,
            ages={source.name: source.age(now) for source in self._watched},
            limited=limited,
            sequence=self._sequence,
        )


def _check_limits(table: HandTable, joints: JointLimits, wrist: WristLimits) -> None:
    if joints.names != tuple(table.actuated_joint_names):
        raise SleightError(
            f"safety filter: the limits are not those of hand '{table.name}'",
            value=list(joints.names),
            remedy="make them with JointLimits.from_table",
        )
    wider = (joints.lower < table.actuated_lower) | (joints.upper > table.actuated_upper)
    wider |= joints.velocity > table.actuated_velocity
    if wider.any():
        raise SleightError(
            f"safety filter: limits wider than those of hand '{table.name}'",
            value=[name for name, is_wider in zip(joints.names, wider, strict=True) if is_wider],
            remedy="make them with JointLimits.from_table",
        )
    table_wrist = WristLimits.from_table(table)
    if (wrist.speed > table_wrist.speed).any():
        raise SleightError(
            f"safety filter: wrist speeds above those of hand '{table.name}'",
            value=f"{wrist.speed.tolist()}, not {table_wrist.speed.tolist()}",
            remedy="make them with WristLimits.from_table",
        )
