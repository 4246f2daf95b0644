"""From the joint states of whoever is followed to targets: by name, in order of time, never a jump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sensor_msgs.msg import JointState
from sleight_core.hand import HandTable
from sleight_core.safety import ReasonCode
from sleight_core.safety.sources import Fault

from sleight_ros.bridges.joint_map import JointMap, MapSection
from sleight_ros.bridges.state_map import StateMap
from sleight_ros.convert import stamp_to_seconds
from sleight_ros.isaac.clock import LeaderClock, Restarted

Array = NDArray[np.float64]


class LeaderPart(MapSection):
    """Section ``leader``: whose joint states are followed, and how its names and angles are ours.

    Attributes:
        topic: Its joint states.
        clock: Topic of its clock (``/clock``), where its joint states bear no time of their own; empty: their stamps.
        max_age: Silence from which the hand is held, s.
        pause_after: Time without an advance of its clock from which the hand is held, s.
        longest_jump: How far its clock may run ahead of ours between two messages, s.
        longest_step: How far a joint may move between two messages; farther, it was placed and did not move, rad.
        restart: After its clock went back: "latch", a stop until bridge/rearm, or "resume" as after a pause.
    """

    topic: str = Field(min_length=1)
    clock: str = ""
    max_age: float = Field(default=0.15, gt=0.0, le=2.0)
    pause_after: float = Field(default=0.15, gt=0.0, le=2.0)
    longest_jump: float = Field(default=0.5, gt=0.0, le=60.0)
    longest_step: float = Field(default=0.5, gt=0.0, le=6.3)
    restart: Literal["latch", "resume"] = "latch"


class Action(Enum):
    """What to do about a message."""

    FOLLOW = "follow"  #: Hand it to the safety filter, which still judges it.
    IGNORE = "ignore"  #: It says nothing new.
    WAIT = "wait"  #: Hold until the next message that can be followed.
    STOP = "stop"  #: Hold until somebody re-arms.


@dataclass(frozen=True)
class Verdict:
    """What a message is worth.

    Attributes:
        action: What to do.
        fault: Why, when it is not to be followed.
        names: Our names of the joints that it has.
        positions: Their angles, rad; whatever the message had, NaN included.
    """

    action: Action
    fault: Fault | None = None
    names: Sequence[str] = ()
    positions: Any = ()


class Mirror:
    """Reads joint states of a leader; pure but for the message types: the caller brings the clock.

    Joints are found by name in every message: the order may change from one to the next, more joints than ours are no
    matter, and what is missing is passed on as missing.

    Args:
        table: The hand; its actuated joints are followed.
        part: Whose states, and how strictly.
    """

    def __init__(self, table: HandTable, part: LeaderPart) -> None:
        self.part = part
        self._map = StateMap(JointMap(table, part, "leader"), table.actuated_joint_names)
        clocks = (part.pause_after, part.longest_jump)
        self._stamps = LeaderClock("the leader's stamp", *clocks)
        self._clock = LeaderClock("the leader's clock", *clocks)
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a restart of the leader that somebody has seen and accepted."""
        self._stamps.forget()
        self._clock.forget()
        self._last: dict[str, float] = {}
        self._heard: float | None = None
        self._session: str | None = None

    def tell_time(self, now: float, time: float) -> Verdict:
        """Take a message of the leader's clock, s."""
        fault = self._clock.read(now, time)
        return Verdict(Action.IGNORE) if fault is None else self._against(fault)

    def take(self, now: float, msg: JointState) -> Verdict:
        """Take joint states.

        Args:
            now: Our monotonic clock, s.
            msg: As it came.
        """
        self._heard = now
        stamp = stamp_to_seconds(msg.header.stamp)
        # A stamp that nobody fills in is no time; with a clock of its own the leader needs none.
        if stamp or not self.part.clock:
            standing = self._stamps.stands(stamp)
            if (fault := self._stamps.read(now, stamp)) is not None:
                return self._against(fault)
            if standing:
                return Verdict(Action.IGNORE)
        session, self._session = self._session, msg.header.frame_id
        if session is not None and session != self._session:
            words = f"the leader is another one: '{session}', now '{self._session}'"
            return self._against(Restarted(ReasonCode.BACKWARD_TIME, words))
        # Targets are positions; a message whose velocities do not fit is followed all the same.
        state = self._map.read(JointState(name=msg.name, position=msg.position))
        if state.problem:
            return Verdict(Action.FOLLOW, None, list(msg.name), msg.position)
        before, self._last = self._last, dict(zip(state.names, state.position.tolist(), strict=True))
        steps = {name: abs(self._last[name] - before[name]) for name in self._last if name in before}
        far = max(steps, key=lambda name: np.nan_to_num(steps[name]), default="")
        if far and steps[far] > self.part.longest_step:
            words = f"the leader's '{far}' stepped by {steps[far]:.2f} rad between two messages"
            return Verdict(Action.WAIT, Fault(ReasonCode.TARGET_TOO_FAR, words))
        return Verdict(Action.FOLLOW, None, state.names, state.position)

    def silence(self, now: float) -> Fault | None:
        """Say why nothing may be followed at this moment, whatever came before; None when all is well."""
        if self._heard is not None and now - self._heard > self.part.max_age:
            words = f"nothing from the leader for {now - self._heard:.2f} s: paused, stopped or gone"
            return Fault(ReasonCode.STALE_COMMAND, words)
        if self.part.clock and self._heard is not None and self._clock.time is None:
            return Fault(ReasonCode.FROZEN_STAMP, f"nothing on the leader's clock '{self.part.clock}' yet")
        return self._clock.pause(now) or self._stamps.pause(now)

    def _against(self, fault: Fault) -> Verdict:
        # Where the joints are now is no continuation of where they were.
        self._last = {}
        latched = isinstance(fault, Restarted) and self.part.restart == "latch"
        return Verdict(Action.STOP if latched else Action.WAIT, fault)
