"""State sources: a robot's own joint states and wrist, by its names and on its topics, become ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from nav_msgs.msg import Odometry
from pydantic import Field
from sensor_msgs.msg import JointState
from sleight_core.errors import SleightError
from sleight_core.hand import HandTable

from sleight_ros import convert
from sleight_ros.bridges.joint_map import JointMap, MapSection
from sleight_ros.bridges.merge import JointMerger, Source
from sleight_ros.bridges.robots import find_robot
from sleight_ros.bridges.section import Section, nearest, parse_parts
from sleight_ros.bridges.state_map import StateMap
from sleight_ros.nodes.base import STATE

if TYPE_CHECKING:
    from sleight_ros.nodes.base import SleightNode

#: Where our own states are.
JOINTS, WRIST = "joint_states", "wrist/odometry"


class JointStatesPart(MapSection):
    """Joint states of a driver, by its names.

    Attributes:
        topic: Where they are.
        joints: Our joints that come from here; empty: all that the map has.
        max_age: Age limit, s: without a fresh message of every source there is no joint state at all.
        velocity: "measured": as the driver says; "differentiated": from the positions.
    """

    source: Literal["joint_states"] = "joint_states"
    topic: str = Field(min_length=1)
    joints: tuple[str, ...] = ()
    max_age: float = Field(default=0.05, gt=0.0, le=1.0)
    velocity: Literal["measured", "differentiated"] = "measured"


class ArmPart(MapSection):
    """The wrist of a hand that an arm carries, from the arm's joint states.

    Attributes:
        topic: Where they are.
        robot: Which hand stands on which arm, and where; see `find_robot`.
        max_age: Age limit, s.
        velocity: As for `JointStatesPart`.
    """

    source: Literal["arm"] = "arm"
    topic: str = Field(min_length=1)
    robot: str = Field(min_length=1)
    max_age: float = Field(default=0.05, gt=0.0, le=1.0)
    velocity: Literal["measured", "differentiated"] = "measured"


class OdometryPart(Section):
    """An odometry of the hand's root body on another topic.

    Attributes:
        topic: Where it is; its frame must be the task frame.
    """

    source: Literal["odometry"] = "odometry"
    topic: str = Field(min_length=1)


SOURCES: dict[str, type[Section]] = {"joint_states": JointStatesPart, "arm": ArmPart, "odometry": OdometryPart}


def parse_states(data: Mapping[str, Any]) -> dict[str, Section]:
    """Check the section ``states`` of a profile.

    Raises:
        SleightError: An unknown source or key, or a value that is out of its range.
    """
    return parse_parts(data, SOURCES, "states", "source")


class StateSources:
    """Listens to the robot's topics, publishes `joint_states` and `wrist/odometry`, and hands them on at once.

    Args:
        parts: The sources, as `parse_states` gives them.
        node: Owns the subscriptions.
        table: The hand.
        frame: The task frame.
        on_joints: Gets every joint state that is published.
        on_wrist: Gets every wrist state that is published.

    Attributes:
        has_joints: Whether joint states come from here; else they are on `joint_states` already.
        has_wrist: The same for the wrist.
        has_arm: Whether the wrist is an arm's.
        arm: Newest angles of the carrying arm's joints by name, and when they came (monotonic s); empty without an arm.

    Raises:
        SleightError: Two sources for one thing, or a topic that is our own.
    """

    def __init__(
        self,
        parts: Mapping[str, Section],
        node: SleightNode,
        table: HandTable,
        frame: str,
        on_joints: Callable[[JointState], None],
        on_wrist: Callable[[Odometry], None],
    ) -> None:
        self._parts, self._node, self._table, self._frame = dict(parts), node, table, frame
        self._on_joints, self._on_wrist = on_joints, on_wrist
        wrists = [name for name, part in parts.items() if isinstance(part, ArmPart | OdometryPart)]
        if len(wrists) > 1:
            raise SleightError("two state sources for the wrist", value=", ".join(f"states.{name}" for name in wrists))
        joints = {name: part for name, part in parts.items() if isinstance(part, JointStatesPart)}
        self.has_joints, self.has_wrist = bool(joints), bool(wrists)
        # The joint states of a hand on an arm hold those of its arm.
        self.has_arm = any(isinstance(part, ArmPart) for part in parts.values()) or bool(joints and table.arm_joints)
        self.arm: tuple[dict[str, float], float] = ({}, -np.inf)
        self._maps: dict[str, StateMap] = {}
        self._merged_stamp = -1
        self._merger = JointMerger(table.joint_names, self._sources(joints))
        for name, part in parts.items():
            if isinstance(part, ArmPart):
                self._prepare_arm(name, part)

    def _sources(self, parts: Mapping[str, JointStatesPart]) -> dict[str, Source]:
        owner: dict[str, str] = {}
        sources = {}
        for name, part in parts.items():
            where = f"states.{name}"
            for joint in part.joints:
                if joint not in self._table.joint_names:
                    remedy = nearest(joint, self._table.joint_names)
                    raise SleightError(f"parameter '{where}.joints': no such joint", value=joint, remedy=remedy)
            state_map = StateMap(JointMap(self._table, part, where), part.joints or self._table.joint_names)
            if lacking := sorted(set(part.joints) - set(state_map.wanted)):
                raise SleightError(f"parameter '{where}.joints': the map has no joint", value=", ".join(lacking))
            for joint in state_map.wanted:
                if joint in owner:
                    raise SleightError(
                        f"joint '{joint}' has two state sources",
                        value=f"states.{owner[joint]}, {where}",
                        remedy="give each source its 'joints'",
                    )
                owner[joint] = name
            self._maps[name] = state_map
            sources[name] = Source(part.max_age, state_map.wanted, part.velocity == "differentiated")
        if missing := [joint for joint in self._table.joint_names if joint not in owner] if parts else []:
            raise SleightError("no state source for some joints", value=", ".join(missing))
        return sources

    def _prepare_arm(self, name: str, part: ArmPart) -> None:
        from sleight_core.arm import ArmKinematics

        robot = find_robot(part.robot)
        if robot.hand.name != self._table.name:
            raise SleightError(
                f"parameter 'states.{name}.robot': '{part.robot}' carries hand '{robot.hand.name}', the profile has",
                value=self._table.name,
            )
        self._kinematics = ArmKinematics.of_wrist(robot.table)
        joints = self._kinematics.joint_names
        self._arm_map = StateMap(JointMap(robot.table, part, f"states.{name}"), joints)
        self._arm_source = Source(part.max_age, joints, part.velocity == "differentiated")

    def configure(self) -> None:
        """Create publishers and subscriptions.

        Raises:
            SleightError: A source is on the topic on which we publish.
        """
        node = self._node
        for name, part in self._parts.items():
            topic: str = part.topic  # type: ignore[attr-defined]
            own = WRIST if isinstance(part, OdometryPart) else JOINTS
            if node.resolve_topic_name(topic) == node.resolve_topic_name(own):
                raise SleightError(
                    f"parameter 'states.{name}.topic' is the topic of our own states",
                    value=node.resolve_topic_name(topic),
                    remedy="run Sleight's nodes in a namespace (namespace:=sleight)",
                )
        if self.has_joints:
            self._joints_out = node.publish_on(JointState, JOINTS, STATE)
        if self.has_wrist:
            self._wrist_out = node.publish_on(Odometry, WRIST, STATE)
        # The leading source last: when several messages wait, it is served when the others of its moment are there.
        for name, part in reversed(self._parts.items()):
            if isinstance(part, JointStatesPart):
                node.listen(JointState, part.topic, lambda msg, name=name: self._take_joints(name, msg))
            elif isinstance(part, ArmPart):
                node.listen(JointState, part.topic, self._take_arm)
            elif isinstance(part, OdometryPart):
                node.listen(Odometry, part.topic, self._take_odometry)

    def _take_joints(self, name: str, msg: JointState) -> None:
        state = self._maps[name].read(msg)
        # Another driver's message on a shared topic: `/joint_states` has many publishers.
        if not state.problem and not state.names:
            return
        merged = self._merger.take(name, time.monotonic(), convert.stamp_to_ns(msg.header.stamp), state)
        # While the oldest source says nothing new there is no new state: drivers at rates of their own are no fault,
        # and one that stands still becomes too old.
        if merged is not None and (merged.stamp != self._merged_stamp or len(self._merger.sources) == 1):
            self._merged_stamp = merged.stamp
            stamp = convert.stamp_from_ns(merged.stamp)
            if self._table.arm_joints:
                angles = dict(zip(merged.names, merged.position.tolist(), strict=True))
                self.arm = ({name: angles[name] for name in self._table.arm_joints}, time.monotonic())
            out = convert.joint_state_msg(merged.names, merged.position, merged.velocity, stamp)
            self._joints_out.publish(out)
            self._on_joints(out)

    def _take_arm(self, msg: JointState) -> None:
        state, now = self._arm_map.read(msg), time.monotonic()
        if not state.problem and not state.names:
            return
        source, joints = self._arm_source, self._kinematics.joint_names
        if not state.problem and state.names != joints:
            missing = [name for name in joints if name not in state.names]
            state = type(state)((), np.zeros(0), None, f"arm joint missing: {', '.join(missing)}")
        source.take(now, convert.stamp_to_ns(msg.header.stamp), state)
        if source.problem or source.state is None:
            return
        angles, speeds = source.state.position, source.state.velocity
        if speeds is None:
            source.problem = "arm joint states without velocities; set velocity: differentiated"
            return
        self.arm = (dict(zip(joints, angles.tolist(), strict=True)), now)
        wrist = self._kinematics.state(angles[None], speeds[None])
        pose, twist = (wrist.pos[0], wrist.quat[0]), (wrist.linvel[0], wrist.angvel[0])
        child = self._table.root_body
        self._say_wrist(
            convert.odometry_msg(*pose, *twist, frame=self._frame, child_frame=child, stamp=msg.header.stamp)
        )

    def _take_odometry(self, msg: Odometry) -> None:
        self._say_wrist(msg)

    def _say_wrist(self, msg: Odometry) -> None:
        self._wrist_out.publish(msg)
        self._on_wrist(msg)

    def report(self) -> dict[str, str]:
        """Values for /diagnostics: what is wrong with each source."""
        now = time.monotonic()
        rows = {f"states.{name}": words or "ok" for name, words in self._merger.complaints(now).items()}
        if any(isinstance(part, ArmPart) for part in self._parts.values()):
            rows["states of the arm"] = self._arm_source.complaint(now) or "ok"
        return rows
