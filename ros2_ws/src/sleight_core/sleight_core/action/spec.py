"""From a policy's output to joint targets and a wrist twist, and back from what was sent to policy units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from sleight_core.arrays import constant, namespace, zeros
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.rotations import rotate_z

Array = Any


class ActionPart(BaseModel):
    """A contiguous part of a policy's output, in [-1, 1] but for ``pose`` and ``position``.

    Attributes:
        name: Name of the part.
        rule: ``twist``: a wrist twist, element times `scale` (m/s, rad/s), in the canonical frame.
            ``absolute_target``: joint targets, mapped from [-1, 1] to the joints' limits.
            ``delta_target``: element times `scale` (rad) added to the last sent target.
            ``pose``: where the wrist is to be: position (m) and turn, pitch, roll (rad) in the task frame.
            ``position``: joint targets in rad as they are.
            The last two are decoded by `sleight_core.compose.ComposeAction`.
        scale: One factor an element, of ``twist`` and ``delta_target``.
        joint_names: The joints that the part owns, in order (empty for the wrist's).
        lower: Lower ends of the joints' ranges (rad), or of a pose's elements.
        upper: Upper ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rule: Literal["absolute_target", "delta_target", "twist", "pose", "position"]
    scale: tuple[float, ...] = ()
    joint_names: tuple[str, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of elements."""
        return 6 if self.rule in ("twist", "pose") else len(self.joint_names)

    @model_validator(mode="after")
    def _consistent(self) -> ActionPart:
        if self.rule == "twist":
            if self.joint_names or len(self.scale) != 6 or any(s <= 0 for s in self.scale):
                raise ValueError(f"part '{self.name}': a twist owns no joints and has 6 positive scales")
        elif self.rule == "pose":
            ranges = [*zip(self.lower, self.upper, strict=False)]
            if self.joint_names or self.scale or not len(self.lower) == len(self.upper) == 6:
                raise ValueError(f"part '{self.name}': a pose owns no joints and has 6 lower and upper limits")
            if any(low >= high for low, high in ranges):
                raise ValueError(f"part '{self.name}': lower must be below upper")
        else:
            n = len(self.joint_names)
            if not n or len(set(self.joint_names)) != n or len(self.lower) != n or len(self.upper) != n:
                raise ValueError(f"part '{self.name}': needs unique joint_names, and lower and upper for each")
            if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
                raise ValueError(f"part '{self.name}': lower must be below upper")
            if len(self.scale) != (n if self.rule == "delta_target" else 0):
                raise ValueError(f"part '{self.name}': needs one scale a joint for delta_target, none for {self.rule}")
        return self


@dataclass
class Command:
    """What a policy asks for.

    Attributes:
        joint_targets: (B, A) rad, in the order of the hand's `actuated_joint_names`.
        wrist_twist: (B, 6) linear m/s and angular rad/s velocity in the task frame.
    """

    joint_targets: Array
    wrist_twist: Array


class ActionSpec:
    """The parts of an action for a hand.

    Args:
        table: The hand.
        parts: In the order of the policy's output; together they own every actuated joint once.

    Raises:
        SleightError: A joint is unknown, missing, owned twice, or its range is wider than the hand's.
    """

    def __init__(self, table: HandTable, parts: Sequence[ActionPart]) -> None:
        self.table = table
        self.parts = tuple(parts)
        if rules := sorted({part.rule for part in self.parts} & {"pose", "position"}):
            raise SleightError("action parts of poses and positions belong to composed skills", value=rules)
        owned = [name for part in self.parts for name in part.joint_names]
        missing = [name for name in table.actuated_joint_names if name not in owned]
        twice = sorted({name for name in owned if owned.count(name) > 1})
        unknown = [name for name in owned if name not in table.actuated_joint_names]
        for what, names in (
            ("leave joints without an owner", missing),
            ("own joints twice", twice),
            ("own unknown joints", unknown),
        ):
            if names:
                raise SleightError(f"action parts {what} on hand '{table.name}'", value=names)
        for part in self.parts:
            for name, low, high in zip(part.joint_names, part.lower, part.upper, strict=True):
                row = table.joint(name)
                if low < row.lower - 1e-9 or high > row.upper + 1e-9:
                    raise SleightError(
                        f"joint '{name}': the policy's range [{low}, {high}] is wider than the hand's "
                        f"[{row.lower}, {row.upper}]",
                        remedy="use the bundle with the hand it was trained for",
                    )

    @classmethod
    def absolute(cls, table: HandTable) -> ActionSpec:
        """The paper's action: 6-D wrist twist and one absolute target for each actuated joint (resdex_facts 3)."""
        wrist = table.wrist
        names = table.actuated_joint_names
        return cls(
            table,
            [
                ActionPart(
                    name="wrist_twist", rule="twist", scale=(wrist.linear_speed,) * 3 + (wrist.angular_speed,) * 3
                ),
                ActionPart(
                    name="hand_joints",
                    rule="absolute_target",
                    joint_names=names,
                    lower=tuple(table.joint(name).lower for name in names),
                    upper=tuple(table.joint(name).upper for name in names),
                ),
            ],
        )

    @property
    def size(self) -> int:
        """Length of the action."""
        return sum(part.size for part in self.parts)

    def _columns(self, part: ActionPart) -> np.ndarray:
        order = self.table.actuated_joint_names
        return np.array([order.index(name) for name in part.joint_names])

    def decode(self, action: Array, canonical_yaw: Array, last_targets: Array) -> Command:
        """Turn policy outputs into a command.

        Args:
            action: (B, size), clipped to [-1, 1] here.
            canonical_yaw: (B,) rad.
            last_targets: (B, A) joint targets that were last sent (rad), for ``delta_target``.
        """
        xp = namespace(action)
        action = xp.clip(action, -1.0, 1.0)
        targets = xp.asarray(last_targets, copy=True)
        twist = zeros((action.shape[0], 6), action)
        start = 0
        for part in self.parts:
            value = action[:, start : start + part.size]
            start += part.size
            if part.rule == "twist":
                value = value * constant(part.scale, action)
                twist = twist + xp.concat(
                    [rotate_z(value[:, :3], canonical_yaw), rotate_z(value[:, 3:], canonical_yaw)], axis=-1
                )
                continue
            low, high = (constant(x, action) for x in (part.lower, part.upper))
            columns = self._columns(part)
            if part.rule == "absolute_target":
                targets[:, columns] = low + 0.5 * (value + 1.0) * (high - low)
            else:
                step = value * constant(part.scale, action)
                targets[:, columns] = xp.clip(targets[:, columns] + step, low, high)
        return Command(targets, twist)

    def encode(self, command: Command, canonical_yaw: Array, last_targets: Array) -> Array:
        """Express what was sent in policy units, (B, size): the inverse of `decode` inside the limits."""
        xp = namespace(command.joint_targets)
        parts = []
        for part in self.parts:
            if part.rule == "twist":
                twist = command.wrist_twist
                local = xp.concat(
                    [rotate_z(twist[:, :3], -canonical_yaw), rotate_z(twist[:, 3:], -canonical_yaw)], axis=-1
                )
                parts.append(local / constant(part.scale, local))
                continue
            columns = self._columns(part)
            target = command.joint_targets[:, columns]
            if part.rule == "absolute_target":
                low, high = (constant(x, target) for x in (part.lower, part.upper))
                parts.append(2.0 * (target - low) / (high - low) - 1.0)
            else:
                parts.append((target - last_targets[:, columns]) / constant(part.scale, target))
        return xp.clip(xp.concat(parts, axis=-1), -1.0, 1.0)
