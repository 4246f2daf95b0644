"""Freshness of one input: its stamps, its age, and why its messages were refused."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from sleight_core.safety.config import SafetyConfig
from sleight_core.safety.reasons import ReasonCode


@dataclass(frozen=True)
class Fault:
    """A reason with its detail, one short clause."""

    reason: ReasonCode
    detail: str


def number(value: Any) -> float:
    """Return `value` as a float, NaN when it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


class Source:
    """Judges whether the messages of one input are in order and fresh.

    A refused message counts as if it had not come. Messages must advance in their sequence number, or in their stamp
    when they have none. A source that restarted (a run of messages that advance, but from an earlier point) is taken up
    again after `restart_after` of them, if none of the former run came in between: that would be a second publisher.

    Attributes:
        name: Name in ages and details.
        max_age: Age limit, s.
        refusals: Messages refused since the source was made, by reason.

    Args:
        name: Name in ages and details.
        max_age: Age limit, s.
        missing: Reason before the first message.
        stale: Reason when the age limit is passed.
        non_finite: Reason for a stamp that is no number.
        trust_stamps: Ages count from the stamp (else from the arrival).
        future_tolerance: How far a trusted stamp may lie ahead of the clock, s.
        restart_after: Messages after which a source that ran backward is taken up again.
    """

    def __init__(
        self,
        name: str,
        max_age: float,
        *,
        missing: ReasonCode,
        stale: ReasonCode,
        non_finite: ReasonCode,
        trust_stamps: bool,
        future_tolerance: float,
        restart_after: int,
    ) -> None:
        self.name = name
        self.max_age = max_age
        self.refusals: Counter[ReasonCode] = Counter()
        self._missing, self._stale, self._non_finite = missing, stale, non_finite
        self._trust_stamps = trust_stamps
        self._future_tolerance = future_tolerance
        self._restart_after = restart_after
        self._since: float | None = None  # the age counts from here
        self._stamp: float | None = None
        self._sequence: int | None = None
        self._refusal: Fault | None = None
        self._refused_at = -math.inf
        self._restart_key: tuple[int | None, float | None] | None = None
        self._restart_count = 0

    def forget(self, fault: Fault | None = None) -> None:
        """Start anew as if no message had ever come; `fault` is then the reason until one comes."""
        self._since = self._stamp = self._sequence = self._restart_key = None
        self._restart_count = 0
        self._refusal = fault

    def refuse(self, now: float, fault: Fault) -> Fault:
        """Note why a message was refused, and return that reason."""
        self._refusal, self._refused_at = fault, now
        self.refusals[fault.reason] += 1
        return fault

    def backdate(self, since: float) -> None:
        """The newest accepted message is known to be older than it said: it is from `since`."""
        if self._since is not None:
            self._since = min(self._since, since)

    def accept(self, now: float, stamp: float | None, sequence: int | None = None) -> None:
        """Take a message that `order_fault` passed."""
        stamp = None if stamp is None else float(stamp)
        self._since = min(now, stamp) if self._trust_stamps and stamp is not None else now
        self._stamp, self._sequence = stamp, sequence
        self._refusal = self._restart_key = None
        self._restart_count = 0

    @property
    def sequence(self) -> int | None:
        """Sequence number of the newest accepted message; None before the first, or without numbers."""
        return self._sequence

    @property
    def stamp(self) -> float | None:
        """Stamp of the newest accepted message, s; None before the first, or without stamps."""
        return self._stamp

    def order_fault(self, now: float, stamp: Any, sequence: int | None = None) -> Fault | None:
        """Say why a message's stamp (s, or None) or sequence number forbids to take it; None when it may be taken."""
        if stamp is not None:
            stamp = number(stamp)
            if not math.isfinite(stamp):
                return Fault(self._non_finite, f"{self.name}: stamp is {stamp}")
            if self._trust_stamps and stamp > now + self._future_tolerance:
                return Fault(ReasonCode.FUTURE_STAMP, f"{self.name}: stamp {stamp - now:.3f} s ahead of the clock")
        if sequence is not None and not isinstance(sequence, Integral):
            return Fault(self._non_finite, f"{self.name}: sequence is no integer: {sequence!r:.60}")
        if self._since is None:
            return None
        backward: str | None = None
        by_sequence = sequence is not None and self._sequence is not None
        if by_sequence:
            assert sequence is not None and self._sequence is not None
            if sequence == self._sequence:
                return Fault(ReasonCode.FROZEN_STAMP, f"{self.name}: sequence {sequence} again")
            if sequence < self._sequence:
                backward = f"{self.name}: sequence {self._sequence}, then {sequence}"
        if stamp is not None and self._stamp is not None:
            if stamp == self._stamp and not by_sequence:
                return Fault(ReasonCode.FROZEN_STAMP, f"{self.name}: stamp {stamp:.3f} s again")
            if stamp < self._stamp:
                backward = f"{self.name}: stamp went back by {self._stamp - stamp:.3f} s"
        if backward is None or self._restarted(sequence, stamp):
            return None
        return Fault(ReasonCode.BACKWARD_TIME, backward)

    def _restarted(self, sequence: int | None, stamp: float | None) -> bool:
        """Count a message that ran backward; true when it ends a run of them that advance among themselves."""
        before = self._restart_key
        advances = before is not None and (stamp or 0.0) >= (before[1] or 0.0)
        if advances and before is not None:
            counted, last = (stamp, before[1]) if sequence is None else (sequence, before[0])
            advances = counted is not None and last is not None and counted > last
        self._restart_count = self._restart_count + 1 if advances else 1
        self._restart_key = (sequence, stamp)
        return self._restart_count >= self._restart_after

    def age(self, now: float) -> float:
        """Age of the newest accepted message (s); infinite before the first."""
        return math.inf if self._since is None else max(0.0, now - self._since)

    def remaining(self, now: float) -> float:
        """Time until the newest accepted message passes its age limit (s); not positive when it has."""
        return self.max_age - self.age(now)

    def fresh(self, now: float) -> bool:
        """Whether the newest accepted message is within its age limit."""
        return self.age(now) <= self.max_age

    def fault(self, now: float) -> Fault | None:
        """Say why this source cannot be relied on now; None when it is fresh."""
        if self.fresh(now):
            return None
        if self._since is None:
            return self._refusal or Fault(self._missing, f"{self.name}: nothing has arrived")
        # Messages that still arrive but are refused explain more than their age does.
        if self._refusal is not None and now - self._refused_at <= self.max_age:
            return self._refusal
        return Fault(self._stale, f"{self.name}: {self.age(now):.3f} s old, limit {self.max_age:.3f} s")


