"""The kinematic model that inverse kinematics works on: the arm's joints, the hand's shapes riding on the flange."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sleight_core.arm import Robot
from sleight_core.hand.kinematics import center_of_mass
from sleight_core.hand.table import Body
from sleight_core.rotations import quat_multiply
from sleight_core.safety.limits import JointLimits

from sleight_description.mjcf import shape_type

Array = NDArray[np.float64]


class IkModel:
    """A MuJoCo model whose only joints are the arm's; fingers are links without joints that are put where they are.

    Args:
        robot: A hand on an arm.
        limits: Joint ranges, margins included.

    Attributes:
        model: The compiled model, with the site "wrist" and the plane "table" (far below until `set_table`).
        finger_joints: The finger joints, in the order of the robot's table.
        rigid_shapes: Shapes of arm and palm, without the base's.
        finger_shapes: Shapes of the fingers.
        pairs: Pairs of shapes, at least one of them the arm's, that must not meet.
    """

    def __init__(self, robot: Robot, limits: JointLimits) -> None:
        import mujoco

        self._mujoco: Any = mujoco
        table, arm = robot.table, set(robot.table.arm_joints)
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        spec.worldbody.add_geom(name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, pos=[0, 0, -100], size=[1, 1, 0.1])
        bodies: dict[str, Any] = {"world": spec.worldbody}
        self.rigid_shapes: list[str] = []
        self.finger_shapes: list[str] = []
        in_finger: set[str] = set()
        fingers: list[Body] = []
        for row in table.bodies:
            body = bodies[row.parent].add_body(name=row.name, pos=row.pos, quat=_unit(row.quat))
            bodies[row.name] = body
            if row.joint and row.joint.name in arm:
                j = limits.names.index(row.joint.name)
                body.add_joint(
                    name=row.joint.name,
                    type=mujoco.mjtJoint.mjJNT_HINGE,
                    axis=row.joint.axis,
                    range=[limits.lower[j], limits.upper[j]],
                    limited=True,
                )
            elif row.joint:
                fingers.append(row)
            if row.parent in in_finger or (row.joint and row.joint.name not in arm):
                in_finger.add(row.name)
            for shape in row.collisions:
                body.add_geom(
                    name=shape.name,
                    type=shape_type(shape),
                    pos=shape.pos,
                    quat=shape.quat,
                    size=list(shape.size) + [0.0] * (3 - len(shape.size)),
                )
                if row.name != robot.arm.base_body:
                    (self.finger_shapes if row.name in in_finger else self.rigid_shapes).append(shape.name)
            if row.name == table.root_body:
                body.add_site(name="wrist", pos=center_of_mass(table))
            if not row.collisions:  # A link needs a mass to compile.
                body.mass, body.inertia, body.explicitinertial = 1e-3, [1e-6] * 3, True
        self.model: Any = spec.compile()
        of_arm = {shape.name for row in robot.arm.bodies for shape in row.collisions}
        self.pairs = [(a, b) for a, b in table.self_collisions if a in of_arm or b in of_arm]
        self.finger_joints = tuple(name for name in table.joint_names if name not in arm)
        self._finger_bodies = np.array([self.model.body(row.name).id for row in fingers])
        self._finger_column = np.array([self.finger_joints.index(row.joint.name) for row in fingers if row.joint])
        self._finger_quat = np.array([_unit(row.quat) for row in fingers])
        self._finger_axis = np.array([np.asarray(row.joint.axis, dtype=float) for row in fingers if row.joint])
        self._finger_axis /= np.linalg.norm(self._finger_axis, axis=1, keepdims=True)
        self._site = self.model.site("wrist").id

    def set_table(self, height: float) -> None:
        """Put the table's top at a height (m) in the task frame."""
        self.model.geom_pos[self.model.geom("table").id, 2] = height

    def place_fingers(self, joint_pos: Array) -> None:
        """Put the fingers' links where the finger joints (F,) rad have them."""
        half = 0.5 * joint_pos[self._finger_column]
        turn = np.concatenate([np.cos(half)[:, None], np.sin(half)[:, None] * self._finger_axis], axis=1)
        self.model.body_quat[self._finger_bodies] = quat_multiply(self._finger_quat, turn)

    def jacobian(self, data: Any) -> Array:
        """(6, N): linear (m/rad) and angular velocity of the site "wrist" in the task frame's axes."""
        out = np.empty((6, self.model.nv))
        self._mujoco.mj_jacSite(self.model, data, out[:3], out[3:], self._site)
        return out


def _unit(quat: tuple[float, ...]) -> Array:
    q = np.asarray(quat, dtype=float)
    return q / np.linalg.norm(q)
