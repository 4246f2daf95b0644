"""What the safety filter says at one tick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from sleight_core.safety.reasons import ReasonCode, SafetyState

Array = NDArray[Any]


@dataclass(frozen=True)
class SafetyOutput:
    """What to send at one tick, and why.

    Attributes:
        joint_names: Actuated joints, action order.
        positions: Targets (A,), rad; None while nothing may be sent.
        rates: Rates at which the targets move (A,), rad/s; zero in a hold that has come to rest.
        wrist_twist: Linear and angular velocity (6,) in the task frame, m/s and rad/s.
        state: State of the filter.
        reason: The gravest reason for the state, or for a change of the command.
        detail: Joint, source or value concerned, one short clause; empty with OK.
        ages: Age of the newest accepted message of each watched source, s; infinite before the first.
        limited: The command was changed by a position, rate, acceleration or wrist limit.
        sequence: Sequence number of the command last followed; None before the first.
    """

    joint_names: tuple[str, ...]
    positions: Array | None
    rates: Array
    wrist_twist: Array
    state: SafetyState
    reason: ReasonCode
    detail: str = ""
    ages: dict[str, float] = field(default_factory=dict)
    limited: bool = False
    sequence: int | None = None

    @property
    def at_rest(self) -> bool:
        """Whether this output moves nothing."""
        return self.positions is None or not (self.rates.any() or self.wrist_twist.any())
