"""Objects as plain arrays, as files keep them, and what tells one shape from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sleight_sim.objects.cache import content_digest
from sleight_sim.objects.spec import ObjectSpec, StablePoses


def pack_objects(things: Sequence[ObjectSpec]) -> dict[str, NDArray[Any]]:
    """Return plain arrays from which `unpack_objects` makes the same objects to the bit."""
    return {
        "names": np.array([thing.name for thing in things]),
        "families": np.array([thing.family for thing in things]),
        "piece_counts": np.array([len(thing.pieces) for thing in things]),
        "pieces": np.concatenate([thing.pieces for thing in things]),
        "scalars": np.array([[thing.mass, thing.friction] for thing in things]),
        "com": np.array([thing.com for thing in things]),
        "inertia": np.array([thing.inertia for thing in things]),
        "inertia_quat": np.array([thing.inertia_quat for thing in things]),
        "pose_counts": np.array([len(thing.stable_poses) for thing in things]),
        "pose_quats": np.concatenate([thing.stable_poses.quats for thing in things]),
        "pose_heights": np.concatenate([thing.stable_poses.heights for thing in things]),
        "pose_probabilities": np.concatenate([thing.stable_poses.probabilities for thing in things]),
    }


def unpack_objects(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[ObjectSpec] | None:
    """Return the objects of `pack_objects`, or None if the arrays hold others, or none.

    Args:
        arrays: What `pack_objects` gave.
        names: The objects that they should hold, in order.
    """
    if arrays.get("names", np.zeros(0)).tolist() != list(names):
        return None
    try:
        pieces = np.split(arrays["pieces"], np.cumsum(arrays["piece_counts"])[:-1])
        poses = [
            np.split(arrays[f"pose_{what}"], np.cumsum(arrays["pose_counts"])[:-1])
            for what in ("quats", "heights", "probabilities")
        ]
        return [
            ObjectSpec(
                name=name,
                family=str(arrays["families"][i]),
                pieces=pieces[i],
                mass=float(arrays["scalars"][i, 0]),
                com=arrays["com"][i],
                inertia=arrays["inertia"][i],
                inertia_quat=arrays["inertia_quat"][i],
                friction=float(arrays["scalars"][i, 1]),
                stable_poses=StablePoses(*(pose[i] for pose in poses)),
            )
            for i, name in enumerate(names)
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def object_digest(thing: ObjectSpec) -> str:
    """Return a SHA-256 over what the physics sees of an object."""
    return content_digest({"pieces": thing.pieces, "com": thing.com, "inertia": thing.inertia})
