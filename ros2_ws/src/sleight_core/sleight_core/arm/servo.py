"""From a wrist twist, or wanted joint targets, to an arm's next joint targets: the interface, and the guard behind it.

A policy trained on a floating wrist asks for a twist; an arm takes joint positions. `ArmServo` is that step, a control
tick at a time. How the joints are found is a subclass's matter (`sleight_description.ik`, with mink); what may leave is
decided here, in one place and without any library: whatever the twist, the measurement or the solver says, targets are
finite, inside the limits, and no further from the last ones than the velocity limits allow.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sleight_core.errors import SleightError
from sleight_core.safety.limits import JointLimits, limit_joint_targets

Array = NDArray[np.float64]
_Solve = Callable[[Array, Array, Array, float, "Array | None"], "ArmStep"]

#: A measured joint this far outside the limits (rad) is believed: calibration and servo errors. Further out is refused.
RESET_TOLERANCE = 0.05

#: The longest step (s): after a longer pause the arm goes on as after this one.
LONGEST_STEP = 0.1


class ArmStatus(str, Enum):
    """How a step went. What matters most comes first: an earlier one hides a later one."""

    #: The input was not usable (not finite, wrong length, no time passed): the targets are the last ones.
    INVALID = "invalid"
    #: The arm cannot follow: it falls ever further behind what is asked (out of reach, blocked by a limit or obstacle).
    UNREACHABLE = "unreachable"
    #: A joint is at the end of its range, and the motion is not the one asked for.
    AT_LIMIT = "at_limit"
    #: Near a singularity: the motion is damped, and not the one asked for.
    SINGULAR = "singular"
    #: Slower than asked, or stopped before an obstacle: speed limits, distance to the table or of the arm to itself.
    LIMITED = "limited"
    #: The motion is the one asked for.
    OK = "ok"


@dataclass(frozen=True)
class ArmStep:
    """What to send, and how it came about.

    Attributes:
        targets: (N,) rad, in the order of `ArmServo.joint_names`.
        status: How the step went.
        detail: What limited it, for a log.
    """

    targets: Array
    status: ArmStatus
    detail: str = ""


class ArmServo(abc.ABC):
    """One arm. State: the targets that were last returned.

    Args:
        limits: The arm's joints, with their margins.
        lead: How far a target may run ahead of the measured joint (rad): an arm that is held back is pushed no harder.

    Raises:
        SleightError: `lead` is not positive.
    """

    def __init__(self, limits: JointLimits, *, lead: float = 0.2) -> None:
        if not lead > 0:
            raise SleightError("an arm's targets must be allowed to lead the joints", value=lead)
        self.limits = limits
        self.joint_names = limits.names
        self.lead = lead
        self._targets: Array | None = None

    @property
    def targets(self) -> Array | None:
        """The targets that were last returned (N,), rad; None before `reset`."""
        return None if self._targets is None else self._targets.copy()

    def reset(self, joint_pos: Array) -> Array:
        """Start from where the arm is.

        Args:
            joint_pos: Measured joint positions (N,), rad.

        Returns:
            The first targets (N,): the measured positions, put inside the limits.

        Raises:
            SleightError: The positions are not finite, not N, or clearly outside the limits.
        """
        pos = _vector(joint_pos, len(self.joint_names))
        if pos is None:
            raise SleightError(f"arm joints must be {len(self.joint_names)} finite numbers", value=joint_pos)
        inside = self.limits.clip(pos)
        off = np.abs(pos - inside)
        if off.max() > RESET_TOLERANCE:
            j = int(off.argmax())
            raise SleightError(
                f"arm joint '{self.joint_names[j]}' is outside its limits",
                value=f"{pos[j]:.4g} rad, not in [{self.limits.lower[j]:.4g}, {self.limits.upper[j]:.4g}]",
                remedy="move the arm inside before engaging",
            )
        self._targets = inside
        self._started(inside.copy())
        return inside.copy()

    def step(self, twist: Array, joint_pos: Array, dt: float, *, finger_pos: Array | None = None) -> ArmStep:
        """Move the wrist.

        Args:
            twist: Wanted velocity of the hand (6,) in the task frame: m/s of the point that the simulated wrist servo
                acts on (the hand's centre of mass), then rad/s.
            joint_pos: Measured arm joints (N,), rad.
            dt: Time until the next step, s; more than `LONGEST_STEP` counts as that.
            finger_pos: Measured finger joints, for keeping their distances; None: as last given.

        Raises:
            SleightError: `reset` was never called.
        """
        wanted = _vector(twist, 6)
        return self._guarded(joint_pos, dt, finger_pos, wanted, self._follow_twist)

    def step_joints(self, wanted: Array, joint_pos: Array, dt: float, *, finger_pos: Array | None = None) -> ArmStep:
        """Move towards wanted joint targets, for policies that command the arm's joints, with the same care.

        Args:
            wanted: Wanted targets (N,), rad.
            joint_pos: Measured arm joints (N,), rad.
            dt: Time until the next step, s.
            finger_pos: As in `step`.

        Raises:
            SleightError: `reset` was never called.
        """
        return self._guarded(joint_pos, dt, finger_pos, _vector(wanted, len(self.joint_names)), self._follow_joints)

    def _guarded(
        self, joint_pos: Array, dt: float, finger_pos: Array | None, wanted: Array | None, solve: _Solve
    ) -> ArmStep:
        if self._targets is None:
            raise SleightError("the arm servo does not know where the arm is", remedy="call reset first")
        last = self._targets
        measured = _vector(joint_pos, len(last))
        if wanted is None or measured is None or not (np.isfinite(dt) and 0.0 < dt <= 1.0):
            what = "command" if wanted is None else "joint positions" if measured is None else "time step"
            return ArmStep(last.copy(), ArmStatus.INVALID, f"{what} not usable")
        fingers = None if finger_pos is None else _vector(finger_pos, None)
        dt = min(float(dt), LONGEST_STEP)
        step = solve(wanted, last.copy(), measured, dt, fingers)
        asked = _vector(step.targets, len(last))
        if asked is None:
            return ArmStep(last.copy(), ArmStatus.UNREACHABLE, "the solver found no usable targets")
        led = np.clip(asked, measured - self.lead, measured + self.lead)
        out = limit_joint_targets(led, last, self.limits, dt)
        self._targets = out
        self._sent(out.copy(), dt)
        if step.status is ArmStatus.OK and np.abs(out - asked).max() > 1e-9:
            held = int(np.abs(out - asked).argmax())
            return ArmStep(
                out.copy(), ArmStatus.LIMITED, f"joint '{self.joint_names[held]}' lags or is at its speed limit"
            )
        return ArmStep(out.copy(), step.status, step.detail)

    @abc.abstractmethod
    def _started(self, targets: Array) -> None:
        """Take note of a new start (N,)."""

    @abc.abstractmethod
    def _follow_twist(self, twist: Array, last: Array, measured: Array, dt: float, fingers: Array | None) -> ArmStep:
        """Propose targets for a finite twist (6,)."""

    @abc.abstractmethod
    def _follow_joints(self, wanted: Array, last: Array, measured: Array, dt: float, fingers: Array | None) -> ArmStep:
        """Propose targets for finite wanted ones (N,)."""

    @abc.abstractmethod
    def _sent(self, targets: Array, dt: float) -> None:
        """Take note of what is really sent (N,)."""


def _vector(values: object, size: int | None) -> Array | None:
    """Finite numbers as an array, or None."""
    try:
        out = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if out.ndim != 1 or (size is not None and len(out) != size) or not np.isfinite(out).all():
        return None
    return out
