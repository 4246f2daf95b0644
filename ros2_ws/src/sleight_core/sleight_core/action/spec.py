"""From a policy's output to joint targets and a wrist twist, and back from what was sent to policy units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sleight_core.arm.steps import PoseSteps
from sleight_core.arrays import Constants, clip, namespace, zeros
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
            ``delta_pose``: element times `scale` (m, rad) moves the grasp centre of a hand on an arm in the canonical
            frame; the arm's last sent targets change as its Jacobian there says (`sleight_core.arm.steps`).
            ``pose``: where the wrist is to be: position (m) and turn, pitch, roll (rad) in the task frame.
            ``position``: joint targets in rad as they are.
            The last two are decoded by `sleight_core.compose.ComposeAction`.
        scale: One factor an element, of ``twist``, ``delta_target`` and ``delta_pose``.
        joint_names: The joints that the part owns, in order (empty for the wrist's).
        lower: Lower ends of the joints' ranges (rad), or of a pose's elements.
        upper: Upper ends.
        lead: How far targets may run ahead of the measured joints (rad), so that an arm that is held back pushes no
            harder; None: any distance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rule: Literal["absolute_target", "delta_target", "twist", "delta_pose", "pose", "position"]
    scale: tuple[float, ...] = ()
    joint_names: tuple[str, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    lead: float | None = Field(default=None, gt=0)

    @property
    def size(self) -> int:
        """Number of elements."""
        return 6 if self.rule in ("twist", "delta_pose", "pose") else len(self.joint_names)

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
            if len(self.scale) != {"delta_target": n, "delta_pose": 6}.get(self.rule, 0):
                raise ValueError(
                    f"part '{self.name}': {n} joints, {len(self.scale)} scales; {self.rule} needs another number"
                )
            if any(s <= 0 for s in self.scale):
                raise ValueError(f"part '{self.name}': scales must be positive")
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
        if table.arm_joints and any(part.rule == "twist" for part in self.parts):
            raise SleightError(
                f"hand '{table.name}' is on an arm, which takes joint targets and no twist",
                remedy="use the rule delta_pose, or delta_target",
            )
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
        self._steps = {part.name: _pose_steps(table, part) for part in self.parts if part.rule == "delta_pose"}
        order = table.actuated_joint_names
        self._columns = [
            np.array([order.index(name) for name in part.joint_names], dtype=np.intp) for part in self.parts
        ]
        self._numbers = [
            Constants(*(np.array(values, dtype=np.float64) for values in (part.scale, part.lower, part.upper)))
            for part in self.parts
        ]

    @classmethod
    def absolute(cls, table: HandTable) -> ActionSpec:
        """The paper's action: 6-D wrist twist and one absolute target for each actuated joint (resdex_facts 3)."""
        wrist = table.wrist
        scale = (wrist.linear_speed,) * 3 + (wrist.angular_speed,) * 3
        return cls(table, [ActionPart(name="wrist_twist", rule="twist", scale=scale), _finger_targets(table)])

    @classmethod
    def arm_joints(cls, table: HandTable, step: float, lead: float | None = None) -> ActionSpec:
        """Joint targets of arm and fingers, as the paper has for the LEAP Hand (ResDex B.2).

        The paper does not say how the arm's targets are scaled: here they move by up to `step` from the last sent ones.

        Args:
            table: A hand on an arm.
            step: rad a control step.
            lead: See `ActionPart`.
        """
        names = table.arm_joints
        arm = ActionPart(
            name="arm_joints",
            rule="delta_target",
            scale=(step,) * len(names),
            joint_names=names,
            lead=lead,
            lower=_lower(table, names),
            upper=_upper(table, names),
        )
        return cls(table, [arm, _finger_targets(table)])

    @classmethod
    def arm_pose(cls, table: HandTable, period: float, lead: float | None = None) -> ActionSpec:
        """The floating wrist's action for a hand on an arm: its twist during a control step, as joint targets.

        Args:
            table: A hand on an arm of six joints.
            period: Control period, s.
            lead: See `ActionPart`.
        """
        wrist, names = table.wrist, table.arm_joints
        scale = (wrist.linear_speed * period,) * 3 + (wrist.angular_speed * period,) * 3
        arm = ActionPart(
            name="arm_pose",
            rule="delta_pose",
            scale=scale,
            joint_names=names,
            lead=lead,
            lower=_lower(table, names),
            upper=_upper(table, names),
        )
        return cls(table, [arm, _finger_targets(table)])

    @property
    def size(self) -> int:
        """Length of the action."""
        return sum(part.size for part in self.parts)

    def decode(
        self, action: Array, canonical_yaw: Array, last_targets: Array, joint_pos: Array | None = None
    ) -> Command:
        """Turn policy outputs into a command.

        Args:
            action: (B, size), clipped to [-1, 1] here.
            canonical_yaw: (B,) rad.
            last_targets: (B, A) joint targets that were last sent (rad), for ``delta_target`` and ``delta_pose``.
            joint_pos: (B, J) measured joints in the order of the hand's `joint_names` (rad), for parts with a `lead`.

        Raises:
            SleightError: A part has a `lead`, and nobody says where the joints are.
        """
        xp = namespace(action)
        action = clip(action, -1.0, 1.0)
        targets = xp.asarray(last_targets, copy=True)
        twist = zeros((action.shape[0], 6), action)
        start = 0
        for part, columns, numbers in zip(self.parts, self._columns, self._numbers, strict=True):
            value = action[:, start : start + part.size]
            start += part.size
            scale, low, high = numbers.like(action)
            if part.rule == "twist":
                value = value * scale
                twist = twist + xp.concat(
                    [rotate_z(value[:, :3], canonical_yaw), rotate_z(value[:, 3:], canonical_yaw)], axis=-1
                )
                continue
            if part.rule == "absolute_target":
                targets[:, columns] = low + 0.5 * (value + 1.0) * (high - low)
            elif part.rule == "delta_pose":
                move = value * scale
                move = xp.concat([rotate_z(move[:, :3], canonical_yaw), rotate_z(move[:, 3:], canonical_yaw)], axis=-1)
                last = targets[:, columns]
                targets[:, columns] = clip(last + self._steps[part.name].joint_step(last, move), low, high)
            else:
                step = value * scale
                targets[:, columns] = clip(targets[:, columns] + step, low, high)
            if part.lead is not None:
                if joint_pos is None:
                    raise SleightError(f"part '{part.name}' has a lead: it needs the measured joints")
                measured = joint_pos[:, self.table.actuated_index[columns]]
                ahead = clip(targets[:, columns] - measured, -part.lead, part.lead)
                targets[:, columns] = clip(measured + ahead, low, high)
        return Command(targets, twist)

    def joint_outputs(self, action: Array) -> Array:
        """A policy's raw output for the joints, clipped to [-1, 1], in the order of `actuated_joint_names`, (B, A).

        Args:
            action: (B, size) policy outputs.
        """
        out = zeros((action.shape[0], len(self.table.actuated_joint_names)), action)
        start = 0
        for part, columns in zip(self.parts, self._columns, strict=True):
            if part.joint_names:
                out[:, columns] = clip(action[:, start : start + part.size], -1.0, 1.0)
            start += part.size
        return out

    def encode(self, command: Command, canonical_yaw: Array, last_targets: Array) -> Array:
        """Express what was sent in policy units, (B, size): the inverse of `decode` inside the limits."""
        xp = namespace(command.joint_targets)
        parts = []
        for part, columns, numbers in zip(self.parts, self._columns, self._numbers, strict=True):
            scale, low, high = numbers.like(command.joint_targets)
            if part.rule == "twist":
                twist = command.wrist_twist
                local = xp.concat(
                    [rotate_z(twist[:, :3], -canonical_yaw), rotate_z(twist[:, 3:], -canonical_yaw)], axis=-1
                )
                parts.append(local / scale)
                continue
            target = command.joint_targets[:, columns]
            if part.rule == "absolute_target":
                parts.append(2.0 * (target - low) / (high - low) - 1.0)
            elif part.rule == "delta_pose":
                last = last_targets[:, columns]
                move = self._steps[part.name].pose_step(last, target - last)
                move = xp.concat(
                    [rotate_z(move[:, :3], -canonical_yaw), rotate_z(move[:, 3:], -canonical_yaw)], axis=-1
                )
                parts.append(move / scale)
            else:
                parts.append((target - last_targets[:, columns]) / scale)
        return clip(xp.concat(parts, axis=-1), -1.0, 1.0)


def _lower(table: HandTable, names: Sequence[str]) -> tuple[float, ...]:
    return tuple(table.joint(name).lower for name in names)


def _upper(table: HandTable, names: Sequence[str]) -> tuple[float, ...]:
    return tuple(table.joint(name).upper for name in names)


def _finger_targets(table: HandTable) -> ActionPart:
    names = tuple(name for name in table.actuated_joint_names if name not in table.arm_joints)
    return ActionPart(
        name="hand_joints",
        rule="absolute_target",
        joint_names=names,
        lower=_lower(table, names),
        upper=_upper(table, names),
    )


def _pose_steps(table: HandTable, part: ActionPart) -> PoseSteps:
    """What turns a pose part's elements into joint steps."""
    if part.joint_names != table.arm_joints or len(part.joint_names) != 6:
        raise SleightError(
            f"part '{part.name}': delta_pose moves all joints of an arm of six, in their order",
            value=list(part.joint_names),
            remedy=f"hand '{table.name}' has {list(table.arm_joints) or 'no arm'}; use delta_target",
        )
    return PoseSteps(table)
