"""What the two residuals observe (DexCompose B.1 and B.2), one code for training and robot, numpy and torch.

The paper lists the contents, not their sizes or scales. Those are ours: every feature is divided by what it usually is
at most, so that a network sees numbers of the order of 1. "Palm" is the hand's grasp centre with the wrist's axes.
Features of fingers that the first skill does not own are 0, so that one stabiliser can serve several masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sleight_core.arrays import Constants, clip, namespace
from sleight_core.compose.ownership import WRIST_SIZE
from sleight_core.hand import FingertipKinematics, HandTable
from sleight_core.rotations import cross, quat_conjugate, quat_multiply, quat_normalize, quat_rotate

Array = Any

#: No feature is further from 0 than this: a hard contact would otherwise drown the others in the layer norm.
CLIP = 5.0
#: What features are divided by: m, m/s, rad/s, rad/s, m.
POSITION, LINEAR, ANGULAR, JOINT_SPEED, TIP_DISTANCE = 0.1, 0.5, 5.0, 5.0, 0.02
#: Force from which a fingertip is in contact (N): its sensor also feels the distal body, which weighs 0.1 N, more when
#: it is moved; measured against the simulator's contacts, 0.5 N tells both apart.
CONTACT_FORCE = 0.5
#: The same of the executed base motion: m/s and rad/s of the wrist.
BASE_LINEAR, BASE_ANGULAR = 0.6, 2.0
#: The same of what the nominal action asks for beyond where the hand is: m, rad.
NOMINAL_POSITION, NOMINAL_ANGLE = 0.1, 0.5


class HandState(Protocol):
    """The state that the features are computed from, (B, ...) each; the simulators' `SimState` is one."""

    joint_pos: Array
    joint_vel: Array
    wrist_pos: Array
    wrist_quat: Array
    wrist_linvel: Array
    wrist_angvel: Array
    fingertip_wrench: Array
    object_pos: Array
    object_quat: Array
    object_linvel: Array
    object_angvel: Array


@dataclass(frozen=True)
class HoldReference:
    """What is stored of the first skill's outcome when it has succeeded.

    Attributes:
        action: (B, 28) the hold action; its wrist elements are not used.
        object_pos: (B, 3) m of the object in the palm frame: where it is to stay.
        tip_distance: (B, F) m from each fingertip to the object's origin.
    """

    action: Array
    object_pos: Array
    tip_distance: Array


