"""What a task asks of a physics engine; `mujoco.batch`, mujoco_warp and Isaac Gym each implement it.

States are numpy arrays, or torch tensors of an engine on a GPU, which takes either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sleight_core.hand import HandTable

Array = Any


@dataclass
class SimState:
    """The state of all environments, task frame, in the hand table's orders.

    Attributes:
        joint_pos, joint_vel: (B, J) rad, rad/s.
        wrist_pos, wrist_quat, wrist_linvel, wrist_angvel: (B, 3 | 4) of the hand's root body.
        fingertip_wrench: (B, F, 6) N and N m in the distal bodies' frames, at the last substep's start.
        object_pos, object_quat, object_linvel, object_angvel: (B, 3 | 4) of the object.
        touching: (B,) bool: arm or palm touch the table, or the arm touches the robot itself, at the last substep's
            start; None for a hand on a floating wrist.
    """

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
    touching: Array | None = None


@dataclass
class InitialState:
    """Where n environments start: all velocities are zero.

    Attributes:
        joint_pos: (n, J) rad; they say where a hand on an arm is.
        wrist_pos, wrist_quat: (n, 3), (n, 4), of a floating wrist.
        object_pos, object_quat: (n, 3), (n, 4).
    """

    joint_pos: Array
    wrist_pos: Array
    wrist_quat: Array
    object_pos: Array
    object_quat: Array


class Engine(Protocol):
    """A batch of worlds, each with one hand, on a floating wrist or on an arm, and one object."""

    table: HandTable
    num_envs: int

    def reset(self, ids: Array, initial: InitialState) -> None:
        """Put environments ids (n,) into their initial states; `state()` shows it at once."""
        ...

    def step(self, joint_targets: Array, wrist_twist: Array) -> None:
        """Advance all environments one control period under joint targets (B, A) rad and twists (B, 6) m/s, rad/s.

        An arm takes no twist.
        """
        ...

    def apply_force(self, force: Array) -> None:
        """Pull at the objects' origins with forces (B, 3) N, task frame, in all steps until the next call."""
        ...

    def state(self) -> SimState:
        """Return the current state; arrays are the caller's to keep until the next `step` or `reset`."""
        ...

    def positions(self) -> Array:
        """Generalised positions of all environments (B, nq), in the layout of the world's model, for recording."""
        ...

    def failed(self) -> Array:
        """(B,) bool: environments whose physics diverged in the last step."""
        ...
