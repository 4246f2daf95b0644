"""Where the hand starts over an object: the yaw that perception would choose."""

from __future__ import annotations

import numpy as np
from sleight_core.rotations import quat_rotate

from sleight_sim.objects.spec import ObjectSpec

Array = np.ndarray

#: Ratio of the horizontal spreads above which an object has no short axis worth aligning with.
ROUND = 0.85
#: Cosine of the tilt under which a pose counts as upright.
UPRIGHT = 0.94


def minor_axis_yaw(points: Array) -> float:
    """Heading of the least horizontal spread of points (N, 3), in (-pi/2, pi/2]; nan if it is round.

    The fingers close along the hand's canonical y axis: pointed this way, the hand wraps around a long object.
    """
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    if values[0] >= (ROUND * ROUND) * values[1]:
        return float("nan")
    x, y = vectors[:, 0]
    yaw = float(np.arctan2(y, x))
    return yaw - np.pi if yaw > np.pi / 2 else yaw + np.pi if yaw <= -np.pi / 2 else yaw


def pose_minor_axes(thing: ObjectSpec) -> Array:
    """Short-axis yaws (K,) of an object's stable poses at object yaw 0; nan where the footprint is round."""
    points = thing.surface_points(2000, np.random.default_rng(0))
    return np.array(
        [minor_axis_yaw(quat_rotate(np.tile(q, (len(points), 1)), points)) for q in thing.stable_poses.quats]
    )


def pose_probabilities(thing: ObjectSpec, poses: str) -> Array:
    """How often each stable pose (K,) is drawn: "probable", "uniform" or "upright" (see `GraspTaskConfig.poses`)."""
    stable = thing.stable_poses
    if poses == "uniform":
        return np.full(len(stable), 1.0 / len(stable))
    if poses == "upright":
        up = np.array([quat_rotate(q, np.array([0.0, 0.0, 1.0]))[2] for q in stable.quats]) > UPRIGHT
        if up.any():
            return np.where(up, stable.probabilities, 0.0) / stable.probabilities[up].sum()
        return np.eye(len(stable))[np.argmax(stable.probabilities)]
    return stable.probabilities


def aligned_yaw(minor_axis: Array, noise: float, rng: np.random.Generator, largest: float = np.pi) -> Array:
    """Draw hand yaws (n,) rad for short-axis headings (n,): either way round, off by up to `noise`; any yaw for nan.

    With a `largest` yaw below pi, the way round that needs less of it is taken, and no more than it.
    """
    n = len(minor_axis)
    flip = np.pi * rng.integers(0, 2, n)
    # The canonical y axis has heading yaw + pi/2.
    yaw = minor_axis - 0.5 * np.pi + flip + rng.uniform(-noise, noise, n)
    yaw = np.where(np.isnan(yaw), rng.uniform(-largest, largest, n), yaw)
    if largest < np.pi:
        yaw = (yaw + 0.5 * np.pi) % np.pi - 0.5 * np.pi
        return np.clip(yaw, -largest, largest)
    return (yaw + np.pi) % (2 * np.pi) - np.pi
