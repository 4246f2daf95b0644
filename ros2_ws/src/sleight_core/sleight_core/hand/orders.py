"""Orders in which other public code has a hand's joints, and the way to and from ours: by name, never by index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class JointOrder:
    """One public order of a hand's actuated finger joints.

    Attributes:
        name: Who uses it, for instance "motor" or "isaac_lab".
        ours: Our joint names in their order.
        theirs: Their names of the same joints.
        joint_names: All of our joints in our order (`HandTable.joint_names`).
    """

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    joint_names: tuple[str, ...]

    @cached_property
    def index(self) -> np.ndarray:
        """Where each of their elements is in our order, (N,)."""
        return np.array([self.joint_names.index(name) for name in self.ours])

    def from_ours(self, values: Array) -> Array:
        """Values in their order (..., N), from values in the order of `joint_names` (..., J); numpy or torch."""
        return values[..., self.index]

    def to_ours(self, values: Array, into: Array) -> Array:
        """Return `into` (..., J), in the order of `joint_names`, with the values (..., N) of their order put in.

        Joints that their order does not have (coupled joints, the arm's) stay as they are.
        """
        out = into.clone() if hasattr(into, "clone") else np.array(into, copy=True)
        out[..., self.index] = values
        return out

    def their_name(self, joint: str) -> str:
        """Their name of one of our joints.

        Raises:
            KeyError: The order does not have this joint.
        """
        return dict(zip(self.ours, self.theirs, strict=True))[joint]

    def our_name(self, name: str) -> str:
        """Our name of one of their joints.

        Raises:
            KeyError: There is no such joint.
        """
        return dict(zip(self.theirs, self.ours, strict=True))[name]


def permutation(source: JointOrder, target: JointOrder) -> np.ndarray:
    """Index p (N,) with ``values_in_target_order = values_in_source_order[p]``; both orders of the same hand."""
    return np.array([source.ours.index(name) for name in target.ours])