@dataclass(frozen=True)
class Sources:
    """The filter's inputs.

    Attributes:
        joint_state: Joint states.
        wrist: Wrist states.
        object: Object estimates.
        command: Policy commands.
        watched: Those whose absence is a reason to hold, causes before consequences: a policy without a joint state
            sends no command either.
    """

    joint_state: Source
    wrist: Source
    object: Source
    command: Source
    watched: tuple[Source, ...]

    @property
    def all(self) -> tuple[Source, ...]:
        """All inputs, watched or not."""
        return (self.joint_state, self.wrist, self.object, self.command)

    @classmethod
    def of(cls, config: SafetyConfig, floating: bool) -> Sources:
        """Make the inputs.

        Args:
            config: Age limits, and what is watched.
            floating: Whether the hand is on a floating wrist, whose state is then watched by default.
        """
        code = ReasonCode
        rows = {
            "joint_state": (config.joint_state_age_limit, code.NO_JOINT_STATE, code.STALE_JOINT_STATE),
            "wrist": (config.wrist_age_limit, code.STALE_WRIST_STATE, code.STALE_WRIST_STATE),
            "object": (config.object_max_age, code.NO_OBJECT, code.STALE_OBJECT),
            "command": (config.command_age_limit, code.NO_COMMAND, code.STALE_COMMAND),
        }
        made = {
            name: Source(
                name,
                max_age,
                missing=missing,
                stale=stale,
                non_finite=code.NON_FINITE_COMMAND if name == "command" else code.NON_FINITE_STATE,
                trust_stamps=config.trust_stamps,
                future_tolerance=config.future_tolerance,
                # From fewer, two publishers in turn could look like one that restarts again and again.
                restart_after=max(3, config.recovery_ticks),
            )
            for name, (max_age, missing, stale) in rows.items()
        }
        watch = {
            "wrist": floating if config.watch_wrist is None else config.watch_wrist,
            "object": config.watch_object,
        }
        watched = tuple(source for name, source in made.items() if watch.get(name, True))
        return cls(made["joint_state"], made["wrist"], made["object"], made["command"], watched)
