"""Position, speed and slew limits as pure functions over batches; the bridge and the simulated task call the same ones.

The slew rule, for every joint j with the last *sent* target s and a control step of dt seconds:

    sent = clip(clip(target, s - velocity * dt, s + velocity * dt), lower + margin, upper - margin)

and for every axis of the wrist twist with the last sent twist w:

    sent = clip(clip(twist, w - acceleration * dt, w + acceleration * dt), -speed, speed)

Where the two clips disagree (only when the last sent value itself lies outside), the absolute limit wins. Wrist limits
are per axis of the **task frame**: a twist is rotated into it before it is limited, in simulation as on the robot.
Joints have no acceleration limit by default: a target may start and stop at its full slew rate, and the position servo
smooths it. So it is in simulation, and so policies are trained. A robot may set one (`sleight_core.safety.motion`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.arrays import constant, namespace
from sleight_core.errors import SleightError
from sleight_core.hand.table import HandTable

Array = NDArray[Any]

#: Distance kept from the mechanical joint limits (rad).
DEFAULT_MARGIN = 0.01


@dataclass(frozen=True)
class JointLimits:
    """Limits of the actuated joints, action order.

    Attributes:
        names: Joint names.
        lower: Lowest target that may be sent, margin included (N,), rad.
        upper: Highest target that may be sent, margin included (N,), rad.
        velocity: Largest slew of a target (N,), rad/s.
        acceleration: Largest change of that slew (N,), rad/s2, infinite for a joint without; None: no joint has one.
    """

    names: tuple[str, ...]
    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array | None = None

    def __post_init__(self) -> None:
        for what, values in (("lower", self.lower), ("upper", self.upper), ("velocity", self.velocity)):
            if values.shape != (len(self.names),) or not np.isfinite(values).all():
                raise SleightError(f"joint limits: '{what}' must be {len(self.names)} finite numbers", value=values)
        if (empty := self.lower >= self.upper).any():
            j = int(np.argmax(empty))
            raise SleightError(
                f"joint limits: no range is left for '{self.names[j]}'",
                value=f"{self.lower[j]:.6g} to {self.upper[j]:.6g} rad",
                remedy="use a smaller margin",
            )
        if (self.velocity <= 0).any():
            raise SleightError("joint limits: velocities must be positive", value=self.velocity)
        if self.acceleration is not None:
            values = self.acceleration
            if values.shape != (len(self.names),) or not (values > 0).all():
                raise SleightError(
                    f"joint limits: 'acceleration' must be {len(self.names)} positive numbers", value=values
                )

    @classmethod
    def from_table(
        cls,
        table: HandTable,
        *,
        margin: float = DEFAULT_MARGIN,
        velocity_scale: float = 1.0,
        acceleration: float | None = None,
    ) -> JointLimits:
        """Limits of a hand's actuated joints.

        Args:
            table: The hand.
            margin: Distance kept from both limits, rad.
            velocity_scale: Factor on the table's velocity limits, in (0, 1].
            acceleration: Acceleration limit of all joints, rad/s2; None for none, as in simulation.

        Raises:
            SleightError: The margin is negative or leaves a joint no range, the scale is not in (0, 1], or the
                acceleration is not positive.
        """
        if not 0.0 <= margin < np.inf:
            raise SleightError("joint limit margin must be zero or more", value=margin)
        _check_scale(velocity_scale)
        return cls(
            names=tuple(table.actuated_joint_names),
            lower=_frozen(table.actuated_lower + margin),
            upper=_frozen(table.actuated_upper - margin),
            velocity=_frozen(table.actuated_velocity * velocity_scale),
            acceleration=None if acceleration is None else _frozen(np.full(len(table.actuated_lower), acceleration)),
        )

    def tightened(
        self, *, velocity: Mapping[str, float] | None = None, acceleration: Mapping[str, float] | None = None
    ) -> JointLimits:
        """Return these limits with some joints' own, by name; joints not named keep theirs.

        Args:
            velocity: rad/s, at most what the joint has.
            acceleration: rad/s2, at most what the joint has, if it has one.

        Raises:
            SleightError: A joint is unknown, or a limit is not positive or wider than the one it replaces.
        """
        slew = self.velocity.copy()
        rate = np.full(len(self.names), np.inf) if self.acceleration is None else self.acceleration.copy()
        for what, values, mine in (("velocity", velocity or {}, slew), ("acceleration", acceleration or {}, rate)):
            for name, value in values.items():
                if name not in self.names:
                    raise SleightError(
                        f"joint limits: no actuated joint for a limit of {what}",
                        value=name,
                        remedy=f"there are {list(self.names)}",
                    )
                j = self.names.index(name)
                if not 0.0 < value <= mine[j]:
                    raise SleightError(
                        f"joint limits: the {what} of '{name}' must be above 0 and at most {mine[j]:.6g}", value=value
                    )
                mine[j] = value
        bounded = bool(np.isfinite(rate).any())
        return replace(self, velocity=_frozen(slew), acceleration=_frozen(rate) if bounded else None)

    def clip(self, positions: Array) -> Array:
        """Clip positions (..., N), rad, to the limits."""
        return np.minimum(np.maximum(positions, self.lower), self.upper)


@dataclass(frozen=True)
class WristLimits:
    """Limits of the wrist twist, per axis of the task frame, order linear xyz then angular xyz.

    Attributes:
        speed: Largest speed (6,), m/s and rad/s.
        acceleration: Largest change of speed (6,), m/s2 and rad/s2.
        box_lower: Corner of the box that the wrist may not leave (3,), m; None for no box.
        box_upper: The opposite corner (3,), m.
    """

    speed: Array
    acceleration: Array
    box_lower: Array | None = None
    box_upper: Array | None = None

    def __post_init__(self) -> None:
        for what, values in (("speed", self.speed), ("acceleration", self.acceleration)):
            if values.shape != (6,) or not np.isfinite(values).all() or (values <= 0).any():
                raise SleightError(f"wrist limits: '{what}' must be 6 positive numbers", value=values)
        if (self.box_lower is None) != (self.box_upper is None):
            raise SleightError("wrist limits: a workspace box needs both corners")
        if self.box_lower is not None and self.box_upper is not None:
            corners = np.stack([self.box_lower, self.box_upper])
            if corners.shape != (2, 3) or not np.isfinite(corners).all() or (corners[0] >= corners[1]).any():
                raise SleightError(
                    "wrist limits: the workspace box must be 3 lower and 3 higher coordinates (m)",
                    value=corners.tolist(),
                    remedy="give the lower corner first",
                )

    @classmethod
    def from_table(
        cls,
        table: HandTable,
        *,
        box: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None,
        speed_scale: float = 1.0,
    ) -> WristLimits:
        """Limits of a hand's wrist.

        Args:
            table: The hand.
            box: Lower and upper corner of the wrist's workspace in the task frame, m.
            speed_scale: Factor on the table's speeds, in (0, 1].

        Raises:
            SleightError: The box is empty or the scale is not in (0, 1].
        """
        _check_scale(speed_scale)
        wrist = table.wrist
        return cls(
            speed=_frozen(np.repeat([wrist.linear_speed, wrist.angular_speed], 3) * speed_scale),
            acceleration=_frozen(np.repeat([wrist.linear_acceleration, wrist.angular_acceleration], 3)),
            box_lower=None if box is None else _frozen(np.array(box[0], dtype=np.float64)),
            box_upper=None if box is None else _frozen(np.array(box[1], dtype=np.float64)),
        )


def limit_joint_targets(target: Array, last_sent: Array, limits: JointLimits, dt: float) -> Array:
    """Apply the slew rule, then the position limits, to joint targets, numpy or torch.

    Args:
        target: Wanted targets (..., N), rad, finite.
        last_sent: Targets sent one step before (..., N), rad, finite.
        limits: The limits of these N joints.
        dt: Time since `last_sent` was sent, s.

    Returns:
        Targets to send (..., N), rad. With `last_sent` inside the limits, no target differs from it by more than
        ``velocity * dt`` and all are inside the limits.
    """
    velocity, lower, upper = _beside(target, limits.velocity, limits.lower, limits.upper)
    return _slewed(target, last_sent, velocity * dt, lower, upper)


def limit_twist(twist: Array, last_sent: Array, limits: WristLimits, dt: float) -> Array:
    """Apply the acceleration limit, then the speed limit, to wrist twists in the task frame, numpy or torch.

    Args:
        twist: Wanted twists (..., 6), m/s and rad/s, finite.
        last_sent: Twists sent one step before (..., 6), finite.
        limits: The wrist's limits.
        dt: Time since `last_sent` was sent, s.

    Returns:
        Twists to send (..., 6).
    """
    acceleration, speed = _beside(twist, limits.acceleration, limits.speed)
    return _slewed(twist, last_sent, acceleration * dt, -speed, speed)


def limit_to_workspace(twist: Array, position: Array, limits: WristLimits, dt: float) -> Array:
    """Cap the linear speed so that the wrist can still brake, within its acceleration limit, before the box's walls.

    Outside the box only motion back inwards is left. Call it before `limit_twist`.

    Args:
        twist: Wanted twists (..., 6) in the task frame, m/s and rad/s.
        position: Wrist positions (..., 3) in the task frame, m.
        limits: The wrist's limits; without a box the twist is returned as it is.
        dt: Control step, s.

    Returns:
        Twists (..., 6).
    """
    if limits.box_lower is None or limits.box_upper is None:
        return twist
    out = np.array(twist, copy=True)
    brake = limits.acceleration[:3]
    towards_upper = speed_to_stop_within(limits.box_upper - position, brake, dt)
    towards_lower = speed_to_stop_within(position - limits.box_lower, brake, dt)
    out[..., :3] = np.minimum(np.maximum(out[..., :3], -towards_lower), towards_upper)
    return out


def speed_to_stop_within(distance: Array, brake: Array, dt: float) -> Array:
    """Largest v with v dt + v^2 / (2 brake) <= distance: one more step at v, then braking; 0 past the wall.

    Braking that late needs at most that distance however long the steps to come are.
    """
    run_up = brake * dt
    return np.sqrt(run_up * run_up + 2.0 * brake * np.maximum(distance, 0.0)) - run_up


def _beside(like: Any, *rows: Array) -> tuple[Any, ...]:
    """Limits as they are beside numpy arrays (which may be of fewer digits), or as tensors beside a tensor."""
    return rows if isinstance(like, np.ndarray) else tuple(constant(row, like) for row in rows)


def _slewed(wanted: Any, last_sent: Any, step: Any, lower: Any, upper: Any) -> Any:
    xp = namespace(wanted, last_sent)
    out = xp.minimum(xp.maximum(wanted, last_sent - step), last_sent + step)
    return xp.minimum(xp.maximum(out, lower), upper)


def _check_scale(scale: float) -> None:
    if not 0.0 < scale <= 1.0:
        raise SleightError("a speed scale must be above 0 and at most 1", value=scale)


def _frozen(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    values.setflags(write=False)
    return values