class ResidualFeatures:
    """Computes the terms of both residuals.

    Args:
        table: The hand.
    """

    def __init__(self, table: HandTable) -> None:
        self.table = table
        self.kinematics = FingertipKinematics(table)
        joints, fingers = len(table.joint_names), len(table.fingers)
        #: Sizes of the stabiliser's terms, in the order of its input (B.1).
        self.stabiliser_sizes: dict[str, int] = {
            "preserved_joint_pos": joints,
            "preserved_joint_vel": joints,
            "previous_residual": joints,
            "object_pose": 7,
            "object_velocity": 6,
            "tip_distance_error": fingers,
            "contacts": fingers,
            "preserved_torque": len(table.actuated_joint_names),
            "base_action": 6,
            "phase": 2,
        }
        #: Sizes of the further terms of the second skill's residual, which follow the skill's own observation (B.2).
        self.second_sizes: dict[str, int] = {"nominal": WRIST_SIZE + joints, "mask": fingers}
        stiffness = np.array([
            table.dynamics(name).kp / table.joint(name).effort for name in table.actuated_joint_names
        ])  # fmt: skip
        base = np.array([BASE_LINEAR] * 3 + [BASE_ANGULAR] * 3)
        self._constants = Constants(stiffness, base, np.asarray(table.actuated_index))

    def object_in_palm(self, state: HandState) -> tuple[Array, Array]:
        """Pose of the object in the palm frame: (B, 3) m and (B, 4) wxyz, w >= 0."""
        palm = self.kinematics.grasp_center(state.wrist_pos, state.wrist_quat)
        inverse = quat_conjugate(state.wrist_quat)
        return (
            quat_rotate(inverse, state.object_pos - palm),
            quat_normalize(quat_multiply(inverse, state.object_quat)),
        )

    def tip_distance(self, state: HandState) -> Array:
        """Distances (B, F) m from the fingertips to the object's origin."""
        xp = namespace(state.joint_pos)
        tips = self.kinematics.fingertips(
            state.joint_pos, state.joint_vel, state.wrist_pos, state.wrist_quat, state.wrist_linvel, state.wrist_angvel
        )
        points = self.kinematics.tip_points(tips)
        return xp.sqrt(xp.sum((points - state.object_pos[:, None]) ** 2, axis=-1))

    def reference(self, state: HandState, action: Array) -> HoldReference:
        """Store the first skill's outcome.

        Args:
            state: The state in which it has succeeded.
            action: (B, 28) the hold action.
        """
        return HoldReference(action, self.object_in_palm(state)[0], self.tip_distance(state))

    def stabiliser(
        self,
        state: HandState,
        reference: HoldReference,
        *,
        preserved: Array,
        targets: Array,
        previous: Array,
        base_action: Array,
        phase: Array,
    ) -> dict[str, Array]:
        """The stabiliser's terms by name, in the order of `stabiliser_sizes`.

        Args:
            state: The state now.
            reference: Of the episode.
            preserved: (B, 22) bool, the joints of the first skill's fingers.
            targets: (B, A) rad, the joint targets that were sent, action order.
            previous: (B, 28) the previous output of the stabiliser, squashed: -1 to 1.
            base_action: (B, 6) m/s and rad/s in the task frame: the wrist's executed command.
            phase: (B, 2) progress of the transition, 0 to 1; 1 while the second skill acts.
        """
        xp = namespace(state.joint_pos)
        lower, upper = self.kinematics.range.like(state.joint_pos)
        stiffness, base, motors = self._constants.like(state.joint_pos)
        zero = xp.zeros_like(state.joint_pos)
        unit = 2.0 * (state.joint_pos - lower) / (upper - lower) - 1.0
        pos, quat = self.object_in_palm(state)
        # What the position servo asks of a motor, as a share of its effort limit: known on any robot.
        torque = stiffness * (targets - state.joint_pos[:, motors])
        force = xp.sqrt(xp.sum(state.fingertip_wrench[..., :3] ** 2, axis=-1))
        return {
            "preserved_joint_pos": xp.where(preserved, unit, zero),
            "preserved_joint_vel": xp.where(preserved, state.joint_vel / JOINT_SPEED, zero),
            "previous_residual": xp.where(preserved, previous[:, WRIST_SIZE:], zero),
            "object_pose": xp.concat([pos / POSITION, quat], axis=-1),
            "object_velocity": self._object_velocity(state),
            "tip_distance_error": (self.tip_distance(state) - reference.tip_distance) / TIP_DISTANCE,
            "contacts": xp.astype(force > CONTACT_FORCE, state.joint_pos.dtype),
            "preserved_torque": xp.where(preserved[:, motors], clip(torque, -1.0, 1.0), zero[:, motors]),
            "base_action": self._in_palm(state, base_action) / base,
            "phase": phase,
        }

    def second(self, nominal: Array, here: Array, fingers: Array) -> dict[str, Array]:
        """The terms that the second skill's residual sees besides the composite state.

        Args:
            nominal: (B, 28) the frozen skill's action.
            here: (B, 28) where the hand is, as an action: the nominal action is seen relative to it.
            fingers: (B, F) the finger mask: 1 for one that the first skill keeps.
        """
        xp = namespace(nominal)
        ahead = nominal - here
        turned = (ahead[:, 3:WRIST_SIZE] + np.pi) % (2.0 * np.pi) - np.pi
        parts = [ahead[:, :3] / NOMINAL_POSITION, turned / NOMINAL_ANGLE, ahead[:, WRIST_SIZE:] / NOMINAL_ANGLE]
        return {"nominal": xp.concat(parts, axis=-1), "mask": fingers}

    def join(self, terms: dict[str, Array]) -> Array:
        """One array (B, n) of all terms in their order, clipped: what a network sees."""
        xp = namespace(*terms.values())
        return clip(xp.concat(list(terms.values()), axis=-1), -CLIP, CLIP)

    def _object_velocity(self, state: HandState) -> Array:
        """Velocity of the object as seen from the palm, in its frame: (B, 6)."""
        xp = namespace(state.joint_pos)
        turning = cross(state.wrist_angvel, state.object_pos - state.wrist_pos)
        inverse = quat_conjugate(state.wrist_quat)
        linear = quat_rotate(inverse, state.object_linvel - state.wrist_linvel - turning)
        angular = quat_rotate(inverse, state.object_angvel - state.wrist_angvel)
        return xp.concat([linear / LINEAR, angular / ANGULAR], axis=-1)

    def _in_palm(self, state: HandState, twist: Array) -> Array:
        """A twist (B, 6) of the task frame in the wrist's axes."""
        xp = namespace(twist)
        inverse = quat_conjugate(state.wrist_quat)
        return xp.concat([quat_rotate(inverse, twist[:, :3]), quat_rotate(inverse, twist[:, 3:])], axis=-1)
