"""Observation terms of in-hand reorientation, as public policies for the LEAP Hand have them (field notes 0.10).

Joint vectors are in the hand table's order, like everywhere; an imported policy with another order is given its own by
the import. A term made of several sources names the one that is hardest to come by.
"""

from __future__ import annotations

from typing import Any

from sleight_core.arrays import namespace
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable
from sleight_core.observation.terms import Frame, term
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_to_matrix, yaw_quat

Array = Any

#: Point of the hand table from which the object's offset is measured.
PALM = "palm"
#: Terms that need the object's orientation and the goal's.
POSE_TERMS = frozenset({"object_goal_turn"})


def _count(table: HandTable) -> int:
    return len(table.actuated_joint_names)


def _of_palm(table: HandTable) -> int:
    table.point(PALM)
    return 3


def _known(value: Array | None, what: str, remedy: str) -> Array:
    if value is None:
        raise SleightError(f"the state does not hold {what}, which the policy sees", remedy=remedy)
    return value


@term(lambda table: len(table.joint_names), unit="rad", frame="joint", provenance="proprioception")
def joint_angles(f: Frame) -> Array:
    """Joint positions as they are, not scaled by their limits."""
    return f.state.joint_pos


@term(_count, unit="rad", frame="joint", provenance="memory")
def joint_target_error(f: Frame) -> Array:
    """Positions of the joints with a motor minus the targets last sent to them, after safety."""
    targets = _known(f.state.joint_targets, "the joint targets last sent", "feed what the bridge sent")
    return f.state.joint_pos[:, f.kinematics.table.actuated_index] - targets


@term(_of_palm, unit="m", frame="canonical", provenance="perception")
def palm_object_offset(f: Frame) -> Array:
    """The hand's point "palm" minus the perceived position of the object."""
    return f.kinematics.point(PALM, f.wrist_pos, f.wrist_quat) - f.object_pos


@term(6, unit="1", frame="canonical", provenance="perception")
def object_goal_turn(f: Frame) -> Array:
    """Second and third row of the rotation matrix of (orientation of the object) (goal's orientation)^-1.

    The orientation is a tracker's; the goal's is a command.
    """
    tracked = _known(f.state.object_quat, "the object's orientation", "feed a tracked pose of the object")
    goal = _known(f.state.goal_quat, "the goal's orientation", "send a goal pose")
    back = yaw_quat(-f.state.canonical_yaw)
    between = quat_multiply(quat_multiply(back, tracked), quat_conjugate(quat_multiply(back, goal)))
    rows = quat_to_matrix(between)[:, 1:]
    return namespace(rows).reshape(rows, (rows.shape[0], 6))


@term(_count, unit="1", frame="joint", provenance="memory")
def last_output(f: Frame) -> Array:
    """The policy's own last output for the joints with a motor, before safety, in policy units.

    Some policies were trained to see this; ours see `last_action`, which is what was sent.
    """
    return _known(f.state.last_output, "the policy's last output", "feed what the policy gave")
