"""Household things at one of the paper's scales, and what makes one fit for the hand.

A shape is centred on its bounding box and scaled so that its vertices reach to `fill` of 1; an object is a shape times
one of the five scales, as in DexGraspNet, whose meshes reach to 0.97. Shapes and objects come from a hash of their
name. All vertices are rounded to 0.1 micrometre, so that no machine's last bit of a sine shows.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_rotate

from sleight_sim.objects.catalogue import CATEGORIES
from sleight_sim.objects.household import FAMILIES
from sleight_sim.objects.spec import ObjectSpec, PoseRule, make_spec

Array = NDArray[np.float64]

#: Scales (m per unit) and how many of the paper's 3,200 training pairs have each.
SCALES = (0.06, 0.08, 0.10, 0.12, 0.15)
SCALE_COUNTS = (1342, 913, 543, 281, 121)

#: Widest an object may lie under the hand (m): the horizontal width that the fingers have to span.
MAX_WIDTH = 0.090
#: Least share of resting poses, by probability, that are no wider.
MIN_GRASPABLE = 0.5
#: No resting pose is flatter (m): the fingertips, 15 mm thick, have to get hold of it above the table.
MIN_HEIGHT = 0.012
#: Longest side (m).
MAX_LENGTH = 0.26

#: Many of these shapes roll until a handle or a spout holds them. With the basic families' coarser rule all the facets
#: on the way there would count as one pose, and the one that stands for them could be anywhere on it.
_POSES = PoseRule(stability=float(np.deg2rad(1.0)), step=5e-4)
_RESOLUTION = 1e-7


def object_name(category: str, index: int, scale: float | None = None) -> str:
    """Return the name of an object, as `resolve_objects` understands it."""
    return f"household:{category}:{index}" + ("" if scale is None else f"@{scale:.2f}")


@lru_cache(maxsize=64)
def unit_shape(category: str, index: int) -> tuple[Array, float]:
    """Return a shape's parts (P, V, 3), centred, reaching to at most 1, and its density (kg/m^3).

    Raises:
        SleightError: for an unknown category or a negative index.
    """
    if category not in CATEGORIES:
        raise SleightError("no such object family", value=category, remedy="choose one of " + ", ".join(CATEGORIES))
    if index < 0:
        raise SleightError("an object's index is 0 or more", value=index)
    kind = CATEGORIES[category]
    digest = hashlib.sha256(f"household shape {category} {index}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    density, fill = 500.0 * float(rng.uniform(0.6, 1.4)), float(rng.uniform(*kind.fill))
    pieces = np.stack(kind.build(rng))
    flat = pieces.reshape(-1, 3)
    pieces = pieces - (flat.min(axis=0) + flat.max(axis=0)) / 2.0
    pieces *= fill / np.sqrt((pieces**2).sum(axis=2).max())
    pieces.flags.writeable = False
    return pieces, density


def scaled_object(category: str, index: int, scale: float, *, name: str | None = None) -> ObjectSpec:
    """Return one shape of a category at a scale; the same on every machine.

    Args:
        category: A key of `CATEGORIES`.
        index: Index of the shape in the category, 0 or more.
        scale: Metres per unit, 0.02 to 0.2; the paper's are `SCALES`.
        name: Name of the object (default: with the scale).

    Raises:
        SleightError: for an unknown category, a wrong index or scale, or a shape too tall for every resting pose.
    """
    if not 0.02 <= scale <= 0.2:
        raise SleightError("an object's scale is 0.02 to 0.2 m per unit", value=scale)
    pieces, density = unit_shape(category, index)
    rounded = np.round(pieces * scale / _RESOLUTION) * _RESOLUTION
    label = name or object_name(category, index, scale)
    return make_spec(label, category, list(rounded), density=density, rule=_POSES)


def catalogue_object(category: str, index: int) -> ObjectSpec:
    """Return a shape at the smallest of the paper's scales at which it fits the hand (the smallest if it fits at none).

    Raises:
        SleightError: as `scaled_object`.
    """
    # `household:mug:3` is an object of the basic families, of which this one is not.
    name = None if category in FAMILIES else object_name(category, index)
    smallest = scaled_object(category, index, SCALES[0], name=name)
    if misfit(smallest) is None:
        return smallest
    for scale in SCALES[1:]:
        try:
            thing = scaled_object(category, index, scale, name=name)
        except SleightError:  # too tall in every resting pose
            break
        if misfit(thing) is None:
            return thing
    return smallest


def misfit(thing: ObjectSpec) -> str | None:
    """Return why an object does not fit the hand, or None if it does."""
    if thing.extents.max() > MAX_LENGTH:
        return "too long"
    poses, share, points = thing.stable_poses, 0.0, thing.pieces.reshape(-1, 3)
    hull = points[ConvexHull(points).vertices]
    for quat, probability in zip(poses.quats, poses.probabilities, strict=True):
        lying = quat_rotate(np.tile(quat, (len(hull), 1)), hull)
        if np.ptp(lying[:, 2]) < MIN_HEIGHT:
            return "too flat"
        if horizontal_width(lying) <= MAX_WIDTH:
            share += float(probability)
    return None if share >= MIN_GRASPABLE else "too wide"


def horizontal_width(points: Array) -> float:
    """Return the least distance (m) between two vertical planes that hold points (N, 3) between them."""
    flat = points[:, :2]
    normals = ConvexHull(flat).equations[:, :2]
    across = flat @ normals.T
    return float(np.ptp(across, axis=0).min())
