"""Proof, after the fact, that what was sent to the controllers was safe: used on bags by the demo, and by the tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from sleight_core.hand import HandTable
from sleight_core.safety import JointLimits, WristLimits

#: A tick of the safety filter may count for one and a half periods, however late it was.
LONGEST_STEP = 1.5
_ROUNDING = 1e-9


@dataclass
class Audit:
    """What was found.

    Attributes:
        messages: Messages that were looked at.
        violations: One clause for each unsafe message.
        restarts: Jumps between two streams; a stream begins when the bridge is activated anew.
    """

    messages: int = 0
    violations: list[str] = field(default_factory=list)
    restarts: int = 0


def audit_joints(
    table: HandTable,
    messages: Iterable[tuple[Sequence[str], Sequence[float]]],
    *,
    period: float,
    restarts: int = 0,
    margin: float | None = None,
) -> Audit:
    """Check joint targets in the order in which they were sent: complete, named, finite, in limits, rate limited.

    Args:
        table: The hand.
        messages: Names and positions (rad) of each.
        period: Control period, s.
        restarts: How often the stream began anew, at a pose that was measured and not sent, or a message was lost on
            the way to the recorder: so many jumps are forgiven.
        margin: Distance to the limits; the filter's own when None.
    """
    limits = JointLimits.from_table(table) if margin is None else JointLimits.from_table(table, margin=margin)
    audit = Audit()
    before: np.ndarray | None = None
    for names, positions in messages:
        audit.messages += 1
        where = f"joint targets {audit.messages}"
        if list(names) != list(limits.names):
            audit.violations.append(f"{where}: names are not the actuated joints, once each")
            continue
        values = np.asarray(positions, dtype=float)
        if values.shape != limits.lower.shape or not np.isfinite(values).all():
            audit.violations.append(f"{where}: not {len(limits.lower)} finite numbers")
            continue
        outside = (values < limits.lower - _ROUNDING) | (values > limits.upper + _ROUNDING)
        if outside.any():
            j = int(np.argmax(outside))
            audit.violations.append(f"{where}: {limits.names[j]} at {values[j]:.4f} rad is outside its limits")
        if before is not None:
            excess = np.abs(values - before) - limits.velocity * LONGEST_STEP * period
            if (excess > _ROUNDING).any():
                audit.restarts += 1
                if audit.restarts > restarts:
                    j = int(np.argmax(excess))
                    step = values[j] - before[j]
                    audit.violations.append(f"{where}: {limits.names[j]} moved by {step:.4f} rad at once")
        before = values
    return audit


def audit_twists(
    table: HandTable,
    twists: Iterable[Sequence[float]],
    *,
    period: float,
    lost: int = 0,
    frames: Iterable[str] = (),
    frame: str = "world",
) -> Audit:
    """Check wrist twists in the order in which they were sent: finite, within speed and acceleration.

    Args:
        table: The hand.
        twists: (6,) each, m/s and rad/s. The wrist must be at rest where a stream begins, so no jump is forgiven.
        period: Control period, s.
        lost: Messages lost on the way to the recorder: so many jumps are forgiven.
        frames: Frame of each twist.
        frame: What all of them must be.
    """
    limits = WristLimits.from_table(table)
    audit = Audit()
    before = np.zeros(6)
    for twist in twists:
        audit.messages += 1
        values = np.asarray(twist, dtype=float)
        where = f"wrist twist {audit.messages}"
        if values.shape != (6,) or not np.isfinite(values).all():
            audit.violations.append(f"{where}: not 6 finite numbers")
            continue
        if (np.abs(values) > limits.speed + _ROUNDING).any():
            audit.violations.append(f"{where}: faster than the limit")
        slack = limits.acceleration * LONGEST_STEP * period + _ROUNDING
        # A stream that was cut off in motion begins anew at rest.
        if (np.abs(values - before) > slack).any() and (np.abs(values) > slack).any():
            audit.restarts += 1
            if audit.restarts > lost:
                audit.violations.append(f"{where}: speed changed by {np.abs(values - before).max():.4f} at once")
        before = values
    wrong = [f for f in frames if f != frame]
    if wrong:
        audit.violations.append(f"{len(wrong)} wrist twists are in frame '{wrong[0]}' instead of '{frame}'")
    return audit
