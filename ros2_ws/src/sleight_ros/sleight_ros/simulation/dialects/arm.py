"""A fake of an arm that carries the simulated hand: its controller takes joint targets, its encoders say where it is.

The arm has no body in the simulation. Its joints are those at which its flange is where the simulated wrist is, and the
wrist's velocity servo takes the hand to where the arm's targets have it: a stiff arm, as seen from the hand.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from pydantic import Field
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.rotations import quat_conjugate, quat_multiply, quat_rotate

from sleight_ros.bridges.robots import find_robot
from sleight_ros.bridges.section import Section, nearest, parse_parts
from sleight_ros.nodes.base import STATE
from sleight_ros.simulation.dialects.base import Dialect, DriverContext, JointDialect, Reading, Targets
from sleight_ros.simulation.dialects.forward_command import ForwardCommandDialect, ForwardCommandDriver
from sleight_ros.simulation.dialects.joint_trajectory import JointTrajectoryDialect, JointTrajectoryDriver

Array = NDArray[np.float64]
INPUTS: dict[str, tuple[type[Section], type[JointDialect[Any]]]] = {
    "joint_trajectory": (JointTrajectoryDriver, JointTrajectoryDialect),
    "forward_command": (ForwardCommandDriver, ForwardCommandDialect),
}
#: How fast the wrist is taken to where the arm's targets have it, 1/s.
GAIN = 15.0
#: Steps and damping of the search for the arm's joints: a wrist that was put elsewhere needs many steps.
MANY, FEW, DAMPING = 300, 3, 1e-6
#: A wrist this far from where the arm's joints have it was put there (m, rad).
ELSEWHERE = 0.05
#: Joint speeds are worked out with this damping, m/rad: at a singularity they stay finite.
SPEED_DAMPING = 0.02


class ArmDriver(Section):
    """Section of the fake.

    Attributes:
        robot: Which hand stands on which arm; see `find_robot`.
        input: Section of the dialect of the arm's controller.
        topic: Where the arm's joint states are published.
        period: Control step of the simulation, s.
    """

    dialect: Literal["arm"] = "arm"
    robot: str = Field(min_length=1)
    input: dict[str, Any]
    topic: str = Field(default="arm/joint_states", min_length=1)
    period: float = Field(default=1.0 / 60.0, gt=0.0, le=0.1)


class ArmDialect(Dialect[ArmDriver]):
    """The fake."""

    def __init__(self, name: str, config: ArmDriver, context: DriverContext, targets: Targets) -> None:
        super().__init__(name, config, context, targets)
        from sleight_core.arm import ArmKinematics
        from sleight_core.hand.kinematics import center_of_mass

        self._robot = robot = find_robot(config.robot)
        if robot.hand.name != context.table.name:
            what = f"parameter 'driver.{name}.robot': '{config.robot}' carries hand '{robot.hand.name}', not"
            raise SleightError(what, value=context.table.name)
        self._kinematics = ArmKinematics.of_wrist(robot.table)
        self._center = np.asarray(center_of_mass(context.table), dtype=float)
        self._index = np.array([robot.table.actuated_joint_names.index(n) for n in self._kinematics.joint_names])
        self._ready = robot.arm_posture()
        self._angles = self._ready.copy()
        self._wanted: Array | None = None
        self._before: Array | None = None
        # Its own targets: those of the arm, in a table that has the arm. What the bridge says of joints are the hand's.
        self._inner = replace(context, table=robot.table, plant=lambda: self, echo=None, cleanup=context.cleanup)
        self._arm_targets = Targets(self._inner)

    def setup(self) -> None:
        """Create the arm's controller and the publisher of its joint states."""
        dialects = {key: section for key, (section, _) in INPUTS.items()}
        section = parse_parts({"input": self.config.input}, dialects, f"driver.{self.name}", "dialect")["input"]
        joints = getattr(section, "joints", ()) or self._kinematics.joint_names
        for joint in joints:
            if joint not in self._kinematics.joint_names:
                what = f"parameter 'driver.{self.name}.input.joints': no such joint"
                raise SleightError(what, value=joint, remedy=nearest(joint, self._kinematics.joint_names))
        _, kind = next(row for row in INPUTS.values() if row[0] is type(section))
        section = section.model_copy(update={"joints": tuple(joints)})
        self._controller = kind(f"{self.name}.input", section, self._inner, self._arm_targets)
        self._controller.setup()
        self._publisher = self.context.node.publish_on(JointState, self.config.topic, STATE)

    # The plant of the arm's controller ---------------------------------------------------------------------------

    def command_joints(self, targets: Array) -> None:
        """Take targets of the arm's joints."""
        self._wanted = targets[self._index]

    def command_twist(self, twist: Array) -> None:
        """Nobody sends a twist to an arm's joint controller."""

    # The arm -----------------------------------------------------------------------------------------------------

    def publish(self, stamp: Time, reading: Reading) -> None:
        """Say where the arm is, and take the wrist towards where its targets have it."""
        pos, quat = reading.wrist_pos, reading.wrist_quat
        if np.abs(self._error(self._angles, pos, quat)).max() > ELSEWHERE:
            self._angles = self._search(self._ready, pos, quat, MANY)
            self.reset()
        self._angles = self._search(self._angles, pos, quat, FEW)
        jacobian = self._kinematics.jacobian(self._angles[None])[0]
        twist = np.concatenate([reading.wrist_linvel, reading.wrist_angvel])
        square = jacobian @ jacobian.T + SPEED_DAMPING**2 * np.eye(6)
        speeds = jacobian.T @ np.linalg.solve(square, twist)
        measured = np.zeros(len(self._robot.table.actuated_joint_names))
        measured[self._index] = self._angles
        self._arm_targets.measured = measured
        msg = JointState(name=list(self._kinematics.joint_names))
        msg.header.stamp = stamp
        msg.position, msg.velocity = array("d", self._angles.tobytes()), array("d", speeds.tobytes())
        self._publisher.publish(msg)
        self._follow(pos, quat)

    def _follow(self, pos: Array, quat: Array) -> None:
        wanted, plant = self._wanted, self.context.plant()
        if wanted is None or plant is None:
            return
        # The wrist's servo moves the hand's centre of mass.
        error = self._error(wanted, pos, quat)
        ahead = np.zeros(6)
        if self._before is not None:
            ahead = self._kinematics.jacobian(wanted[None])[0] @ (wanted - self._before) / self.config.period
        self._before = wanted
        twist = ahead + GAIN * error
        twist[:3] += np.cross(twist[3:], quat_rotate(quat, self._center))
        plant.command_twist(twist)

    def _error(self, angles: Array, pos: Array, quat: Array) -> Array:
        """From the wrist's pose to where the arm's joints have it: (6,) m and rad."""
        at, turn = (row[0] for row in self._kinematics.pose(angles[None]))
        off = quat_multiply(turn, quat_conjugate(quat))
        return np.concatenate([at - pos, 2.0 * (off[1:] if off[0] >= 0 else -off[1:])])

    def _search(self, angles: Array, pos: Array, quat: Array, steps: int) -> Array:
        """Joints near some at which the wrist is at a pose, as well as it can be reached."""
        for _ in range(steps):
            error = self._error(angles, pos, quat)
            if np.abs(error).max() < 1e-9:
                break
            jacobian = self._kinematics.jacobian(angles[None])[0]
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING * np.eye(6), error)
            angles = angles - np.clip(step, -0.3, 0.3)
        return angles

    def reset(self) -> None:
        """Forget the targets."""
        self._wanted = self._before = None
        self._arm_targets.reset()
        if hasattr(self, "_controller"):
            self._controller.reset()
