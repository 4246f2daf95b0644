"""How well contacts resist: the force closure that remains to be had, from contact points and normals alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from sleight_sim.grasps.proposal import Contacts

Array = NDArray[np.float64]

#: Edges of the pyramid that stands for a friction cone.
EDGES = 6


def contact_wrenches(contacts: Contacts, com: Array, length: float, friction: float) -> Array:
    """Wrenches that contacts can exert on an object about its centre of mass, torques in units of force.

    Args:
        contacts: At least one.
        com: (3,) centre of mass in the object frame (m).
        length: Torques are divided by this (m).
        friction: Coefficient.

    Returns:
        (6, K EDGES) columns, one for each edge of each contact's friction pyramid, of unit normal force.
    """
    normal = contacts.normals
    other = np.where(np.abs(normal[:, :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    first = np.cross(normal, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(normal, first)
    angle = 2.0 * np.pi * np.arange(EDGES) / EDGES
    sides = np.cos(angle)[:, None, None] * first + np.sin(angle)[:, None, None] * second
    force = (normal + friction * sides).reshape(-1, 3)
    arm = np.tile(contacts.points - com, (EDGES, 1))
    return np.asarray(np.concatenate([force, np.cross(arm, force) / length], axis=1).T, dtype=np.float64)


def closure_gap(contacts: Contacts, com: Array, length: float, friction: float) -> float:
    """Return how far contacts are from force closure: 0 (every wrench is resisted) to 1 (none is).

    It is the mean, over the twelve unit forces and torques along the axes, of the part that no combination of forces
    inside the friction cones can balance.
    """
    if not len(contacts):
        return 1.0
    columns = contact_wrenches(contacts, com, length, friction)
    axes = np.concatenate([np.eye(6), -np.eye(6)])
    return float(np.mean([nnls(columns, axis)[1] for axis in axes]))


def closure_gaps(contacts: Sequence[Contacts], com: Array, length: float, friction: float) -> Array:
    """`closure_gap` of many grasps, (N,)."""
    return np.array([closure_gap(one, com, length, friction) for one in contacts], dtype=np.float64)
