"""Joint targets that also keep an acceleration limit, as pure functions over batches.

With the last *sent* targets s, the rate v at which they were moving and a step of dt seconds, the next rate u is the
largest towards the goal from which the target can still stop there, clipped to

    |u - v| <= acceleration * dt,   |u| <= velocity,   u dt + u^2 / (2 acceleration) <= way left to the joint's limit

and the targets sent are s + u dt. The last rule can always be kept along with the first when it was kept one step
before, whatever the lengths of the steps, so no limit has to give way to another. A joint without an acceleration limit
follows the slew rule alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_core.safety.limits import JointLimits, limit_joint_targets, speed_to_stop_within

Array = NDArray[Any]


def limit_joint_motion(
    target: Array, last_sent: Array, last_rate: Array, limits: JointLimits, dt: float
) -> tuple[Array, Array]:
    """Apply the slew rule, the acceleration limit where there is one, and the position limits.

    Args:
        target: Wanted targets (..., N), rad, finite.
        last_sent: Targets sent one step before (..., N), rad, inside the limits.
        last_rate: Rates at which they moved (..., N), rad/s, as this function returned them; zero at the start.
        limits: The limits of these N joints.
        dt: Time since `last_sent` was sent, s; with zero, nothing moves.

    Returns:
        Targets to send (..., N), rad, and their rates (..., N), rad/s.
    """
    if limits.acceleration is None:
        sent = limit_joint_targets(target, last_sent, limits, dt)
        return sent, ((sent - last_sent) / dt if dt > 0.0 else np.zeros_like(sent))
    if dt <= 0.0:
        return np.array(last_sent, copy=True), np.array(last_rate, copy=True)
    change = limits.acceleration * dt
    way = target - last_sent
    rate = np.copysign(_reach(np.abs(way), limits, dt), way)
    rate = np.minimum(np.maximum(rate, last_rate - change), last_rate + change)
    rate = np.minimum(np.maximum(rate, -limits.velocity), limits.velocity)
    rate = np.maximum(rate, -_reach(last_sent - limits.lower, limits, dt))
    rate = np.minimum(rate, _reach(limits.upper - last_sent, limits, dt))
    return limits.clip(last_sent + rate * dt), rate


def brake_joints(last_sent: Array, last_rate: Array, limits: JointLimits, dt: float) -> tuple[Array, Array]:
    """Bring moving targets to rest as fast as the acceleration limit allows; at once where there is none.

    Args:
        last_sent: Targets sent one step before (..., N), rad, inside the limits.
        last_rate: Their rates (..., N), rad/s.
        limits: The limits of these N joints.
        dt: Time since `last_sent` was sent, s.

    Returns:
        Targets to send (..., N), rad, and their rates (..., N), rad/s.
    """
    if limits.acceleration is None or not last_rate.any():
        return np.array(last_sent, copy=True), np.zeros_like(last_rate)
    if dt <= 0.0:
        return np.array(last_sent, copy=True), np.array(last_rate, copy=True)
    rate = np.sign(last_rate) * np.maximum(np.abs(last_rate) - limits.acceleration * dt, 0.0)
    return limits.clip(last_sent + rate * dt), rate


def _reach(distance: Array, limits: JointLimits, dt: float) -> Array:
    """Largest rate at which a joint can still stop within a distance (..., N), rad/s."""
    assert limits.acceleration is not None
    bounded = np.isfinite(limits.acceleration)
    brake = np.where(bounded, limits.acceleration, 1.0)
    return np.where(bounded, speed_to_stop_within(distance, brake, dt), np.maximum(distance, 0.0) / dt)
