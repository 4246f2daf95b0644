"""Injects a fault into the running graph and measures what the bridge makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sleight_core.safety import ReasonCode, SafetyState
from sleight_ros import convert

from ..rig import COMMAND_AGE, FOLLOWING, OBJECT_AGE, PATIENCE, PERIOD, STATE_AGE, Rig
from .cases import Case
from .matrix import Matrix, Row

#: The bridge ticks at least that often while commands come.
WATCHDOG = 1.5 * PERIOD
#: A machine that keeps the bridge from running for longer than this (s) spoils a measurement; it is repeated.
QUIET = 0.005
ATTEMPTS = 3
#: What a fault leads to because the machine was slow elsewhere, not because of the fault.
LATE = {"STALE_COMMAND", "STALE_JOINT_STATE", "STALE_WRIST_STATE", "STALE_OBJECT"}
#: How old what the bridge follows may be; a tick may be late by rounding.
AGE_LIMITS = {"joint_state": STATE_AGE, "wrist": STATE_AGE, "object": OBJECT_AGE, "command": COMMAND_AGE}
ROUNDING = 1e-6


@dataclass(frozen=True)
class Reaction:
    """How the bridge reacted.

    Attributes:
        reason: Why it held.
        time: After how long, s.
        stall: For how long the machine kept it from running meanwhile, s.
        clean: The hold began for that reason, and not because the machine was late.
        excess: How much later than it must it came, s.
    """

    reason: str
    time: float
    stall: float
    clean: bool = True
    excess: float = 0.0

    @property
    def disturbance(self) -> float:
        """How much the machine disturbed the measurement, s."""
        return self.stall + max(0.0, self.excess) + (0.0 if self.clean else 1.0)


class Told:
    """What the bridge tells from now on."""

    def __init__(self, robot: Any) -> None:
        self._robot = robot
        self._first = len(robot.heard.status)
        self.begin = time.time_ns()

    @property
    def rows(self) -> list[Any]:
        """Status messages made since then."""
        rows = [msg for _, msg in self._robot.heard.status[self._first :]]
        return [msg for msg in rows if convert.stamp_to_ns(msg.header.stamp) > self.begin]

    def first(self, state: SafetyState, reasons: tuple[str, ...]) -> Any | None:
        """The first one of a state for one of some reasons."""
        for msg in self.rows:
            if msg.state == state and ReasonCode(msg.reason).name in reasons:
                return msg
        return None

    def stall(self, until: Any) -> float:
        """The longest that the bridge was kept from running until then, beyond its watchdog, s."""
        last = convert.stamp_to_ns(until.header.stamp)
        stamps = [convert.stamp_to_ns(msg.header.stamp) for _, msg in self._robot.heard.status[self._first - 5 :]]
        gaps = np.diff([stamp for stamp in stamps if self.begin - 10**8 < stamp <= last]) * 1e-9
        return max(0.0, float(gaps.max()) - WATCHDOG) if len(gaps) else 0.0


def assert_never_followed_old_data(rows: list[Any]) -> None:
    """Whatever the machine does: no command is followed on data older than its age limit."""
    for msg in rows:
        if msg.state in FOLLOWING:
            for name, age in zip(msg.source_names, msg.source_ages, strict=True):
                assert age <= AGE_LIMITS[name] + ROUNDING, (name, age)


def react(rig: Rig, cause: Callable[[], Any], case: Case, state: SafetyState = SafetyState.HOLD) -> Reaction:
    """Break something while the hand follows; return how the bridge reacted.

    Args:
        rig: The graph.
        cause: Breaks it; may return the system time (ns) of the event, when that is not the time of the call.
        case: What must come of it.
        state: State that must come.
    """
    told = Told(rig.robot)
    event = cause() or told.begin
    rig.robot.wait(lambda: told.first(state, case.reasons) is not None, PATIENCE, f"{state.name} for {case.reasons}")
    named = told.first(state, case.reasons)
    # On a slow machine the source may be late before its fault is seen: then the hold has begun already.
    msg = told.first(state, (*case.reasons, *LATE))
    assert named is not None and msg is not None
    if case.source == "event":
        taken = (convert.stamp_to_ns(msg.header.stamp) - event) * 1e-9
    else:
        taken = dict(zip(msg.source_names, msg.source_ages, strict=True))[case.source]
    stall = told.stall(msg)
    excess = taken - (case.limit + PERIOD + stall + ROUNDING)
    found = Reaction(ReasonCode(named.reason).name, taken, stall, named is msg, excess)
    # Age counts on the bridge's own clock. What comes between an event and the bridge may be delayed by the machine.
    assert case.source == "event" or excess <= 0.0, found
    if not case.passing:
        rig.assert_active_hold()
    assert_never_followed_old_data(told.rows)
    return found


def row_of(case: Case, where: str, outcome: str, found: Reaction) -> Row:
    """The row of a fault to which the bridge reacted."""
    return Row(
        name=case.name,
        title=case.title,
        where=where,
        outcome=outcome,
        reason=found.reason,
        limit=case.limit,
        reaction=found.time,
        event=case.source == "event",
        stall=found.stall,
        ends=case.ends,
    )


def hold(rig: Rig, case: Case, matrix: Matrix, where: str, cause: Callable[[], Any], *, rogue: bool = False) -> None:
    """Inject a fault that must end in a hold, check what ends that hold, and note both."""
    best: Reaction | None = None
    for _ in range(ATTEMPTS):
        rig.follow(rogue=rogue)
        found = react(rig, cause, case)
        if best is None or found.disturbance < best.disturbance:
            best = found
        if best.disturbance < QUIET:
            break
    assert best is not None and best.excess <= 0.0, best
    told = Told(rig.robot)
    rig.heal()
    if case.ends == "by itself":
        rig.robot.wait(lambda: any(msg.state in FOLLOWING for msg in told.rows), PATIENCE, "the end of the hold")
    else:
        time.sleep(18 * PERIOD)
        assert not any(msg.state in FOLLOWING for msg in told.rows)
        rig.follow(rogue=rogue)
    assert_never_followed_old_data(told.rows)
    matrix.add(row_of(case, where, "holds", best))


def goes_on(rig: Rig, case: Case, matrix: Matrix, where: str, cause: Callable[[], Any], *, rogue: bool = False) -> None:
    """Inject a fault that the bridge must bear, within its limits, and note what it made of it."""
    rig.follow(rogue=rogue)
    told = Told(rig.robot)
    cause()

    def followed() -> list[Any]:
        return [msg for msg in told.rows if msg.state == SafetyState.ACTIVE]

    rig.robot.wait(lambda: len(followed()) >= 40, PATIENCE, "commands to be followed")
    held = {ReasonCode(msg.reason).name for msg in told.rows if msg.state not in FOLLOWING}
    changes = {ReasonCode(msg.reason).name for msg in followed()}
    assert held <= LATE, held
    if case.changes:
        assert case.changes[0] in changes, changes
    assert_never_followed_old_data(told.rows)
    reasons = " ".join(name for name in case.changes if name in changes) or "-"
    outcome = "goes on" + (" within the limits" if case.changes else "")
    if "loss" in case.name:
        outcome = "goes on, holds in every gap longer than the age limit"
        reasons = " ".join(sorted(held)) or "-"
    matrix.add(Row(case.name, case.title, where, outcome, reasons))
