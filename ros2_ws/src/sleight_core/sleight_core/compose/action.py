"""The paper's 28-D action: position targets of a floating hand (DexCompose 3.1 and appendix A), and who owns them.

Elements, in order: wrist position x, y, z (m, task frame, origin of the hand's root body); wrist rotation turn, pitch,
roll (rad); one target for each of the hand's 22 finger joints in the order of `HandTable.joint_names` (rad).

The paper says "Euler angles" and no more. Ours are intrinsic z-x-y rotations of the palm-down hand whose fingers point
along -y: turn about the vertical, pitch positive for fingers down, roll about the fingers (the forearm's pronation;
-pi/2 is thumb up). They are singular only with the fingers straight up or down, where no task has to go.

Four of Shadow's 22 joints have no motor: a tendon couples them to their neighbour. Their elements are part of the
action, as in the paper, and belong to their finger, but the motors of `decode` do not depend on them; `encode` and
`hold` fill them with what the coupling makes of their driver's target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from sleight_core.action import ActionPart
from sleight_core.arrays import clip, side_by_side
from sleight_core.compose.ownership import WRIST_SIZE, element_mask, element_names, element_owners
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_normalize

Array = NDArray[np.float64]

#: Palm down, fingers along -y (resdex_facts 1.2): the wrist's rotation at Euler angles 0.
PALM_DOWN = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
#: Largest pitch (rad): 11 degrees before the singularity.
MAX_PITCH = 1.38
_PALM_UP = quat_conjugate(PALM_DOWN)


@dataclass(frozen=True)
class PoseCommand:
    """A decoded action.

    Attributes:
        wrist_pos: (B, 3) m, task frame.
        wrist_quat: (B, 4) wxyz.
        joint_targets: (B, A) rad, in the order of `HandTable.actuated_joint_names`.
    """

    wrist_pos: Array
    wrist_quat: Array
    joint_targets: Array


def euler_to_quat(euler: Array) -> Array:
    """Wrist orientations (..., 4) wxyz in the task frame, of turn, pitch and roll (..., 3) rad."""
    half = 0.5 * np.asarray(euler, dtype=np.float64)
    c, s, zero = np.cos(half), np.sin(half), np.zeros(half.shape[:-1])
    turn = side_by_side([c[..., 0], zero, zero, s[..., 0]])
    pitch = side_by_side([c[..., 1], s[..., 1], zero, zero])
    roll = side_by_side([c[..., 2], zero, s[..., 2], zero])
    return quat_multiply(quat_multiply(quat_multiply(turn, pitch), roll), PALM_DOWN)


def quat_to_euler(quat: Array) -> Array:
    """Turn, pitch and roll (..., 3) rad of wrist orientations (..., 4): the inverse of `euler_to_quat`.

    The pitch is in [-pi/2, pi/2]; at its ends turn and roll are not unique.
    """
    quat = np.asarray(quat, dtype=np.float64)
    q = quat_multiply(quat, _PALM_UP)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    # Of the rotation's matrix only those elements that are needed.
    pitch = np.arcsin(clip(2 * (y * z + w * x), -1.0, 1.0))
    turn = np.arctan2(-(2 * (x * y - w * z)), 1 - 2 * (x * x + z * z))
    roll = np.arctan2(-(2 * (x * z - w * y)), 1 - 2 * (x * x + y * y))
    return side_by_side([turn, pitch, roll])


class ComposeAction:
    """Limits, decoding and ownership of the 28-D action (28 for Shadow; 6 + joints for another hand).

    Args:
        table: A hand on a floating wrist.
        workspace: Corners of the box of wrist targets (m, task frame).

    Raises:
        SleightError: The hand has no floating wrist, or the box is empty.
    """

    def __init__(
        self, table: HandTable, workspace: tuple[tuple[float, float, float], tuple[float, float, float]]
    ) -> None:
        if table.wrist_mode != "floating":
            raise SleightError(
                f"hand '{table.name}' has no floating wrist", value=table.wrist_mode, remedy="use hand 'shadow'"
            )
        low, high = (np.asarray(corner, dtype=np.float64) for corner in workspace)
        if not (low < high).all():
            raise SleightError(
                "the workspace is empty", value=workspace, remedy="give the lower corner first, then the higher one"
            )
        self.table = table
        euler = np.array([np.pi, MAX_PITCH, np.pi])
        self.lower = np.concatenate([low, -euler, table.lower])
        self.upper = np.concatenate([high, euler, table.upper])
        self._motors = WRIST_SIZE + np.asarray(table.actuated_index)
        place = table.joint_names.index
        self._couplings = [
            (place(row.joint), place(row.driver), row.driver_coefficient / row.coefficient) for row in table.couplings
        ]

    @classmethod
    def from_parts(cls, table: HandTable, parts: Sequence[ActionPart]) -> ComposeAction:
        """The action that a manifest describes.

        Raises:
            SleightError: The parts are not what `parts` gives for this hand and a workspace.
        """
        if not parts or parts[0].rule != "pose":
            raise SleightError(
                "the action of composed skills begins with a wrist pose", value=[part.rule for part in parts]
            )
        low, high = parts[0].lower, parts[0].upper
        action = cls(table, ((low[0], low[1], low[2]), (high[0], high[1], high[2])))
        for index, (given, own) in enumerate(zip_longest(parts, action.parts)):
            if given != own:
                raise SleightError(
                    f"part {index} of the action does not fit hand '{table.name}'",
                    value=f"{given!r} instead of {own!r}",
                    remedy="use the bundle with the hand it was trained for",
                )
        return action

    @property
    def parts(self) -> tuple[ActionPart, ...]:
        """The action as a manifest describes it: the wrist's pose, then all finger joints."""
        lower, upper = (tuple(map(float, limits)) for limits in (self.lower, self.upper))
        return (
            ActionPart(name="wrist_pose", rule="pose", lower=lower[:WRIST_SIZE], upper=upper[:WRIST_SIZE]),
            ActionPart(
                name="hand_joints",
                rule="position",
                joint_names=self.table.joint_names,
                lower=lower[WRIST_SIZE:],
                upper=upper[WRIST_SIZE:],
            ),
        )

    @property
    def size(self) -> int:
        """Number of elements: 28 for Shadow."""
        return len(self.lower)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each element: wrist_x .. wrist_roll, then the joints'."""
        return element_names(self.table)

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """What each element moves: "wrist" or the name of a finger, from the hand table."""
        return element_owners(self.table)

    def mask(self, fingers: tuple[str, ...] | list[str], *, wrist: bool = False) -> NDArray[np.bool_]:
        """Elements (28,) that belong to some fingers, and to the wrist if asked (see `element_mask`).

        Raises:
            SleightError: The hand has no such finger.
        """
        return element_mask(self.table, fingers, wrist=wrist)

    def clip(self, action: Array) -> Array:
        """Actions (..., 28) inside the limits: turn and roll are wrapped, the rest is clipped; nan becomes the middle.

        Raises:
            SleightError: The last axis has another length.
        """
        action = np.asarray(action, dtype=np.float64)
        if action.shape[-1:] != (self.size,):
            raise SleightError(
                "an action has the wrong length", value=action.shape, remedy=f"give {self.size} elements: {self.names}"
            )
        if not np.isfinite(action).all():
            action = np.where(np.isnan(action), self._middle, action)
        action = clip(action, -1e6, 1e6)
        turns = action[..., 3:6:2]
        turns[...] = (turns + np.pi) % (2.0 * np.pi) - np.pi
        return clip(action, self.lower, self.upper)

    def decode(self, action: Array) -> PoseCommand:
        """Turn actions (B, 28) into a command inside the limits.

        Raises:
            SleightError: The last axis has another length.
        """
        return self.decode_clipped(self.clip(action))

    def decode_clipped(self, action: Array) -> PoseCommand:
        """Turn actions (B, 28) that `clip` has given into a command."""
        return PoseCommand(
            wrist_pos=action[..., :3],
            wrist_quat=euler_to_quat(action[..., 3:6]),
            joint_targets=action[..., self._motors],
        )

    def encode(self, command: PoseCommand) -> Array:
        """Actions (B, 28) that decode to a command; coupled joints as their coupling has them."""
        joints = np.zeros((*command.joint_targets.shape[:-1], len(self.table.joint_names)))
        joints[..., self.table.actuated_index] = command.joint_targets
        euler = quat_to_euler(quat_normalize(command.wrist_quat))
        return np.concatenate([command.wrist_pos, euler, self.couple(joints)], axis=-1)

    def couple(self, joints: Array) -> Array:
        """Joint positions (..., 22) rad with the coupled joints where their drivers put them, inside their limits."""
        joints = np.array(joints, dtype=np.float64)
        for joint, driver, ratio in self._couplings:
            joints[..., joint] = ratio * joints[..., driver]
        return clip(joints, self.table.lower, self.table.upper)

    def to_unit(self, action: Array) -> Array:
        """Actions (..., 28) as numbers in [-1, 1], as diffusion policies want them."""
        return 2.0 * (np.asarray(action) - self.lower) / (self.upper - self.lower) - 1.0

    def from_unit(self, unit: Array) -> Array:
        """The inverse of `to_unit`."""
        return self.lower + 0.5 * (np.asarray(unit) + 1.0) * (self.upper - self.lower)

    @cached_property
    def _middle(self) -> Array:
        return 0.5 * (self.lower + self.upper)
