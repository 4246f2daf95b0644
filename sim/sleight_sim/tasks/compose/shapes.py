"""Objects that are given by their shape instead of drawn from a task's ranges: what a grasp policy has picked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sleight_core.errors import SleightError

from sleight_sim.objects.packing import object_digest
from sleight_sim.objects.spec import ObjectSpec


@dataclass(frozen=True)
class ShapeDraw:
    """One environment's object, of convex pieces as the tabletop grasp has it; equal digests are equal objects.

    Attributes:
        name: The object's.
        digest: SHA-256 over its shape and inertia.
        slots: Geoms of the world's model for its pieces; worlds of one batch have the same.
        spec: The object.
        kind: What it is called among the kinds of drawn objects.
    """

    name: str
    digest: str
    slots: int
    spec: ObjectSpec = field(compare=False, repr=False)
    kind: Literal["shape"] = "shape"

    @property
    def rest_height(self) -> float:
        """Height of the object's origin over the table in its most probable resting pose (m)."""
        return float(self.spec.stable_poses.heights[0])


def shape_draws(things: Sequence[ObjectSpec]) -> tuple[ShapeDraw, ...]:
    """The distinct ones of some objects, in their order, for worlds that one batch can hold.

    Raises:
        SleightError: Two objects have one name, or there is none.
    """
    found: dict[str, ObjectSpec] = {}
    for thing in things:
        known = found.setdefault(thing.name, thing)
        if known is not thing and object_digest(known) != object_digest(thing):
            raise SleightError("two objects have one name", value=thing.name, remedy="rename one of their files")
    if not found:
        raise SleightError("no objects to grasp")
    slots = max(len(thing.pieces) for thing in found.values())
    return tuple(ShapeDraw(thing.name, object_digest(thing), slots, thing) for thing in found.values())
