"""Where the hand, and the arm that carries it, were at a moment: to take the robot out of a cloud of that moment."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from nav_msgs.msg import Odometry
from pydantic import Field
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.hand.shapes import HandShapes, PlacedShapes
from sleight_description import load_hand

from sleight_ros import convert
from sleight_ros.bridges.joint_map import JointMap, MapSection
from sleight_ros.bridges.robots import find_robot
from sleight_ros.bridges.section import parse, read_section
from sleight_ros.bridges.state_map import StateMap

if TYPE_CHECKING:
    from sleight_ros.nodes.base import SleightNode

#: While a cloud is being worked on, states pile up; all of them are wanted, to find the one of the cloud's moment.
HISTORY = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
#: States that are kept.
KEPT = 60
#: Stamps (ns), and the arrays of each state.
States = deque[tuple[int, tuple[np.ndarray, ...]]]


class ArmSection(MapSection):
    """Section ``arm``: the arm that carries the hand.

    Attributes:
        robot: Which hand stands on which arm, and where; see `find_robot`.
        topic: The arm's joint states.
    """

    robot: str = Field(min_length=1)
    topic: str = Field(min_length=1)


class RobotBody:
    """Listens to the joints and to the wrist, or the arm, and places the robot's shapes.

    With a section ``arm`` the arm's joints say where the hand is, and its links are placed as well. So they are for a
    robot (`robot_names`) as ``hand``, whose joint states hold those of its arm.

    Args:
        node: Owns the subscriptions; has the parameters ``hand`` and ``task_frame``.

    Raises:
        SleightError: No such hand or robot, or an arm that carries another hand.
    """

    def __init__(self, node: SleightNode) -> None:
        hand, self._frame = load_hand(node.value("hand")), node.value("task_frame")
        section = read_section(node, "arm")
        arm = parse(ArmSection, section, "arm") if section else None
        table = hand
        self._arm_map: StateMap | None = None
        if arm is not None:
            robot = find_robot(arm.robot)
            if robot.hand.name != hand.name:
                raise SleightError(
                    f"parameter 'arm.robot': '{arm.robot}' carries hand '{robot.hand.name}', the profile has",
                    value=hand.name,
                )
            table = robot.table
            self._arm_map = StateMap(JointMap(table, arm, "arm"), table.arm_joints)
            if lacking := [name for name in table.arm_joints if name not in self._arm_map.wanted]:
                raise SleightError("section 'arm': the map has no joint", value=", ".join(lacking))
        self._shapes = HandShapes(table)
        self._reader = convert.JointReader(hand.joint_names)
        self._fingers = [table.joint_names.index(name) for name in hand.joint_names]
        self._arm = [table.joint_names.index(name) for name in (table.arm_joints if arm else ())]
        self._count = len(table.joint_names)
        self._is_carried = arm is not None or hand.wrist_mode == "floating"
        self._joints: States = deque(maxlen=KEPT)
        self._carriers: States = deque(maxlen=KEPT)
        node.listen(JointState, "joint_states", self._on_joints, HISTORY)
        if arm is None and self._is_carried:
            node.listen(Odometry, "wrist/odometry", self._on_wrist, HISTORY)
        elif arm is not None:
            node.listen(JointState, arm.topic, self._on_arm, HISTORY)

    def at(self, stamp: int, within: float) -> list[PlacedShapes] | None:
        """Place the shapes at a moment.

        Args:
            stamp: The moment (ns).
            within: Largest distance in time of the states used (s).

        Returns:
            The shapes in the task frame; None when no state near the moment is known.
        """
        fingers = _nearest(self._joints, stamp, within)
        carrier = _nearest(self._carriers, stamp, within) if self._is_carried else fingers
        if fingers is None or carrier is None:
            return None
        angles = np.zeros(self._count)
        angles[self._fingers] = fingers[0]
        if not self._is_carried:
            return self._shapes.place(angles)
        if self._arm:
            angles[self._arm] = carrier[0]
            return self._shapes.place(angles)
        return self._shapes.place(angles, *carrier)

    def _on_joints(self, msg: JointState) -> None:
        reading = self._reader.read(msg)
        if not reading.problem and not reading.missing and np.isfinite(reading.position).all():
            self._joints.append((convert.stamp_to_ns(msg.header.stamp), (reading.position,)))

    def _on_wrist(self, msg: Odometry) -> None:
        reading = convert.read_odometry(msg)
        if not reading.problem and reading.frame == self._frame:
            self._carriers.append((convert.stamp_to_ns(msg.header.stamp), (reading.pos, reading.quat)))

    def _on_arm(self, msg: JointState) -> None:
        assert self._arm_map is not None
        state = self._arm_map.read(msg)
        if not state.problem and state.names == self._arm_map.wanted and np.isfinite(state.position).all():
            self._carriers.append((convert.stamp_to_ns(msg.header.stamp), (state.position,)))


def _nearest(states: States, stamp: int, within: float) -> tuple[np.ndarray, ...] | None:
    """Return the state nearest to a moment (ns), if it is within so many seconds of it."""
    # A copy, because another thread appends.
    rows = list(states)
    if not rows:
        return None
    found = min(rows, key=lambda row: abs(row[0] - stamp))
    return found[1] if abs(found[0] - stamp) <= within * 1e9 else None
